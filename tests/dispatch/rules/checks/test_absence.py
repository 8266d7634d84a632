"""Errors and warnings about `expect`, `still_after` and `unless`."""

from pathlib import Path

import pytest

from dispatch.rules import load
from tests.kit.world import SETTINGS, WORKSPACES, entry, rules

HINT = "Write within: 12h, to count the events of the 12 hours before it."
NIGHTLY = 'event: RunCompleted, by: "06:30"'


def findings(folder: Path, **keys: str) -> tuple[list[str], list[str]]:
    """The errors and the warnings about a rule, without the file."""
    inner = folder / "rules"
    inner.mkdir()
    (inner / "workspaces.yaml").write_text(WORKSPACES)
    (inner / "team.yaml").write_text(rules(entry({"name": "a", **keys, "do": "log"})))
    loaded = load(inner, SETTINGS)
    return tuple(
        [str(each).removeprefix("rules/team.yaml:") for each in found] for found in (loaded.errors, loaded.warnings)
    )  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("keys", "error"),
    [
        (
            {"on": "RunCompleted", "expect": f"{{ {NIGHTLY} }}"},
            "2:5: rule a needs either 'on' or 'expect', not both. 'on' lists the events on which it acts, 'expect' the "
            "event whose absence it reports, 'after' the rules it follows.",
        ),
        (
            {"expect": "{ event: RunCompleted }"},
            "3:13: expect has no 'by'. It is the time of day until which the event must come: by: \"06:30\".",
        ),
        (
            {"expect": "{ event: RunCompleted, by: 25:00 }"},
            '3:40: expect.by: \'25:00\' is not a time of day; write "00:00" to "23:59"',
        ),
        (
            {"expect": f"{{ {NIGHTLY}, days: Mon-Friday-Sun }}"},
            "3:55: expect.days: 'Friday-Sun' is not a day of the week; "
            "write Mon, Tue, Wed, Thu, Fri, Sat, Sun or Mon-Fri",
        ),
        ({"expect": f"{{ {NIGHTLY}, days: [] }}"}, "3:55: expect.days is empty"),
        (
            {"expect": f"{{ {NIGHTLY}, timezone: Europe/Athen }}"},
            "3:59: timezone: there is no time zone 'Europe/Athen'. Did you mean Europe/Athens?",
        ),
        (
            {"expect": f"{{ {NIGHTLY}, holidays: [2026-02-30] }}"},
            "3:60: expect.holidays[0]: '2026-02-30' is not a date; write 2026-12-25, or 12-25 for every year",
        ),
        ({"expect": f"{{ {NIGHTLY}, within: 40d }}"}, "3:57: expect.within: write a span of at most 31d"),
        (
            {"expect": f"{{ {NIGHTLY}, except: 12-25 }}"},
            "3:49: unknown key 'except' in expect. Write holidays: [2026-12-25].",
        ),
        (
            {"expect": '{ event: Expected, by: "06:30" }'},
            "3:22: a rule cannot expect Expected: it is the event that says what did not come. "
            "Name the event that must come, such as RunCompleted.",
        ),
        (
            {"expect": '{ event: RunCompleted, by: "00:00" }'},
            f"3:40: the rule would always act: events count since midnight, and the deadline is midnight. {HINT}",
        ),
        (
            {"expect": f"{{ {NIGHTLY}, when: data.modelName StringIn churn }}"},
            "3:55: RunCompleted has no key data.modelName. ModelRegistered, ModelArchived, ModelRestored, "
            "ModelTagged and RegistryModelRegistered have data.modelName.",
        ),
        (
            {"expect": f"{{ {NIGHTLY}, when: run.duration NumberLessThan 3 }}"},
            "3:55: run is asked of the service when an action runs, and this is compared when an event is received. "
            "Name keys of the event, such as those under data.",
        ),
        (
            {"on": "RunCompleted", "still_after": "1h", "unless": "{ event: ModelRegistered, same: data.runId }"},
            "5:45: ModelRegistered has no key data.runId. DatasetDriftDetected, RunCompleted and RunStatusChanged have "
            "data.runId.",
        ),
        (
            {"on": "RunCompleted", "still_after": "1h", "unless": "{ event: RunCompleted, same: a..b }"},
            "5:42: unless: 'a..b' is not a key. Write names separated by dots, such as data.runStatus",
        ),
        (
            {"on": "RunCompleted", "still_after": "soon"},
            "4:18: still_after: 'soon' is not a duration; write 30s, 10m, 4h, 7d or 1h30m",
        ),
    ],
    ids=lambda value: str(value)[:60],
)
def test_error_has_its_position_and_a_hint(tmp_path: Path, keys: dict[str, str], error: str) -> None:
    found, _ = findings(tmp_path, **keys)
    assert found == [error]


@pytest.mark.parametrize(
    ("keys", "warning"),
    [
        (
            {"expect": '{ event: RunCompleted, by: "00:30" }'},
            f"3:40: only events between 00:00 and 00:30 count. {HINT}",
        ),
        (
            {"on": "RunStatusChanged", "unless": "{ event: RunCompleted, same: object }"},
            "4:13: the rule acts within seconds, and sees only what is on record then. Write still_after: 1h beside "
            "unless, to act later, or within: 1h in it, to look at earlier events.",
        ),
        (
            {
                "on": "[RunCompleted, ModelRegistered]",
                "unless": "{ event: RunCompleted, same: data.runId, within: 1h }",
            },
            "4:42: ModelRegistered has no data.runId, and is not compared. Name a key that all have, such as object.",
        ),
    ],
    ids=lambda value: str(value)[:60],
)
def test_warning_about_what_is_probably_not_meant(tmp_path: Path, keys: dict[str, str], warning: str) -> None:
    errors, warnings = findings(tmp_path, **keys)
    assert (errors, warnings) == ([], [warning])


def test_handler_that_cannot_act_on_missing_events_is_an_error(tmp_path: Path) -> None:
    inner = tmp_path / "rules"
    inner.mkdir()
    (inner / "workspaces.yaml").write_text(WORKSPACES)
    text = entry({"name": "a", "expect": f"{{ {NIGHTLY} }}", "do": "deploy", "with": "{ endpoint: churn }"})
    (inner / "team.yaml").write_text(rules(text))
    assert "deploy cannot act on Expected" in str(load(inner, SETTINGS).errors[0])


def test_too_many_rules_that_ask_for_one_event_are_an_error(tmp_path: Path) -> None:
    """An event has so many names in the index only."""
    inner = tmp_path / "rules"
    inner.mkdir()
    (inner / "workspaces.yaml").write_text(WORKSPACES)
    many = (entry({"name": f"a{n}", "expect": f"{{ {NIGHTLY} }}", "in": "churn-dev", "do": "log"}) for n in range(49))
    (inner / "team.yaml").write_text(rules(*many))
    assert "more than 48 rules act on" in str(load(inner, SETTINGS).errors[0])
