"""The history and the open actions of a day."""

from datetime import UTC, datetime

from dispatch.inbox.inbox import Inbox
from dispatch.inbox.rows import Rejected
from dispatch.inbox.tables import Row
from mlevents.testing.storage import NOW, AzureLimits
from tests.dispatch.inbox.recorded import add
from tests.kit.world import LEASE


def test_days_lists_the_partitions(inbox: Inbox, table: AzureLimits) -> None:
    """Partitions of events and of rejections; a second process finds the row that the first one wrote."""
    add(inbox, "ring")
    inbox.reject(Rejected("malformed", "no JSON", "{", datetime(2026, 11, 23, tzinfo=UTC)))
    add(Inbox(table, LEASE), "ring")
    assert inbox.history.days() == ["2026-11-22", "2026-11-23"]


def test_day_history_has_events_actions_and_rejections(inbox: Inbox) -> None:
    add(inbox, "ring")
    inbox.reject(Rejected("malformed", "no JSON", "{", NOW))
    history = inbox.history.day("2026-11-22")
    assert [event.id for event in history.events.values()] == ["e1"]
    assert [(id.rule, record.status) for id, record in history.actions] == [("ring", "pending")]
    assert [rejected.raw for rejected in history.rejected] == ["{"]


def test_day_history_skips_unreadable_rows(inbox: Inbox, table: AzureLimits) -> None:
    """Of events, actions and rejections."""
    add(inbox, "ring")
    table.commit("2026-11-22", Row("00000000-odd", {}), Row("00000000-odd|ring", {}), Row("x|odd", {}))
    history = inbox.history.day("2026-11-22")
    assert ([e.id for e in history.events.values()], len(history.actions), history.rejected) == (["e1"], 1, [])


def test_open_actions_lists_actions_that_have_not_ended(inbox: Inbox) -> None:
    messages = add(inbox, "ring", "next")
    assert inbox.backlog.open_actions("2026-11-22") == sorted(message.id for message in messages)
    assert inbox.backlog.open_actions("2026-11-21") == []
