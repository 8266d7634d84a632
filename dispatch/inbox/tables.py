"""The only seam to Azure Storage: two calls on a table, one on a queue.

Everything that can be got wrong (keys, leases, order of writes) is written once above this seam, in
`dispatch.inbox.inbox`.
What stands below is small enough to be doubled honestly (tests/kit/storage.py): one behaviour suite runs against both.

A table or queue that does not exist is made when that shows: no call is spent on asking.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol, TypeAlias, TypeVar
from uuid import uuid4

from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError, ResourceExistsError
from azure.data.tables import TableClient, TableEntity, TableTransactionError, UpdateMode
from azure.storage.queue import QueueClient

from dispatch.inbox.errors import Conflict, sdk_errors_translated

_OURS = ("PartitionKey", "RowKey", "commit")
_RETRIED = frozenset({"POST"})
# What a response that breaks off or is not a storage service's makes the SDK raise, requests' own errors among them.
_UNREADABLE = (OSError, ValueError, LookupError, AttributeError)
_LONGEST_DELAY = timedelta(days=6)  # the service allows 7; an early message is put back, since the row's `due` decides

Value: TypeAlias = str | int | bytes
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Row:
    """A table row. No `etag`: it must not exist yet. With one: it must be unchanged."""

    key: str
    values: Mapping[str, Value]
    etag: str = ""


class Table(Protocol):
    """One Azure Table."""

    def read(self, partition: str, first: str, last: str) -> list[Row]:
        """The rows with ``first <= key < last``, in the order of their keys."""

    def commit(self, partition: str, *rows: Row, delete: tuple[str | Row, ...] = ()) -> list[str]:
        """Write and delete all or nothing, at most 100 rows; returns the etags of those written. Raises Conflict.

        What is named to be deleted must be there; what is given as a row must be unchanged, too.
        """


class Queue(Protocol):
    """One Azure Storage queue."""

    def send(self, message: str, after: timedelta = timedelta()) -> None:
        """Make `message` visible after a while, at most six days, until someone takes it."""


class AzureTable:
    """`Table` on azure-data-tables."""

    def __init__(self, client: TableClient) -> None:
        self._client = client

    def read(self, partition: str, first: str, last: str) -> list[Row]:
        """See `Table.read`. One request per 1,000 rows. Raises StorageError."""
        where = "PartitionKey eq @partition and RowKey ge @first and RowKey lt @last"
        names = {"partition": partition, "first": first, "last": last}
        with sdk_errors_translated((Exception,)):
            entities = _making(self._client.create_table, lambda: self._entities(where, names))
        return [
            Row(e["RowKey"], {k: v for k, v in e.items() if k not in _OURS}, str(e.metadata["etag"])) for e in entities
        ]

    def commit(self, partition: str, *rows: Row, delete: tuple[str | Row, ...] = ()) -> list[str]:
        """See `Table.commit`. One request, and one more after a conflict. Raises StorageError.

        When an answer was lost, the SDK sends the commit again, and then finds its own rows in the way: reading the
        first of them back tells. Only if it is ours are the others read, for their etags.
        """
        mark = uuid4().hex
        operations: list[Any] = [_operation(partition, row, mark) for row in rows]
        operations += [_deletion(partition, row) for row in delete]
        with sdk_errors_translated(_UNREADABLE):
            try:
                done = _making(self._client.create_table, lambda: self._submit(operations))
            except TableTransactionError as error:
                if error.status_code not in (404, 409, 412):
                    raise
                etags = self._written(partition, rows, mark)
                if not etags:
                    raise Conflict(error.message, error.status_code) from error
                return etags
        return [str(written["etag"]) for written in done[: len(rows)]]

    def _submit(self, operations: list[Any]) -> list[Mapping[str, Any]]:
        """One transaction; unlike other POSTs sent again after a network error, because its mark makes that safe.

        The usual one is a connection that the service has closed while nobody used it.
        """
        return self._client.submit_transaction(operations, retry_on_methods=_RETRIED)

    def _written(self, partition: str, rows: Sequence[Row], mark: str) -> list[str]:
        """The etags of the rows, if it was the commit with this mark that wrote them; else none."""
        etags = []
        for row in rows:
            names = {"partition": partition, "key": row.key}
            there = self._entities("PartitionKey eq @partition and RowKey eq @key", names)
            if not there or there[0].get("commit") != mark:
                return []
            etags.append(str(there[0].metadata["etag"]))
        return etags

    def _entities(self, where: str, names: Mapping[str, str]) -> list[TableEntity]:
        return list(self._client.query_entities(where, parameters=dict(names)))


class AzureQueue:
    """`Queue` on azure-storage-queue. The client must encode as host.json says: Base64."""

    def __init__(self, client: QueueClient) -> None:
        self._client = client

    def send(self, message: str, after: timedelta = timedelta()) -> None:
        """See `Queue.send`. One request. Raises StorageError."""
        delay = -(-min(max(after, timedelta()), _LONGEST_DELAY) // timedelta(seconds=1))  # whole seconds, rounded up
        # Without time_to_live a message dies after 7 days, also while the app is stopped.
        with sdk_errors_translated((Exception,)):
            _making(
                self._client.create_queue,
                lambda: self._client.send_message(message, visibility_timeout=delay, time_to_live=-1),
            )


def _operation(partition: str, row: Row, mark: str) -> tuple[Any, ...]:
    entity = {"PartitionKey": partition, "RowKey": row.key, "commit": mark, **row.values}
    if not row.etag:
        return ("create", entity)
    unchanged = {"etag": row.etag, "match_condition": MatchConditions.IfNotModified}
    return ("update", entity, {"mode": UpdateMode.REPLACE, **unchanged})


def _deletion(partition: str, row: str | Row) -> tuple[Any, ...]:
    if isinstance(row, str):
        return ("delete", {"PartitionKey": partition, "RowKey": row})
    unchanged = {"etag": row.etag, "match_condition": MatchConditions.IfNotModified}
    return ("delete", {"PartitionKey": partition, "RowKey": row.key}, unchanged)


def _making(create: Callable[[], object], call: Callable[[], R]) -> R:
    """What the call returns; if its table or queue does not exist, that is created and the call made again."""
    try:
        return call()
    except HttpResponseError as error:
        if getattr(error, "error_code", "") not in ("TableNotFound", "QueueNotFound"):
            raise
    with suppress(ResourceExistsError):  # another instance was quicker
        create()
    return call()
