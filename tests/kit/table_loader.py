"""Write millions of rows into Azurite in minutes: transactions without the SDK, which takes most of the time.

learn.microsoft.com/rest/api/storageservices/performing-entity-group-transactions describes the requests.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from itertools import islice
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from azure.core.credentials import AzureNamedKeyCredential
from azure.data.tables import AccountSasPermissions, ResourceTypes, generate_account_sas

from dispatch.inbox.tables import MAX_OPERATIONS, Row, Value
from emulator.state.storage_account import ACCOUNT, KEY
from mlevents.local.azurite import Azurite

_ID = "00000000-0000-0000-0000-000000000000"  # Azurite wants boundaries like those of the SDKs
_BATCH, _CHANGES = f"batch_{_ID}", f"changeset_{_ID}"
_BEGIN = f"--{_BATCH}\r\nContent-Type: multipart/mixed; boundary={_CHANGES}\r\n\r\n"
_PART = f"--{_CHANGES}\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n"
_HEADERS = "Content-Type: application/json\r\nDataServiceVersion: 3.0\r\nPrefer: return-no-content\r\n"
_END = f"--{_CHANGES}--\r\n\r\n--{_BATCH}--\r\n"


class TableLoader:
    """Adds rows to a table that exists.

    Azurite keeps two sorted indexes of a table, of partitions and of row keys: rows are added fast if both ascend.
    """

    def __init__(self, azurite: Azurite, table: str) -> None:
        parts = urlsplit(azurite.table_url)
        self._connection = HTTPConnection(parts.netloc)
        sas = generate_account_sas(
            AzureNamedKeyCredential(ACCOUNT, KEY),
            ResourceTypes(object=True),
            AccountSasPermissions(read=True, write=True, add=True),
            datetime.now(UTC) + timedelta(days=1),
        )
        self._batches = f"{parts.path}/$batch?{sas}"
        self._line = f"POST {azurite.table_url}/{table} HTTP/1.1\r\n"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._connection.close()

    def add(self, partition: str, rows: Iterable[Row]) -> int:
        """Add rows to a partition; returns their number."""
        count = 0
        for batch in _batches(rows):
            entities = ({"PartitionKey": partition, "RowKey": row.key, **row.values} for row in batch)
            body = f"{_BEGIN}{''.join(map(self._part, entities))}{_END}".encode()
            headers = {"Content-Type": f"multipart/mixed; boundary={_BATCH}", "x-ms-version": "2019-02-02"}
            self._connection.request("POST", self._batches, body, headers)
            response = self._connection.getresponse()
            answer = response.read()
            assert response.status == 202, (response.status, answer)
            assert answer.count(b"HTTP/1.1 204") == len(batch), answer[:1_000]
            count += len(batch)
        return count

    def _part(self, entity: Mapping[str, Value]) -> str:
        text = json.dumps(entity)
        return f"{_PART}{self._line}{_HEADERS}Content-Length: {len(text)}\r\n\r\n{text}\r\n"


def _batches(rows: Iterable[Row]) -> Iterator[list[Row]]:
    left = iter(rows)
    while batch := list(islice(left, MAX_OPERATIONS)):
        yield batch
