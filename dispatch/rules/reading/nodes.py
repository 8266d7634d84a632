"""What a rules file consists of: scalars, lists and mappings that know where they stand; the file, with mistakes."""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

from dispatch.rules.errors import RuleError, closest
from schemas.errors import shown


class Position(NamedTuple):
    """Where something begins; both count from 1."""

    line: int
    column: int


START = Position(1, 1)
SHORTEST_SECRET = 4  # characters; what is shorter is in any text


@dataclass(frozen=True, slots=True)
class Scalar:
    """A text, a number, true, false or null.

    `settings` are the values of app settings in it, each with what is written for it. `broken`: it names one that
    cannot be had, which has been said.
    """

    at: Position
    value: str | int | float | bool | None
    written: str  # as it stands in the file, without quotes
    settings: tuple[tuple[str, str], ...] = ()
    broken: bool = False

    def plain(self) -> Any:
        """The value."""
        return self.value


@dataclass(frozen=True, slots=True)
class Sequence:
    """A list."""

    at: Position
    items: tuple["Node", ...]

    def plain(self) -> Any:
        """As a list of plain values."""
        return [item.plain() for item in self.items]


@dataclass(frozen=True, slots=True)
class Table:
    """A mapping; `keys` says where each key stands."""

    at: Position
    fields: Mapping[str, "Node"]
    keys: Mapping[str, Position]

    def plain(self) -> Any:
        """As a dict of plain values."""
        return {key: node.plain() for key, node in self.fields.items()}


Node: TypeAlias = Scalar | Sequence | Table


@dataclass(slots=True)
class RuleFile:
    """One file while it is being read: `mistakes` grows. `root` is None if it is empty, or not to be read at all."""

    name: str
    digest: str = ""  # a short hash of its content
    root: Node | None = None
    readable: bool = True
    errors: list[RuleError] = field(default_factory=list)
    context: dict[str, Any] = field(default_factory=dict)  # what the validators of its settings may ask for

    def error(self, at: Node | Position, message: str, hint: str = "") -> None:
        """Report a mistake, once. If it is about a text, what came into that from settings is not shown."""
        line, column = at if isinstance(at, Position) else at.at
        settings = at.settings if isinstance(at, Scalar) else ()
        found = RuleError(self.name, line, column, hide(message, settings), hide(hint, settings))
        if found not in self.errors:
            self.errors.append(found)

    def table(self, node: Node, what: str, hint: str = "") -> Table | None:
        """The node, if it is a mapping; else a mistake."""
        if isinstance(node, Table):
            return node
        self.error(node, f"{what} should be a mapping (key: value), not {kind(node)}", hint)
        return None

    def sequence(self, node: Node, what: str, hint: str = "") -> tuple[Node, ...]:
        """The items of a list; of anything else none, and a mistake."""
        if isinstance(node, Sequence):
            return node.items
        self.error(node, f"{what} should be a list, not {kind(node)}", hint)
        return ()

    def one_or_more(self, node: Node, what: str) -> tuple[Node, ...]:
        """The items of a list, or the one thing that stands for a list of one. An empty list is a mistake."""
        items = node.items if isinstance(node, Sequence) else () if is_null(node) else (node,)
        if not items:
            self.error(node, f"{what} is empty")
        return items

    def text(self, node: Node, what: str, hint: str = "") -> str | None:
        """The node's text, if it is one; else a mistake. None, too, where a setting is missing, which has been said."""
        if isinstance(node, Scalar) and isinstance(node.value, str):
            return None if node.broken else node.value
        if isinstance(node, Scalar) and node.value is not None:
            hint = hint or f'Put it in quotes: "{node.written}".'
        self.error(node, f"{what} should be a text, not {kind(node)}", hint)
        return None

    def known_keys(
        self,
        node: Table,
        known: Collection[str],
        of: str,
        synonyms: Mapping[str, str] | None = None,
        hints: Mapping[str, str] | None = None,
    ) -> Table:
        """Report every key that is not known. Returns the mapping with the keys that are meant, to read on.

        `synonyms`: keys that others would write for ours; `hints`: what to do about keys that have no place here.
        """
        fields, keys = dict(node.fields), dict(node.keys)
        for key, at in node.keys.items():
            if key in known:
                continue
            meant = (synonyms or {}).get(key.casefold()) or closest(key, known)
            hint = (hints or {}).get(key) or (f"Did you mean {meant}?" if meant else f"Known are {', '.join(known)}.")
            self.error(at, f"unknown key {shown(key)} in {of}", hint)
            if meant and meant not in fields:
                fields[meant], keys[meant] = fields.pop(key), keys.pop(key)
        return Table(node.at, fields, keys)


def hide(text: str, values: Iterable[tuple[str, str]]) -> str:
    """A message in which each value that must not be shown is replaced by what stands for it."""
    for value, mark in values:
        if len(value) < SHORTEST_SECRET:
            continue
        for form in {value, repr(value)[1:-1]}:
            text = re.sub(re.escape(form), mark.replace("\\", r"\\"), text, flags=re.IGNORECASE)
    return text


def kind(node: Node) -> str:
    """What a node is, for people."""
    match node:
        case Table():
            return "a mapping"
        case Sequence():
            return "a list"
        case Scalar(value=None):
            return "nothing"
        case Scalar(value=bool()):
            return f"{node.written} (true or false)"
        case Scalar(value=str()):
            return f"the text {shown(node.written)}"
    return f"the number {node.written}"


def is_null(node: Node) -> bool:
    """Does nothing stand there?"""
    return isinstance(node, Scalar) and node.value is None


def is_broken(node: Node) -> bool:
    """Does a text in it name a setting that cannot be had?"""
    match node:
        case Scalar():
            return node.broken
        case Sequence():
            return any(is_broken(item) for item in node.items)
    return any(is_broken(item) for item in node.fields.values())
