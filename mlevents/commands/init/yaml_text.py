"""Add entries to the text of a YAML file: everything else in it stays as it is, to the byte.

A round trip through a YAML library would keep comments, and write spaces, quotes and long lines its own way.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from ruamel.yaml import YAML, nodes
from ruamel.yaml.error import YAMLError

from dispatch.rules.reading.yaml import parse

_PLAIN = re.compile(r"[A-Za-z/][A-Za-z0-9/_.@()-]*")
_WORDS = {"true", "false", "null", "yes", "no", "on", "off"}


class CannotAdd(Exception):  # noqa: N818 - the name says what cannot be done
    """An entry cannot be added to this text without a change of the rest."""


def scalar(text: str) -> str:
    """A text as YAML, in quotes where it would be something else without them."""
    plain = _PLAIN.fullmatch(text) and text.lower() not in _WORDS
    return text if plain else json.dumps(text, ensure_ascii=False)


def flow(value: Any) -> str:
    """A text, or a list or mapping of such values between brackets, on one line."""
    if isinstance(value, Mapping):
        return f"{{ {', '.join(f'{scalar(key)}: {flow(each)}' for key, each in value.items())} }}"
    return scalar(value) if isinstance(value, str) else f"[{', '.join(map(flow, value))}]"


def block(entries: Mapping[str, Any], indent: int) -> str:
    """Lines ``key: value``."""
    return "".join(f"{' ' * indent}{scalar(key)}: {flow(value)}\n" for key, value in entries.items())


@dataclass(frozen=True, slots=True)
class Entry:
    """What is added: to the mapping at this path, under a key: a text, or a mapping."""

    path: tuple[str, ...]
    key: str
    value: str | Mapping[str, Any]

    def lines(self, indent: int, step: int) -> str:
        """The entry in a mapping of lines; a mapping of texts has lines, too."""
        if isinstance(self.value, str) or not all(isinstance(each, str) for each in self.value.values()):
            return block({self.key: self.value}, indent)
        return f"{' ' * indent}{scalar(self.key)}:\n{block(self.value, indent + step)}"

    def inline(self) -> str:
        """The entry in a mapping between braces."""
        return f"{scalar(self.key)}: {flow(self.value)}"


def added(text: str, entries: list[Entry]) -> str:
    """The text with the entries at the ends of their mappings, in this order.

    Raises CannotAdd, also if any other value of the file would not be what it was.
    """
    for entry in entries:
        after = _added(text, entry)
        if _plain(after) != _expected(_plain(text), entry):
            raise CannotAdd(f"{entry.inline()} cannot be added to {'.'.join(entry.path) or 'the file'}")
        text = after
    return text


def _added(text: str, entry: Entry) -> str:
    mapping = _mapping(text, entry)
    end = _end(mapping)
    if mapping.flow_style:
        return f"{text[:end]}, {entry.inline()}{text[end:]}"
    newline = "\r\n" if "\r\n" in text else "\n"
    columns = [mapping.value[0][0].start_mark.column, *_columns(mapping)]
    step = next((below - above for above, below in pairwise(columns) if below > above), 2)
    at = text.find("\n", end - (text[end - 1] == "\n")) + 1 or len(text)
    before = text[:at] if text[:at].endswith("\n") else text[:at] + newline
    return before + entry.lines(columns[0], step).replace("\n", newline) + text[at:]


def _mapping(text: str, entry: Entry) -> nodes.MappingNode:
    try:
        node = YAML(typ="rt", pure=True).compose(text)
    except YAMLError as error:
        raise CannotAdd(f"it is not YAML: {error}") from error
    for key in entry.path:
        pairs = node.value if isinstance(node, nodes.MappingNode) else []
        node = next((value for name, value in pairs if name.value == key), None)
    if not isinstance(node, nodes.MappingNode) or not node.value:
        raise CannotAdd(f"{'.'.join(entry.path) or 'the file'} has no entries to which {entry.key} could be added")
    return node


def _columns(mapping: nodes.MappingNode) -> list[int]:
    """The indentation of the first mapping of lines that is a value in this one."""
    inner = (value for _, value in mapping.value if isinstance(value, nodes.MappingNode) and not value.flow_style)
    return [value.value[0][0].start_mark.column for value in inner if value.value][:1]


def _end(node: nodes.Node) -> int:
    """Where the last value in a node ends: a mapping of lines itself ends after the comments that follow."""
    if isinstance(node, nodes.MappingNode) and node.value:
        last = node.value[-1][1]
        return _end(last) if not node.flow_style else int(last.end_mark.index)
    if isinstance(node, nodes.SequenceNode) and node.value and not node.flow_style:
        return _end(node.value[-1])
    return int(node.end_mark.index)


def _plain(text: str) -> object:
    root = parse(text.encode("utf-8", "surrogatepass"), "", {}).root
    return root.plain() if root else None


def _expected(before: object, entry: Entry) -> object:
    if not isinstance(before, dict):
        return None
    if entry.path:
        first = entry.path[0]
        inner = _expected(before.get(first), Entry(entry.path[1:], entry.key, entry.value))
        return before | {first: inner}
    value = entry.value if isinstance(entry.value, str) else dict(entry.value)
    return before | {entry.key: value}
