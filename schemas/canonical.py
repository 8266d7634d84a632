"""The fast path of `parse_event`: read JSON text that is exactly as Azure writes it.

pydantic-core parses and validates the text in one pass, against rules that are stricter than those of
`parse_leniently`: the documented spelling of every name, the usual type of every field. `parse_leniently` reads the
events that break a rule here, and reports their problems. For all others both must return the same event.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from math import isfinite
from typing import Any, cast

from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema, SchemaValidator, ValidationError, core_schema

from schemas.envelope import CLOUD_EVENTS, EVENT_GRID
from schemas.events.base import Event, EventData
from schemas.events.registry import resource_kinds
from schemas.fields import Canonical
from schemas.resource import ResourceId
from schemas.tags import Tags
from schemas.wire import WireModel, fold

_NESTING = 4  # levels of objects and arrays in a tag or an unknown field
_LARGE = 2**63
_VERSION = "specversion"  # describes the envelope of a CloudEvent, and is not part of the event
_PLAIN = {str, bool, type(None)}


class NotCanonical(ValueError):  # noqa: N818 - the caller reads the event leniently
    """The text is not exactly as Azure writes it."""


@dataclass(frozen=True, slots=True)
class CanonicalReader:
    """Reads events of some types, in either envelope."""

    event_grid: SchemaValidator
    cloud_events: SchemaValidator

    @classmethod
    def of(cls, types: Iterable[type[Event]]) -> "CanonicalReader":
        """A reader of these event types. It reads no events of a type that has validators which it cannot translate."""
        types = tuple(types)
        return cls(_validator(types, {}), _validator(types, CLOUD_EVENTS))

    def read(self, text: str | bytes) -> Event:
        """Read an event. Raises NotCanonical."""
        is_cloud_event = '"specversion"' in text if isinstance(text, str) else b'"specversion"' in text
        reader = self.cloud_events if is_cloud_event else self.event_grid
        try:
            event: Event = reader.validate_json(text)
        except ValidationError:
            raise NotCanonical from None
        return event


def _validator(types: Iterable[type[Event]], names: Mapping[str, str]) -> SchemaValidator:
    """A validator for one envelope. `names` maps Event Grid's field names to the envelope's, where they differ."""
    discriminator = names.get("eventType", "eventType")
    choices = {event.type_name(): schema for event in types if (schema := _event_schema(event, names))}
    return SchemaValidator(core_schema.tagged_union_schema(choices, discriminator))


def _event_schema(event: type[Event], names: Mapping[str, str]) -> CoreSchema | None:
    data = cast("type[EventData]", event.model_fields["data"].annotation)
    data_schema = _object_schema(data, {}, data.canonical_fields, {fold(name) for name in data.wire_names()})
    if data_schema is None:
        return None
    topic = core_schema.str_schema(strict=True, pattern=_topic_pattern(event.resource_id))
    reserved = {fold(name) for name in (*EVENT_GRID, *names.values(), _VERSION)}
    return _object_schema(event, names, {"topic": topic, "data": data_schema}, reserved)


def _topic_pattern(kind: type[ResourceId]) -> str:
    segment = "[!-.0-~]+"  # printable ASCII characters except space and slash
    kinds = resource_kinds() if kind is ResourceId else (kind,)
    providers = "|".join(each.resource_type.replace(".", r"\.") for each in kinds)
    return rf"\A/subscriptions/{segment}/resource[Gg]roups/{segment}/providers/(?:{providers})/{segment}\z"


def _object_schema(
    model: type[WireModel], names: Mapping[str, str], given: Mapping[str, CoreSchema], reserved: set[str]
) -> CoreSchema | None:
    """The schema of a model, with the `given` schemas for some fields; None if a field has no canonical schema.

    The schema refuses unknown fields whose folded name is `reserved`: they are other spellings of known names.
    """
    if _is_customized(model):
        return None
    validators = model.__pydantic_decorators__.field_validators.values()
    validated = {name for validator in validators for name in validator.info.fields}
    fields = {}
    for name, field in model.model_fields.items():
        schema = given.get(name) or _field_schema(field)
        if schema is None or (name in validated and name not in given):
            return None
        if name not in given and not field.is_required():
            default = partial(field.get_default, call_default_factory=True)
            schema = core_schema.with_default_schema(schema, default_factory=default)
        alias = field.alias or name
        fields[name] = core_schema.model_field(schema, validation_alias=names.get(alias, alias))
    parts = core_schema.model_fields_schema(fields, extra_behavior="allow")
    return core_schema.no_info_after_validator_function(_builder(model, reserved, bool(names)), parts)


def _is_customized(model: type[WireModel]) -> bool:
    """Does the model change how pydantic reads it, other than by the types and validators of its fields?"""
    # pydantic gives a class with private attributes its own function, whose qualified name is always the same
    post_init, base = model.model_post_init.__qualname__, Event if issubclass(model, Event) else EventData
    return (
        model.model_config != WireModel.model_config
        or model.__pydantic_custom_init__
        or post_init != base.model_post_init.__qualname__
        or not model.__private_attributes__.keys() <= Event.__private_attributes__.keys()
        or model.__pydantic_decorators__.model_validators.keys() != {"_respell"}
    )


def _field_schema(field: FieldInfo) -> CoreSchema | None:
    if field.annotation is Tags:
        return core_schema.no_info_after_validator_function(_tags, core_schema.dict_schema())
    last = field.metadata[-1] if field.metadata else None  # metadata after it would restrict the field further
    return last.schema if isinstance(last, Canonical) else None


def _builder(model: type[WireModel], reserved: set[str], is_cloud_event: bool) -> Callable[[Any], WireModel]:
    """A function that creates an instance of the model from validated fields.

    It replaces pydantic-core's `model_schema`, which uses the validator of the class, and so reads leniently.
    """
    new, set_attribute, private = model.__new__, object.__setattr__, dict.fromkeys(model.__private_attributes__) or None

    def build(parts: tuple[dict[str, Any], dict[str, Any], set[str]]) -> WireModel:
        fields, extra, present = parts
        if is_cloud_event:
            if not isinstance(extra.pop(_VERSION, None), str):
                raise NotCanonical
            present.discard(_VERSION)
        if extra and not (_is_plain(extra) and reserved.isdisjoint(map(fold, extra))):
            raise NotCanonical
        instance = new(model)
        set_attribute(instance, "__dict__", fields)
        set_attribute(instance, "__pydantic_extra__", extra)
        set_attribute(instance, "__pydantic_fields_set__", present)
        set_attribute(instance, "__pydantic_private__", private and private.copy())
        return instance

    return build


def _tags(tags: dict[str, Any]) -> Tags:
    if not _is_plain(tags):
        raise NotCanonical
    return Tags(tags)


def _is_plain(values: Mapping[str, Any]) -> bool:
    """Would `parse_leniently` keep these values of tags or unknown fields unchanged?"""
    return _PLAIN.issuperset(map(type, values.values())) or all(_is_bounded(value, 1) for value in values.values())


def _is_bounded(value: Any, level: int) -> bool:
    """Is the value well within the limits that `parse_leniently` checks?"""
    match value:
        case bool() | str() | None:
            return True
        case int():
            return -_LARGE < value < _LARGE
        case float():
            return isfinite(value)
        case _:
            items = value.values() if isinstance(value, dict) else value
            return level <= _NESTING and all(_is_bounded(item, level + 1) for item in items)
