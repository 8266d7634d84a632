"""The seam to Azure Storage: two calls on a table and one on a queue.

The code above this seam decides on keys, leases and the order of writes, once for every implementation. The code below
it is small enough for a faithful double (mlevents/testing/storage.py): one suite of tests runs against the double and
against Azurite.

A table or queue that does not exist is created when a call finds it missing, so that no call is spent on checking.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from typing import Any, Protocol, TypeAlias, TypeVar
from uuid import uuid4

from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError, ResourceExistsError
from azure.data.tables import TableClient, TableEntity, UpdateMode
from azure.storage.queue import QueueClient

from dispatch.inbox.errors import Conflict, sdk_errors_translated

_OWN_COLUMNS = ("PartitionKey", "RowKey", "commit")
MAX_OPERATIONS = 100  # of a transaction
MAX_ROWS = 1_000  # of one response to a query
STORED = "*"  # in place of an etag: the row must be stored, with any values (RFC 9110, section 13.1.1)

_RETRIED = frozenset({"POST"})
# Raised by the SDK for a response that is incomplete or from another service; OSError includes requests' own errors.
_UNREADABLE = (OSError, ValueError, LookupError, AttributeError)
_MAX_DELAY = timedelta(days=6)  # the service allows 7; a message that comes before its action is due is sent again

Value: TypeAlias = str | int | bytes
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Row:
    """A table row. A commit creates a row without an `etag`; one with an `etag` must be stored with it, or `STORED`."""

    key: str
    values: Mapping[str, Value]
    etag: str = ""


class Table(Protocol):
    """One Azure Table."""

    def read(self, partition: str, first: str, last: str, limit: int | None = None) -> list[Row]:
        """The rows with ``first <= key < last``, ordered by key; with a limit, the first ones. Raises Unavailable."""

    def commit(self, partition: str, *rows: Row, delete: tuple[str | Row, ...] = ()) -> list[str]:
        """Write and delete up to 100 rows in one transaction; returns the etags of the rows written.

        A key in `delete` must exist; a row in it must also have its etag. Raises Conflict, Refused and Unavailable.
        """


class SpanTable(Table, Protocol):
    """A table that also reads several partitions at once, as a search does."""

    def read_span(self, partitions: tuple[str, str], first: str, last: str, limit: int) -> list[tuple[str, Row]]:
        """The first rows with such keys in a span of partitions, including both ends, each row with its partition.

        They are ordered by partition, then by key. Raises Unavailable.
        """


class Queue(Protocol):
    """One Azure Storage queue."""

    def send(self, message: str, after: timedelta = timedelta()) -> None:
        """Enqueue a message that becomes visible after a delay of at most six days. Raises Refused and Unavailable."""


def read_row(table: Table, partition: str, key: str) -> Row | None:
    """One row. No key of the inbox continues with a character that sorts before "!"."""
    return next(iter(table.read(partition, key, key + "!")), None)


class AzureTable:
    """`SpanTable` on azure-data-tables."""

    def __init__(self, client: TableClient) -> None:
        self._client = client

    def read(self, partition: str, first: str, last: str, limit: int | None = None) -> list[Row]:
        """See `Table.read`. Makes one request per 1,000 rows, and more if the service returns less at once."""
        where = "PartitionKey eq @partition and RowKey ge @first and RowKey lt @last"
        names = {"partition": partition, "first": first, "last": last}
        return [row for _, row in self._rows(where, names, limit)]

    def read_span(self, partitions: tuple[str, str], first: str, last: str, limit: int) -> list[tuple[str, Row]]:
        """See `Table.read_span`. Makes one request, and more if the service returns less at once."""
        where = "PartitionKey ge @begin and PartitionKey le @end and RowKey ge @first and RowKey lt @last"
        return self._rows(where, {"begin": partitions[0], "end": partitions[1], "first": first, "last": last}, limit)

    def commit(self, partition: str, *rows: Row, delete: tuple[str | Row, ...] = ()) -> list[str]:
        """See `Table.commit`. Makes one request, and more after a conflict.

        When a response is lost, the SDK sends the commit again, which conflicts with its own rows. So a commit writes
        an id into its rows: if they have this id, the commit has succeeded, and their etags are read.
        """
        commit_id = uuid4().hex
        operations: list[Any] = [_operation(partition, row, commit_id) for row in rows]
        operations += [_deletion(partition, row) for row in delete]
        with sdk_errors_translated(_UNREADABLE):
            try:
                done = _creating(self._client.create_table, lambda: self._submit(operations))
            except HttpResponseError as error:
                if error.status_code not in (404, 409, 412):
                    raise
                etags = self._written(partition, rows, commit_id)
                if not etags:
                    raise Conflict(error.message, error.status_code) from error
                return etags
        return [str(written["etag"]) for written in done[: len(rows)]]

    def _submit(self, operations: list[Any]) -> list[Mapping[str, Any]]:
        """Send one transaction. A single update, such as a claim, is sent without one, in a third of the CPU time.

        The commit id makes it safe to repeat after a network error, unlike other POSTs. The most frequent such error is
        a connection that the service closed while it was idle.
        """
        match operations:
            case [("update", entity, options)]:
                return [self._client.update_entity(entity, **options)]
        return self._client.submit_transaction(operations, retry_on_methods=_RETRIED)

    def _written(self, partition: str, rows: Sequence[Row], commit_id: str) -> list[str]:
        """The etags of the rows if the commit with this id wrote them; else an empty list."""
        etags = []
        for row in rows:
            names = {"partition": partition, "key": row.key}
            found = self._entities("PartitionKey eq @partition and RowKey eq @key", names)
            if not found or found[0].get("commit") != commit_id:
                return []
            etags.append(str(found[0].metadata["etag"]))
        return etags

    def _rows(self, where: str, names: Mapping[str, str], limit: int | None) -> list[tuple[str, Row]]:
        with sdk_errors_translated((Exception,)):
            entities = _creating(self._client.create_table, lambda: self._entities(where, names, limit))
        values = ({k: v for k, v in entity.items() if k not in _OWN_COLUMNS} for entity in entities)
        return [
            (e["PartitionKey"], Row(e["RowKey"], v, str(e.metadata["etag"])))
            for e, v in zip(entities, values, strict=True)
        ]

    def _entities(self, where: str, names: Mapping[str, str], limit: int | None = None) -> list[TableEntity]:
        most = min(limit or MAX_ROWS, MAX_ROWS)
        return list(islice(self._client.query_entities(where, parameters=dict(names), results_per_page=most), limit))


class AzureQueue:
    """`Queue` on azure-storage-queue. The client encodes messages in Base64, as Event Grid does."""

    def __init__(self, client: QueueClient) -> None:
        self._client = client

    def send(self, message: str, after: timedelta = timedelta()) -> None:
        """See `Queue.send`. Makes one request."""
        delay = -(-min(max(after, timedelta()), _MAX_DELAY) // timedelta(seconds=1))  # whole seconds, rounded up
        # Without time_to_live a message expires after 7 days, even while the app is stopped.
        with sdk_errors_translated((Exception,)):
            _creating(
                self._client.create_queue,
                lambda: self._client.send_message(message, visibility_timeout=delay, time_to_live=-1),
            )


def _operation(partition: str, row: Row, commit_id: str) -> tuple[Any, ...]:
    entity = {"PartitionKey": partition, "RowKey": row.key, "commit": commit_id, **row.values}
    if not row.etag:
        return ("create", entity)
    unchanged = {"etag": row.etag, "match_condition": MatchConditions.IfNotModified}
    return ("update", entity, {"mode": UpdateMode.REPLACE, **unchanged})


def _deletion(partition: str, row: str | Row) -> tuple[Any, ...]:
    if isinstance(row, str):
        return ("delete", {"PartitionKey": partition, "RowKey": row})
    unchanged = {"etag": row.etag, "match_condition": MatchConditions.IfNotModified}
    return ("delete", {"PartitionKey": partition, "RowKey": row.key}, unchanged)


def _creating(create: Callable[[], object], call: Callable[[], R]) -> R:
    """Make a call; if its table or queue does not exist, create that and call again."""
    try:
        return call()
    except HttpResponseError as error:
        if getattr(error, "error_code", "") not in ("TableNotFound", "QueueNotFound"):
            raise
    with suppress(ResourceExistsError):  # another instance has created it
        create()
    return call()
