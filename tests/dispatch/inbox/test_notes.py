"""Notes: small facts, changed by compare and swap."""

import pytest

from dispatch.inbox.errors import Conflict, Unavailable
from dispatch.inbox.shared_state import SharedState
from dispatch.inbox.tables import Row
from tests.kit.storage import NOW, MemoryTable


class Contested(MemoryTable):
    """A table that somebody else is always quicker to write into."""

    left = 1_000_000

    def commit(self, partition: str, *rows: Row, delete: tuple[str | Row, ...] = ()) -> list[str]:
        if self.left:
            self.left -= 1
            raise Conflict("somebody was quicker")
        return super().commit(partition, *rows, delete=delete)


def test_a_note_that_others_change_is_changed_when_they_let_it() -> None:
    table = Contested()
    table.left = 12
    assert SharedState(table).change("lock|x", lambda note: {"n": "1"}, NOW) == {"n": "1"}
    assert SharedState(table).all("lock|") == {"lock|x": {"n": "1"}}


def test_a_note_that_others_never_let_change_is_an_error_like_any_of_storage() -> None:
    """Whoever wants it is asked again, instead of holding a thread."""
    with pytest.raises(Unavailable, match=r"lock\|x"):
        SharedState(Contested()).change("lock|x", lambda note: {"n": "1"}, NOW)
