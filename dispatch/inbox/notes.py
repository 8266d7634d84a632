"""Small facts that several actions share, in the partition ``notes``: each is changed by compare and swap.

    latest|<rule>|<object>    the latest event that `latest_only` let pass
    at-most|<rule>|<value>    who has the places of `at_most`
    lock|<what>               whose turn it is
    pause|<destination>       until when a service wants to be left alone
    rejected|<day>|<kind>     how many events of a kind were rejected on a day

None has to be released: a note names what it let pass, or until when it counts.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import TypeAlias

from dispatch.inbox.errors import Conflict, Unavailable
from dispatch.inbox.tables import Row, Table
from handlers.errors import MAX_RETRY_AFTER

PARTITION = "notes"

Note: TypeAlias = Mapping[str, str]
Update: TypeAlias = Callable[[dict[str, str]], dict[str, str]]

_MOST_TRIES = 20
_FRESH = timedelta(seconds=10)  # how old what is known of pauses may be: so seldom is it read, however many act
_SHORTEST, _LONGEST = timedelta(minutes=1), timedelta(hours=1)  # of pauses that the service did not name


def hashed(*parts: str) -> str:
    """Part of a note's name that stands for texts of any length and any characters."""
    return sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:32]


class Notes:
    """The notes of one table. Methods raise what storage raises."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def change(self, name: str, update: Update, now: datetime, keep: timedelta = timedelta()) -> dict[str, str]:
        """Read, update and write a note, again until nobody came between. Returns it as written.

        An update that wants nothing written gives back what it was given. Anything else is written though it may say
        what was there: only so is it sure that nobody, to a reader who is behind, has changed it.
        Raises Unavailable when others are quicker again and again: whoever wants it is asked anew, later.
        It may be deleted when it has not been changed for as long as history is kept, and `keep` is over, too.
        """
        for _ in range(_MOST_TRIES):
            [row] = self._table.read(PARTITION, name, name + "!") or [Row(name, {"note": "{}"})]
            before: dict[str, str] = json.loads(str(row.values["note"]))
            after = update(before)
            if after is before:
                return after
            times = {"changed": now.isoformat(), "keep": (now + keep).isoformat()}
            try:
                self._table.commit(PARTITION, Row(name, {"note": json.dumps(after), **times}, row.etag))
            except Conflict:
                continue
            return after
        raise Unavailable(f"others have changed the note {name} {_MOST_TRIES} times in a row meanwhile")

    def all(self, prefix: str) -> dict[str, dict[str, str]]:
        """The notes whose names begin so."""
        rows = self._table.read(PARTITION, prefix, prefix + "~")
        return {row.key: json.loads(str(row.values["note"])) for row in rows}


@dataclass(slots=True)
class Pauses:
    """Which services want to be left alone. Known to all workers a few seconds after the first was told."""

    notes: Notes
    _read_at: datetime | None = None
    _until: Mapping[str, datetime] | None = None

    def until(self, destination: str, now: datetime) -> datetime | None:
        """When its pause is over, if it has one. Reads at most every ten seconds."""
        if self._until is None or self._read_at is None or not timedelta() <= now - self._read_at < _FRESH:
            found = self.notes.all("pause|")
            self._until = {name: datetime.fromisoformat(note["until"]) for name, note in found.items()}
            self._read_at = now
        end = self._until.get(_name(destination))
        return end if end and end > now else None

    def begin(self, destination: str, asked: timedelta | None, now: datetime) -> datetime:
        """It asked for a pause: until when. Without a time of its own, each pause in a row is twice the last one."""

        def longer(before: dict[str, str]) -> dict[str, str]:
            last = datetime.fromisoformat(before["until"]) if before else None
            length = timedelta(seconds=float(before["seconds"])) if before else timedelta()
            if last is None or now >= last:  # else others were told the same a moment ago
                in_a_row = last is not None and now - last < length
                length = min(length * 2, _LONGEST) if in_a_row else _SHORTEST
            wanted = length if asked is None else min(max(asked, _SHORTEST), MAX_RETRY_AFTER)
            end = max(now + wanted, last or now)
            if end == last:
                return before
            return {"until": end.isoformat(), "seconds": str(length.total_seconds())}

        note = self.notes.change(_name(destination), longer, now)
        end = datetime.fromisoformat(note["until"])
        self._until = {**(self._until or {}), _name(destination): end}
        return end


def _name(destination: str) -> str:
    return f"pause|{hashed(destination)}"
