"""The parts of a rules file: scalars, lists and mappings with their positions; and the file with its errors."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import takewhile
from typing import Any, NamedTuple, TypeAlias

from dispatch.rules.errors import RuleError
from schemas.errors import shown


class Position(NamedTuple):
    """Where something begins; both numbers count from 1."""

    line: int
    column: int


START = Position(1, 1)
MAX_ERRORS = 100  # of a file that are reported one by one; the others are counted
SHORTEST_SECRET = 4  # characters; a shorter value occurs in any text
_LONG_PART = 20  # characters of a value that no other text begins or ends with by chance
_ELLIPSES = ("...", "…", ascii("…")[1:-1], ascii("…")[-2:0:-1])  # the last one as reversed texts have it


@dataclass(frozen=True, slots=True)
class Scalar:
    """A text, a number, true, false or null.

    `settings` pairs the value of each app setting in it with the text that names the setting. A scalar is `broken` if
    it names a setting that is not available; that error has been reported. `first_line` is where the text of a literal
    block (``|``) without settings begins.
    """

    position: Position
    value: str | int | float | bool | None
    written: str  # as in the file, without quotes
    settings: tuple[tuple[str, str], ...] = ()
    broken: bool = False
    first_line: Position | None = None

    def at_line(self, number: int) -> "Scalar | Position":
        """Where to report an error about a line of the text, which counts from 1: the line if it is known."""
        return Position(self.first_line.line + number - 1, self.first_line.column) if self.first_line else self

    def plain(self) -> Any:
        """The value."""
        return self.value


@dataclass(frozen=True, slots=True)
class Sequence:
    """A list."""

    position: Position
    items: tuple["Node", ...]

    def plain(self) -> Any:
        """A list of plain values."""
        return [item.plain() for item in self.items]


@dataclass(frozen=True, slots=True)
class Table:
    """A mapping; `keys` has the position of each key."""

    position: Position
    fields: Mapping[str, "Node"]
    keys: Mapping[str, Position]

    def plain(self) -> Any:
        """A dict of plain values."""
        return {key: node.plain() for key, node in self.fields.items()}


Node: TypeAlias = Scalar | Sequence | Table
_Reports: TypeAlias = dict[tuple[Position, str], Callable[[], str]]  # position and message -> the hint


@dataclass(slots=True)
class RuleFile:
    """One file while it is being loaded; errors and warnings are added to it.

    `root` is None if it is empty or cannot be read.
    """

    name: str
    digest: str = ""  # a short hash of its content
    root: Node | None = None
    readable: bool = True
    context: dict[str, Any] = field(default_factory=dict)  # pydantic's validation context for handlers' settings
    more_errors: int = 0  # that are counted, not shown
    _errors: _Reports = field(default_factory=dict)
    _warnings: _Reports = field(default_factory=dict)

    def error(self, at: Node | Position, message: str, hint: str | Callable[[], str] = "") -> None:
        """Report an error, once. A hint that is expensive is a function, called only if the error is shown.

        If the error is about a text, values of settings in it are replaced by the settings' names.
        """
        _add(self._errors, at, message, hint)

    def warning(self, at: Node | Position, message: str, hint: str | Callable[[], str] = "") -> None:
        """Report something that is probably not meant, but does not refuse the file; as `error` does."""
        _add(self._warnings, at, message, hint)

    @property
    def refused(self) -> bool:
        """Does the file have errors?"""
        return bool(self._errors)

    @property
    def errors(self) -> list[RuleError]:
        """The first errors by position; if there are more, the last one counts them."""
        return self._listed(self._errors, "error", self.more_errors)

    @property
    def warnings(self) -> list[RuleError]:
        """The first warnings by position; if there are more, the last one counts them."""
        return self._listed(self._warnings, "warning")

    def _listed(self, reports: _Reports, noun: str, more: int = 0) -> list[RuleError]:
        found = sorted(reports.items(), key=lambda item: item[0])
        listed = [RuleError(self.name, *at, message, hint()) for (at, message), hint in found[:MAX_ERRORS]]
        more += len(found) - len(listed)
        if more:
            last = listed[-1]
            message = f"{more} more {noun}{'s' if more > 1 else ''} in this file"
            listed.append(RuleError(self.name, last.line, last.column, message, "Fix the ones above first."))
        return listed


def _add(reports: _Reports, at: Node | Position, message: str, hint: str | Callable[[], str]) -> None:
    position = at if isinstance(at, Position) else at.position
    settings = at.settings if isinstance(at, Scalar) else ()
    reports.setdefault(
        (position, hide(message, settings)), lambda: hide(hint if isinstance(hint, str) else hint(), settings)
    )


def without_expressions(node: Node, file: RuleFile, path: str = "", skip: frozenset[str] = frozenset()) -> Node:
    """The node, in which texts with a template's expression are broken: it would not be rendered.

    Each is an error. Keys named in `skip` are left alone.
    """
    match node:
        case Table():
            inner = {
                key: child if key in skip else without_expressions(child, file, f"{path}.{key}".lstrip("."), skip)
                for key, child in node.fields.items()
            }
            return Table(node.position, inner, node.keys)
        case Sequence():
            return Sequence(node.position, tuple(without_expressions(item, file, path, skip) for item in node.items))
        case Scalar(value=str() as text) if "{{" in text or "{%" in text:
            file.error(
                node, f"{path} is not a template: {{{{ … }}}} and {{% … %}} have no meaning in it", _instead(text, path)
            )
            return replace(node, broken=True)
    return node


def _instead(text: str, path: str) -> str:
    name = path.rpartition(".")[2]
    key = re.fullmatch(r"\s*\{\{\s*([\w.]+)\s*\}\}\s*", text)
    if name == "by":
        return f"Write the key without braces: {key[1] if key else 'data.experimentName'}."
    if name in ("when", "any", "all"):
        return "A condition has a key without braces and fixed values: data.runStatus StringIn Failed."
    return "It is the same for every event: write it out, or use an app setting, ${RULES_…}."


def hide(text: str, values: Iterable[tuple[str, str]]) -> str:
    """Replace each value that must not be shown by its placeholder, also where the text has only a part of it."""
    for value, mark in values:
        if len(value) < SHORTEST_SECRET:
            continue
        for form in {value, repr(value)[1:-1], ascii(value)[1:-1]}:
            text = re.sub(re.escape(form), mark.replace("\\", r"\\"), text, flags=re.IGNORECASE)
            text = _hide_beginning(text, form, mark)
            text = _hide_beginning(text[::-1], form[::-1], mark[::-1])[::-1]
    return text


def _hide_beginning(text: str, value: str, mark: str) -> str:
    """Replace what is left of a value that was shortened: its beginning before an ellipsis, or a long beginning.

    For reversed arguments, that is the value's end, after an ellipsis.
    """
    hidden, end = "", 0
    for match in re.finditer(f"(?={re.escape(value[:SHORTEST_SECRET])})", text, re.IGNORECASE):
        start = match.start()
        pairs = zip(text[start : start + len(value)], value, strict=False)
        same = sum(1 for _ in takewhile(lambda pair: pair[0].lower() == pair[1].lower(), pairs))
        cut = next((n for n in range(same, SHORTEST_SECRET - 1, -1) if text.startswith(_ELLIPSES, start + n)), 0)
        length = same if same >= _LONG_PART else cut
        if length and start >= end:
            hidden += text[end:start] + mark
            end = start + length
    return hidden + text[end:]


def kind(node: Node) -> str:
    """A noun for the node, as messages print it."""
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
    """Is the value null, or missing after its key?"""
    return isinstance(node, Scalar) and node.value is None


def is_broken(node: Node) -> bool:
    """Does a text in it name a setting that is not available?"""
    match node:
        case Scalar():
            return node.broken
        case Sequence():
            return any(is_broken(item) for item in node.items)
    return any(is_broken(item) for item in node.fields.values())


def field_of(node: Node | None, key: str) -> Node | None:
    """The value of a key; None if the node is not a mapping with this key."""
    return node.fields.get(key) if isinstance(node, Table) else None


def items_of(node: Node | None) -> tuple[Node, ...]:
    """The items of a list; any other node that is not null counts as a list of one."""
    if node is None or is_null(node):
        return ()
    return node.items if isinstance(node, Sequence) else (node,)


def scalars_of(node: Node | None) -> Iterator[Scalar]:
    """All scalars in a node, in the order of the file."""
    match node:
        case Scalar():
            yield node
        case Sequence():
            for item in node.items:
                yield from scalars_of(item)
        case Table():
            for child in node.fields.values():
                yield from scalars_of(child)


def text_of(node: Node | None) -> str | None:
    """The node's text; None if it is not a text, or is broken."""
    return node.value if isinstance(node, Scalar) and isinstance(node.value, str) and not node.broken else None
