"""A mailbox on this machine: keeps every mail of the app as a file, and delivers none."""

import asyncio
import os
import re
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from itertools import count
from pathlib import Path

from aiosmtpd.smtp import SMTP, Envelope, Session

from dispatch.settings import Environment
from emulator.ports import listen

PORT = 1025  # where local.settings.json.example sends mail

_LARGEST = 35 * 2**20  # bytes; more than any provider takes
_NUMBER = re.compile(r"(\d{4,})-.*\.eml")


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail that arrived."""

    path: Path
    sender: str  # of the envelope, as are the recipients: a mail server goes by these
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

    @property
    def line(self) -> str:
        """The number of its file, the subject and the recipients, in one line."""
        return f"{self.path.name.partition('-')[0]}  {self.subject!r}  to {', '.join(self.recipients)}"


class Mailbox:
    """An SMTP server. Mails become files, numbered after those in the folder; `mails` has the latest, or all."""

    def __init__(
        self, folder: Path, on_mail: Callable[[Mail], None] = lambda mail: None, *, remember: int | None = None
    ) -> None:
        self.folder = folder
        self.mails: deque[Mail] = deque(maxlen=remember)
        self.port = 0
        self._on_mail = on_mail

    async def start(self, port: int = 0) -> None:
        """Listen on a port; 0 is any free one. Raises PortTaken, and OSError if the folder cannot be created."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        numbers = (int(found[1]) for path in self.folder.iterdir() if (found := _NUMBER.fullmatch(path.name)))
        self._numbers = count(max(numbers, default=0) + 1)
        listener = listen(port, "is a mailbox running already?")
        self._server = await asyncio.get_running_loop().create_server(self._connection, sock=listener)
        self.port = listener.getsockname()[1]

    async def stop(self) -> None:
        """Stop listening."""
        self._server.close()
        with suppress(TimeoutError):
            await asyncio.wait_for(
                self._server.wait_closed(), 1
            )  # a client that stays connected does not delay the end

    def settings(self) -> dict[str, str]:
        """The app settings that send mail here."""
        return {"EMAIL_SMTP_HOST": "127.0.0.1", "EMAIL_SMTP_PORT": str(self.port), "EMAIL_SMTP_SECURITY": "none"}

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's
        """Write one mail to a file."""
        raw = envelope.original_content or b""
        message = message_from_bytes(raw, policy=policy.default)
        path = await asyncio.to_thread(self._write, raw, _slug(message))
        mail = Mail(path, envelope.mail_from or "", tuple(envelope.rcpt_tos), message)
        self.mails.append(mail)
        self._on_mail(mail)
        return "250 kept"

    def _write(self, raw: bytes, slug: str) -> Path:
        """Write the mail under the next number, and never over the file of another mailbox in the same folder."""
        for number in self._numbers:
            path = self.folder / f"{number:04d}-{slug}.eml"
            with suppress(FileExistsError), open(path, "xb", opener=_private) as file:
                file.write(raw)
                return path
        raise AssertionError  # numbers do not end

    def _connection(self) -> SMTP:
        return SMTP(
            self, hostname="localhost", ident="mlevents mailbox", data_size_limit=_LARGEST, enable_SMTPUTF8=True
        )


def is_configured(environment: Mapping[str, str]) -> bool:
    """Do the settings send mail to localhost and PORT, as local.settings.json.example does?

    If so, a mailbox takes the mail, on any free port; else the configured server sends it.
    """
    settings = Environment(environment)
    host, port = settings.get("EMAIL_SMTP_HOST").lower(), settings.get("EMAIL_SMTP_PORT")
    return host in {"localhost", "127.0.0.1", "::1"} and port == str(PORT)


def _private(path: str, flags: int) -> int:
    """Open a file that only this user can read."""
    return os.open(path, flags, 0o600)


def _slug(message: EmailMessage) -> str:
    """The part of the file's name that comes from the subject."""
    words = re.sub(r"[^a-z0-9]+", "-", str(message.get("Subject", "")).lower())[:50].strip("-")
    return words or "mail"
