"""An emulated email service of Azure Communication Services, on loopback.

Like the real service, it verifies the HMAC-SHA256 signature of a request (learn.microsoft.com, "Authentication" in the
Azure Communication Services REST reference) or the audience of a bearer token, the api-version and the body. It accepts
a message with a known Operation-Id, and does not send it again.
"""

import hmac
import json
import ssl
from base64 import b64decode, b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID, uuid4

KEY = b64encode(b"a key of the emulated service").decode()
AUDIENCE = "https://communication.azure.com"
VERSIONS = {"2023-03-31", "2025-09-01"}


@dataclass
class Reply:
    """A scripted reply, in place of the service's own."""

    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class MailService:
    """The service's URL, the messages and requests that it received, and its scripted replies."""

    url: str = ""
    sent: dict[str, Any] = field(default_factory=dict)  # Operation-Id -> the message
    requests: list[str] = field(default_factory=list)  # "POST /emails:send", "GET /emails/operations/<id>"
    replies: list[Reply] = field(default_factory=list)  # for the next requests
    statuses: list[str] = field(default_factory=list)  # of the next status requests; then Succeeded
    custom_headers_only: bool = False  # reject headers that Microsoft does not document
    error: dict[str, str] = field(default_factory=lambda: {"code": "EmailDropped", "message": "dropped after attempts"})

    def send(self, operation: str, message: Any) -> Reply:
        if problem := _problem(operation, message) or self._undocumented(message.get("headers", {})):
            return Reply(400, {"error": {"code": "BadRequest", "message": problem}})
        self.sent.setdefault(operation, message)
        location = f"{self.url}/emails/operations/{operation}?api-version=2025-09-01"
        return Reply(202, {"id": operation, "status": "Running"}, {"Operation-Location": location, "Retry-After": "30"})

    def _undocumented(self, headers: Any) -> str:
        others = [name for name in headers if name != "Message-ID" and not name.startswith("X-")]
        return f"headers: {others}" if self.custom_headers_only and others else ""

    def status(self, operation: str) -> Reply:
        if operation not in self.sent:
            return Reply(404, {"error": {"code": "NotFound", "message": "no such operation"}})
        current = self.statuses.pop(0) if self.statuses else "Succeeded"
        failed = {"error": self.error} if current == "Failed" else {}
        return Reply(200, {"id": operation, "status": current, **failed})


@contextmanager
def mail_service(tls: ssl.SSLContext | None = None) -> Iterator[MailService]:
    """Run the service within the block."""
    service = MailService()

    class Responder(_Responder):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            operation = self.headers.get("Operation-Id") or str(uuid4())
            self.respond(self.error_for(body) or service.send(operation, json.loads(body)))

        def do_GET(self) -> None:
            operation = urlsplit(self.path).path.rpartition("/")[2]
            self.respond(self.error_for(b"") or service.status(operation))

        def error_for(self, body: bytes) -> Reply | None:
            url = urlsplit(self.path)
            service.requests.append(f"{self.command} {url.path}")
            if reason := _unauthorized(self.command, self.path, self.headers, body, encrypted=tls is not None):
                return Reply(401, {"error": {"code": "Denied", "message": reason}})
            if service.replies:
                return service.replies.pop(0)
            expected = "/emails:send" if self.command == "POST" else "/emails/operations/"
            if not url.path.startswith(expected) or parse_qs(url.query).get("api-version", [""])[0] not in VERSIONS:
                return Reply(404, {"error": {"code": "NotFound", "message": f"no {self.command} {self.path}"}})
            return None

    with _serving(Responder, tls) as service.url:
        yield service


class _Responder(BaseHTTPRequestHandler):
    def respond(self, reply: Reply) -> None:
        body = b"" if reply.body is None else json.dumps(reply.body).encode()
        self.send_response(reply.status)
        headers = {"Content-Type": "application/json", "Content-Length": str(len(body)), **reply.headers}
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: tests read `MailService.requests`."""


@contextmanager
def _serving(handler: type[_Responder], tls: ssl.SSLContext | None) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        if tls:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"{'https' if tls else 'http'}://localhost:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join(10)


def _unauthorized(verb: str, path: str, headers: Any, body: bytes, *, encrypted: bool) -> str:
    """The reason to reject a request, or "" to accept it."""
    credentials = headers.get("Authorization", "")
    if credentials.startswith("Bearer "):
        return (
            "" if encrypted and _audience(credentials) == AUDIENCE else "no token for this service, or over plain HTTP"
        )
    digest = b64encode(sha256(body).digest()).decode()
    if headers.get("x-ms-content-sha256") != digest:
        return "x-ms-content-sha256 is not the body's"
    date = headers.get("x-ms-date", "")
    if not date or abs(parsedate_to_datetime(date) - datetime.now(UTC)) > timedelta(minutes=5):
        return "x-ms-date is missing or old"
    text = f"{verb}\n{path}\n{date};{headers['Host']};{digest}"
    signature = b64encode(hmac.digest(b64decode(KEY), text.encode(), "sha256")).decode()
    expected = f"HMAC-SHA256 SignedHeaders=x-ms-date;host;x-ms-content-sha256&Signature={signature}"
    return "" if hmac.compare_digest(credentials, expected) else "the signature is invalid"


def _audience(authorization: str) -> str:
    """The audience of a bearer token, or "" if it is invalid or has expired. Does not verify the signature."""
    try:
        claims = json.loads(b64decode(authorization.split(".")[1] + "=="))
        return str(claims["aud"]) if claims["exp"] > datetime.now(UTC).timestamp() else ""
    except (LookupError, ValueError):
        return ""


def _problem(operation: str, message: Any) -> str:
    """The reason to reject a message, or "" to accept it."""
    try:
        UUID(operation)
    except ValueError:
        return "Operation-Id is not a GUID"
    known = {"senderAddress", "recipients", "content", "headers", "replyTo", "userEngagementTrackingDisabled"}
    if unknown := set(message) - known:
        return f"unknown fields: {unknown}"
    if not message["recipients"].get("to") or not message["content"].get("subject"):
        return "no recipient, or no subject"
    if not all(value.isprintable() and value.isascii() for value in message.get("headers", {}).values()):
        return f"headers: {message['headers']}"
    addresses = [entry["address"] for entries in message["recipients"].values() for entry in entries]
    addresses += [entry["address"] for entry in message.get("replyTo", ())]
    if len(addresses) > 50 or any(address.count("@") != 1 or not address.isascii() for address in addresses):
        return f"recipients: {addresses}"
    return "" if "@" in message["senderAddress"] and "<" not in message["senderAddress"] else "senderAddress"
