"""What the app relies on of a table and a queue: asked of the doubles, and of Azurite through the real SDK."""

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
from dispatch.inbox.tables import AzureQueue, AzureTable, Row, Table, Value
from dispatch.settings import Environment
from tests.kit.storage import AzureLimits, Clock, MemoryQueue, MemoryTable


def storage_of(connection_string: str) -> Storage:
    return Storage.of(Environment({"AzureWebJobsStorage": connection_string}))


@pytest.fixture
def azure_table(azurite_connection: str) -> Iterator[TableClient]:
    with storage_of(azurite_connection).table(f"t{uuid4().hex}") as client:
        yield client


@pytest.fixture(params=["memory", pytest.param("azurite", marks=pytest.mark.services)])
def table(request: pytest.FixtureRequest) -> Table:
    """A table that nobody has made: the first call on it must do."""
    if request.param == "memory":
        return AzureLimits(MemoryTable())
    return AzureLimits(AzureTable(request.getfixturevalue("azure_table")))


def test_a_row_is_created_once(table: Table) -> None:
    """A second row without an etag finds the first in its way."""
    table.commit("p", Row("a", {"n": 1}))
    with pytest.raises(Conflict):
        table.commit("p", Row("a", {"n": 2}))
    assert [row.values for row in table.read("p", "a", "b")] == [{"n": 1}]


def test_an_update_needs_the_etag_that_was_read(table: Table) -> None:
    """The etag of an earlier version is refused."""
    [first] = table.commit("p", Row("a", {"n": 1}))
    [second] = table.commit("p", Row("a", {"n": 2}, first))
    with pytest.raises(Conflict):
        table.commit("p", Row("a", {"n": 3}, first))
    assert table.read("p", "a", "b") == [Row("a", {"n": 2}, second)]


def test_an_update_replaces_all_values(table: Table) -> None:
    """Nothing of the earlier version stays."""
    [etag] = table.commit("p", Row("a", {"n": 1, "old": "x"}))
    table.commit("p", Row("a", {"n": 2}, etag))
    assert table.read("p", "a", "b")[0].values == {"n": 2}


def test_a_commit_is_all_or_nothing(table: Table) -> None:
    """An update with a stale etag takes the insert and the delete of its commit down with it."""
    [stale, _] = table.commit("p", Row("a", {"n": 1}), Row("gone", {"n": 0}))
    table.commit("p", Row("a", {"n": 2}, stale))
    with pytest.raises(Conflict):
        table.commit("p", Row("a", {"n": 3}, stale), Row("new", {"n": 9}), delete=("gone",))
    assert [row.key for row in table.read("p", "", "~")] == ["a", "gone"]


def test_an_update_an_insert_and_a_delete_are_one_commit(table: Table) -> None:
    """As at the end of an action that others follow."""
    [etag, _] = table.commit("p", Row("a", {"n": 1}), Row("!open|a", {}))
    etags = table.commit("p", Row("a", {"n": 2}, etag), Row("b", {}), delete=("!open|a",))
    assert [(row.key, row.etag) for row in table.read("p", "", "~")] == list(zip("ab", etags, strict=True))


def test_updating_what_is_gone_is_a_conflict(table: Table) -> None:
    """It does not come back to life."""
    [etag] = table.commit("p", Row("a", {"n": 1}))
    table.commit("p", delete=("a",))
    with pytest.raises(Conflict):
        table.commit("p", Row("a", {"n": 2}, etag))


def test_deleting_what_is_gone_is_a_conflict(table: Table) -> None:
    """Also on a table that was never used."""
    with pytest.raises(Conflict):
        table.commit("p", Row("a", {}), delete=("never",))
    assert table.read("p", "", "~") == []


def test_a_range_is_read_in_order_and_from_one_partition(table: Table) -> None:
    """Markers come before events, and those before what was rejected."""
    table.commit("p", *(Row(key, {}) for key in ("x|1", "1-b|rule", "!open|1-b", "1-b", "0-a")))
    table.commit("q", Row("1-b|other", {}))
    assert [row.key for row in table.read("p", "", "~")] == ["!open|1-b", "0-a", "1-b", "1-b|rule", "x|1"]
    assert [row.key for row in table.read("p", "1-b|", "1-b|~")] == ["1-b|rule"]


def test_a_range_of_more_than_a_page_is_read_whole(table: Table) -> None:
    """The service answers with 1,000 rows at a time."""
    for start in range(0, 1_100, 100):
        table.commit("p", *(Row(f"{n:05d}", {}) for n in range(start, start + 100)))
    assert len(table.read("p", "", "~")) == 1_100


def test_values_come_back_as_they_were(table: Table) -> None:
    """Texts of the longest allowed length and of any character, bytes and integers."""
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
    yield pytest.param([Row("a", {"t": "\ud800"})], id="half a character")


@pytest.mark.parametrize("rows", list(refused_by_azure()))
def test_the_limits_refuse_what_azure_would(rows: list[Row]) -> None:
    """The app's tests run behind them, because Azurite lets most of this pass."""
    with pytest.raises((Refused, ValueError)):
        AzureLimits(MemoryTable()).commit("p", *rows)


class Answers(RequestsTransport):  # type: ignore[misc]  # azure-core gives it lazily, as Any
    """Sends the request, and loses the answer of the first that `loses` names."""

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


def test_our_own_write_is_recognised_when_the_sdk_repeats_it(azurite_connection: str) -> None:
    """The transaction was applied, the answer was lost, the SDK sends it again: no Conflict, and the right etags."""
    name = f"t{uuid4().hex}"
    transport = Answers(lambda method: method == "POST")
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


def test_a_table_is_made_only_when_it_is_missing(azurite_connection: str) -> None:
    """Three requests for the first commit (the attempt, the table, the commit again), then one each."""
    transport = Answers(lambda _: False)
    with TableClient.from_connection_string(azurite_connection, f"t{uuid4().hex}", transport=transport) as client:
        table = AzureTable(client)
        table.commit("p", Row("a", {}))
        assert [request.rpartition("/")[2] for request in transport.sent] == ["$batch", "Tables", "$batch"]
        transport.sent.clear()
        table.commit("p", Row("b", {}))
        table.read("p", "a", "c")
        assert len(transport.sent) == 2


def test_what_storage_refuses_is_raised(azurite_connection: str) -> None:
    """Only a conflict is a Conflict."""
    wrong = azurite_connection.replace("AccountKey=", "AccountKey=AAAA")
    with storage_of(wrong).table("mlevents") as client, pytest.raises(Unavailable) as caught:
        AzureTable(client).commit("p", Row("a", {}))
    assert (caught.value.status, caught.value.reason) == (403, "AuthorizationFailure")


@pytest.fixture
def azure_queue(azurite_connection: str) -> Iterator[QueueClient]:
    with storage_of(azurite_connection).queue(f"q{uuid4().hex}") as client:
        yield client


def test_a_message_is_base64_and_never_expires(azure_queue: QueueClient, azurite_connection: str) -> None:
    """host.json says base64: what is not would go to the poison queue without the function having run."""
    AzureQueue(azure_queue).send("grüße")
    with QueueClient.from_connection_string(azurite_connection, azure_queue.queue_name) as plain:
        [message] = plain.peek_messages()
    assert message.content == base64.b64encode("grüße".encode()).decode()
    assert message.expires_on is not None
    assert message.expires_on.year > 2100


def test_a_delayed_message_is_not_there_yet(azure_queue: QueueClient) -> None:
    """Not even a delay of less than a second is dropped, and one of more than the service takes is cut."""
    queue = AzureQueue(azure_queue)
    for delay in (timedelta(milliseconds=1), timedelta(days=30)):
        queue.send("later", delay)
    assert azure_queue.receive_message() is None
    queue.send("now", timedelta(seconds=-5))
    message = azure_queue.receive_message()
    assert message is not None
    assert message.content == "now"


def test_the_queue_in_memory_delivers_in_order_of_time() -> None:
    """And moves the clock; what a dying worker had comes again."""
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
    queue.drain(handle, died=(TimeoutError,))
    assert seen == [
        ("early", start),
        ("late", start + timedelta(minutes=5)),
        ("early", start + timedelta(minutes=10)),
    ]


def test_a_storage_that_is_not_there_is_an_error(unused_port: int) -> None:
    """Nobody listens; test_storage_trouble.py has one that listens and does not answer."""
    nobody = (
        "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey=Zm9v;"
        f"TableEndpoint=http://127.0.0.1:{unused_port}/devstoreaccount1;"
        f"QueueEndpoint=http://127.0.0.1:{unused_port}/devstoreaccount1"
    )
    with storage_of(nobody).table("mlevents") as client, pytest.raises(Unavailable):
        AzureTable(client).read("p", "a", "b")
    with storage_of(nobody).queue("mlevents-actions") as client, pytest.raises(Unavailable):
        AzureQueue(client).send("a")
