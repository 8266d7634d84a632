"""Kinds of values of the CLI's YAML, and what is wrong with a value. They accept what azure-ai-ml's schemas accept."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from difflib import get_close_matches
from math import isfinite
from typing import Any, TypeAlias

from schemas.errors import shown

Path: TypeAlias = tuple[str | int, ...]

_TRUE_OR_FALSE = {"t", "true", "1", "on", "y", "yes", "f", "false", "0", "off", "n", "no"}  # marshmallow's Boolean


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with the value at a path, or with its key."""

    path: Path
    text: str
    at_key: bool = False


class Field(ABC):
    """A kind of values."""

    @abstractmethod
    def problems(self, value: Any, path: Path) -> Iterator[Problem]:
        """What is wrong with a value at a path."""


@dataclass(frozen=True)
class Scalar(Field):
    """A text, a number, true or false."""

    expected: str  # "a text"
    accepts: Callable[[Any], bool]

    def problems(self, value: Any, path: Path) -> Iterator[Problem]:
        """One problem, unless the value is accepted."""
        if not self.accepts(value):
            is_date = isinstance(value, date)
            hint = ": put it in quotes" if is_date or (self is TEXT and isinstance(value, bool | int | float)) else ""
            found = f"the date {value}" if is_date else shown(value)
            yield Problem(path, f"{dotted(path)} should be {self.expected}, not {found}{hint}")


@dataclass(frozen=True)
class Choice(Field):
    """One of a few words, in any spelling of their letters' case."""

    words: tuple[str, ...]

    def problems(self, value: Any, path: Path) -> Iterator[Problem]:
        """One problem, with the word that was probably meant, unless the value is one of the words."""
        if isinstance(value, str) and _plain(value) in map(_plain, self.words):
            return
        hint = did_you_mean(str(value), self.words) if isinstance(value, str) else ""
        yield Problem(path, f"{dotted(path)} should be {' or '.join(self.words)}, not {shown(value)}{hint}")


@dataclass(frozen=True)
class ListOf(Field):
    """A list."""

    items: Field

    def problems(self, value: Any, path: Path) -> Iterator[Problem]:
        """Those of the items."""
        if not isinstance(value, list):
            yield Problem(path, f"{dotted(path)} should be a list, not {shown(value)}")
            return
        for index, item in enumerate(value):
            yield from self.items.problems(item, (*path, index))


@dataclass(frozen=True)
class MapOf(Field):
    """A mapping with any keys."""

    values: Field

    def problems(self, value: Any, path: Path) -> Iterator[Problem]:
        """Those of the keys and values."""
        if not isinstance(value, Mapping):
            yield Problem(path, f"{dotted(path)} should be a mapping (key: value), not {shown(value)}")
            return
        for key, item in value.items():
            if not isinstance(key, str):
                yield Problem((*path, key), f"YAML reads a key of {dotted(path)} as {key!r}: put it in quotes", True)
            else:
                yield from self.values.problems(item, (*path, key))


@dataclass(frozen=True)
class Table(Field):
    """A mapping with known keys."""

    keys: Mapping[str, Field]
    needed: tuple[str, ...] = ()

    def problems(self, value: Any, path: Path) -> Iterator[Problem]:
        """Unknown and missing keys, and the problems of the values."""
        if not isinstance(value, Mapping):
            yield Problem(path, f"{dotted(path)} should be a mapping (key: value), not {shown(value)}")
            return
        for key, item in value.items():
            if key not in self.keys:
                hint = did_you_mean(str(key), self.keys) or f". The keys are {', '.join(self.keys)}"
                owner = f" in {dotted(path)}" if path else ""
                yield Problem((*path, key), f"unknown key {shown(key)}{owner}{hint}", at_key=True)
            elif item is None and self.keys[key] is not ANY:
                yield Problem((*path, key), f"{dotted((*path, key))} has no value", at_key=True)
            else:
                yield from self.keys[key].problems(item, (*path, key))
        for key in self.needed:
            if key not in value:
                yield Problem(path, f"{dotted(path) or 'the file'} needs {key!r}", at_key=True)


@dataclass(frozen=True)
class Either(Field):
    """A scalar or a mapping."""

    scalar: Field
    table: Field

    def problems(self, value: Any, path: Path) -> Iterator[Problem]:
        """Those of the form that the value has."""
        yield from (self.table if isinstance(value, Mapping) else self.scalar).problems(value, path)


@dataclass(frozen=True)
class Checked(Field):
    """A text with a form of its own, such as a reference."""

    check: Callable[[str], object] = field()  # raises ValueError

    def problems(self, value: Any, path: Path) -> Iterator[Problem]:
        """What `check` raises."""
        if not isinstance(value, str):
            yield from TEXT.problems(value, path)
            return
        try:
            self.check(value)
        except ValueError as error:
            yield Problem(path, f"{dotted(path)}: {error}")


def dotted(path: Path) -> str:
    """A path as text: ``liveness_probe.period``."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")


def did_you_mean(word: str, known: Mapping[str, Any] | tuple[str, ...]) -> str:
    """A question with the most similar word; empty if none is similar."""
    folded = {_plain(each): each for each in known}
    close = get_close_matches(_plain(word), folded, n=1)
    return f". Did you mean {folded[close[0]]}?" if close else ""


def _plain(word: str) -> str:
    """As azure-ai-ml compares words: ``AmlToken``, ``aml_token`` and ``AMLToken`` are one."""
    return word.replace("_", "").replace("-", "").casefold()


def _is_whole(value: Any) -> bool:
    """As marshmallow's Integer: also 2.5, which becomes 2, and a text that has a whole number."""
    if isinstance(value, str):
        return value.strip().lstrip("+-").isdecimal()
    return not isinstance(value, bool) and isinstance(value, int | float) and _is_number(value)


def _is_number(value: Any) -> bool:
    try:
        return isinstance(value, str | int | float) and isfinite(float(value))
    except (ValueError, OverflowError):
        return False


ANY = Scalar("anything", lambda value: True)
TEXT = Scalar("a text", lambda value: isinstance(value, str))
WHOLE = Scalar("a whole number", _is_whole)
NUMBER = Scalar("a number", _is_number)
SWITCH = Scalar("true or false", lambda value: isinstance(value, str | int) and str(value).casefold() in _TRUE_OR_FALSE)
VALUE = Scalar("a text, a number, true or false", lambda value: isinstance(value, str | int | float))
