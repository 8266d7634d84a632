"""`sent_at`: what Event Grid sees at the key of a condition, compared with what the app's rules see there.

Rules read an event as its model has converted it (`schemas.fields`): a version that is a number becomes a text, and the
text "null" becomes null. Event Grid reads the event as Azure ML has published it. Three things are taken for granted of
Azure ML: it writes the names of fields in camelCase or PascalCase, as in all recorded events; no two names of one
object differ only in case; and only names of tags and properties contain dots.
"""

import shlex
from dataclasses import dataclass
from functools import cache
from typing import Any, cast

from pydantic import TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from dispatch.filters.condition import Condition
from schemas.events.base import ADDED, Event, EventData
from schemas.fields import Canonical
from schemas.plain import MISSING
from schemas.tags import Tags
from schemas.wire import fold


@dataclass(frozen=True, slots=True)
class Sent:
    """What is known of the value that Event Grid sees.

    `is_field`: the model has it, so rules see a text where `verbatim`; else any value, the same for both. `required`:
    an event without it, or with null, is rejected. `null_as`: what rules see in place of null.
    """

    key: str  # in the spelling of the model
    is_field: bool = False
    verbatim: bool = True
    required: bool = False
    null_as: Any = None


def as_published(condition: Condition, event: type[Event]) -> Condition:
    """The condition on what the event has in its place, if its key is what the type adds: a weaker one, or the same."""
    found = event.published_as.get((condition.key.lower(), condition.operator.name))
    if found is None:
        return condition
    key, operator, form = found
    return Condition.parse(shlex.join([key, operator, *map(form.format, shlex.split(condition.text)[2:])]))


def sent_at(condition: Condition, event: type[Event]) -> Sent | str:
    """What is known of the key in events of this type, or why Event Grid cannot evaluate a condition on it."""
    first, *rest = condition.key.split(".")
    if first.lower() in (*ADDED, *event.own_members):
        return f"{condition.key} is what the app adds to the event"
    if first.lower() != "data":
        sent = _fields(event).get(first.lower()) if not rest else None
        return sent or f"Event Grid cannot filter by {condition.key}"
    if len(rest) > 2:
        return "Event Grid cannot address a name with a dot, or below two others"
    if not rest:
        return "data is an object"
    name, *inner = rest
    data = cast("type[EventData]", event.model_fields["data"].annotation)
    found = _fields(data).get(name.lower())
    if found is None:
        other = fold(name) in {fold(known) for known in _fields(data)}
        return f"{name} is another spelling of a field" if other else Sent(condition.key)
    if inner:
        return Sent(f"data.{found.key}.{inner[0]}") if _is_tags(data, found.key) else f"{found.key} has no members"
    if _is_tags(data, found.key):
        return f"{found.key} is an object"
    return Sent(f"data.{found.key}", True, found.verbatim, found.required, found.null_as)


_FILTERABLE = {"id", "topic", "subject", "eventType", "dataVersion"}  # the keys beside `data`, by the page on filters


@cache
def _fields(model: type[Event] | type[EventData]) -> dict[str, Sent]:
    """The fields of a model by their names in lower case, as JSON spells them."""
    found = {info.alias or name: info for name, info in model.model_fields.items()}
    if issubclass(model, Event):
        found = {name: info for name, info in found.items() if name in _FILTERABLE}
    return {name.lower(): _sent(name, info) for name, info in found.items()}


def _sent(name: str, info: FieldInfo) -> Sent:
    last = info.metadata[-1] if info.metadata else None
    verbatim = isinstance(last, Canonical) and last.verbatim
    try:
        # MISSING: the field accepts null, and shows it in a way that is not known
        null_as = TypeAdapter[Any](info.rebuild_annotation()).validate_python(None)
    except ValidationError:
        null_as = MISSING
    return Sent(name, True, verbatim, info.is_required() and null_as is MISSING, null_as)


def _is_tags(data: type[EventData], name: str) -> bool:
    info = next(info for field, info in data.model_fields.items() if (info.alias or field) == name)
    return info.annotation is Tags
