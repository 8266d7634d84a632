"""A mailbox on this machine: takes every mail that the app sends, keeps it as a file, delivers it to nobody."""

import asyncio
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

from aiosmtpd.smtp import SMTP, Envelope, Session

from dispatch.settings import Environment

_LARGEST = 35 * 2**20  # bytes; more than any provider takes


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail that arrived."""

    path: Path
    sender: str  # of the envelope, as are the recipients: what a mail server acts on
    recipients: tuple[str, ...]
    message: EmailMessage

    @property
    def subject(self) -> str:
        """The subject, decoded; empty if there is none. A header folded after its colon begins with a space here."""
        return str(self.message.get("Subject", "")).strip()

    @property
    def text(self) -> str:
        """The plain text part."""
        part = self.message.get_body(("plain",))
        return str(part.get_content()).replace("\r\n", "\n") if part else ""


class Mailbox:
    """An SMTP server on a free port. Mails become files, numbered on from those that are in the folder."""

    def __init__(self, folder: Path, on_mail: Callable[[Mail], None] = lambda mail: None) -> None:
        self.folder = folder
        self.mails: list[Mail] = []
        self.port = 0
        self._on_mail = on_mail

    async def start(self) -> None:
        """Listen."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._number = max((int(p.name[:4]) for p in self.folder.glob("[0-9][0-9][0-9][0-9]-*.eml")), default=0)
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._connection, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Listen no more."""
        self._server.close()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._server.wait_closed(), 1)  # a client that stays does not keep us

    def settings(self) -> dict[str, str]:
        """The app settings that send mail here."""
        return {"EMAIL_SMTP_HOST": "127.0.0.1", "EMAIL_SMTP_PORT": str(self.port), "EMAIL_SMTP_SECURITY": "none"}

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's
        """Keep one mail."""
        raw = envelope.original_content or b""
        message = message_from_bytes(raw, policy=policy.default)
        self._number += 1
        path = self.folder / f"{self._number:04d}-{_slug(message)}.eml"
        await asyncio.to_thread(path.write_bytes, raw)
        mail = Mail(path, envelope.mail_from or "", tuple(envelope.rcpt_tos), message)
        self.mails.append(mail)
        self._on_mail(mail)
        return "250 kept"

    def _connection(self) -> SMTP:
        return SMTP(
            self, hostname="localhost", ident="mlevents mailbox", data_size_limit=_LARGEST, enable_SMTPUTF8=True
        )


def is_meant(environment: Mapping[str, str]) -> bool:
    """Do the settings send mail to localhost:1025, where local.settings.json.example says that the mailbox is?

    Then it is used, on whatever port is free; else mail goes where the settings say.
    """
    settings = Environment(environment)
    host, port = settings.get("EMAIL_SMTP_HOST").lower(), settings.get("EMAIL_SMTP_PORT")
    return host in {"localhost", "127.0.0.1", "::1"} and port == "1025"


def _slug(message: EmailMessage) -> str:
    """The subject as part of a file's name."""
    words = re.sub(r"[^a-z0-9]+", "-", str(message.get("Subject", "")).lower())[:50].strip("-")
    return words or "mail"
