"""Adding events and rejections to the record."""

import pytest

from dispatch.inbox.inbox import Inbox
from dispatch.inbox.rows import Rejected
from mlevents.testing.runs import WorkerDied
from mlevents.testing.storage import NOW, AzureLimits
from tests.dispatch.inbox.recorded import add
from tests.kit.faults import CrashAt
from tests.kit.world import LEASE


@pytest.mark.parametrize("calls", [1, 2])
@pytest.mark.parametrize("rejected", [False, True])
def test_day_is_listed_before_it_has_rows(table: AzureLimits, calls: int, rejected: bool) -> None:
    """A crash after any write leaves no row in an unlisted day, where nothing would find it."""
    inbox = Inbox(CrashAt((calls, "after")).table(table), LEASE)
    with pytest.raises(WorkerDied):
        inbox.reject(Rejected("malformed", "no JSON", "{", NOW)) if rejected else add(inbox, "ring")
    written = {row.key for row in table.read("2026-11-22", "", "~")}
    assert len(written) == {(1, False): 0, (2, False): 4, (1, True): 0, (2, True): 2}[calls, rejected]
    assert Inbox(table, LEASE).history.days() == ["2026-11-22"]
