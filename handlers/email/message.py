"""`Mail`: a mail that is ready to send, and its form as a MIME message."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from uuid import UUID

from handlers.base import Succeeded
from handlers.email.address import Mailbox

# Quoted-printable or Base64 where a part is not ASCII, for servers without 8BITMIME.
_POLICY = SMTP.clone(cte_type="7bit")


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
    left_out: tuple[str, ...] = ()  # invalid or forbidden recipients, with the reasons

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
        for header, addresses in (("To", self.to), ("Cc", self.cc)):
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
        return Succeeded(f"mailed {', '.join(accepted)} via {service}", details)
