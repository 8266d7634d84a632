"""The recording server: what it keeps of a request, and what it answers."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest
import requests

from mlevents.console import Console
from mlevents.testing import Answer, RecordingServer, Request
from mlevents.testing.__main__ import main


@pytest.fixture
def server() -> Iterator[RecordingServer]:
    with RecordingServer() as server:
        yield server


def test_a_request_is_kept_as_it_was_sent(server: RecordingServer) -> None:
    url = server.url("/a%2Fb/c?name=d%20e&name=f&empty=")
    reply = requests.post(url, json={"text": "ü"}, headers={"X-Key": "k"}, timeout=10)
    assert (reply.status_code, reply.content) == (200, b"")
    [request] = server.requests
    assert (request.method, request.path) == ("POST", "/a%2Fb/c")
    assert request.query == {"name": "f", "empty": ""}
    assert request.headers["x-key"] == "k"
    assert request.json() == {"text": "ü"}
    assert request.text == request.body.decode()


def test_a_body_may_be_large_and_in_chunks(server: RecordingServer) -> None:
    requests.put(server.url(), data=iter([b"x" * 1_500_000] * 2), timeout=10)
    assert len(server.requests[0].body) == 3_000_000


def test_answers_are_given_in_order_and_the_last_is_repeated(server: RecordingServer) -> None:
    server.answers = [Answer(429, headers={"Retry-After": "7"}), Answer(201, {"id": 1}), Answer(400, "why", {"A": "b"})]
    replies = [requests.get(server.url(), timeout=10) for _ in range(4)]
    assert [reply.status_code for reply in replies] == [429, 201, 400, 400]
    assert replies[0].headers["Retry-After"] == "7"
    assert replies[1].json() == {"id": 1}
    assert replies[1].headers["Content-Type"] == "application/json; charset=utf-8"
    assert (replies[2].text, replies[2].headers["A"]) == ("why", "b")


def test_a_header_of_an_answer_replaces_the_usual_one(server: RecordingServer) -> None:
    for body in ({"a": 1}, "text", b"bytes"):
        server.answers = [Answer(200, body, {"Content-Type": "application/problem+json"})]
        assert requests.get(server.url(), timeout=10).headers["Content-Type"] == "application/problem+json"


def test_a_function_decides_by_the_request() -> None:
    with RecordingServer(lambda request: Answer(200, {"path": request.path})) as server:
        assert requests.get(server.url("/a"), timeout=10).json() == {"path": "/a"}
        assert requests.get(server.url("/b"), timeout=10).json() == {"path": "/b"}


def test_a_function_that_raises_fails_the_test() -> None:
    def refuse(request: Request) -> Answer:
        raise AssertionError(f"no {request.method}")

    def ask() -> int:
        with RecordingServer(refuse) as server:
            return requests.get(server.url(), timeout=10).status_code

    with pytest.raises(AssertionError, match="no GET"):
        ask()


def test_the_error_of_the_block_is_not_replaced() -> None:
    def fail() -> None:
        with RecordingServer(lambda _: Answer(int("x"))) as server:
            assert requests.get(server.url(), timeout=10).status_code == 500
            raise LookupError

    with pytest.raises(LookupError):
        fail()


def test_a_redirect_names_its_target(server: RecordingServer) -> None:
    server.answers = [Answer.redirect(server.url("/other"), 307)]
    reply = requests.get(server.url(), timeout=10, allow_redirects=False)
    assert (reply.status_code, reply.headers["Location"]) == (307, server.url("/other"))


def test_a_dropped_connection_has_no_answer(server: RecordingServer) -> None:
    server.answers = [Answer(drop=True), Answer()]
    with pytest.raises(requests.ConnectionError):
        requests.post(server.url(), timeout=10)
    assert requests.post(server.url(), timeout=10).status_code == 200
    assert len(server.requests) == 2


def test_an_answer_waits_for_its_event(server: RecordingServer) -> None:
    released = Event()
    server.answers = [Answer(201, after=released), Answer(202)]
    with ThreadPoolExecutor(1) as pool:
        reply = pool.submit(requests.get, server.url("/slow"), timeout=10)
        while not server.requests:
            assert not reply.done()
        assert requests.get(server.url("/fast"), timeout=10).status_code == 202
        assert not reply.done()
        released.set()
        assert reply.result().status_code == 201


def test_the_end_of_the_block_does_not_wait_for_answers() -> None:
    with ThreadPoolExecutor(1) as pool:
        with RecordingServer(Answer(after=Event())) as server:
            reply = pool.submit(requests.get, server.url(), timeout=10)
            while not server.requests:
                assert not reply.done()
        assert reply.exception() is None or isinstance(reply.exception(), requests.ConnectionError)


def test_https_is_trusted_by_its_environment_only(monkeypatch: pytest.MonkeyPatch) -> None:
    with RecordingServer(https=True, names=("hooks.example.com",)) as server:
        assert server.url() == f"https://localhost:{server.port}/"
        with pytest.raises(requests.exceptions.SSLError):
            requests.get(server.url(), timeout=10)
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        for host in ("localhost", "127.0.0.1"):
            assert requests.get(server.url("/", host), timeout=10).status_code == 200
        file = server.ca_file
        assert file.exists()
    assert not file.exists()


def test_requests_are_printed_to_try_a_handler() -> None:
    """`python -m mlevents.testing`"""
    console, end = Console(), Event()
    with ThreadPoolExecutor(1) as pool:
        code = pool.submit(main, console, 0, end)
        while not console.lines:
            assert not code.done()
        url = console.lines[0].split()[2]
        assert requests.post(f"{url}hook", data=b"{}\x1b", timeout=10).status_code == 200
        assert list(console.lines)[1:] == ["POST /hook {}\\x1b"]
        port = int(url.rsplit(":", 1)[1].strip("/"))
        taken = Console()
        assert main(taken, port) == 1
        assert f"cannot listen on port {port}" in taken.lines[0]
        end.set()
        assert code.result() == 0
