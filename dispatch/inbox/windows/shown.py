"""The windows of an event's actions, for people: which action acts for the event, and for which events one acts."""

from collections.abc import Mapping
from dataclasses import dataclass

from dispatch.inbox.history.records import StoredEvent, actions_of
from dispatch.inbox.windows.store import Windows
from dispatch.inbox.windows.window import Member, Window

MOST = 100  # members that are shown


@dataclass(frozen=True, slots=True)
class Shown:
    """The window of an action. Members are listed, some of them, where the action acts for all of them."""

    window: Window
    leads: bool
    members: tuple[Member, ...] = ()
    more: bool = False  # are there more members than are listed?


def windows_of(stored: StoredEvent, windows: Windows) -> Mapping[str, Shown]:
    """The windows of the actions of an event, by rule. Costs nothing for actions without one; raises StorageError."""
    found = {}
    for rule, record in actions_of(stored).items():
        if not record.window or (window := windows.get(rule, record.window)) is None:
            continue
        members = windows.members(window, MOST + 1) if record.leads else []
        found[rule] = Shown(window, record.leads, tuple(members[:MOST]), len(members) > MOST)
    return found
