"""`Known`: what is known of an event type's keys before an event arrives, to check conditions and templates.

`known_keys` derives it from the event type's pydantic model, its example, what `Event.view_with` adds, and its facts.
Tags and properties are free: their names are not known, and their values are texts, because Azure ML writes every value
as one.
"""

import inspect
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from enum import Enum
from functools import cache, cached_property
from types import MappingProxyType, NoneType, UnionType
from typing import Annotated, Any, Literal, Union, cast, get_args, get_origin, get_type_hints
from uuid import UUID

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from schemas.drift import Drift
from schemas.events.base import Event, EventData
from schemas.tags import Tags


class Type(Enum):
    """The type of a value in the plain data that conditions and templates read."""

    TEXT = "a text"
    NUMBER = "a number"
    BOOL = "true or false"
    OBJECT = "an object"
    LIST = "a list"
    NULL = "null"
    ANY = "any value"


_NONE: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of the value of a key."""

    type: Type
    always: bool = False  # it is there in every event, and not null
    members: Mapping[str, "Known"] = field(default_factory=lambda: _NONE)  # of an object
    others: "Known | None" = None  # every member that is not listed; None: there is none
    item: "Known | None" = None  # of a list
    values: Mapping[str, str] = field(default_factory=lambda: _NONE)  # texts that occur -> how messages show them
    only_values: bool = False  # can no other text occur?
    missing_in: tuple[str, ...] = ()  # names of workspaces that lack this label

    def find(self, path: Sequence[str | int]) -> "Known | None":
        """What is known of the value at a path of names, in any case, and of indexes; None if no event has it.

        Names below a free object may contain dots: `path` may have such a name in several parts.
        """
        found, always = self, True
        for part in path:
            inner = found.inner(part)
            if inner is None:
                return None
            always = always and inner.always
            is_free = inner is found.others
            found = inner
            if is_free and inner.type is not Type.OBJECT:
                break
        return found if found.always == always else replace(found, always=always)

    def inner(self, part: str | int) -> "Known | None":
        """What is known of a member or an item; None if there is none."""
        if self.type is Type.ANY:
            return self
        if isinstance(part, int):  # of a text, a character; of an object, one of its names
            return {Type.LIST: self.item, Type.TEXT: TEXT, Type.OBJECT: TEXT}.get(self.type)
        name = self.spelled(part)
        return self.others if name is None else self.members[name]

    def spelled(self, name: str) -> str | None:
        """The name of a listed member in its own spelling; None if there is none."""
        if name in self.members:
            return name
        return next((member for member in self.members if member.casefold() == name.casefold()), None)

    def paths(self, prefix: str = "") -> Iterator[str]:
        """The keys of all listed members, outer ones first: ``data``, ``data.runId``."""
        for name, known in self.members.items():
            yield prefix + name
            yield from known.paths(f"{prefix}{name}.")


TEXT = Known(Type.TEXT)
ALWAYS_TEXT = Known(Type.TEXT, always=True)
ANYTHING = Known(Type.ANY)


def known_keys(event: type[Event], *, has_drift: bool, workspace: Known, result: Known | None = None) -> Known:
    """What is known of the keys of an event type's events: those of `Event.view_with`.

    `has_drift`: all of the events report drift. `workspace` and `result` are the keys of the rule's workspaces and of
    the result that it follows.
    """
    root = _event_keys(event, has_drift)
    added = {"workspace": workspace} | ({} if result is None else {"result": result})
    return replace(root, members={**root.members, **added})


def with_events(roots: Iterable[Known]) -> Known:
    """What is known of `events`, the views of events of these types: their keys, if all are of one type."""
    [*each] = roots
    return Known(Type.LIST, always=True, item=each[0] if len(each) == 1 else Known(Type.OBJECT, others=ANYTHING))


def workspace_keys(labels: Known, **of_id: Known) -> Known:
    """The keys of `workspace`. `of_id` has what is known of `name`, `resource_group` and `subscription`."""
    names = ("name", "timezone", "id", "resource_group", "subscription")
    return Known(Type.OBJECT, always=True, members={**dict.fromkeys(names, ALWAYS_TEXT), **of_id, "labels": labels})


def result_keys(rules: Iterable[str] = (), statuses: Iterable[str] = ()) -> Known:
    """The keys of `result` in a rule that follows one of these rules, or any, and acts on these outcomes, or on all."""
    members = {
        "rule": one_of(rules),
        "status": one_of(statuses),
        "summary": ALWAYS_TEXT,
        "details": Known(Type.OBJECT, always=True, others=TEXT),
    }
    return Known(Type.OBJECT, always=True, members=members)


def one_of(texts: Iterable[str]) -> Known:
    """A text that is always there, and one of these; any text if there are none."""
    values = {text: text for text in texts}
    return Known(Type.TEXT, always=True, values=values, only_values=bool(values))


class _FactKeys(Mapping[str, Known]):
    """The keys of one of an event's facts, whose model is imported when a rule reads one: few rules do."""

    def __init__(self, fact: str) -> None:
        self._fact = fact

    @cached_property
    def _keys(self) -> Mapping[str, Known]:
        from schemas.facts import FACTS

        fields = _fields_of(FACTS[self._fact])
        return {name: known for name, known in fields.items() if name != "transient"}

    def __getitem__(self, name: str) -> Known:
        return self._keys[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)


@cache
def _event_keys(event: type[Event], has_drift: bool) -> Known:
    members = {name: known for name, known in _fields_of(event).items() if name != "data"}
    members["eventType"] = one_of([event.type_name()])
    members["data"] = _data_keys(event)
    members["object"] = members["studio_url"] = ALWAYS_TEXT
    members |= {name: Known(Type.OBJECT, always=True, members=_FactKeys(name)) for name in event.facts}
    always = has_drift or _returns(event, "drift") is Drift
    members["drift"] = replace(_drift_keys(), always=always) if event.reports_drift else Known(Type.NULL)
    for name in event.own_members:
        members[name] = _dataclass_keys(next(arg for arg in get_args(_returns(event, name)) if arg is not NoneType))
    return Known(Type.OBJECT, always=True, members=members)


def _returns(event: type[Event], name: str) -> Any:
    """The annotation of what a property returns."""
    return get_type_hints(inspect.getattr_static(event, name).fget)["return"]


def _data_keys(event: type[Event]) -> Known:
    """The fields of the data, those that only the example has, and those that the service may send."""
    data = cast("type[EventData]", event.model_fields["data"].annotation)
    fields = _fields_of(data)
    example = {name: _of_value(value) for name, value in event.example_fields.get("data", {}).items()}
    more = dict.fromkeys(data.more_names, ANYTHING)
    for name, texts in data.known_texts.items():
        fields[name] = replace(fields[name], values={text: text for text in texts})
    return Known(Type.OBJECT, always=True, members={**more, **example, **fields})


def _fields_of(model: type[BaseModel]) -> dict[str, Known]:
    return {info.alias or name: _of_field(info) for name, info in model.model_fields.items()}


def _of_field(info: FieldInfo) -> Known:
    known = _of_type(info.annotation)
    return replace(known, always=info.is_required() and known.type is not Type.ANY)


def _of_type(annotation: Any) -> Known:
    """What a type annotation says; nothing for types that are not listed here."""
    annotation = getattr(annotation, "__value__", annotation)  # a `type` alias
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _of_type(args[0])
    if origin in (Union, UnionType):
        types = [arg for arg in args if arg is not NoneType]
        return _of_type(types[0]) if len(types) == 1 else ANYTHING
    if origin is Literal:
        return replace(one_of(args), always=False) if all(isinstance(arg, str) for arg in args) else ANYTHING
    return _of_class(origin or annotation, args)


def _of_class(cls: Any, args: tuple[Any, ...]) -> Known:
    if not isinstance(cls, type):
        return ANYTHING
    if issubclass(cls, Tags):
        return Known(Type.OBJECT, others=TEXT)
    if issubclass(cls, Mapping):
        return Known(Type.OBJECT, others=_of_type(args[1]) if len(args) == 2 else ANYTHING)
    if issubclass(cls, BaseModel):
        is_free = cls.model_config.get("extra") == "allow"
        return Known(Type.OBJECT, members=_fields_of(cls), others=ANYTHING if is_free else None)
    if issubclass(cls, list | tuple | set | frozenset):
        return Known(Type.LIST, item=_of_type(args[0]) if args else ANYTHING)
    if issubclass(cls, Enum):
        return replace(one_of(each.value for each in cls), always=False) if issubclass(cls, str) else ANYTHING
    simple = ((bool, Type.BOOL), (int | float, Type.NUMBER), (str | date | timedelta | UUID, Type.TEXT))
    return next((Known(type_) for classes, type_ in simple if issubclass(cls, classes)), ANYTHING)


def _of_value(value: Any) -> Known:
    """What one value says; it may be missing in other events."""
    if isinstance(value, dict):
        return Known(Type.OBJECT, others=ANYTHING)
    if isinstance(value, list):
        return Known(Type.LIST, item=ANYTHING)
    return _of_class(type(value), ()) if value is not None else ANYTHING


@cache
def _drift_keys() -> Known:
    """The keys of `Drift.view`, with the types of the dataclass."""
    hints, view = get_type_hints(Drift), Drift().view()
    members = {name: replace(_of_type(hints.get(name, Any)), always=view[name] is not None) for name in view}
    members["violations"] = Known(Type.LIST, always=True, item=_dataclass_keys(get_args(hints["violations"])[0]))
    members["datasets"] = Known(Type.LIST, always=True, item=TEXT)
    return Known(Type.OBJECT, members=members)


def _dataclass_keys(cls: Any) -> Known:
    return Known(Type.OBJECT, members={name: _of_type(hint) for name, hint in get_type_hints(cls).items()})
