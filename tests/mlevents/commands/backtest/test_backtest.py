"""What rules would have done with the events on record, beside what was done, and beside a baseline."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from dispatch.inbox.tables import MAX_ROWS, Row
from dispatch.secrets import Secrets
from mlevents.commands.backtest.reading import Span, pages
from mlevents.commands.backtest.report import as_json, as_lines, as_markdown
from schemas import ModelRegistered, RunStatusChanged
from tests.kit.world import World, alerting_world, entry, rule, rules
from tests.mlevents.commands.backtest.past import WEEK, ReadOnly, backtest, lines, loaded

FAILED = "data.runStatus StringIn Failed"
MAIL = {"name": "mail", "on": "RunStatusChanged", "do": "email", "with": "{ to: team@example.com }"}


def run(id: str, status: str = "Failed", time: str = "2026-11-20T10:00:00Z", **fields: Any) -> RunStatusChanged:
    return RunStatusChanged.example(id=id, run_id=f"run-{id}", run_status=status, event_time=time, **fields)


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Three failed runs were mailed, and one that was canceled was not."""
    (tmp_path / "world").mkdir()
    world = World(rules(rule("mail", when=FAILED)), tmp_path / "world")
    world.receive(*(run(f"e{n}", time=f"2026-11-20T10:00:0{n}Z") for n in range(3)), run("c", "Canceled"))
    world.run()
    return world


def test_rules_are_compared_with_what_was_done(world: World, tmp_path: Path) -> None:
    new = loaded(
        tmp_path, "new", entry({**MAIL, "when": "data.runId StringIn run-e1 run-c"}), entry({**MAIL, "name": "all"})
    )
    found = backtest(world, new)
    assert lines(found) == {
        "mail": [
            "fires on 2 events",
            "newly fires on 1 event: c",
            "no longer fires on 2 events: e2, e0",
            "1 recipient: team@example.com",
            "on record: 3 succeeded",
        ],
        "all": [
            "fires on 4 events",
            "newly fires on 4 events: e2, e1, c, …",
            "1 recipient: team@example.com",
            "on record: nothing",
        ],
    }
    assert found.summary == "2 of 2 rules fire on other events than in the record, 0 template errors"


def test_rules_are_compared_with_a_baseline(world: World, tmp_path: Path) -> None:
    """What was done is shown beside it."""
    old = loaded(tmp_path, "old", entry({**MAIL, "when": FAILED}), entry({**MAIL, "name": "gone"}))
    new = loaded(tmp_path, "new", entry({**MAIL, "when": "data.runStatus StringIn Failed Canceled"}))
    found = lines(backtest(world, new, old))
    assert found["mail"] == [
        "fires on 4 events",
        "newly fires on 1 event: c",
        "1 recipient: team@example.com",
        "on record: 3 succeeded",
    ]
    assert found["gone"][0] == "is not among these rules"
    assert found["gone"][1].startswith("no longer fires on 4 events: ")
    unchanged = backtest(world, old, old)
    assert unchanged.summary == "0 of 2 rules fire on other events than in the baseline, 0 template errors"


def test_events_outside_of_the_span_are_not_read(world: World, tmp_path: Path) -> None:
    world.receive(run("early", time="2026-11-20T07:59:59Z"), run("first", time="2026-11-20T08:00:00Z"))
    world.receive(run("last", time="2026-11-20T09:59:59.999Z"), run("other-day", time="2026-11-19T09:00:00Z"))
    world.receive(run("undated", time=None))  # type: ignore[arg-type]
    new = loaded(tmp_path, "new", entry(MAIL))
    span = Span(datetime(2026, 11, 20, 8, tzinfo=UTC), datetime(2026, 11, 20, 10, tzinfo=UTC))
    read = [event.record.id for page in pages(ReadOnly(world.table), span) for event in page]
    assert sorted(read) == ["first", "last"]
    assert backtest(world, new, span=span).backtest.events == 2
    assert [event.record.id for page in pages(ReadOnly(world.table), WEEK) for event in page][-1] == "undated"


def test_a_long_day_is_read_by_pages(world: World, tmp_path: Path) -> None:
    """Each event once, with all of its actions, also where a page ends among them; none is lost."""
    template = next(row for row in world.table.read("2026-11-20", "0", "x") if "|" not in row.key)
    [mail, *_] = [row for row in world.table.read("2026-11-20", "0", "x") if row.key.endswith("|mail")]
    for n in range(700):
        key = f"{n:08d}-{n:032x}"
        rows = [
            Row(key, {**template.values, "id": f"many-{n}"}),
            Row(f"{key}|a", mail.values),
            Row(f"{key}|b", mail.values),
        ]
        world.table.commit("2026-11-20", *rows)
    table = ReadOnly(world.table)
    found = [event for page in pages(table, WEEK) for event in page]
    assert len({event.record.id for event in found}) == len(found) == 704
    assert all(len(event.actions) == 2 for event in found if event.record.id.startswith("many"))
    assert table.reads == 4  # the days, and 2,107 rows


def test_event_with_more_actions_than_a_page_has_rows_is_read_whole(world: World) -> None:
    template = next(row for row in world.table.read("2026-11-20", "0", "x") if "|" not in row.key)
    [mail, *_] = [row for row in world.table.read("2026-11-20", "0", "x") if row.key.endswith("|mail")]
    key = f"{1:08d}-{1:032x}"
    world.table.commit("2026-11-20", Row(key, {**template.values, "id": "big"}))
    for n in range(MAX_ROWS + 5):
        world.table.commit("2026-11-20", Row(f"{key}|r{n}", mail.values))
    found = {event.record.id: event for page in pages(ReadOnly(world.table), WEEK) for event in page}
    assert len(found) == 5
    assert len(found["big"].actions) == MAX_ROWS + 5


def test_rules_that_follow_others_follow_the_end_on_record(tmp_path: Path) -> None:
    (tmp_path / "world").mkdir()
    world = World(rules(rule("mail", "give-up no server", when=FAILED)), tmp_path / "world")
    world.receive(run("e1"), run("c", "Canceled"))
    world.run()
    message = '{ message: "{{ result.summary }}" }'
    follower = {"name": "log-failure", "after": "{ rules: mail, outcome: failed }", "do": "log", "with": message}
    after_success = {"name": "log-success", "after": "{ rules: mail }", "do": "log"}
    dry = {"name": "dry", "on": "RunStatusChanged", "dry_run": "true", "do": "log"}
    after_dry = {"name": "log-dry", "after": "{ rules: dry, outcome: skipped }", "do": "log"}
    new = loaded(tmp_path, "new", *map(entry, (MAIL, follower, after_success, dry, after_dry)))
    found = lines(backtest(world, new))
    unknown = "not known on 1 event: no end of a rule that it follows is on record"
    assert found["log-failure"] == ["fires on 1 event", "newly fires on 1 event: e1", unknown, "on record: nothing"]
    assert found["log-success"] == ["fires on 0 events", unknown, "on record: nothing"]
    assert found["log-dry"][0] == "fires on 2 events"


def test_templates_that_fail_are_counted_with_the_first_event(world: World, tmp_path: Path) -> None:
    message = '{ message: "{{ data.runTags.nothing }}" }'
    new = loaded(
        tmp_path,
        "new",
        entry({"name": "log-tag", "on": "RunStatusChanged", "do": "log", "with": message}),
        entry({**MAIL, "with": '{ to: "{{ data.runTags.owner }}", allowed_domains: [example.org] }'}),
    )
    report = backtest(world, new)
    first = report.backtest.rules.tallies["log-tag"].errors
    assert (first.count, first.event) == (4, "e2")
    assert f"a template or the handler fails on 4 events, first on {first.event}: " in "\n".join(
        lines(report)["log-tag"]
    )
    assert "without a recipient on 4 events" in lines(report)["mail"]
    assert report.backtest.errors == 4


def test_handler_that_would_give_up_is_no_error(world: World, tmp_path: Path) -> None:
    world.receive(ModelRegistered.example(id="m", event_time="2026-11-20T10:00:00Z"))
    settings = "{ endpoint: '{{ data.modelName }} x', allowed_endpoints: ['*'] }"
    new = loaded(tmp_path, "new", entry({"name": "d", "on": "ModelRegistered", "do": "deploy", "with": settings}))
    report = backtest(world, new)
    assert any(line.startswith("would give up on 1 event, first on m: ") for line in lines(report)["d"])
    assert report.backtest.errors == 0


def test_secrets_in_reasons_are_masked(world: World, tmp_path: Path) -> None:
    message = "{ message: \"{{ data.runTags['hunter2-hunter2'] }}\" }"
    new = loaded(tmp_path, "new", entry({"name": "a", "on": "RunStatusChanged", "do": "log", "with": message}))
    report = backtest(world, new, secrets=Secrets(("hunter2-hunter2",)))
    assert "hunter2" not in as_json(report)
    assert "***" in as_json(report)


GUARDS = [
    ({"at_most": "{ count: 1, every: 1h }"}, "at_most would skip 3 of them"),
    ({"at_most": "{ count: 2, every: 7d, by: data.experimentName }"}, "at_most would skip 2 of them"),
    ({"at_most": "{ count: 1, every: 7d, by: data.runTags.nothing }"}, "at_most would skip 0 of them"),
    ({"latest_only": "true"}, "latest_only would skip 1 of them"),
    (
        {"at_most": "{ count: 1, every: 7d, by: data.runId }", "latest_only": "true"},
        "at_most and latest_only would skip 2 of them",
    ),
]


@pytest.mark.parametrize(("keys", "line"), GUARDS)
def test_guards_are_simulated_in_the_order_of_arrival(tmp_path: Path, keys: dict[str, str], line: str) -> None:
    """Of a run, an event that happened earlier arrives later; another run's event comes between them."""
    (tmp_path / "world").mkdir()
    world = World(rules(rule("none", when="data.runStatus StringIn None")), tmp_path / "world")
    for id, time, name in (("a", "10:00", "x"), ("b", "10:30", "y"), ("c", "09:00", "x"), ("d", "10:45", "y")):
        world.receive(
            RunStatusChanged.example(id=id, run_id=name, run_status="Failed", event_time=f"2026-11-20T{time}:00Z")
        )
        world.clock.forward(minutes=10)
    new = loaded(tmp_path, "new", entry({"name": "guarded", "on": "RunStatusChanged", **keys, "do": "log"}))
    assert line in lines(backtest(world, new))["guarded"]


def test_alerts_and_unreadable_events_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "world").mkdir()
    world = alerting_world(tmp_path / "world", rule("mail", "give-up no"))
    world.receive(run("e1"))
    world.run()
    event = next(row for row in world.table.read("2026-11-20", "0", "x") if "|" not in row.key)
    world.table.commit("2026-11-20", Row(f"{5:08d}-{5:032x}", {**event.values, "raw": "{}"}))
    world.table.commit("2026-11-20", Row(f"{4:08d}-{4:032x}", {**event.values, "event_type": "Alert"}))
    topic = "/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/other"
    other = json.dumps(run("o", topic=topic).wire())
    world.table.commit("2026-11-20", Row(f"{6:08d}-{6:032x}", {**event.values, "raw": other}))
    report = backtest(world, loaded(tmp_path, "new", entry(MAIL)))
    assert [*report.about][1:] == [
        "1 event cannot be read by this version",
        "1 event of workspaces that workspaces.yaml does not list",
    ]
    assert (report.backtest.events, [*report.backtest.done]) == (3, ["mail"])


def test_json_has_the_numbers(world: World, tmp_path: Path) -> None:
    found = json.loads(as_json(backtest(world, loaded(tmp_path, "new", entry({**MAIL, "when": FAILED})))))
    assert (found["events"], found["comparedWith"], found["since"]) == (4, "the record", "2026-11-16T00:00:00+00:00")
    [mail] = found["rules"]
    assert mail == {
        "rule": "mail",
        "source": "new/team.yaml:2",
        "fires": 3,
        "newly": {"count": 0, "examples": []},
        "noLonger": {"count": 0, "examples": []},
        "recipients": ["team@example.com"],
        "withoutRecipient": 0,
        "errors": {"count": 0, "event": None, "reason": None},
        "givesUp": {"count": 0, "event": None, "reason": None},
        "unknown": 0,
        "skippedByGuards": 0,
        "done": {"succeeded": 3},
    }


def test_markdown_has_a_table_and_what_has_changed(world: World, tmp_path: Path) -> None:
    """It has no addresses, and nothing of an event is markup."""
    world.receive(run("<b>@team|`x`", "Queued"))
    new = loaded(
        tmp_path,
        "new",
        entry({**MAIL, "when": "data.runStatus StringIn Failed Queued"}),
        entry({**MAIL, "name": "same", "when": "data.runStatus StringIn None"}),
    )
    text = as_markdown(backtest(world, new))
    assert text.startswith("### Backtest: 1 of 2 rules fires on other events than in the record, 0 template errors\n")
    assert "| `mail` | 4 | 1 |  |  | 1 | 3 succeeded |\n| `same` |  |  |  |  |  | nothing |\n" in text
    assert "**`mail`** `new/team.yaml:2`\n\n- fires on 4 events\n- newly fires on 1 event: `<b>@team|'x'`\n" in text
    assert "**`same`**" not in text
    assert "example.com" not in text


def test_text_fits_80_columns_on_a_terminal(world: World, tmp_path: Path) -> None:
    """The console wraps lines; no word is longer."""
    new = loaded(tmp_path, "new", entry(MAIL))
    assert max(len(word) for line, _ in as_lines(backtest(world, new)) for word in line.split()) < 72
