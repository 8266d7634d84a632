"""Guards and storage: a guard that cannot reach it is called again."""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from dispatch.inbox.errors import Unavailable
from dispatch.inbox.tables import Row, Table
from tests.dispatch.guards.kit import outcomes, run_event
from tests.kit.world import World, rule, rules


@dataclass
class Unreachable:
    """A table whose shared state cannot be read a few times."""

    inner: Table
    status: int
    times: int

    def read(self, partition: str, first: str, last: str) -> list[Row]:
        if partition == "notes" and self.times:
            self.times -= 1
            raise Unavailable("storage is busy", self.status)
        return self.inner.read(partition, first, last)

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
