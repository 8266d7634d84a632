"""What JSON may look like: a few kinds of checks, which name every problem with its place."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

_DURATION = re.compile(r"-?P(?=.)(\d+Y)?(\d+M)?(\d+W)?(\d+D)?(T(?=\d)(\d+H)?(\d+M)?(\d+(\.\d+)?S)?)?")

Problems = Iterator[tuple[str, str]]  # where, what


class Shape(Protocol):
    """Something that a value may be."""

    def problems(self, value: Any, where: str) -> Problems:
        """What is wrong with a value."""


@dataclass(frozen=True, slots=True)
class Text:
    """A text."""

    pattern: str = ""  # as a schema has it: found somewhere in the text
    least: int = 0  # characters

    def problems(self, value: Any, where: str) -> Problems:
        """What is wrong with a value."""
        if not isinstance(value, str):
            yield where, f"must be a text, not {_kind(value)}"
        elif len(value) < self.least:
            yield where, f"must have at least {self.least} character(s)"
        elif self.pattern and not re.search(self.pattern, value):
            yield where, f"{value!r} does not match {self.pattern}"


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number."""

    least: int = -(2**31)
    most: int = 2**31 - 1

    def problems(self, value: Any, where: str) -> Problems:
        """What is wrong with a value."""
        if not isinstance(value, int) or isinstance(value, bool):
            yield where, f"must be a whole number, not {_kind(value)}"
        elif not self.least <= value <= self.most:
            yield where, f"{value} is not from {self.least} to {self.most}"


@dataclass(frozen=True, slots=True)
class Number:
    """Any number."""

    def problems(self, value: Any, where: str) -> Problems:
        """What is wrong with a value."""
        if not isinstance(value, int | float) or isinstance(value, bool):
            yield where, f"must be a number, not {_kind(value)}"


@dataclass(frozen=True, slots=True)
class Flag:
    """True or false."""

    def problems(self, value: Any, where: str) -> Problems:
        """What is wrong with a value."""
        if not isinstance(value, bool):
            yield where, f"must be true or false, not {_kind(value)}"


@dataclass(frozen=True, slots=True)
class Span:
    """A time span as in ISO 8601: ``PT30S``."""

    def problems(self, value: Any, where: str) -> Problems:
        """What is wrong with a value."""
        if not isinstance(value, str) or not _DURATION.fullmatch(value):
            yield where, f"{value!r} is not an ISO 8601 duration, like PT30S"


@dataclass(frozen=True, slots=True)
class OneOf:
    """One of some texts, in that case."""

    values: tuple[str, ...]

    def problems(self, value: Any, where: str) -> Problems:
        """What is wrong with a value."""
        if value not in self.values:
            yield where, f"{value!r} is none of {', '.join(self.values)}"


@dataclass(frozen=True, slots=True)
class Scalar:
    """A text, or what the service makes one of: azure-ai-ml sends numbers among an asset's properties."""

    def problems(self, value: Any, where: str) -> Problems:
        """What is wrong with a value."""
        if isinstance(value, dict | list):
            yield where, f"must be a text, not {_kind(value)}"


@dataclass(frozen=True, slots=True)
class Anything:
    """Whatever it is."""

    def problems(self, value: Any, where: str) -> Problems:
        """What is wrong with a value."""
        yield from ()


@dataclass(frozen=True, slots=True)
class MapOf:
    """An object whose members all have one shape."""

    values: Shape

    def problems(self, value: Any, where: str) -> Problems:
        """What is wrong with a value."""
        if not isinstance(value, dict):
            yield where, f"must be an object, not {_kind(value)}"
            return
        for name, member in value.items():
            yield from self.values.problems(member, _inside(where, name))


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list whose items all have one shape."""

    items: Shape

    def problems(self, value: Any, where: str) -> Problems:
        """What is wrong with a value."""
        if not isinstance(value, list):
            yield where, f"must be a list, not {_kind(value)}"
            return
        for number, item in enumerate(value):
            yield from self.items.problems(item, f"{where}[{number}]")


@dataclass(frozen=True, slots=True)
class Members:
    """An object with members of its own: some required, some that may be left out or null, and some for reading only.

    What is for reading only may be sent, as by a client that sends back what it has read, and is ignored.
    """

    required: Mapping[str, Shape] = field(default_factory=dict)
    optional: Mapping[str, Shape] = field(default_factory=dict)
    readonly: frozenset[str] = frozenset()

    def problems(self, value: Any, where: str) -> Problems:
        """What is wrong with a value."""
        if not isinstance(value, dict):
            yield where, f"must be an object, not {_kind(value)}"
            return
        for name, shape in self.required.items():
            if value.get(name) is None:
                yield _inside(where, name), "is required"
            else:
                yield from shape.problems(value[name], _inside(where, name))
        for name, member in value.items():
            if name in self.optional and member is not None:
                yield from self.optional[name].problems(member, _inside(where, name))
            elif name not in self.required and name not in self.optional and name not in self.readonly:
                yield _inside(where, name), "is not a member that the schema knows"

    def plus(
        self, required: Mapping[str, Shape] | None = None, optional: Mapping[str, Shape] | None = None
    ) -> "Members":
        """The same with more members."""
        return Members({**self.required, **(required or {})}, {**self.optional, **(optional or {})}, self.readonly)


@dataclass(frozen=True, slots=True)
class Variant:
    """An object whose shape one of its members tells."""

    member: str
    shapes: Mapping[str, Shape]

    def problems(self, value: Any, where: str) -> Problems:
        """What is wrong with a value."""
        if not isinstance(value, dict):
            yield where, f"must be an object, not {_kind(value)}"
        elif (kind := value.get(self.member)) is None:
            yield _inside(where, self.member), "is required"
        elif not isinstance(kind, str) or kind not in self.shapes:
            yield _inside(where, self.member), f"{kind!r} is none of {', '.join(self.shapes)}"
        else:
            yield from self.shapes[kind].problems(value, where)


def _inside(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name


def _kind(value: Any) -> str:
    names = {bool: "a boolean", int: "a number", float: "a number", str: "a text", list: "a list", dict: "an object"}
    return names.get(type(value), "null")
