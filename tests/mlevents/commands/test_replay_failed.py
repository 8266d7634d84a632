"""`mlevents replay --failed`, on the rows of an app in Azurite."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from dispatch.replay.deadletters import BlobResult
from dispatch.replay.redeliver import Ingested
from mlevents.commands.replay_failed import Progress
from mlevents.commands.replay_report import Report
from mlevents.console import Console
from schemas import RunStatusChanged
from tests.kit.any_input import one_in
from tests.kit.world import rule
from tests.mlevents.commands.deployed import Deployed, Terminal

START = datetime(2026, 11, 22, 8, tzinfo=UTC)
SPAN = ("--failed", "--from", "2026-11-20", "--until", "2026-11-23")


def event(number: int, at: datetime = START) -> RunStatusChanged:
    return RunStatusChanged.example(id=f"e{number}", run_id=f"run-{number}", event_time=at.isoformat())


@pytest.fixture
def failed(deployed: Deployed) -> Deployed:
    """Three events, of 21 and 22 November, with a failed action each, and another one of 24 November.

    The rules are valid now.
    """
    deployed.rules(rule("ring", "give-up broken"), rule("done"), rule("gone", "skip"))
    deployed.receive(event(1), event(2), event(3, START - timedelta(days=1)), event(4, START + timedelta(days=2)))
    deployed.work()
    deployed.rules(rule("ring"), rule("done"), rule("gone"), rule("new"))
    return deployed


def statuses(deployed: Deployed) -> dict[str, list[str]]:
    inbox = deployed.app.inbox
    found: dict[str, list[str]] = {}
    for day in inbox.history.days():
        for id, record in inbox.history.day(day).actions:
            found.setdefault(id.rule, []).append(f"{day[-2:]} {record.status} {record.replay_number}")
    return {name: sorted(ends) for name, ends in found.items()}


def test_failed_actions_of_the_span_run_again(failed: Deployed) -> None:
    """And no others: not those that succeeded, were skipped, or are missing."""
    code, lines = failed.replay(*SPAN, "--yes")
    assert (code, lines[0], lines[-1]) == (0, "3 failed actions of 3 events: ring 3", "3 events: 3 replayed")
    assert lines[1].startswith("2026-11-22 08:00:00  RunStatusChanged  churn-prod  run-")
    assert lines[2] == "    ring                            replayed      before: failed: broken"
    failed.work()
    assert statuses(failed) == {
        "ring": ["21 succeeded 1", "22 succeeded 1", "22 succeeded 1", "24 failed 0"],
        "done": ["21 succeeded 0", "22 succeeded 0", "22 succeeded 0", "24 succeeded 0"],
        "gone": ["21 skipped 0", "22 skipped 0", "22 skipped 0", "24 skipped 0"],
    }
    span = "from 2026-11-20 00:00:00 to 2026-11-23 00:00:00 UTC"
    assert failed.replay(*SPAN, "--yes") == (0, [f"no action failed, of events {span}", "0 events"])


def test_what_is_replayed_is_printed_as_json(failed: Deployed) -> None:
    """Nothing else is printed, so that a program can read it."""
    code, out = failed.run("replay", *SPAN, "--rule", "ring", "--dry-run", "--json")
    found = json.loads(out)
    assert (code, found["dryRun"], found["problems"], found["blobs"]) == (0, True, [], [])
    assert found["counts"] == {"events": 3, "replayed": 3}
    assert {event["id"] for event in found["events"]} == {"e1", "e2", "e3"}
    [action] = found["events"][0]["actions"]
    assert action == {"rule": "ring", "status": "replayed", "reason": "failed: broken"}
    assert statuses(failed)["ring"][0] == "21 failed 0"

    code, out = failed.run("replay", *SPAN, "--yes", "--json")
    assert (code, json.loads(out)["counts"]) == (0, {"events": 3, "replayed": 3})
    assert statuses(failed)["ring"][0] == "21 pending 1"

    code, out = failed.run("replay", "no-such-event", "--json")
    assert code == 1
    assert json.loads(out)["problems"][0].startswith("there is no event no-such-event; ")


def test_failed_actions_of_one_rule_run_again(failed: Deployed) -> None:
    span = "from 2026-11-20 00:00:00 to 2026-11-23 00:00:00 UTC"
    assert failed.replay(*SPAN, "--yes", "--rule", "done")[1][0] == (
        f"no action of the rule done failed, of events {span}"
    )
    assert failed.replay(*SPAN, "--yes", "--rule", "ring")[1][-1] == "3 events: 3 replayed"


def test_dry_run_asks_nothing_and_changes_nothing(failed: Deployed) -> None:
    before = statuses(failed)
    code, lines = failed.replay(*SPAN, "--dry-run")
    assert (code, lines[:2]) == (
        0,
        ["dry run: this is what would be done", "3 failed actions of 3 events: ring 3"],
    )
    assert lines[-1] == "3 events: 3 replayed"
    assert statuses(failed) == before


@pytest.mark.parametrize("answer", one_in(3, ["y\n", "Yes\n", "", "\n", "no\n"]))
def test_nothing_runs_without_a_yes(failed: Deployed, monkeypatch: pytest.MonkeyPatch, answer: str) -> None:
    code = 0 if answer.casefold().startswith("y") else 1
    before = statuses(failed)
    monkeypatch.setattr("sys.stdin", Terminal(answer))
    found, lines = failed.replay(*SPAN)
    assert found == code
    assert ("nothing was replayed" in "".join(lines)) == (code == 1)
    assert (statuses(failed) == before) == (code == 1)


def test_rule_that_is_missing_today_is_reported(failed: Deployed) -> None:
    """And the exit code is 1."""
    failed.rules(rule("done"))
    code, lines = failed.replay(*SPAN, "--yes")
    assert code == 1
    assert lines[2] == "    ring                            not replayed  there is no such rule today"


def test_progress_is_reported_at_most_once_a_second() -> None:
    times = iter([0.0, 0.9, 1.0, 1.0, 1.5, 2.1, 2.1])
    progress = Progress(console := Console(), lambda: next(times))
    for text in ("a", "b", "c", "d"):
        progress.report(text)
    assert [*console.lines] == ["b", "d"]


def test_accepted_events_and_blobs_are_printed_as_json() -> None:
    report = Report(Console(None), as_json=True)
    report.accepted(Ingested("new", "e1", "RunCompleted", "run-1"))
    report.blob(BlobResult("a.json", (Ingested("rejected", "", "", reason="no JSON"),), problem="cannot be deleted"))
    found = report.json(dry_run=False)
    assert found["events"] == [
        {"id": "e1", "type": "RunCompleted", "object": "run-1", "status": "new", "reason": ""},
        {"id": "", "type": "", "object": "", "status": "rejected", "reason": "no JSON"},
    ]
    assert found["blobs"] == [{"name": "a.json", "deleted": False, "problem": "cannot be deleted"}]
    assert found["counts"] == {"events": 2, "new": 1, "blobs": 1, "rejected": 1}
