"""A message about all events of a window."""

from collections.abc import Mapping
from typing import Any

from handlers.base import Action
from handlers.content.summary import Summary, summarize
from handlers.email.default.page import default_page
from handlers.email.default.plain import plain_text
from handlers.slack.message import default_message as slack_message
from handlers.teams.card import default_message as teams_message
from schemas import Event, ModelRegistered, RunStatusChanged
from schemas.context import Context

WORKSPACE = {"name": "churn-prod", "labels": {"env": "prod"}, "timezone": "Europe/Berlin"}
ACTION = Action(rule="mail-failed")


def run(n: int, reason: str = "", status: str = "Failed", **workspace: Any) -> dict[str, Any]:
    """The view of an event, with the facts about its run if there is a reason."""
    event = RunStatusChanged.example(id=f"e{n}", run_id=f"run_{n}", run_status=status, event_time=time_of(n))
    view = Context(event, {**WORKSPACE, **workspace}).view()
    return view | ({"run": {"error": {"message": reason}}} if reason else {})


def time_of(n: int) -> str:
    return f"2026-11-22T{8 + n // 60:02}:{n % 60:02}:00Z"


def summary_of(*views: Mapping[str, Any], event: Event | None = None) -> Summary:
    first = event or RunStatusChanged.example(run_id="run_0", event_time=time_of(0))
    return summarize(Context(first, WORKSPACE, events=views).event_for_handler(), ACTION)


def rows(summary: Summary, title: str) -> list[tuple[str, str]]:
    return [row for section in summary.sections if section.title == title for row in section.rows]


def test_how_many_of_what_come_first() -> None:
    summary = summary_of(*map(run, range(500)))
    assert summary.headline == "500 runs failed in churn-prod"
    assert summary.subject == "[churn-prod] 500 runs failed in churn-prod"
    assert summary.facts == ("churn-prod (env prod)", "2026-11-22 09:00 to 17:19 CET")
    assert summary.tone == "bad"


def test_a_table_has_the_first_events_and_counts_the_others() -> None:
    listed = rows(summary_of(*map(run, range(500))), "Events")
    assert len(listed) == 26
    assert listed[0] == ("run_0", "2026-11-22 09:00")
    assert listed[-1] == ("…", "and 475 more")


def test_reasons_are_grouped() -> None:
    views = [run(n, "CUDA out of memory" if n < 3 else "ValueError: bad input file" if n < 5 else "") for n in range(6)]
    summary = summary_of(*views)
    assert rows(summary, "Reasons") == [("3", "CUDA out of memory"), ("2", "bad input file"), ("1", "unknown")]
    assert rows(summary, "Events")[0] == ("run_0", "CUDA out of memory · 2026-11-22 09:00")


def test_further_reasons_are_counted() -> None:
    summary = summary_of(*(run(n, f"Reason number {n}") for n in range(8)))
    assert rows(summary, "Reasons")[-1] == ("3", "other reasons")


def test_one_reason_for_all_is_in_the_headline() -> None:
    summary = summary_of(*(run(n, "CUDA out of memory") for n in range(3)))
    assert summary.headline == "3 runs failed in churn-prod: CUDA out of memory"
    assert rows(summary, "Reasons") == []
    assert rows(summary, "Events")[0] == ("run_0", "2026-11-22 09:00")


def test_events_of_several_kinds_are_counted_by_kind() -> None:
    model = Context(ModelRegistered.example(), WORKSPACE).view()
    summary = summary_of(run(0), run(1), run(2, status="NotResponding"), model)
    assert summary.headline == "4 events in churn-prod"
    assert summary.lead == ("2 runs failed", "1 run became notresponding", "1 model registered")
    assert ("churn:7", "model registered · 2026-11-22 09:42") in rows(summary, "Events")


def test_kinds_beyond_the_most_frequent_are_counted() -> None:
    summary = summary_of(*(run(n, status=f"Status{'abcdefg'[n]}") for n in range(7)))
    assert summary.lead[-1] == "and 2 other kinds of events"


def test_events_of_several_workspaces_name_them() -> None:
    summary = summary_of(run(0), run(1, name="churn-dev"))
    assert summary.headline == "2 runs failed in 2 workspaces"
    assert rows(summary, "Events")[1] == ("run_1", "churn-dev · 2026-11-22 09:01")


def test_ends_of_another_rule_are_counted_with_their_reasons() -> None:
    """A digest of what failed: a rule with `after` and `collect`."""
    views = [run(n) | {"result": {"rule": "deploy", "status": "failed", "summary": "no quota"}} for n in range(2)]
    summary = summary_of(*views)
    assert summary.headline == "2 actions of deploy failed in churn-prod: no quota"
    assert summary.tone == "bad"
    skipped = [view | {"result": {"rule": "deploy", "status": "skipped", "summary": "nothing to do"}} for view in views]
    assert summary_of(*skipped).headline == "2 actions of deploy were skipped in churn-prod: nothing to do"


def test_one_event_has_its_own_message() -> None:
    assert summary_of(run(0)).headline == "Run run_0 failed (experiment churn-training)"


def test_a_view_that_was_cut_is_listed_by_its_object() -> None:
    cut = {
        "object": "run_7",
        "eventType": "Microsoft.MachineLearningServices.RunCompleted",
        "eventTime": "…",
        "data": {},
    }
    summary = summary_of(cut, {"object": "run_8"})
    assert rows(summary, "Events") == [("run_7", "run completed"), ("run_8", "event happened")]
    assert summary.facts == ()


def test_events_at_one_time_and_of_several_days() -> None:
    assert summary_of(run(0), run(0)).facts[-1] == "2026-11-22 09:00 CET"
    night = [run(0), run(1) | {"eventTime": "2026-11-23T01:00:00Z"}]
    assert summary_of(*night).facts[-1] == "2026-11-22 09:00 to 2026-11-23 02:00 CET"


def test_texts_of_events_are_escaped_everywhere() -> None:
    hostile = run(0) | {"object": "<script>alert(1)</script>"}
    summary = summary_of(hostile, run(1, "<b>bold</b> reasons are here"))
    page = default_page(RunStatusChanged.example(), summary)
    assert "<script>" not in page
    assert "<b>bold" not in page
    assert "2 runs failed" in plain_text(summary)
    assert "2 runs failed" in str(slack_message(summary))
    assert "2 runs failed" in str(teams_message(summary))
