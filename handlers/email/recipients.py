"""The recipients of a mail: the templates under ``to``, ``cc``, ``bcc`` …, and their addresses for one event."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, TypeAlias

from jinja2 import TemplateError
from pydantic import AfterValidator, BeforeValidator

from handlers.content.text import one_line
from handlers.email.address import is_allowed, parse_address, parse_domain, shown
from handlers.email.address_list import split_addresses
from handlers.template import Template
from schemas import Event

MAX_RECIPIENTS = 50  # learn.microsoft.com, "Service limits for Azure Communication Services", size limits for email
_REASONS_LIMIT = 10  # reasons that an outcome lists


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str | Template) else value


def _valid_if_constant(template: Template) -> Template:
    if template.is_constant:
        constant_addresses(template)
    return template


RecipientTemplate: TypeAlias = Annotated[Template, AfterValidator(_valid_if_constant)]
RecipientTemplates: TypeAlias = Annotated[tuple[RecipientTemplate, ...], BeforeValidator(_as_list)]
AllowedDomains: TypeAlias = Annotated[
    tuple[Annotated[str, AfterValidator(parse_domain)], ...], BeforeValidator(_as_list)
]


@dataclass(frozen=True, slots=True)
class Recipients:
    """The valid addresses, each once. `left_out` has the texts that are not such addresses, with the reasons.

    `fallback` says that ``to_fallback`` was used, and why; it is empty if it was not.
    """

    to: tuple[str, ...]
    cc: tuple[str, ...] = ()
    bcc: tuple[str, ...] = ()
    reply_to: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    fallback: str = ""

    def __str__(self) -> str:
        fields = (f"{name} {', '.join(getattr(self, name))}" for name in ("to", "cc", "bcc") if getattr(self, name))
        notes = [self.fallback, f"left out: {'; '.join(self.left_out)}" if self.left_out else ""]
        note = "; ".join(filter(None, notes))
        return f"{' '.join(fields) or 'without a recipient'}{f' ({note})' if note else ''}"


@dataclass(frozen=True, slots=True)
class Addressees:
    """The templates of a rule for the recipients of its mails."""

    to: Sequence[Template]
    cc: Sequence[Template] = ()
    bcc: Sequence[Template] = ()
    to_fallback: Sequence[Template] = ()
    reply_to: Sequence[Template] = ()
    domains: Sequence[str] = ()

    def resolve(self, event: Event) -> Recipients:
        """Render the templates for an event.

        A text has any number of addresses (`split_addresses`). If ``to`` ends up empty, ``to_fallback`` replaces it;
        if that is empty, too, the addresses in ``cc`` move there. Raises jinja2.TemplateError, except for a template of
        ``to`` in a rule that has a ``to_fallback``.
        """
        found = _Found(event, self.domains)
        to = found.addresses("to", self.to, lenient=bool(self.to_fallback))
        fallback = ""
        if not to and self.to_fallback:
            reason = "; ".join(found.left_out) or "`to` is empty for this event"
            fallback = f"to_fallback is used: {one_line(reason, 300)}"
            to = found.addresses("to_fallback", self.to_fallback)
        cc = found.addresses("cc", self.cc)
        bcc = found.addresses("bcc", self.bcc)
        reply_to = _Found(event, self.domains, found.left_out).addresses("reply_to", self.reply_to)
        return Recipients(to or cc, cc if to else (), bcc, reply_to, tuple(found.reasons), fallback)


@dataclass(slots=True)
class _Found:
    """What the templates of a mail rendered to so far: each address once, and the reasons for those left out."""

    event: Event
    domains: Sequence[str]
    left_out: list[str] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)

    def addresses(self, name: str, templates: Sequence[Template], *, lenient: bool = False) -> tuple[str, ...]:
        """The new addresses of a field, in order. With `lenient`, a template that fails has none."""
        found = []
        for template in templates:
            try:
                text = template.render(self.event)
            except TemplateError as error:
                if not lenient:
                    raise
                self.left_out.append(f"{name}: {one_line(str(error), 200)}")
                continue
            for entry in split_addresses(text):
                if address := self._valid(name, entry, template):
                    found.append(address)
        return tuple(found)

    @property
    def reasons(self) -> list[str]:
        """The reasons, of which an outcome lists the first ones."""
        more = len(self.left_out) - _REASONS_LIMIT
        return [*self.left_out[:_REASONS_LIMIT], *([f"and {more:,} more"] if more > 0 else [])]

    def _valid(self, name: str, entry: str, template: Template) -> str | None:
        """The address that an entry of a field is; None if it is no address, not allowed, known, or one too many."""
        try:
            address = parse_recipient(entry, self.domains, trusted=is_trusted(template))
        except ValueError as error:
            self.left_out.append(f"{name}: {error}")
            return None
        if address.lower() in self.seen:
            return None
        if len(self.seen) >= MAX_RECIPIENTS:
            self.left_out.append(f"{name}: {shown(address)} would be the recipient after the {MAX_RECIPIENTS}th")
            return None
        self.seen.add(address.lower())
        return address


def is_trusted(template: Template) -> bool:
    """Are its addresses the rules' own? So are those of constants, and of what workspaces.yaml says of a workspace."""
    return template.is_constant or template.names <= {"workspace"}


def constant_addresses(template: Template) -> list[str]:
    """The addresses of a constant, with their domains in lower-case ASCII. Raises ValueError for any invalid one."""
    text = template.source.strip()
    entries = split_addresses(text)
    if not entries or not all("@" in entry for entry in entries):
        entries = [text]
    return [parse_address(entry) for entry in entries]


def parse_recipient(text: str, domains: Sequence[str], *, trusted: bool) -> str:
    """Parse an address that may get mail. Raises ValueError.

    An address that depends on the event (not `trusted`) must be in one of the `domains`, even if there are none, and
    must not contain routing characters (`parse_address`).
    """
    address = parse_address(text, trusted=trusted)
    if (domains or not trusted) and not is_allowed(address, domains):
        raise ValueError(f"{shown(address)} is not in allowed_domains ({', '.join(domains)})")
    return address
