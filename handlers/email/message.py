"""`Mail`: a mail that is ready to send, and its form as a MIME message."""

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import EmailPolicy
from textwrap import wrap
from typing import Any
from uuid import UUID

from handlers.base import Succeeded
from handlers.email.address import Mailbox

_LINE = 66  # characters of a text on one line
_WORD = 39  # bytes of text in an encoded word; as Base64, the word and "Subject: " fit into 76 characters (RFC 2047)


class _Policy(EmailPolicy):
    """Encodes subjects and the sender's name.

    The email package loses or adds spaces when it folds a text that is not ASCII, or has a very long word, differently
    in Python's patch releases.
    """

    def fold_binary(self, name: str, value: Any) -> bytes:
        """The header as the message has it, with its line end."""
        if name == "Subject":
            return f"Subject: {_folded(value)}\r\n".encode()
        if name == "From" and not value.isascii():
            [address] = value.addresses
            return f"From: {_encoded(address.display_name)}\r\n <{address.addr_spec}>\r\n".encode()
        return super().fold_binary(name, value)


# Quoted-printable or Base64 where a part is not ASCII, for servers without 8BITMIME.
_POLICY = _Policy(cte_type="7bit", linesep="\r\n")


def _folded(text: str) -> str:
    """A text on lines that break at spaces; as encoded words, if it is not ASCII or has a very long word."""
    lines = wrap(text, _LINE, break_long_words=False, break_on_hyphens=False)
    fits = text.isascii() and " ".join(lines) == text and all(len(line) <= _LINE for line in lines)
    return "\r\n ".join(lines) if fits else _encoded(text)


def _encoded(text: str) -> str:
    """A text as encoded words, one a line. Each has whole characters."""
    words = [b""]
    for character in text:
        if len(words[-1] + character.encode()) > _WORD:
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
    fallback: str = ""  # why `to_fallback` was used; empty if it was not

    @property
    def recipients(self) -> tuple[str, ...]:
        """All recipients."""
        return self.to + self.cc + self.bcc

    @property
    def message_id(self) -> str:
        """The Message-ID. Every attempt to send the mail has the same one, by which a server can drop a duplicate."""
        return f"<{self.key}@{self.sender.domain}>"

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
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834: suppresses automatic replies
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
        return Succeeded(f"mailed {', '.join(accepted)} via {service}", details)
