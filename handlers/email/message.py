"""`Mail`: a mail that is ready to send, and its form as a MIME message."""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import EmailPolicy
from textwrap import wrap
from typing import Any
from uuid import UUID

from handlers.base import Succeeded
from handlers.email.address import Mailbox

_LINE = 76  # characters of a line with an encoded word (RFC 2047, section 2); RFC 5322 recommends at most 78 of any


class _Policy(EmailPolicy):
    """Encodes and folds subjects, the sender's name, and the headers of `Mail.headers`.

    The email package loses or adds spaces when it folds a text that is not ASCII, or has a very long word, differently
    in Python's patch releases.
    """

    def fold_binary(self, name: str, value: Any) -> bytes:
        """The header as the message has it, with its line end."""
        if name in _FOLDED or name.startswith("X-"):
            return f"{name}: {_folded(name, value)}\r\n".encode()
        if name == "From" and not value.isascii():
            [address] = value.addresses
            return f"From: {_encoded(name, address.display_name)}\r\n <{address.addr_spec}>\r\n".encode()
        return super().fold_binary(name, value)


_FOLDED = {"Subject", "In-Reply-To", "References", "List-Id", "Auto-Submitted"}
# Quoted-printable or Base64 where a part is not ASCII, for servers without 8BITMIME.
_POLICY = _Policy(cte_type="7bit", linesep="\r\n")


def header_value(name: str, text: str) -> str:
    """A header's value in ASCII, on one line: of encoded words, if the text is not ASCII or has a very long word."""
    return _folded(name, text).replace("\r\n", "")


def _folded(name: str, text: str) -> str:
    """A header's value on lines that break at spaces; as encoded words, if it is not ASCII or has a very long word."""
    if name in {"In-Reply-To", "References", "List-Id"}:
        return text  # one id, which cannot be folded
    width = _LINE - len(f"{name}: ")
    lines = wrap(text, width, break_long_words=False, break_on_hyphens=False)
    fits = text.isascii() and " ".join(lines) == text and all(len(line) <= width for line in lines)
    return "\r\n ".join(lines) if fits else _encoded(name, text)


def _encoded(name: str, text: str) -> str:
    """A text as encoded words, one a line. Each has whole characters, and fits beside the header's name."""
    size = (_LINE - len(f"{name}: ") - len("=?utf-8?b??=")) // 4 * 3  # bytes, of which Base64 makes four for three
    words = [b""]
    for character in text:
        if len(words[-1] + character.encode()) > size:
            words.append(b"")
        words[-1] += character.encode()
    return "\r\n ".join(f"=?utf-8?b?{b64encode(word).decode()}?=" for word in words)


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail with valid addresses and clean texts: the transports do not check them again."""

    key: UUID  # the action's key, which every attempt to send this mail shares
    sender: Mailbox
    to: tuple[str, ...]
    subject: str
    text: str
    html: str = ""
    cc: tuple[str, ...] = ()
    bcc: tuple[str, ...] = ()
    reply_to: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()  # invalid or forbidden recipients, with the reasons
    headers: Mapping[str, str] = field(default_factory=dict)  # further headers: one line of text each
    fallback: str = ""  # why `to_fallback` was used; empty if it was not

    @property
    def recipients(self) -> tuple[str, ...]:
        """All recipients."""
        return self.to + self.cc + self.bcc

    @property
    def message_id(self) -> str:
        """The Message-ID. Every attempt to send the mail has the same one, by which a server can drop a duplicate."""
        return f"<{self.key}@{self.sender.domain}>"

    @property
    def texts(self) -> dict[str, str]:
        """The mail by its parts, for people. Empty parts are left out."""
        sender = f"{self.sender.name} <{self.sender.address}>" if self.sender.name else self.sender.address
        addresses = {"to": self.to, "cc": self.cc, "bcc": self.bcc, "reply to": self.reply_to}
        parts = {"from": sender, **{name: ", ".join(each) for name, each in addresses.items()}}
        found = {**parts, "subject": self.subject, "text": self.text, "html": self.html}
        return {name: text for name, text in found.items() if text}

    def as_bytes(self) -> bytes:
        """The MIME message in ASCII, with a text and an HTML part, and without the recipients in `bcc`."""
        message = EmailMessage(_POLICY)
        message["From"] = Address(self.sender.name, addr_spec=self.sender.address)
        for header, addresses in (("To", self.to), ("Cc", self.cc), ("Reply-To", self.reply_to)):
            if addresses:
                message[header] = [Address(addr_spec=address) for address in addresses]
        message["Subject"] = self.subject
        message["Date"] = datetime.now(UTC)
        message["Message-ID"] = self.message_id
        for name, value in self.headers.items():
            message[name] = value
        message.set_content(self.text)
        if self.html:
            message.add_alternative(self.html, subtype="html")
        return message.as_bytes()

    def sent(self, service: str, accepted: Sequence[str], rejected: Sequence[str] = ()) -> Succeeded:
        """The outcome after `service` accepted the mail. `rejected` has the rejected recipients, with the reasons."""
        details = {"to": ", ".join(accepted), "subject": self.subject, "message_id": self.message_id}
        if left_out := "; ".join([*self.left_out, *rejected]):
            details["left_out"] = left_out
        if self.fallback:
            details["fallback"] = self.fallback
        return Succeeded(f"mailed {', '.join(accepted)} via {service}", details, self.texts)
