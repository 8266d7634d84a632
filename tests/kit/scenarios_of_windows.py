"""Scenarios of windows: each event is acted on in exactly one of them."""

from collections import Counter

from tests.kit.crash_enumeration import DAY, Scenario, ScenarioRun, effects_of
from tests.kit.scenarios import file, run_event, scripted_rule


def windows_of(run: ScenarioRun, rule: str) -> list[tuple[str, ...]]:
    """The events of each window on which a rule has acted. A repeated effect has the same events."""
    found: dict[str, set[tuple[str, ...]]] = {}
    for effect in effects_of(run, rule):
        found.setdefault(effect.key, set()).add(effect.events)
    assert all(len(events) == 1 for events in found.values()), "a window does not change once it is acted on"
    return [events for [events] in found.values()]


def _each_in_one_window(run: ScenarioRun) -> None:
    """Each event is in exactly one window, and an action that is skipped names the action of its window."""
    windows = windows_of(run, "collected")
    assert Counter(id for events in windows for id in events) == Counter(event.id for event in run.scenario.events)
    history = run.inbox.history.day(DAY)
    for id, record in history.actions:
        own, leader = history.events[id.event].id, record.note.rpartition(" of ")[0].rpartition(" ")[2]
        acts = history.events[leader].id if record.status == "skipped" else own
        assert any({own, acts} <= {*events} for events in windows)
    assert [window for rule in run.inbox.windows.rules() for window in run.inbox.windows.open(rule)] == []


COLLECTED = Scenario(
    "collected",
    files={"team.yaml": file("collected", scripted_rule("collected", "retry", "succeed", collect="2m"))},
    events=tuple(run_event(f"e{n}", "Failed", n) for n in range(3)),
    ends={(f"e{n}", "collected"): "succeeded skipped" for n in range(3)},
    check=_each_in_one_window,
)


def _acted_when_full(run: ScenarioRun) -> None:
    """The rule acts once, and is told two events or all three: one of which may have joined while the window closed."""
    [events] = windows_of(run, "counted")
    assert len(events) in (2, 3)
    assert len({*events}) == len(events)
    statuses = sorted(record.status for record in run.actions().values())
    assert statuses == ["skipped", "skipped", "succeeded"]


COUNTED = Scenario(
    "counted",
    files={
        "team.yaml": file(
            "counted",
            scripted_rule("counted", "retry", "succeed", at_least="{ count: 2, within: 12h, by: data.runId }"),
        )
    },
    events=tuple(run_event(f"e{n}", "Failed", n) for n in range(3)),
    ends={(f"e{n}", "counted"): "succeeded skipped" for n in range(3)},
    check=_acted_when_full,
)

WINDOWED = (COLLECTED, COUNTED)
