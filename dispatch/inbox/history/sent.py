"""What an action has sent, such as a mail, kept for people in a row of its own.

The row is written in the transaction that settles the action, so that it costs no request, and is deleted with the
action. It is apart from the action's row, which claims and lists read: a mail would make them slow. Its key sorts after
those of all events, which lists read as a range.
"""

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from dispatch.inbox.keys import ActionId
from dispatch.inbox.rows import CHUNK, SCHEMA, unpacked
from dispatch.inbox.tables import Row, Table

PREFIX = "y|"
MOST = 300_000  # compressed bytes; a transaction has 4 MiB, and may create 47 actions beside this row


@dataclass(frozen=True, slots=True)
class Sent:
    """Texts by name, such as ``to``, ``subject`` and ``html``, and the names of those that were too long to keep."""

    at: datetime
    texts: Mapping[str, str]
    left_out: tuple[str, ...] = ()

    def row(self, id: ActionId, version: int) -> Row:
        """The row for an action at a message version, without the longest texts if they do not fit."""
        texts, left_out = dict(self.texts), list(self.left_out)
        while len(data := _packed(texts, left_out)) > MOST:
            left_out.append(max(texts, key=lambda name: len(texts[name])))
            del texts[left_out[-1]]
        chunks = {f"raw{n}": data[start : start + CHUNK] for n, start in enumerate(range(0, len(data), CHUNK))}
        return Row(sent_key(id, version), {"schema": SCHEMA, "at": self.at.isoformat(), **chunks})

    @classmethod
    def of(cls, row: Row) -> Self:
        """Read a row. Raises LookupError, TypeError or ValueError if another version of the app wrote it."""
        value = json.loads(unpacked(row.values))
        return cls(datetime.fromisoformat(str(row.values["at"])), value["texts"], tuple(value["left_out"]))


def sent_key(id: ActionId, version: int) -> str:
    """The key of what an action sent at a message version."""
    return f"{PREFIX}{id.row}|{version}"


def read_sent(table: Table, id: ActionId) -> Sent | None:
    """What an action has sent last, with one query; None if nothing is kept, or it cannot be read."""
    first = f"{PREFIX}{id.row}|"
    try:
        return next((Sent.of(row) for row in table.read(id.day, first, first + "~")), None)
    except (LookupError, TypeError, ValueError):
        return None


def _packed(texts: Mapping[str, str], left_out: list[str]) -> bytes:
    return zlib.compress(json.dumps({"texts": texts, "left_out": left_out}).encode())
