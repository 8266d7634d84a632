"""A mail server on loopback, with or without TLS. It keeps the mails that it accepts, and sends scripted replies."""

import asyncio
import socket
import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from threading import Event, Thread
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from emulator.background import Background


@dataclass(frozen=True)
class Delivered:
    """An accepted mail, with the login and encryption of its connection."""

    sender: str
    recipients: tuple[str, ...]
    content: bytes
    encrypted: bool
    login: str

    @property
    def message(self) -> EmailMessage:
        message = message_from_bytes(self.content, policy=default)
        assert isinstance(message, EmailMessage)
        return message

    def part(self, kind: str) -> str:
        """The text (``plain``) or HTML (``html``) part."""
        body = self.message.get_body(preferencelist=(kind,))
        return str(body.get_content()).replace("\r\n", "\n") if body else ""


@dataclass
class MailServer:
    """The server's address, accepted mails, and scripted replies by command: ``"DATA"``, ``"RCPT a@example.com"``."""

    host: str
    port: int
    accepted: list[Delivered] = field(default_factory=list)
    replies: dict[str, list[str]] = field(default_factory=dict)

    def next_reply(self, command: str) -> str | None:
        """The next scripted reply to a command, or None if the server is to handle it."""
        replies = self.replies.get(command)
        return replies.pop(0) if replies else None


class _Hooks:
    def __init__(self, server: MailServer) -> None:
        self._server = server

    async def handle_MAIL(  # noqa: N802 - aiosmtpd's name, as are the following
        self, smtp: SMTP, _: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if reply := self._server.next_reply("MAIL"):
            return reply
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(  # noqa: N802 - as above
        self, smtp: SMTP, _: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if reply := self._server.next_reply(f"RCPT {address}"):
            return reply
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, smtp: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - as above
        if reply := self._server.next_reply("DATA"):
            return reply
        assert isinstance(envelope.content, bytes)
        login = session.auth_data.login.decode() if isinstance(session.auth_data, LoginPassword) else ""
        assert smtp.transport is not None
        encrypted = session.ssl is not None or smtp.transport.get_extra_info("sslcontext") is not None
        recipients = tuple(str(address) for address in envelope.rcpt_tos)
        self._server.accepted.append(Delivered(str(envelope.mail_from), recipients, envelope.content, encrypted, login))
        return "250 OK: accepted"

    async def handle_QUIT(self, smtp: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - as above
        return self._server.next_reply("QUIT") or "221 Bye"


@contextmanager
def mail_server(
    *,
    tls: ssl.SSLContext | None = None,
    starttls: ssl.SSLContext | None = None,
    login: tuple[str, str] | None = None,
) -> Iterator[MailServer]:
    """Run a server within the block. `login` offers AUTH; with `starttls` the server requires it."""
    server = MailServer("localhost", 0)

    def authenticate(_: SMTP, __: Session, ___: Envelope, ____: str, data: Any) -> AuthResult:
        if reply := server.next_reply("AUTH"):
            return AuthResult(success=False, handled=False, message=reply)
        valid = isinstance(data, LoginPassword) and login == (data.login.decode(), data.password.decode())
        return AuthResult(success=valid, handled=False, auth_data=data)

    def protocol() -> SMTP:
        return SMTP(
            _Hooks(server),
            hostname="mail.example.com",
            tls_context=starttls,
            require_starttls=starttls is not None,
            authenticator=authenticate if login else None,
            auth_required=bool(login and starttls),
            auth_require_tls=starttls is not None,
            auth_exclude_mechanism=() if login else ("LOGIN", "PLAIN"),
        )

    with Background() as background:
        listening = background.run(_listen(protocol, tls))
        server.port = listening.sockets[0].getsockname()[1]
        try:
            yield server
        finally:
            background.run(_close(listening))


async def _listen(protocol: Callable[[], SMTP], tls: ssl.SSLContext | None) -> asyncio.Server:
    return await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", 0, ssl=tls)


async def _close(listening: asyncio.Server) -> None:
    listening.close()
    connections = asyncio.all_tasks() - {asyncio.current_task()}
    for task in connections:
        task.cancel()
    await asyncio.gather(*connections, return_exceptions=True)


@contextmanager
def scripted_server(*replies: str) -> Iterator[MailServer]:
    """Run a server that sends these replies to any commands, and then hangs up. At "" it stops replying."""
    server = MailServer("localhost", 0)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server.port = listening.getsockname()[1]
        thread = Thread(target=_send_replies, args=(listening, replies))
        thread.start()
        yield server
        thread.join(10)


def _send_replies(listening: socket.socket, replies: Sequence[str]) -> None:
    connection, _ = listening.accept()
    with connection, connection.makefile("rb") as lines:
        for number, reply in enumerate(replies):
            if number:
                _read_command(lines, after_data=replies[number - 1].startswith("354"))
            if not reply:
                lines.read()  # until the client hangs up
                return
            connection.sendall(f"{reply}\r\n".encode())


def _read_command(lines: Any, *, after_data: bool) -> None:
    while (line := lines.readline()) and after_data and line != b".\r\n":
        continue


@contextmanager
def trickling_server(piece: bytes, *, pause: float, times: int = 1_000_000) -> Iterator[MailServer]:
    """Run a server that sends a piece again and again, and reads nothing, until the client hangs up."""
    server = MailServer("localhost", 0)
    done = Event()

    def trickle(listening: socket.socket) -> None:
        connection, _ = listening.accept()
        with connection, suppress(OSError):
            for _ in range(times):
                connection.sendall(piece)
                if done.wait(pause):
                    return
            done.wait()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        server.port = listening.getsockname()[1]
        thread = Thread(target=trickle, args=(listening,))
        thread.start()
        try:
            yield server
        finally:
            done.set()
            thread.join(10)
