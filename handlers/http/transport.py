"""One HTTP request to an address that was checked, within limits on its time and its answer.

`microsoft-antissrf` resolves the host once, refuses addresses that are none of the public internet's, and connects to
an address that it has checked: a name that changes between check and use gains nothing. This module adds what that
leaves open: IPv6 addresses that are not global unicast, proxies and credentials of the environment, the header
``X-Forwarded-For: true``, redirects, which are not followed, and the time and size of the whole answer.

It imports requests, so `HttpHandler.send` imports it when a request is due.
"""

import io
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cache
from http import HTTPStatus
from http.client import HTTPException, HTTPResponse
from ipaddress import IPv6Network
from ssl import SSLCertVerificationError
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

import requests
from AntiSSRF import AntiSSRFError, AntiSSRFPolicy, IPAddressRanges, PolicyConfigOptions
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError, SSLError
from urllib3.util.ssl_match_hostname import CertificateError

from handlers.base import GiveUp, RetryLater, shorten
from handlers.http.answer import Answer
from schemas.errors import printable

CONNECT, READ = 10, 30  # timeouts in seconds
MAX_SECONDS = 60.0  # of a request and its answer; a function may run for five minutes
MAX_ANSWER = 65_536  # bytes of a body, unless the request says otherwise
_MAX_RECEIVED = 4_000_000  # bytes of headers, framing and body
_OWN_AUTHORITY = "; for an authority of your own, SSL_CERT_FILE names a file with its certificate"
# X509_STORE_CTX_get_error(3): a self-signed certificate, such a one in the chain, and an issuer that is not known.
_UNKNOWN_AUTHORITY = (18, 19, 20, 21)
_CHUNK = 16_384  # bytes that are sent at once
_PIECE = 1_024  # bytes that are read at once

# All IPv6 addresses but 2000::/3, which is global unicast (IANA, "Internet Protocol Version 6 Address Space"), and
# ::ffff:0:0/96, as which the policy sees IPv4 addresses. ::/96, the deprecated form of IPv4 addresses, is among them.
_NOT_GLOBAL = (
    *map(str, IPv6Network("::/3").address_exclude(IPv6Network("::ffff:0:0/96"))),
    *("4000::/2", "8000::/1"),
)
# What `allow_private` adds. Not link-local addresses and 168.63.129.16: these serve tokens and secrets of a machine.
_PRIVATE = (*IPAddressRanges.private_use, *IPAddressRanges.unique_local, *IPAddressRanges.loopback)


@dataclass(frozen=True, slots=True)
class Request:
    """A request. `most` is the number of bytes of its answer's body that are read."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    most: int = MAX_ANSWER


def exchange(request: Request, *, allow_private: bool) -> Answer:
    """Send a request once. Raises RetryLater if there is no answer, GiveUp if the address is not allowed.

    The errors name the host, and no other part of the URL.
    """
    host = urlsplit(request.url).hostname or ""
    try:
        with _no_log():
            return _exchange(request, host, allow_private)
    except AntiSSRFError:
        hint = "" if allow_private else "; allow_private: true permits private networks and http"
        raise GiveUp(f"no request is sent to {host}: its address is not one of the public internet{hint}") from None
    except (OSError, HTTPException, HTTPError) as error:  # requests' are OSErrors
        raise RetryLater(_failure(error, host)) from None


def is_allowed(address: str, *, allow_private: bool) -> bool:
    """Could a request be sent to this IP address?"""
    return bool(_policy(allow_private)._is_network_connection_allowed([address]))


def _exchange(request: Request, host: str, allow_private: bool) -> Answer:
    headers = {"User-Agent": "azureml-events", "Accept-Encoding": "identity", **request.headers}
    prepared = requests.Request(request.method, request.url, headers, data=request.body).prepare()
    with _policy(allow_private).get_antissrf_session() as session:
        for adapter in session.adapters.values():
            adapter.poolmanager.pool_classes_by_scheme = {"http": _HttpPool, "https": _HttpsPool}
        # Not session.send: it reads and unpacks the whole body of a redirect, even one that is not to be followed, and
        # applies proxies of the environment.
        send = session.get_adapter(request.url).send
        with closing(send(prepared, stream=True, timeout=(CONNECT, READ), verify=_authorities())) as response:
            found = {name.lower(): value for name, value in response.headers.items()}
            body = _without_token(_body(response, request.most), headers)
            return Answer(host, response.status_code, found, body)


_is_quiet: ContextVar[bool] = ContextVar("_is_quiet", default=False)
for _name in ("urllib3.connection", "urllib3.connectionpool"):
    logging.getLogger(_name).addFilter(lambda _: not _is_quiet.get())


@contextmanager
def _no_log() -> Iterator[None]:
    """Keep urllib3 from logging the URLs of the requests in this block; those of other clients stay in the log."""
    token = _is_quiet.set(True)
    try:
        yield
    finally:
        _is_quiet.reset(token)


@cache
def _policy(allow_private: bool) -> AntiSSRFPolicy:
    policy = AntiSSRFPolicy(PolicyConfigOptions.EXTERNAL_ONLY_LATEST)
    policy.add_denied_addresses(_NOT_GLOBAL)
    policy.add_xff_header = False
    if allow_private:
        policy.add_allowed_addresses(_PRIVATE)
        policy.allow_plain_text_http = True
    return policy


def _authorities() -> str | bool:
    """The file with the certificates of trusted authorities: that of the environment, or else certifi's."""
    return os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("SSL_CERT_FILE") or True


def _body(response: requests.Response, most: int) -> bytes:
    """The first bytes of the body; what there is of it, if the connection breaks: the status counts."""
    body = b""
    with suppress(OSError, HTTPException, HTTPError):
        while len(body) < most and (piece := response.raw.read(_PIECE, decode_content=False)):
            body += piece
    return body[:most]


def _without_token(body: bytes, headers: Mapping[str, str]) -> bytes:
    """The body without the token of the request, which a service may echo."""
    token = (
        {name.lower(): value for name, value in headers.items()}.get("authorization", "").rpartition(" ")[2].encode()
    )
    return body.replace(token, b"***") if token else body


def _failure(error: BaseException, host: str) -> str:
    """Why there is no answer, in the words of the innermost error: the outer ones have the URL."""
    while True:
        inner = error.__cause__ or error.__context__ or getattr(error, "reason", None)
        if not isinstance(inner, BaseException):
            break
        error = inner
    name = type(error).__name__
    if isinstance(error, SSLCertVerificationError | CertificateError):
        text = getattr(error, "verify_message", "") or printable(str(error))
        hint = _OWN_AUTHORITY if getattr(error, "verify_code", 0) in _UNKNOWN_AUTHORITY else ""
        return f"nothing was sent to {host}, because its certificate is refused: {shorten(text, 300)}{hint}"
    text = getattr(error, "strerror", "") or ""
    if not text and type(error).__module__ in ("builtins", "ssl", SSLError.__module__):
        text = shorten(printable(str(error)), 300)
    return f"{host} did not answer: {name}: {text}" if text else f"{host} did not answer: {name}"


class _Received(io.RawIOBase):
    """What a connection receives, within its limits."""

    def __init__(self, raw: io.RawIOBase, connection: "_Limited") -> None:
        self._raw, self._connection, self._left = raw, connection, _MAX_RECEIVED

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int | None:
        """Read into a buffer. Raises OSError beyond a limit."""
        self._connection.limit()
        count: int | None = self._raw.readinto(buffer)
        self._left -= count or 0
        if self._left < 0:
            raise OSError("the answer is too long")
        return count

    def close(self) -> None:
        """Close what it reads from."""
        self._raw.close()
        super().close()


class _Limited(HTTPConnection):
    """A connection whose request and answer must end before a deadline: urllib3's timeout is that of one read."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._deadline = monotonic() + MAX_SECONDS

    def limit(self) -> None:
        """Limit the next step. Raises TimeoutError after the deadline."""
        left = self._deadline - monotonic()
        if left <= 0:
            raise TimeoutError(f"the request timed out after {MAX_SECONDS:.0f} seconds")
        if self.sock is not None:
            self.sock.settimeout(min(READ, left))

    def send(self, data: Any) -> None:
        """Send in chunks: a timeout is that of one chunk."""
        for start in range(0, len(data), _CHUNK):
            self.limit()
            super().send(data[start : start + _CHUNK])

    def putheader(self, header: Any, *values: Any) -> None:
        """Add the port to the header Host, and brackets to an IPv6 address; microsoft-antissrf sets the bare name."""
        if header == "Host":
            name = f"[{values[0]}]" if ":" in values[0] else values[0]
            values = (name if self.port == self.default_port else f"{name}:{self.port}",)
        super().putheader(header, *values)

    def response_class(self, sock: Any, *args: Any, **options: Any) -> HTTPResponse:  # type: ignore[override]
        """A response that is read within the limits."""
        response = _Response(sock, *args, **options)
        response.fp = io.BufferedReader(_Received(response.fp.detach(), self))
        return response


class _Response(HTTPResponse):
    """A response after any number of interim ones (RFC 9110, section 15.2); http.client knows 100 only."""

    def _read_status(self) -> tuple[str, int, str]:
        version, status, reason = super()._read_status()  # type: ignore[misc]
        is_interim = HTTPStatus.SWITCHING_PROTOCOLS < status < HTTPStatus.OK
        return version, HTTPStatus.CONTINUE if is_interim else status, reason


class _LimitedTls(_Limited, HTTPSConnection):
    """The same over TLS."""


class _HttpPool(HTTPConnectionPool):
    ConnectionCls = _Limited


class _HttpsPool(HTTPSConnectionPool):
    ConnectionCls = _LimitedTls
