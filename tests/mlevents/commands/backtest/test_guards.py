"""How many actions the guards of a rule would have skipped, with `collect` and `at_least`."""

from datetime import timedelta

import pytest

from dispatch.guards.keys import GuardKeys
from handlers.log import Log
from mlevents.commands.backtest.guards import SimulatedGuards
from mlevents.testing.storage import NOW
from schemas import RunStatusChanged
from schemas.context import Context


def skipped(keys: dict[str, object], *minutes: float, runs: str = "") -> tuple[str, int]:
    """The names of the guards, and the number of events that they skip of those at these minutes."""
    found = SimulatedGuards.of(GuardKeys.model_validate(keys).guards(Log()))
    assert found
    for n, minute in enumerate(minutes):
        context = Context(RunStatusChanged.example(id=f"e{n}", run_id=runs[n] if runs else "a"), {"name": "ws"})
        found.add(context, NOW + timedelta(minutes=minute))
    return found.names, found.skipped()


@pytest.mark.parametrize(
    ("keys", "minutes", "expected"),
    [
        ({"collect": "15m"}, (0, 1, 14, 15, 16), ("collect", 3)),
        ({"collect": "15m", "at_most": {"count": 1, "every": "1d"}}, (0, 1, 15), ("collect and at_most", 2)),
        ({"at_least": {"count": 3, "within": "1h"}}, (0, 1, 2, 3, 4, 5), ("at_least", 4)),
        ({"at_least": {"count": 3, "within": "1h"}}, (0, 50, 100), ("at_least", 3)),
    ],
)
def test_events_for_which_another_action_acts_are_skipped(
    keys: dict[str, object], minutes: tuple[float, ...], expected: tuple[str, int]
) -> None:
    assert skipped(keys, *minutes) == expected


def test_each_value_of_by_has_windows_of_its_own() -> None:
    assert skipped({"collect": {"for": "15m", "by": "data.runId"}}, 0, 1, 2, runs="aba") == ("collect", 1)


def test_without_such_guards_there_is_nothing_to_count() -> None:
    assert SimulatedGuards.of(GuardKeys().guards(Log())) is None
