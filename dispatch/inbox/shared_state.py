"""Small values that actions share, in the partition ``notes``, each changed by compare and swap.

    latest|<rule>|<object>    the latest event that `latest_only` let pass
    at-most|<rule>|<value>    which actions count for `at_most`
    lock|<what>               the action that holds a lock
    pause|<destination>       until when a service is throttled
    paused|<rule>             who has paused a rule, or all rules, and until when
    rejected|<day>|<kind>     how many events of a kind were rejected on a day
    failed|<rule>             when its last alert was sent, and the failed actions that the next one reports
    failing|<rule>            when the last alert said that its actions are being retried without success
    expected|<hash>           the last deadline of `expect` that was decided for a rule in a workspace
    purged                    the day of the last purge, or where it continues
    watch|<hash>              when the watch looked last at something, or why it could not
    watched|<kind>|<hash>     what the watch has seen, and the events that it is about to raise
    missing|<day>|<hash>|<n>  events of a workspace that never came, for `mlevents watch --take-in`
    reconciled|<hash>         the day of a workspace that was compared last with the record
    sweep                     when the last sweep ended, and the open actions that it saw
    swept                     the last day of the last sweep, if there are too many days for one

Nothing has to be released: a value names the action that it lets pass, or the time until which it counts. The names of
the partition and its columns (``note``, ``changed``, ``keep``) are those of the first release.
"""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from hashlib import sha256
from typing import TypeAlias

from dispatch.inbox.errors import Conflict, Unavailable
from dispatch.inbox.tables import Row, Table

PARTITION = "notes"

Update: TypeAlias = Callable[[dict[str, str]], dict[str, str]]

_MAX_TRIES = 20


def hashed(*parts: str) -> str:
    """Part of a name, derived from texts of any length and with any characters."""
    return sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:32]


class SharedState:
    """The shared state of one table. Methods raise StorageError."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def change(self, name: str, update: Update, now: datetime, keep: timedelta = timedelta()) -> dict[str, str]:
        """Read, update and write a value, and repeat this after a conflict with another worker; returns the new value.

        `update` gets an empty dict if there is no value. If it returns the same object, nothing is written; an equal
        object is written, since only a successful write proves that the value had not changed since the read. A purge
        deletes the value when it has not changed for the app's retention, and `keep` has passed. Raises Unavailable
        after 20 conflicts, so that no thread is held for long.
        """
        for _ in range(_MAX_TRIES):
            [row] = self._table.read(PARTITION, name, name + "!") or [Row(name, {"note": "{}"})]
            before = value_of(row)
            after = update(before)
            if after is before:
                return after
            times = {"changed": now.isoformat(), "keep": (now + keep).isoformat()}
            try:
                self._table.commit(PARTITION, Row(name, {"note": json.dumps(after), **times}, row.etag))
            except Conflict:
                continue
            return after
        raise Unavailable(f"other workers changed the shared state {name} {_MAX_TRIES} times meanwhile")

    def all(self, prefix: str) -> dict[str, dict[str, str]]:
        """The values whose names begin with `prefix`, by name."""
        return {row.key: value_of(row) for row in self._table.read(PARTITION, prefix, prefix + "~")}


def value_of(row: Row) -> dict[str, str]:
    """The value in a row of shared state."""
    return dict(json.loads(str(row.values["note"])))
