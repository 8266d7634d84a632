"""One request to a checked address: what is refused before it is sent, and the limits on the answer."""

import gzip
import itertools
import logging
import socket
import ssl
from collections.abc import Callable
from typing import Any

import pytest

from handlers.base import GiveUp, RetryLater
from handlers.http import transport
from handlers.http.answer import Answer
from handlers.http.transport import MAX_ANSWER, Request, exchange, is_allowed
from tests.handlers.http.raw_server import OK, raw_server, sends


def get(url: str, *, allow_private: bool = True, **more: Any) -> Answer:
    return exchange(Request("GET", url, **more), allow_private=allow_private)


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """A function that makes names resolve to addresses, one list per look-up, and returns the names that were asked."""
    asked: list[str] = []
    original = socket.getaddrinfo

    def install(*answers: list[str]) -> list[str]:
        remaining = itertools.chain(answers, itertools.repeat(answers[-1]))

        def getaddrinfo(host: str, port: Any, *args: Any, **options: Any) -> Any:
            if host.replace(".", "").isdigit() or ":" in host:
                return original(host, port, *args, **options)
            asked.append(host)
            return [found for address in next(remaining) for found in original(address, port, *args, **options)]

        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
        return asked

    return install


@pytest.fixture
def no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail if a connection is opened."""

    def connect(*_: object) -> None:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", connect)


FORBIDDEN = [
    *("127.0.0.1", "127.8.8.8", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.0.1", "100.64.0.1", "100.100.100.200"),
    *("169.254.169.254", "168.63.129.16", "192.0.0.192", "198.18.0.1", "224.0.0.1", "255.255.255.255", "240.0.0.1"),
    *("::1", "::", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:a9fe:a9fe", "::ffff:0:127.0.0.1", "64:ff9b::a9fe:a9fe"),
    *(
        "64:ff9b:1::a9fe:a9fe",
        "2002:a9fe:a9fe::",
        "2001:0:53aa:64c::1",
        "fe80::1",
        "fec0::1",
        "fc00::1",
        "fd00:ec2::254",
    ),
    *("ff02::1", "2001:db8::1", "100::1", "4000::1", "8000::1", "0:0:0:1::1"),
]


@pytest.mark.parametrize("address", FORBIDDEN)
def test_addresses_that_are_not_of_the_public_internet_get_no_request(address: str, no_connection: None) -> None:
    host = f"[{address}]" if ":" in address else address
    with pytest.raises(GiveUp, match="not one of the public internet; allow_private: true"):
        get(f"https://{host}/", allow_private=False)


@pytest.mark.parametrize("address", FORBIDDEN)
def test_names_that_resolve_to_such_addresses_get_no_request(
    address: str, no_connection: None, resolver: Callable[..., list[str]]
) -> None:
    """One such address among good ones is enough."""
    resolver(["93.184.215.14", address])
    with pytest.raises(GiveUp, match=r"no request is sent to rebind\.example"):
        get("https://rebind.example/", allow_private=False)


@pytest.mark.parametrize(
    "address", ["169.254.169.254", "168.63.129.16", "64:ff9b::a9fe:a9fe", "::ffff:a9fe:a9fe", "::a9fe:a9fe", "fe80::1"]
)
def test_metadata_services_get_no_request_from_private_networks_either(address: str) -> None:
    assert not is_allowed(address, allow_private=True)


@pytest.mark.parametrize("address", ["10.1.2.3", "127.0.0.1", "::1", "fd12::1", "93.184.215.14", "2606:2800:21f::1"])
def test_allow_private_permits_networks_of_ones_own(address: str) -> None:
    assert is_allowed(address, allow_private=True)
    assert is_allowed(address, allow_private=False) is address.startswith(("93.", "26"))


def test_a_name_that_changes_between_check_and_use_is_looked_up_once(
    trusted: None, server_tls: ssl.SSLContext, resolver: Callable[..., list[str]]
) -> None:
    """The connection goes to the address that was checked, with the name in TLS and Host."""
    asked = resolver(["127.0.0.1"], ["127.66.66.66"])
    with raw_server(sends(OK), server_tls) as (port, received):
        assert get(f"https://localhost:{port}/x").body == b"ok"
    assert asked == ["localhost"]
    assert f"Host: localhost:{port}\r\n".encode() in received[0]


def test_plain_http_needs_allow_private(no_connection: None) -> None:
    with pytest.raises(GiveUp, match="http"):
        get("http://93.184.215.14/", allow_private=False)


def test_the_certificate_must_be_of_the_name(trusted: None, server_tls: ssl.SSLContext) -> None:
    """The certificate is for localhost, and not for the address."""
    with (
        raw_server(sends(OK), server_tls) as (port, _),
        pytest.raises(RetryLater, match=r"its certificate is refused: hostname '127\.0\.0\.1' doesn't match"),
    ):
        get(f"https://127.0.0.1:{port}/secret")


def test_a_certificate_of_an_unknown_authority_is_refused(
    server_tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
    with raw_server(sends(OK), server_tls) as (port, received):
        with pytest.raises(RetryLater, match=r"nothing was sent to localhost, .* certificate; .* SSL_CERT_FILE names"):
            get(f"https://localhost:{port}/secret")
        assert received == []


def test_proxies_and_passwords_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine localhost login me password secret")
    monkeypatch.setenv("NETRC", str(netrc))
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("no_proxy", "")
    with raw_server(sends(OK)) as (port, received):
        assert get(f"http://localhost:{port}/").status == 200
    assert b"Authorization" not in received[0]


def test_a_redirect_is_an_answer_and_is_not_followed() -> None:
    moved = b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/metadata\r\nContent-Length: 0\r\n\r\n"
    with raw_server(sends(moved)) as (port, received):
        answer = get(f"http://127.0.0.1:{port}/")
    assert (answer.status, answer.headers["location"]) == (302, "http://169.254.169.254/metadata")
    assert len(received) == 1


@pytest.mark.parametrize("location", [b"https://[", b"\xff\xfe", b"//*:x", b"javascript:x"])
def test_a_redirect_may_lead_to_anything(location: bytes) -> None:
    """requests raises ValueError for some of these."""
    with raw_server(sends(b"HTTP/1.1 302 F\r\nContent-Length: 0\r\nLocation: " + location + b"\r\n\r\n")) as (port, _):
        assert get(f"http://127.0.0.1:{port}/").status == 302


def test_the_body_of_a_redirect_is_neither_unpacked_nor_read_whole() -> None:
    head = b"HTTP/1.1 302 F\r\nLocation: /\r\nContent-Encoding: gzip\r\nContent-Length: 200000\r\n\r\n"
    with raw_server(sends(head, gzip.compress(bytes(1_000)), bytes(200_000))) as (port, _):
        answer = get(f"http://127.0.0.1:{port}/")
    assert answer.body.startswith(b"\x1f\x8b")
    assert len(answer.body) == MAX_ANSWER


def test_the_request_has_no_header_of_a_library() -> None:
    with raw_server(sends(OK)) as (port, received):
        exchange(Request("POST", f"http://127.0.0.1:{port}/a?b=%2F", {"X-Mine": "1"}, b"body"), allow_private=True)
    head, _, body = received[0].partition(b"\r\n\r\n")
    first, *headers = head.decode().split("\r\n")
    assert first == "POST /a?b=%2F HTTP/1.1"
    assert sorted(headers) == [
        "Accept-Encoding: identity",
        "Content-Length: 4",
        f"Host: 127.0.0.1:{port}",
        "User-Agent: azureml-events",
        "X-Mine: 1",
    ]
    assert body == b"body"


def test_the_host_of_an_ipv6_address_has_brackets() -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6")
    with raw_server(sends(OK), host="::1") as (port, received):
        assert get(f"http://[::1]:{port}/").status == 200
    assert f"Host: [::1]:{port}\r\n".encode() in received[0]


def test_a_large_body_is_sent_whole() -> None:
    body = bytes(range(256)) * 4_000
    with raw_server(sends(OK)) as (port, received):
        exchange(Request("PUT", f"http://127.0.0.1:{port}/", {}, body), allow_private=True)
    assert received[0].endswith(body)


def test_the_body_is_cut() -> None:
    long = b"HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n" + b"x" * 200_000
    with raw_server(sends(long)) as (port, _):
        assert len(get(f"http://127.0.0.1:{port}/").body) == MAX_ANSWER
    with raw_server(sends(long)) as (port, _):
        assert get(f"http://127.0.0.1:{port}/", most=3).body == b"xxx"


def test_a_body_that_breaks_off_leaves_the_status() -> None:
    """The service has done its work: another attempt would do it twice."""
    broken = b"HTTP/1.1 201 Created\r\nContent-Length: 5000\r\n\r\n" + b"x" * 2_000
    with raw_server(sends(broken)) as (port, _):
        answer = get(f"http://127.0.0.1:{port}/")
    assert answer.status == 201
    assert answer.body.startswith(b"x" * 1_024)


def test_chunks_are_joined() -> None:
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"
    with raw_server(sends(chunked)) as (port, _):
        assert get(f"http://127.0.0.1:{port}/").body == b"abc"


@pytest.mark.parametrize("status", [100, 102, 103, 199])
def test_interim_answers_come_before_the_answer(status: int) -> None:
    """A client must accept any number of them (RFC 9110, section 15.2)."""
    interim = f"HTTP/1.1 {status} Wait\r\nLink: </a>\r\n\r\n".encode()
    with raw_server(sends(interim, interim, OK)) as (port, _):
        answer = get(f"http://127.0.0.1:{port}/")
    assert (answer.status, answer.body, "link" in answer.headers) == (200, b"ok", False)


def test_a_compressed_bomb_is_not_unpacked() -> None:
    packed = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\x1f\x8b\x08\x00"
    with raw_server(sends(packed)) as (port, _):
        assert get(f"http://127.0.0.1:{port}/").body == b"\x1f\x8b\x08\x00"


@pytest.mark.parametrize(
    "endless",
    [
        itertools.repeat(b"x" * 65_000),
        itertools.chain([b"HTTP/1.1 200 OK\r\n"], itertools.repeat(b"X-A: " + b"y" * 60_000 + b"\r\n")),
        itertools.repeat(b"HTTP/1.1 100 Continue\r\n\r\n" * 1_000),
    ],
    ids=["no status", "headers", "interim answers"],
)
def test_an_answer_without_an_end_is_an_error(endless: Any) -> None:
    def flood(connection: socket.socket) -> None:
        for piece in endless:
            connection.sendall(piece)

    with raw_server(flood) as (port, _), pytest.raises(RetryLater, match="did not answer"):
        get(f"http://127.0.0.1:{port}/")


def trickling(start: bytes) -> Callable[[socket.socket], None]:
    """An answer that goes on with a byte now and then: each comes within the timeout of a read."""

    def trickle(connection: socket.socket) -> None:
        connection.sendall(start)
        connection.settimeout(0.02)
        while True:
            connection.sendall(b"a")
            try:
                if not connection.recv(1):
                    return
            except TimeoutError:
                continue

    return trickle


@pytest.mark.services
@pytest.mark.parametrize("start", [b"", b"HTTP/1.1 200 OK\r\n"], ids=["no status", "headers"])
def test_a_server_that_trickles_is_cut_off(start: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "MAX_SECONDS", 0.3)
    with raw_server(trickling(start)) as (port, _), pytest.raises(RetryLater, match="timed out"):
        get(f"http://127.0.0.1:{port}/")


@pytest.mark.services
@pytest.mark.parametrize("length", [b"", b"Content-Length: 9999\r\n"], ids=["until closed", "with a length"])
def test_a_body_that_trickles_is_cut_and_leaves_the_status(length: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "MAX_SECONDS", 0.3)
    with raw_server(trickling(b"HTTP/1.1 200 OK\r\n" + length + b"\r\n")) as (port, _):
        assert get(f"http://127.0.0.1:{port}/").status == 200


@pytest.mark.parametrize("answer", [b"", b"SSH-2.0-x\r\n\r\n", b"HTTP/1.1 abc\r\n\r\n"])
def test_what_is_not_http_is_tried_again(answer: bytes) -> None:
    with raw_server(sends(answer)) as (port, _), pytest.raises(RetryLater, match=r"127\.0\.0\.1 did not answer"):
        get(f"http://127.0.0.1:{port}/secret?sig=secret")


def test_errors_name_the_host_and_no_other_part_of_the_url() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(RetryLater) as error:
        get(f"http://localhost:{port}/SECRET?sig=SECRET")
    assert str(error.value) == "localhost did not answer: ConnectionRefusedError: Connection refused"
    assert error.value.__suppress_context__


def test_no_library_logs_the_url(caplog: pytest.LogCaptureFixture) -> None:
    """urllib3 logs it with headers that it cannot read, and at the level DEBUG always."""
    caplog.set_level("DEBUG")
    with raw_server(sends(b"HTTP/1.1 200 OK\r\nno header\r\n\r\n")) as (port, _):
        get(f"http://127.0.0.1:{port}/SECRET?sig=SECRET")
    assert "SECRET" not in caplog.text
    logging.getLogger("urllib3.connectionpool").debug("of another client")
    assert "of another client" in caplog.text


def test_a_name_that_does_not_resolve_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def getaddrinfo(*_: object, **__: object) -> Any:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    with pytest.raises(RetryLater, match=r"gone\.example did not answer: gaierror: Temporary failure"):
        get("https://gone.example/SECRET")


def test_the_token_of_a_request_is_masked_in_its_answer() -> None:
    body = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 32\r\n\r\nAuthorization: Bearer eyJtoken.x"
    with raw_server(sends(body)) as (port, _):
        answer = get(f"http://127.0.0.1:{port}/", headers={"Authorization": "Bearer eyJtoken.x"})
    assert answer.text == "Authorization: Bearer ***"


def test_the_policy_is_of_the_version_that_was_read() -> None:
    """These are microsoft-antissrf's defaults that `transport` changes or relies on."""
    from AntiSSRF import AntiSSRFPolicy, PolicyConfigOptions

    policy = AntiSSRFPolicy(PolicyConfigOptions.EXTERNAL_ONLY_LATEST)
    assert (policy.add_xff_header, policy.allow_plain_text_http) == (True, False)
    session = policy.get_antissrf_session()
    assert set(session.adapters) == {"http://", "https://"}
