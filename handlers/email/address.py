"""Mail addresses: parse and validate one address at a time, and compare its domain with the allowed domains."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from email_validator import EmailNotValidError, validate_email

from handlers.base import shorten
from handlers.content.text import one_line
from handlers.email.text import header

_MAX_LENGTH = 254  # characters; RFC 5321, section 4.5.3.1.3, less the angle brackets
_SHOWN_LENGTH = 80  # characters of an invalid text that an error message repeats

# email-validator rejects domains that the public internet cannot resolve (corp.local, a bare host name), but internal
# mail servers use them. With this suffix, it validates the syntax only.
_PUBLIC_SUFFIX = ".example"

_ROUTING = re.compile(r"[%!]|=\?")
_MAILBOX = re.compile(r'\s*(?:"?(?P<name>[^"<>]*?)"?\s*<(?P<address>[^<>]*)>|(?P<bare>[^<>]*))\s*')


@dataclass(frozen=True, slots=True)
class Mailbox:
    """An address, and the name that mail programs show for it."""

    address: str
    name: str = ""

    @property
    def domain(self) -> str:
        """The part after the @."""
        return self.address.rpartition("@")[2]


def parse_mailbox(text: str) -> Mailbox:
    """Parse ``address`` or ``Display name <address>``. Raises ValueError."""
    match = _MAILBOX.fullmatch(text)
    if not match:
        raise ValueError(f"{shown(text)} is neither a mail address nor: Display name <address>")
    return Mailbox(parse_address((match["address"] or match["bare"] or "").strip()), header(match["name"] or "", 100))


def parse_address(text: str, *, trusted: bool = True) -> str:
    """Parse a text that is exactly one address, and return it with its domain in lower-case ASCII (IDNA).

    Raises ValueError for display names, lists, comments, quoted local parts, IP addresses, and local parts that are not
    ASCII, which not every server on the way accepts (RFC 6531). For a text that is not `trusted`, it also raises
    ValueError for local parts that a server or mail program might interpret: some relays forward mail for
    ``victim%elsewhere.org@example.com`` to ``victim@elsewhere.org`` (postconf(5), allow_percent_hack), and a mail
    program might decode ``=?utf-8?q?...?=``.
    """
    if len(text) > _MAX_LENGTH:
        raise ValueError(f"{shown(text)} is not one mail address: it has {len(text)} characters")
    try:
        valid = validate_email(
            text + _PUBLIC_SUFFIX,
            check_deliverability=False,
            allow_smtputf8=False,
            allow_display_name=False,
            strict=True,
        )
    except EmailNotValidError as error:
        raise ValueError(f"{shown(text)} is not one mail address: {one_line(str(error), 200)}") from error
    domain = valid.ascii_domain.removesuffix(_PUBLIC_SUFFIX)
    if domain.rpartition(".")[2].isdigit():
        raise ValueError(f"{shown(text)} is not one mail address: its domain is a number, not a name")
    if not trusted and _ROUTING.search(valid.local_part):
        raise ValueError(f"{shown(text)} is not allowed: with %, ! or =? before the @ the mail could go elsewhere")
    return f"{valid.local_part}@{domain}"


def parse_domain(text: str) -> str:
    """Parse an entry of ``allowed_domains``, and return it in lower-case ASCII (IDNA). Raises ValueError.

    ``example.com`` allows that domain alone; ``*.example.com`` allows every domain below it, and not ``example.com``.
    """
    name = text.strip().removeprefix("*.")
    try:
        domain = parse_address(f"x@{name}").partition("@")[2]
    except ValueError as error:
        hint = "write example.com, or *.example.com for the domains below it"
        raise ValueError(f"{shown(text)} is not a domain; {hint}") from error
    return f"*.{domain}" if name != text.strip() else domain


def is_allowed(address: str, domains: Sequence[str]) -> bool:
    """Is the address in one of the domains? Expects the results of `parse_address` and `parse_domain`."""
    domain = address.rpartition("@")[2]
    return any(domain.endswith(entry[1:]) if entry.startswith("*.") else domain == entry for entry in domains)


def shown(text: str) -> str:
    """An untrusted text for an error message: quoted, ASCII, on one line, shortened."""
    return shorten(ascii(shorten(text, _SHOWN_LENGTH)), _SHOWN_LENGTH + 20)
