"""Leases of actions; tests/dispatch/test_act.py tests how leased actions are carried out."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from dispatch.inbox.inbox import Inbox
from dispatch.inbox.leases import Claim, Dropped, NotYet
from dispatch.inbox.tables import Row, Value
from mlevents.testing.storage import NOW, AzureLimits
from tests.dispatch.inbox.recorded import add
from tests.kit.world import LEASE


def given(**values: Value) -> Callable[[Row], Row]:
    return lambda row: replace(row, values={**row.values, **values})


def without(name: str) -> Callable[[Row], Row]:
    return lambda row: replace(row, values={n: value for n, value in row.values.items() if n != name})


def test_action_is_claimed_once(inbox: Inbox) -> None:
    """The second worker tries again after the lease."""
    [message] = add(inbox, "ring")
    assert isinstance(inbox.leases.claim(message, NOW), Claim)
    assert inbox.leases.claim(message, NOW) == NotYet(NOW + LEASE)


def test_message_with_a_newer_version_than_its_row_is_accepted(inbox: Inbox) -> None:
    """The row may come from a backup, and no other message would be sent."""
    [first, second] = (message._replace(version=5) for message in add(inbox, "ring", "next"))
    assert isinstance(inbox.leases.claim(first, NOW), Claim)
    assert inbox.leases.rearm(second, NOW) == second._replace(version=2, after=timedelta(minutes=1))
    dropped = inbox.leases.claim(second._replace(version=1), NOW)
    assert isinstance(dropped, Dropped)
    assert dropped.reason == "a newer message has replaced it"
    assert inbox.leases.rearm(second._replace(version=1), NOW) == Dropped("a newer message has replaced it")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        pytest.param(given(schema=2), "this version knows 1", id="a newer schema"),
        pytest.param(given(schema="b"), "ValueError", id="another schema"),
        pytest.param(without("schema"), "KeyError: 'schema'", id="no schema"),
        pytest.param(without("denied_since"), "KeyError: 'denied_since'", id="a column missing"),
        pytest.param(given(state="{"), "JSONDecodeError", id="a state that is not JSON"),
        pytest.param(given(timeline="5"), "TypeError", id="a timeline that is not a list"),
    ],
)
def test_row_of_another_version_is_not_changed(
    inbox: Inbox, table: AzureLimits, change: Callable[[Row], Row], reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Its message is sent again later, the log names the reason, and the rest of the day stays readable."""
    [message, _] = add(inbox, "ring", "next")
    [row] = table.read(message.id.day, message.id.row, message.id.row + "!")
    table.commit(message.id.day, change(row))
    before = table.read(message.id.day, "", "~")
    assert inbox.leases.claim(message, NOW) == NotYet(NOW + timedelta(minutes=5))
    assert inbox.leases.rearm(message, NOW) == message._replace(after=timedelta(minutes=5))
    assert [id.rule for id, _ in inbox.history.day(message.id.day).actions] == ["next"]
    assert table.read(message.id.day, "", "~") == before
    assert not inbox.leases.has_lost_lock(message.id, NOW)
    logged = [record.getMessage() for record in caplog.records]
    assert len(logged) == 4
    assert all(text.startswith("action.foreign") and reason in text for text in logged)


def test_one_of_two_workers_that_read_the_same_row_claims_it(inbox: Inbox, table: AzureLimits) -> None:
    """The commit of the other one conflicts."""
    [message] = add(inbox, "ring")
    read = table.read

    class Stale(AzureLimits):
        """Reads the rows as they were before the other worker wrote."""

    stale = Stale(table.table)
    old = read("2026-11-22", "", "~")
    stale.read = lambda *_: old  # type: ignore[method-assign]
    assert isinstance(inbox.leases.claim(message, NOW), Claim)
    assert isinstance(Inbox(stale, LEASE).leases.claim(message, NOW), NotYet)


def test_unreadable_event_fails_its_action(inbox: Inbox, table: AzureLimits) -> None:
    """Its message would come again for ever otherwise."""
    [message] = add(inbox, "ring")
    [row] = table.read(message.id.day, message.id.event, message.id.event + "|")
    table.commit(message.id.day, Row(row.key, {**row.values, "raw": "{}"}, row.etag))
    dropped = inbox.leases.claim(message, NOW)
    assert isinstance(dropped, Dropped)
    assert "cannot be read" in dropped.reason
    assert inbox.history.day("2026-11-22").actions[0][1].status == "failed"
    assert inbox.backlog.open_actions("2026-11-22") == []


def test_replayed_action_has_another_key(inbox: Inbox) -> None:
    """Retries and crashes keep the key."""
    [message] = add(inbox, "ring")
    claim = inbox.leases.claim(message, NOW)
    assert isinstance(claim, Claim)
    again = replace(claim, record=replace(claim.record, replay_number=1))
    assert claim.action.key != again.action.key
    assert claim.action.key == replace(claim, record=replace(claim.record, crashes=3)).action.key
