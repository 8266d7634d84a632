"""Open windows whose leader has ended before it closed them: another member acts in its place.

A leader closes its window before it acts, and no guard skips it. It can still end before that: its worker died five
times, or its rule had lost `collect` when it was called again after a crash. The members have ended by then: so one of
them is opened again, to lead the window.
"""

from datetime import datetime, timedelta

from dispatch.inbox.actions import NewAction, opened, read_action
from dispatch.inbox.errors import Conflict
from dispatch.inbox.messages import Message
from dispatch.inbox.tables import Table
from dispatch.inbox.windows.store import Windows
from dispatch.inbox.windows.window import Window

_NOTE = "acts for its window, because the action that led the window has ended"


def replace_leaders(table: Table, windows: Windows, rule: str, grace: timedelta, now: datetime) -> list[Message]:
    """Open an action of each window of a rule that was due longer than `grace` ago and whose leader has ended.

    Returns the messages to send. Raises StorageError.
    """
    overdue = (window for window in windows.open(rule) if window.ends and window.ends + grace < now)
    found = (_new_leader(table, windows, window, now) for window in overdue if _has_no_leader(table, window))
    return [message for message in found if message]


def _has_no_leader(table: Table, window: Window) -> bool:
    """Has the leader ended, or is there no record of it?"""
    row, record = read_action(table, window.leader) if window.leader else (None, None)
    return row is None or (record is not None and record.ended)


def _new_leader(table: Table, windows: Windows, window: Window, now: datetime) -> Message | None:
    """Open a member that has ended again, as the leader. Closes a window that has no other member than its leader."""
    members = [member for member in windows.members(window) if member.id != window.leader]
    for member in members:
        row, record = read_action(table, member.id)
        if row is None or record is None or not record.ended or record.window != window.id:
            continue  # its event was erased, or its action is open, and may have another leader then
        action = NewAction(
            record.rule, record.handler, record.settings, record.follows, record.replay_number, leads=window.id
        )
        rows, message = opened(member.id, action, now, row, _NOTE)
        try:
            table.commit(member.id.day, *rows)
        except Conflict:  # it has been replayed meanwhile
            continue
        return message
    if window.leader and not members:
        windows.close(window, window.leader, now)
    return None
