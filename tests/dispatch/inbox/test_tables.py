"""The contract of tables and queues, tested with the doubles and with Azurite through the real SDKs."""

import base64
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from uuid import uuid4

import pytest
from azure.core.pipeline.transport import RequestsTransport
from azure.data.tables import TableClient
from azure.storage.queue import QueueClient

from dispatch.inbox.errors import Conflict, Refused, Unavailable
from dispatch.inbox.storage_account import Storage
from dispatch.inbox.tables import STORED, AzureQueue, AzureTable, Row, Table, Value
from dispatch.settings import Environment
from mlevents.testing.storage import AzureLimits, Clock, MemoryQueue, MemoryTable


def storage_of(connection_string: str) -> Storage:
    return Storage.of(Environment({"AzureWebJobsStorage": connection_string}))


@pytest.fixture
def azure_table(azurite_connection: str) -> Iterator[TableClient]:
    with storage_of(azurite_connection).table(f"t{uuid4().hex}") as client:
        yield client


@pytest.fixture(params=["memory", pytest.param("azurite", marks=pytest.mark.services)])
def table(request: pytest.FixtureRequest) -> Table:
    """A table that does not exist yet: the first call must create it."""
    if request.param == "memory":
        return AzureLimits(MemoryTable())
    return AzureLimits(AzureTable(request.getfixturevalue("azure_table")))


def test_row_is_created_once(table: Table) -> None:
    """A second row without an etag conflicts with the first."""
    table.commit("p", Row("a", {"n": 1}))
    with pytest.raises(Conflict):
        table.commit("p", Row("a", {"n": 2}))
    assert [row.values for row in table.read("p", "a", "b")] == [{"n": 1}]


def test_read_with_a_limit_returns_the_first_rows(table: Table) -> None:
    """Over the pages of a response, too."""
    table.commit("p", *(Row(f"{n:02d}", {}) for n in range(90)))
    assert [row.key for row in table.read("p", "10", "~", 2)] == ["10", "11"]
    assert len(table.read("p", "", "~", 200)) == 90
    assert table.read("p", "", "~", 1) == table.read("p", "", "~")[:1]


def test_update_of_a_stored_row_needs_no_etag(table: Table) -> None:
    """Two writers do not conflict; a row that does not exist conflicts, with the whole transaction."""
    table.commit("p", Row("a", {"n": 1}))
    table.commit("p", Row("a", {"n": 2}, STORED), Row("b", {}))
    table.commit("p", Row("a", {"n": 3}, STORED), Row("c", {}))
    table.commit("p", delete=("a",))
    with pytest.raises(Conflict):
        table.commit("p", Row("a", {"n": 4}, STORED), Row("d", {}))
    assert [row.key for row in table.read("p", "", "~")] == ["b", "c"]


def test_update_needs_the_current_etag(table: Table) -> None:
    [first] = table.commit("p", Row("a", {"n": 1}))
    [second] = table.commit("p", Row("a", {"n": 2}, first))
    with pytest.raises(Conflict):
        table.commit("p", Row("a", {"n": 3}, first))
    assert table.read("p", "a", "b") == [Row("a", {"n": 2}, second)]


def test_update_replaces_all_values(table: Table) -> None:
    """No value of the earlier version stays."""
    [etag] = table.commit("p", Row("a", {"n": 1, "old": "x"}))
    table.commit("p", Row("a", {"n": 2}, etag))
    assert table.read("p", "a", "b")[0].values == {"n": 2}


def test_commit_is_all_or_nothing(table: Table) -> None:
    """A stale etag makes the inserts and deletes of its commit fail, too."""
    [stale, _] = table.commit("p", Row("a", {"n": 1}), Row("gone", {"n": 0}))
    table.commit("p", Row("a", {"n": 2}, stale))
    with pytest.raises(Conflict):
        table.commit("p", Row("a", {"n": 3}, stale), Row("new", {"n": 9}), delete=("gone",))
    assert [row.key for row in table.read("p", "", "~")] == ["a", "gone"]


def test_commit_updates_inserts_and_deletes(table: Table) -> None:
    """As when an action ends that others follow."""
    [etag, _] = table.commit("p", Row("a", {"n": 1}), Row("!open|a", {}))
    etags = table.commit("p", Row("a", {"n": 2}, etag), Row("b", {}), delete=("!open|a",))
    assert [(row.key, row.etag) for row in table.read("p", "", "~")] == list(zip("ab", etags, strict=True))


def test_update_of_a_deleted_row_is_a_conflict(table: Table) -> None:
    """The row is not created again."""
    [etag] = table.commit("p", Row("a", {"n": 1}))
    table.commit("p", delete=("a",))
    with pytest.raises(Conflict):
        table.commit("p", Row("a", {"n": 2}, etag))


def test_delete_of_a_missing_row_is_a_conflict(table: Table) -> None:
    """Also in a table that does not exist yet."""
    with pytest.raises(Conflict):
        table.commit("p", Row("a", {}), delete=("never",))
    assert table.read("p", "", "~") == []


def test_range_is_read_in_order_and_from_one_partition(table: Table) -> None:
    """Markers sort before events, and these before rejections."""
    table.commit("p", *(Row(key, {}) for key in ("x|1", "1-b|rule", "!open|1-b", "1-b", "0-a")))
    table.commit("q", Row("1-b|other", {}))
    assert [row.key for row in table.read("p", "", "~")] == ["!open|1-b", "0-a", "1-b", "1-b|rule", "x|1"]
    assert [row.key for row in table.read("p", "1-b|", "1-b|~")] == ["1-b|rule"]


def test_range_of_several_pages_is_read_completely(table: Table) -> None:
    """A page of the service has 1,000 rows."""
    for start in range(0, 1_100, 100):
        table.commit("p", *(Row(f"{n:05d}", {}) for n in range(start, start + 100)))
    assert len(table.read("p", "", "~")) == 1_100


def test_values_are_read_as_written(table: Table) -> None:
    """Texts of the maximum length and with any characters, bytes and integers."""
    values: dict[str, Value] = {
        "text": "ü ' \" \n 𝄞 \u2028",
        "time": datetime(2026, 11, 22).isoformat(),
        "long": "x" * 32_000,
        "bytes": bytes(range(256)) * 240,
        "empty": "",
        "zero": 0,
        "most": 2**31 - 1,
    }
    table.commit("p", Row("a", values))
    assert dict(table.read("p", "a", "a~")[0].values) == values


def _bytes(properties: int) -> dict[str, Value]:
    return {f"b{n}": b"x" * 60_000 for n in range(properties)}


def refused_by_azure() -> Iterator[object]:
    yield pytest.param([Row(f"{n:03d}", {}) for n in range(101)], id="101 operations")
    yield pytest.param([Row("a", {}), Row("a", {})], id="a row twice")
    yield pytest.param([Row("a/b", {})], id="a slash in a key")
    yield pytest.param([Row("a", {"long": "x" * 33_000})], id="a property of more than 64 KiB")
    yield pytest.param([Row("a", _bytes(17))], id="a row of more than 1 MiB")
    yield pytest.param([Row(f"{n}", _bytes(15)) for n in range(4)], id="a transaction of more than 4 MiB")
    yield pytest.param([Row("a", {"n": 2**31})], id="an integer of 33 bits")
    yield pytest.param([Row("a", {"t": "\ud800"})], id="a lone surrogate")


@pytest.mark.parametrize("rows", list(refused_by_azure()))
def test_azure_limits_refuse_what_azure_refuses(rows: list[Row]) -> None:
    """The app's tests run with them, because Azurite accepts most of this."""
    with pytest.raises((Refused, ValueError)):
        AzureLimits(MemoryTable()).commit("p", *rows)


class LosesResponse(RequestsTransport):  # type: ignore[misc]  # azure-core gives it lazily, as Any
    """Sends requests, and loses the response to the first one for which `loses` is true."""

    def __init__(self, loses: Callable[[str], bool]) -> None:
        super().__init__()
        self.loses, self.lost, self.sent = loses, 0, list[str]()

    def send(self, request, **kwargs):  # type: ignore[no-untyped-def]  # the overloads of the base class
        response = super().send(request, **kwargs)
        self.sent.append(f"{request.method} {request.url.partition('?')[0]}")
        if not self.lost and self.loses(request.method):
            self.lost += 1
            response.status_code = 503
            response.internal_response.status_code = 503
            response.headers["x-ms-error-code"] = "ServerBusy"
        return response


def test_own_commit_is_recognized_when_the_sdk_repeats_it(azurite_connection: str) -> None:
    """The commit was applied and its response lost: no Conflict, and the right etags."""
    name = f"t{uuid4().hex}"
    transport = LosesResponse(lambda method: method == "POST")
    with storage_of(azurite_connection).table(name) as healthy:
        AzureTable(healthy).commit("p", Row("first", {}))
        with TableClient.from_connection_string(azurite_connection, name, transport=transport) as client:
            table = AzureTable(client)
            created = table.commit("p", Row("a", {"n": 1}), Row("b", {"n": 1}))
            assert transport.lost == 1
            assert created == [row.etag for row in table.read("p", "a", "c")]
            transport.lost = 0
            updated = table.commit("p", Row("a", {"n": 2}, created[0]), delete=("b",))
            assert transport.lost == 1
            assert table.read("p", "a", "c") == [Row("a", {"n": 2}, updated[0])]


def test_table_is_created_only_when_it_is_missing(azurite_connection: str) -> None:
    """The first commit makes three requests: the attempt, the table, and the commit again."""
    transport = LosesResponse(lambda _: False)
    with TableClient.from_connection_string(azurite_connection, f"t{uuid4().hex}", transport=transport) as client:
        table = AzureTable(client)
        table.commit("p", Row("a", {}))
        assert [request.rpartition("/")[2] for request in transport.sent] == ["$batch", "Tables", "$batch"]
        transport.sent.clear()
        table.commit("p", Row("b", {}))
        table.read("p", "a", "c")
        assert len(transport.sent) == 2


def test_error_has_the_status_and_reason_of_the_service(azurite_connection: str) -> None:
    wrong = azurite_connection.replace("AccountKey=", "AccountKey=AAAA")
    with storage_of(wrong).table("mlevents") as client, pytest.raises(Unavailable) as caught:
        AzureTable(client).commit("p", Row("a", {}))
    assert (caught.value.status, caught.value.reason) == (403, "AuthorizationFailure")


@pytest.fixture
def azure_queue(azurite_connection: str) -> Iterator[QueueClient]:
    with storage_of(azurite_connection).queue(f"q{uuid4().hex}") as client:
        yield client


def test_message_is_base64_and_never_expires(azure_queue: QueueClient, azurite_connection: str) -> None:
    """Event Grid encodes its messages so, too."""
    AzureQueue(azure_queue).send("grüße")
    with QueueClient.from_connection_string(azurite_connection, azure_queue.queue_name) as plain:
        [message] = plain.peek_messages()
    assert message.content == base64.b64encode("grüße".encode()).decode()
    assert message.expires_on is not None
    assert message.expires_on.year > 2100


def test_delayed_message_is_not_visible_yet(azure_queue: QueueClient) -> None:
    """A delay of less than a second counts, and one that the service refuses is shortened."""
    queue = AzureQueue(azure_queue)
    for delay in (timedelta(milliseconds=1), timedelta(days=30)):
        queue.send("later", delay)
    assert azure_queue.receive_message() is None
    queue.send("now", timedelta(seconds=-5))
    message = azure_queue.receive_message()
    assert message is not None
    assert message.content == "now"


def test_queue_in_memory_delivers_in_order_of_time() -> None:
    """It moves the clock, and delivers the message of a crashed worker again."""
    clock = Clock()
    queue = MemoryQueue(clock)
    queue.send("late", timedelta(minutes=5))
    queue.send("early")
    seen: list[tuple[str, datetime]] = []

    def handle(message: str) -> None:
        seen.append((message, clock()))
        if len(seen) == 1:
            raise TimeoutError

    start = clock()
    queue.drain(handle, crashes=(TimeoutError,))
    assert seen == [
        ("early", start),
        ("late", start + timedelta(minutes=5)),
        ("early", start + timedelta(minutes=10)),
    ]


def test_unreachable_storage_raises_unavailable(unused_port: int) -> None:
    """No server listens; test_errors.py has one that never responds."""
    nowhere = (
        "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey=Zm9v;"
        f"TableEndpoint=http://127.0.0.1:{unused_port}/devstoreaccount1;"
        f"QueueEndpoint=http://127.0.0.1:{unused_port}/devstoreaccount1"
    )
    with storage_of(nowhere).table("mlevents") as client, pytest.raises(Unavailable):
        AzureTable(client).read("p", "a", "b")
    with storage_of(nowhere).queue("mlevents-actions") as client, pytest.raises(Unavailable):
        AzureQueue(client).send("a")
