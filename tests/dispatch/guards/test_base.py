"""Guards and storage: a guard that cannot reach it is called again; one whose state it refuses fails the action."""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from dispatch.inbox.errors import Refused, Unavailable
from dispatch.inbox.tables import Row, Table
from tests.dispatch.guards.kit import outcomes, run_event
from tests.dispatch.test_settle import Faulty
from tests.kit.world import World, rule, rules


@pytest.mark.parametrize("key", ["latest_only", "at_most"])
def test_an_action_fails_if_storage_refuses_the_state_of_its_guard(key: str, tmp_path: Path) -> None:
    """Storage would refuse it every time."""
    world = World(rules(rule("ring", **{key: "true" if key == "latest_only" else "{ count: 1, every: 1d }"})), tmp_path)
    world.receive(run_event("e1", "Failed", 1))
    error = Refused("too large", 400, "PropertyValueTooLarge")
    world.table = Faulty(world.table, lambda row: "note" in row.values and "keep" in row.values, [error])  # type: ignore[assignment]  # it wraps the table
    world.run()
    assert outcomes(world) == {"e1": "failed: storage cannot hold the state of the rule's guard: PropertyValueTooLarge"}
    assert world.calls == []


@dataclass
class Unreachable:
    """A table whose shared state cannot be read a few times."""

    inner: Table
    status: int
    times: int

    def read(self, partition: str, first: str, last: str, limit: int | None = None) -> list[Row]:
        if partition == "notes" and self.times:
            self.times -= 1
            raise Unavailable("storage is busy", self.status)
        return self.inner.read(partition, first, last, limit)

    def commit(self, partition: str, *rows: Row, delete: tuple[str | Row, ...] = ()) -> list[str]:
        return self.inner.commit(partition, *rows, delete=delete)


@pytest.mark.parametrize("status", [400, 403, 413, 429, 503])
def test_a_guard_that_cannot_reach_storage_is_called_again(status: int, tmp_path: Path) -> None:
    """Whatever status storage returns: it is neither a failure of the handler nor a throttled service."""
    world = World(rules(rule("ring", latest_only="true")), tmp_path)
    world.receive(run_event("e1", "Failed", 1))
    world.table = Unreachable(world.table, status, times=3)  # type: ignore[assignment]  # it wraps the table
    world.run()
    assert outcomes(world) == {"e1": "succeeded: done"}
    record = world.actions["ring"]
    assert (record.failures, record.crashes, len(world.calls)) == (0, 0, 1)
    assert "waiting" in {moment.status for moment in record.timeline}
    assert record.timeline[-1].at - record.timeline[0].at < timedelta(minutes=3)
