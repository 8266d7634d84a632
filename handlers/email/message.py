"""The mail itself, before it is known how it is sent."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from uuid import UUID

from handlers.base import Succeeded
from handlers.email.address import Mailbox

_POLICY = SMTP.clone(cte_type="7bit")  # quoted-printable or Base64 where needed: survives servers without 8BITMIME


@dataclass(frozen=True, slots=True)
class Mail:
    """Who is told what. Addresses are validated and texts are clean; nothing is checked from here on."""

    key: UUID  # the action's: every attempt to send this mail carries the same
    sender: Mailbox
    to: tuple[str, ...]
    subject: str
    text: str
    html: str = ""
    cc: tuple[str, ...] = ()
    bcc: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()  # who will not get it, and why

    @property
    def recipients(self) -> tuple[str, ...]:
        """Everyone who gets it."""
        return self.to + self.cc + self.bcc

    @property
    def message_id(self) -> str:
        """The Message-ID: where a mail was accepted and the answer lost, the second copy can be told from its ID."""
        return f"<{self.key}@{self.sender.domain}>"

    def wire(self) -> bytes:
        """As SMTP carries it: ASCII, a text and an HTML part, and nothing of `bcc`."""
        message = EmailMessage(_POLICY)
        message["From"] = Address(self.sender.name, addr_spec=self.sender.address)
        for header, addresses in (("To", self.to), ("Cc", self.cc)):
            if addresses:
                message[header] = [Address(addr_spec=address) for address in addresses]
        message["Subject"] = self.subject
        message["Date"] = datetime.now(UTC)
        message["Message-ID"] = self.message_id
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834: so that no vacation notice answers
        message.set_content(self.text)
        if self.html:
            message.add_alternative(self.html, subtype="html")
        return message.as_bytes()

    def sent(self, how: str, taken: Sequence[str], refused: Sequence[str] = ()) -> Succeeded:
        """The outcome of having handed it in for these; `refused` tells who was refused by the server, and why."""
        details = {"to": ", ".join(taken), "subject": self.subject, "message_id": self.message_id}
        if left_out := "; ".join([*self.left_out, *refused]):
            details["left_out"] = left_out
        return Succeeded(f"mailed {', '.join(taken)} by {how}", details)
