"""Shared state, changed by compare and swap."""

import pytest

from dispatch.inbox.errors import Conflict, Unavailable
from dispatch.inbox.shared_state import SharedState
from dispatch.inbox.tables import Row
from mlevents.testing.storage import NOW, MemoryTable


class Contested(MemoryTable):
    """A table in which another worker is always faster."""

    left = 1_000_000

    def commit(self, partition: str, *rows: Row, delete: tuple[str | Row, ...] = ()) -> list[str]:
        if self.left:
            self.left -= 1
            raise Conflict("another worker was faster")
        return super().commit(partition, *rows, delete=delete)


def test_change_tries_again_after_conflicts() -> None:
    table = Contested()
    table.left = 12
    assert SharedState(table).change("lock|x", lambda value: {"n": "1"}, NOW) == {"n": "1"}
    assert SharedState(table).all("lock|") == {"lock|x": {"n": "1"}}


def test_change_raises_unavailable_after_many_conflicts() -> None:
    """The caller tries again later, instead of occupying a thread."""
    with pytest.raises(Unavailable, match=r"lock\|x"):
        SharedState(Contested()).change("lock|x", lambda value: {"n": "1"}, NOW)


def test_change_keeps_what_another_worker_wrote_meanwhile() -> None:
    shared = SharedState(MemoryTable())

    def slowly(value: dict[str, str]) -> dict[str, str]:
        if "other" not in value:
            shared.change("latest|r", lambda n: n | {"other": "1"}, NOW)
        return value | {"mine": "1"}

    assert shared.change("latest|r", slowly, NOW) == {"other": "1", "mine": "1"}
    assert shared.change("latest|r", lambda value: value, NOW) == {"other": "1", "mine": "1"}
