"""`Windows`: join, close and read windows."""

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from uuid import uuid5

from dispatch.inbox.errors import Conflict, Unavailable
from dispatch.inbox.keys import NAMESPACE, ActionId
from dispatch.inbox.tables import MAX_OPERATIONS, STORED, Row, Table, read_row
from dispatch.inbox.windows.window import Member, Opening, Window

RULES = "windows"  # the partition with one row per rule that has had windows

_MAX_TRIES = 20


class Windows:
    """The windows of one table. Methods raise StorageError."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._listed: set[str] = set()

    def join(self, member: Member, opening: Opening) -> Window:
        """Join the open window of a value, or open one; returns the window, which may be closed by now.

        A member joins once: another call returns the same window. Raises Unavailable after 20 conflicts.
        """
        rule = member.id.rule
        for _ in range(_MAX_TRIES):
            window = self.open_one(rule, opening.value)
            rows = member.rows(window.id if window else _new_id(member))
            if window:
                rows.insert(0, Row(f"t|{window.id}", window.values(), STORED))
            else:
                self._list(rule)
                window = _opened(member, opening)
                rows += [Row(f"o|{window.value}", window.values()), Row(f"t|{window.id}", window.values())]
            try:
                self._table.commit(partition_of(rule), *rows)
            except Conflict:
                if joined := self.of(member.id, member.replay_number):
                    return joined
                continue
            return window
        raise Unavailable(f"the windows of {rule} changed {_MAX_TRIES} times meanwhile")

    def of(self, id: ActionId, replay_number: int) -> Window | None:
        """The window that an action has joined; None if it has joined none. Makes two or three queries."""
        name = f"{id.day}|{id.event}|{replay_number}"
        row = read_row(self._table, partition_of(id.rule), f"m|{name}")
        return self.get(id.rule, str(row.values["window"])) if row else None

    def get(self, rule: str, id: str) -> Window | None:
        """A window by its id; None if a purge has deleted it. Makes one query, or two while it is open."""
        for kind in ("c", "t", "c"):  # it may be closed between the first two queries
            if row := read_row(self._table, partition_of(rule), f"{kind}|{id}"):
                return Window.of(rule, row)
        return None

    def open_one(self, rule: str, value: str) -> Window | None:
        """The open window of a value of `by`."""
        row = read_row(self._table, partition_of(rule), f"o|{value}")
        return Window.of(rule, row) if row else None

    def close(self, window: Window, leader: ActionId, now: datetime) -> Window:
        """Close an open window, for this leader; returns the closed window, which may have another leader.

        Raises Unavailable if storage returns neither the open nor the closed window.
        """
        closed = replace(window, leader=leader, closed=now)
        try:
            delete = f"o|{window.value}", f"t|{window.id}"
            self._table.commit(partition_of(window.rule), Row(f"c|{window.id}", closed.values()), delete=delete)
        except Conflict as error:
            current = self.get(window.rule, window.id)
            if current is None or current.is_open:
                raise Unavailable(f"the window {window.id} of {window.rule} cannot be closed") from error
            return current
        return closed

    def members(self, window: Window, limit: int | None = None) -> list[Member]:
        """The members of a window in the order in which they joined. Makes a query for every 1,000."""
        first = f"e|{window.id}|"
        rows = self._table.read(partition_of(window.rule), first, first + "~", limit)
        return [Member.of(window.rule, row) for row in rows]

    def drop(self, window: Window, members: Sequence[Member]) -> None:
        """Delete members that count no more, or of an old window. Leaves those of which another worker deletes some."""
        for start in range(0, len(members), MAX_OPERATIONS // 2):
            rows = [
                row.key for member in members[start : start + MAX_OPERATIONS // 2] for row in member.rows(window.id)
            ]
            with suppress(Conflict):
                self._table.commit(partition_of(window.rule), delete=tuple(rows))

    def forget(self, id: ActionId) -> None:
        """Delete what windows keep of the event of an action, in all replays. The action is no longer a member."""
        first = f"m|{id.day}|{id.event}|"
        for row in self._table.read(partition_of(id.rule), first, first + "~"):
            with suppress(Conflict):
                self._table.commit(partition_of(id.rule), delete=(row.key, str(row.values["member"])))

    def closed(self, rule: str) -> list[Window]:
        """The closed windows of a rule. Makes one query for every 1,000."""
        return [Window.of(rule, row) for row in self._table.read(partition_of(rule), "c|", "c|~")]

    def delete(self, window: Window) -> None:
        """Delete a closed window that has no members any more."""
        with suppress(Conflict):
            self._table.commit(partition_of(window.rule), delete=(f"c|{window.id}",))

    def rules(self) -> list[str]:
        """The rules that have had windows, as far as they are not purged."""
        return [row.key for row in self._table.read(RULES, "", "~")]

    def open(self, rule: str) -> list[Window]:
        """The open windows of a rule. Makes one query for every 1,000."""
        return [Window.of(rule, row) for row in self._table.read(partition_of(rule), "o|", "o|~")]

    def _list(self, rule: str) -> None:
        """List the rule, before it gets its first window."""
        if rule not in self._listed:
            with suppress(Conflict):
                self._table.commit(RULES, Row(rule, {}))
            self._listed.add(rule)


def partition_of(rule: str) -> str:
    """The partition of a rule's windows."""
    return f"window|{rule}"


def _new_id(member: Member) -> str:
    return uuid5(NAMESPACE, json.dumps([*member.id, member.replay_number, member.at.isoformat()])).hex


def _opened(member: Member, opening: Opening) -> Window:
    leads = opening.span is not None
    return Window(
        rule=member.id.rule,
        id=_new_id(member),
        value=opening.value,
        by=opening.by,
        opened=member.at,
        leader=member.id if leads else None,
        ends=member.at + opening.span if opening.span is not None else None,
    )
