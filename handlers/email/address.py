"""Mail addresses: one at a time, ASCII on the wire, and only where a rule says that mail may go."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from email_validator import EmailNotValidError, validate_email

from handlers.base import shorten
from handlers.email.text import header, one_line

_LONGEST = 254  # characters; RFC 5321, section 4.5.3.1.3, less the angle brackets
_SHOWN = 80  # characters of a refused text that a message repeats

# email-validator refuses names that the public internet cannot resolve (corp.local, a bare host name), which internal
# mail servers use. Under a public ending it judges the syntax alone.
_ENDING = ".example"


_ROUTED = re.compile(r"[%!]|=\?")
_MAILBOX = re.compile(r'\s*(?:"?(?P<name>[^"<>]*?)"?\s*<(?P<address>[^<>]*)>|(?P<bare>[^<>]*))\s*')


@dataclass(frozen=True, slots=True)
class Mailbox:
    """An address, and the name that mail programs show for it."""

    address: str
    name: str = ""

    @property
    def domain(self) -> str:
        """What stands after the @."""
        return self.address.rpartition("@")[2]


def parse_mailbox(text: str) -> Mailbox:
    """``address`` or ``Display name <address>``. Raises ValueError."""
    match = _MAILBOX.fullmatch(text)
    if not match:
        raise ValueError(f"{shown(text)} is neither a mail address nor: Display name <address>")
    return Mailbox(parse_address((match["address"] or match["bare"] or "").strip()), header(match["name"] or "", 100))


def parse_address(text: str, *, trusted: bool = True) -> str:
    """The one address that a text is, its domain in lower-case ASCII (IDNA). Raises ValueError for all else.

    Display names, lists, comments, quoted names and IP addresses are refused. So is a name that is not ASCII: not every
    server on the way can take it (RFC 6531). If the text is not `trusted`, so are names that something on the way could
    read as more than a name: a relay takes ``victim%elsewhere.org@example.com`` for an order to pass the mail on
    (postconf(5), allow_percent_hack), a mail program might decode ``=?utf-8?q?...?=``.
    """
    if len(text) > _LONGEST:
        raise ValueError(f"{shown(text)} is not one mail address: it has {len(text)} characters")
    try:
        valid = validate_email(
            text + _ENDING, check_deliverability=False, allow_smtputf8=False, allow_display_name=False, strict=True
        )
    except EmailNotValidError as error:
        raise ValueError(f"{shown(text)} is not one mail address: {one_line(str(error), 200)}") from error
    domain = valid.ascii_domain.removesuffix(_ENDING)
    if domain.rpartition(".")[2].isdigit():
        raise ValueError(f"{shown(text)} is not one mail address: its domain is a number, not a name")
    if not trusted and _ROUTED.search(valid.local_part):
        raise ValueError(f"{shown(text)} is refused: %, ! or =? before the @ could send the mail elsewhere")
    return f"{valid.local_part}@{domain}"


def parse_domain(text: str) -> str:
    """An entry of ``allowed_domains``: ``example.com`` is just that; ``*.example.com`` is all below it, and not it.

    In lower-case ASCII, like the domains of addresses. Raises ValueError.
    """
    name = text.strip().removeprefix("*.")
    try:
        domain = parse_address(f"x@{name}").partition("@")[2]
    except ValueError as error:
        hint = "write example.com, or *.example.com for the domains below it"
        raise ValueError(f"{shown(text)} is not a domain; {hint}") from error
    return f"*.{domain}" if name != text.strip() else domain


def is_allowed(address: str, domains: Sequence[str]) -> bool:
    """Is the address's domain one of these? Both sides are as `parse_address` and `parse_domain` give them."""
    domain = address.rpartition("@")[2]
    return any(domain.endswith(entry[1:]) if entry.startswith("*.") else domain == entry for entry in domains)


def shown(text: str) -> str:
    """A text that may hold anything, for a message: quoted, on one line, not long."""
    return shorten(ascii(shorten(text, _SHOWN)), _SHOWN + 20)
