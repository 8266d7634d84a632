"""The recipients of a mail: the templates under ``to``, ``cc`` and ``bcc``, and their addresses for one event."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, TypeAlias

from pydantic import AfterValidator, BeforeValidator

from handlers.email.address import is_allowed, parse_address, parse_domain, shown
from handlers.template import Template
from schemas import Event


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str | Template) else value


def _valid_if_constant(template: Template) -> Template:
    if template.is_constant:
        parse_address(template.source.strip())
    return template


RecipientTemplate: TypeAlias = Annotated[Template, AfterValidator(_valid_if_constant)]
RecipientTemplates: TypeAlias = Annotated[tuple[RecipientTemplate, ...], BeforeValidator(_as_list)]
AllowedDomains: TypeAlias = Annotated[
    tuple[Annotated[str, AfterValidator(parse_domain)], ...], BeforeValidator(_as_list)
]


@dataclass(frozen=True, slots=True)
class Recipients:
    """The valid addresses, each once. `left_out` has the texts that are not such addresses, with the reasons."""

    to: tuple[str, ...]
    cc: tuple[str, ...]
    bcc: tuple[str, ...]
    left_out: tuple[str, ...]

    def __str__(self) -> str:
        fields = (f"{name} {', '.join(getattr(self, name))}" for name in ("to", "cc", "bcc") if getattr(self, name))
        left_out = f" (left out: {'; '.join(self.left_out)})" if self.left_out else ""
        return f"{' '.join(fields) or 'without a recipient'}{left_out}"


def resolve(fields: Mapping[str, Sequence[Template]], domains: Sequence[str], event: Event) -> Recipients:
    """Render the templates of ``to``, ``cc`` and ``bcc`` for an event. Raises jinja2.TemplateError.

    Each template renders to one address, or to an empty text, which is ignored. If ``to`` ends up empty, the addresses
    in ``cc`` move there.
    """
    seen: set[str] = set()
    left_out: list[str] = []
    found: dict[str, list[str]] = {field: [] for field in fields}
    for field, templates in fields.items():
        for template in templates:
            if not (text := template.render(event).strip()):
                continue
            try:
                address = parse_recipient(text, domains, constant=template.is_constant)
            except ValueError as error:
                left_out.append(f"{field}: {error}")
                continue
            if address.lower() not in seen:
                seen.add(address.lower())
                found[field].append(address)
    to, cc, bcc = (tuple(found[field]) for field in ("to", "cc", "bcc"))
    return Recipients(to or cc, cc if to else (), bcc, tuple(left_out))


def parse_recipient(text: str, domains: Sequence[str], *, constant: bool) -> str:
    """Parse an address that may get mail. Raises ValueError.

    An address that depends on the event (not `constant`) must be in one of the `domains`, even if there are none, and
    must not contain routing characters (`parse_address`).
    """
    address = parse_address(text, trusted=constant)
    if (domains or not constant) and not is_allowed(address, domains):
        raise ValueError(f"{shown(address)} is not in allowed_domains ({', '.join(domains)})")
    return address
