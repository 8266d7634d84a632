"""Storage that is slow, breaks off a response, or is another service: StorageError, in time for Event Grid.

Only the network is patched, so that the tests cover the clients of dispatch/inbox/storage_account.py and the errors of
dispatch/inbox/tables.py.
"""

import random
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from uuid import uuid4

import pytest
import requests
from azure.core.pipeline.transport import RequestsTransport

from dispatch.app import App
from dispatch.inbox.errors import StorageError
from dispatch.inbox.inbox import Inbox
from dispatch.inbox.storage_account import Storage
from dispatch.inbox.tables import AzureQueue, AzureTable, Row, Table
from dispatch.receive import STORAGE_DEADLINE, receive
from dispatch.settings import Environment
from tests.dispatch.test_receive import RAW
from tests.kit.world import LEASE, World, rule, rules


def storage_on(port: int) -> Storage:
    """An account whose services are on one port."""
    url = f"http://127.0.0.1:{port}/devstoreaccount1"
    account = "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey=Zm9v"
    return Storage.of(Environment({"AzureWebJobsStorage": f"{account};TableEndpoint={url};QueueEndpoint={url}"}))


def do(call: str, storage: Storage) -> None:
    """Make one of the three kinds of calls to storage."""
    with storage.table("mlevents") as table, storage.queue("mlevents-actions") as queue:
        match call:
            case "commit":
                AzureTable(table).commit("p", Row("a", {}))
            case "read":
                AzureTable(table).read("p", "a", "b")
            case "send":
                AzureQueue(queue).send("a")


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(rules(rule("ring")), tmp_path)


@contextmanager
def black_hole() -> Iterator[Storage]:
    """A server that accepts connections and requests, and never responds."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield storage_on(listening.getsockname()[1])


@pytest.mark.timeout(20)
@pytest.mark.services
def test_storage_that_never_responds_raises_in_time(world: World) -> None:
    """Event Grid waits 30 s. The two services are tried at the same time, because each takes its full time."""
    with (
        ThreadPoolExecutor(2) as threads,
        black_hole() as storage,
        storage.table("mlevents") as table,
        storage.queue("mlevents-actions") as queue,
    ):
        no_table = App(world.loaded, Inbox(AzureTable(table), LEASE), world.queue, world.clock, world.sleep)
        no_queue = App(world.loaded, Inbox(world.table, LEASE), AzureQueue(queue), world.clock, world.sleep)
        for answer in [threads.submit(receive, RAW, app) for app in (no_table, no_queue)]:
            assert isinstance(answer.exception(), StorageError)
    receive(RAW, world.app)
    world.run()
    assert world.ends() == {"ring": "succeeded"}


@dataclass
class Network:
    """Behaves as configured for each service, takes no time, and adds up the longest possible time of the requests."""

    table: str = "healthy"
    queue: str = "healthy"
    seconds: float = 0.0
    tries: int = 0
    call: str = ""  # whose tries `again` counts
    again: int = 0

    def request(self, send: Callable[..., requests.Response], method: str, url: str, **how: Any) -> requests.Response:
        self.tries += 1
        connecting, reading = how["timeout"]
        mode = self.queue if "/messages" in url else self.table
        if mode == "no route":
            self.seconds += connecting
            raise requests.ConnectTimeout
        self.seconds += reading if mode != "healthy" else 0
        if mode == "no answer":
            raise requests.ReadTimeout
        if mode in {"healthy", "slow"} or (mode == "late" and self.is_the_last_try(f"{method} {url}")):
            return send(method, url, **how)
        answer = requests.Response()
        answer.status_code, answer.raw = 503, _Raw()
        answer.headers.update({"Retry-After": "3600"} if mode == "pause" else {})
        return answer

    def is_the_last_try(self, call: str) -> bool:
        self.call, self.again = call, self.again + 1 if call == self.call else 1
        return self.again == (2 if "/messages" in call else 3)

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


class _Raw:
    """The part of a response without a body that azure-core uses."""

    enforce_content_length = False

    def read(self, *_: Any, **__: Any) -> bytes:
        return b""

    def close(self) -> None: ...


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Network:
    """A network below the SDKs, whose clock measures their deadline."""
    network, send = Network(), requests.Session.request
    monkeypatch.setattr(
        requests.Session, "request", lambda self, *a, **how: network.request(partial(send, self), *a, **how)
    )
    monkeypatch.setattr(RequestsTransport, "sleep", lambda _, seconds: network.sleep(seconds))
    monkeypatch.setattr(random.Random, "uniform", lambda _, low, high: high)
    monkeypatch.setattr("dispatch.inbox.transport.monotonic", lambda: network.seconds)
    return network


@pytest.mark.parametrize(
    ("call", "mode", "tries", "seconds"),
    [
        ("commit", "no route", 3, 9.6),
        ("commit", "no answer", 2, 10.0),
        ("commit", "busy", 3, 15.6),
        ("commit", "pause", 3, 19.0),
        ("read", "no route", 3, 9.6),
        ("read", "no answer", 2, 10.0),
        ("read", "busy", 3, 15.6),
        ("read", "pause", 3, 19.0),
        ("send", "no route", 2, 8.0),
        ("send", "no answer", 2, 12.0),
        ("send", "busy", 2, 12.0),
        ("send", "pause", 2, 12.0),
    ],
)
def test_calls_to_storage_have_few_retries_and_short_sleeps(
    call: str, mode: str, tries: int, seconds: float, network: Network
) -> None:
    """Computed from the timeout of each request and the sleeps between them; a Retry-After of an hour is not obeyed."""
    network.table = network.queue = mode
    with pytest.raises(StorageError):
        do(call, storage_on(1))
    assert (network.tries, round(network.seconds, 3)) == (tries, seconds)


@pytest.mark.parametrize(
    ("table", "queue"),
    [
        ("healthy", "slow"),
        ("slow", "healthy"),
        ("slow", "slow"),
        ("late", "healthy"),
        ("late", "late"),
        ("healthy", "late"),
        ("late", "no answer"),
        ("healthy", "pause"),
    ],
)
def test_event_grid_gets_a_response_in_time_however_slow_storage_is(
    table: str, queue: str, network: Network, azurite_connection: str, tmp_path: Path
) -> None:
    """Each of many requests may be answered at the last moment or at the last try. A redelivery completes the rest."""
    world = World(rules(*(rule(f"ring-{n}") for n in range(12))), tmp_path)
    storage, name = Storage.of(Environment({"AzureWebJobsStorage": azurite_connection})), f"t{uuid4().hex}"
    with storage.table(name) as table_client, storage.queue(name) as queue_client:
        inbox = Inbox(AzureTable(table_client), LEASE)
        app = App(world.loaded, inbox, AzureQueue(queue_client), world.clock, world.sleep)
        network.table, network.queue = table, queue
        with suppress(StorageError):
            receive(RAW, app)
        assert 10 < network.seconds <= STORAGE_DEADLINE.total_seconds()
        network.table = network.queue = "healthy"
        receive(RAW, app)
        assert len(app.inbox.history.day("2026-11-22").actions) == 12
        messages = {message.content for message in queue_client.receive_messages(max_messages=100)}
        assert len(messages) == 12


@dataclass
class Server:
    """A server that responds to each request with the same bytes, and closes the connection."""

    answer: bytes
    port: int = 0
    methods: list[str] = field(default_factory=list)


@contextmanager
def answering(answer: bytes) -> Iterator[Server]:
    server = Server(answer)

    class Handler(BaseHTTPRequestHandler):
        def handle_one_request(self) -> None:
            self.raw_requestline = self.rfile.readline()
            if self.parse_request():
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                server.methods.append(self.command)
                self.wfile.write(server.answer)
            self.close_connection = True

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        server.port = http.server_port
        thread = Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            http.shutdown()
            thread.join()


def http(status: str, kind: str, body: bytes, *, missing: int = 0) -> bytes:
    """A response, whose last bytes may be missing."""
    return f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body) + missing}\r\n\r\n".encode() + body


PAGE = b"<html><body>Sign in to the guests' network</body></html>"
MIXED = "multipart/mixed; boundary=batchresponse_1"
BATCH = b"--batchresponse_1\r\nContent-Type: multipart/mixed; boundary=changesetresponse_1\r\n\r\n--changes"
UNREADABLE: list[Any] = [
    pytest.param("commit", http("202 Accepted", MIXED, BATCH, missing=400), id="commit, cut off"),
    pytest.param("commit", http("202 Accepted", "text/html", PAGE), id="commit, 202 with HTML"),
    pytest.param("commit", http("200 OK", "text/html", PAGE), id="commit, 200 with HTML"),
    pytest.param("commit", http("202 Accepted", "application/json", b"{}"), id="commit, other JSON"),
    pytest.param("read", http("200 OK", "application/json", b'{"value": [', missing=400), id="read, cut off"),
    pytest.param("read", http("200 OK", "text/html", PAGE), id="read, HTML"),
    pytest.param("read", http("200 OK", "application/json", b"{}"), id="read, other JSON"),
    pytest.param("send", http("201 Created", "application/xml", b"<?xml version", missing=400), id="send, cut off"),
    pytest.param("send", http("201 Created", "text/html", PAGE), id="send, 201 with HTML"),
    pytest.param("send", http("200 OK", "text/html", PAGE), id="send, 200 with HTML"),
]


@dataclass
class EventsElsewhere:
    """A table whose event rows are in another table; rejections and the list of days are in this one."""

    table: Table
    events: Table

    def read(self, partition: str, first: str, last: str, limit: int | None = None) -> list[Row]:
        return self.table.read(partition, first, last, limit)

    def commit(self, partition: str, *rows: Row, delete: tuple[str | Row, ...] = ()) -> list[str]:
        here = partition == "days" or rows[0].key.startswith("x|")
        return (self.table if here else self.events).commit(partition, *rows, delete=delete)


@pytest.mark.parametrize("answer", [pytest.param(p.values[1], id=p.id) for p in UNREADABLE if p.values[0] == "commit"])
def test_event_is_not_rejected_when_the_response_to_its_commit_is_unreadable(world: World, answer: bytes) -> None:
    """The response says nothing about the event, so Event Grid must deliver it again."""
    with answering(answer) as server, storage_on(server.port).table("mlevents") as client:
        broken = EventsElsewhere(world.table, AzureTable(client))
        with pytest.raises(StorageError):
            receive(RAW, App(world.loaded, Inbox(broken, LEASE), world.queue, world.clock, world.sleep))
        assert set(server.methods) == {"POST"}
    assert world.history().rejected == []
    receive(RAW, world.app)
    assert len(world.history().events) == 1
    assert world.history().rejected == []


@pytest.mark.parametrize(("call", "answer"), UNREADABLE)
def test_unreadable_response_raises_storage_error(call: str, answer: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever exception the SDK raises while it reads the response."""
    monkeypatch.setattr(RequestsTransport, "sleep", lambda *_: None)
    with answering(answer) as server, pytest.raises(StorageError):
        do(call, storage_on(server.port))


@pytest.mark.parametrize(("call", "answer"), [p for p in UNREADABLE if "cut off" in str(p.id)])
def test_request_is_repeated_when_its_response_breaks_off(
    call: str, answer: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also a commit, which is recognized when it is repeated."""
    monkeypatch.setattr(RequestsTransport, "sleep", lambda *_: None)
    with answering(answer) as server, pytest.raises(StorageError):
        do(call, storage_on(server.port))
    assert len(server.methods) > 1
