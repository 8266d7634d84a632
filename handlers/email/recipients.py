"""Who gets a mail: what a rule may write under ``to``, ``cc`` and ``bcc``, and what becomes of it for one event."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, TypeAlias

from pydantic import AfterValidator, BeforeValidator

from handlers.email.address import is_allowed, parse_address, parse_domain, shown
from handlers.template import Template
from schemas import Event


def _one_or_many(value: Any) -> Any:
    return [value] if isinstance(value, str | Template) else value


def _valid_if_constant(template: Template) -> Template:
    if template.is_constant:
        parse_address(template.source.strip())
    return template


Recipient: TypeAlias = Annotated[Template, AfterValidator(_valid_if_constant)]
Recipients: TypeAlias = Annotated[tuple[Recipient, ...], BeforeValidator(_one_or_many)]
Domains: TypeAlias = Annotated[tuple[Annotated[str, AfterValidator(parse_domain)], ...], BeforeValidator(_one_or_many)]


@dataclass(frozen=True, slots=True)
class Audience:
    """The valid addresses, each once; and who was left out, and why."""

    to: tuple[str, ...]
    cc: tuple[str, ...]
    bcc: tuple[str, ...]
    left_out: tuple[str, ...]

    def __str__(self) -> str:
        named = (f"{part} {', '.join(getattr(self, part))}" for part in ("to", "cc", "bcc") if getattr(self, part))
        refused = f" (left out: {'; '.join(self.left_out)})" if self.left_out else ""
        return f"{' '.join(named) or 'to nobody'}{refused}"


def resolve(parts: Mapping[str, Sequence[Template]], domains: Sequence[str], event: Event) -> Audience:
    """The audience for an event. One template is one address, or nobody where it renders to nothing.

    Where nobody is left in ``to``, those in ``cc`` move there. Raises jinja2.TemplateError.
    """
    seen: set[str] = set()
    left_out: list[str] = []
    found: dict[str, list[str]] = {part: [] for part in parts}
    for part, templates in parts.items():
        for template in templates:
            if not (text := template.render(event).strip()):
                continue
            try:
                address = parse_recipient(text, domains, constant=template.is_constant)
            except ValueError as error:
                left_out.append(f"{part}: {error}")
                continue
            if address.lower() not in seen:
                seen.add(address.lower())
                found[part].append(address)
    to, cc, bcc = (tuple(found[part]) for part in ("to", "cc", "bcc"))
    return Audience(to or cc, cc if to else (), bcc, tuple(left_out))


def parse_recipient(text: str, domains: Sequence[str], *, constant: bool) -> str:
    """An address that mail may go to. Raises ValueError.

    What the event had a hand in may not say how the mail is routed, and is held to `domains` even if there are none.
    """
    address = parse_address(text, trusted=constant)
    if (domains or not constant) and not is_allowed(address, domains):
        raise ValueError(f"{shown(address)} is not in allowed_domains ({', '.join(domains)})")
    return address
