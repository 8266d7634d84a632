"""Read a rules file: bytes -> nodes with positions.

ruamel.yaml composes the document, within limits on size, depth and aliases. `_Converter` reports everything else that
rules files do not allow. Scalars are those of YAML 1.2's core schema (yaml.org, YAML 1.2.2, section 10.3.2):
``on``, ``yes`` and ``2026-11-22`` are texts.
"""

import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from errno import EINVAL
from hashlib import sha256
from pathlib import Path
from stat import S_ISREG
from typing import Any, cast

from ruamel.yaml import YAML, nodes
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.events import AliasEvent

from dispatch.rules.reading.app_settings import other_form, substitute
from dispatch.rules.reading.nodes import START, Node, Position, RuleFile, Scalar, Sequence, Table
from dispatch.rules.reading.yaml_errors import explain
from handlers.bounded_yaml import MAX_BYTES, MAX_LEVELS, BoundedComposer
from schemas.errors import shown

_NOT_PRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # YAML 1.2.2, 5.1
_LINE_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")  # as ruamel.yaml counts lines
_SURROGATE = re.compile("[\ud800-\udfff]")
_HALF = "It comes from an escape such as \\ud83d, or from a setting that is not UTF-8."
_WORDS = {"": None, "~": None, "null": None, "true": True, "false": False}
_WORD = re.compile(r"~?|null|Null|NULL|true|True|TRUE|false|False|FALSE")
_INT = re.compile(r"[-+]?[0-9]{1,400}|0o[0-7]{1,400}|0x[0-9a-fA-F]{1,400}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")


def read(path: Path, name: str, settings: Mapping[str, str]) -> RuleFile:
    """Read the file at `path`; errors call it `name`. A file that cannot be read has an error."""
    try:
        if not S_ISREG(path.stat().st_mode):
            raise OSError(EINVAL, "it is not a regular file")  # reading a pipe could wait for ever
        with path.open("rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
    except OSError as error:
        file = RuleFile(name, digest="unreadable", readable=False)
        file.error(START, f"the file cannot be read: {error.strerror or type(error).__name__}")
        return file
    return parse(raw, name, settings)


def parse(raw: bytes, name: str, settings: Mapping[str, str]) -> RuleFile:
    """Read a file's content."""
    file = RuleFile(name, digest=sha256(raw).hexdigest()[:12])
    text = _decode(raw, file)
    if text is not None:
        file.root = _compose(text, file, settings)
    file.readable = file.root is not None or not file.refused
    return file


def _decode(raw: bytes, file: RuleFile) -> str | None:
    if len(raw) > MAX_BYTES:
        file.error(START, f"the file is larger than {MAX_BYTES // 1024} KiB", "Split it into several files.")
        return None
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = raw[: error.start].decode("utf-8-sig")
        file.error(_end_of(before), f"byte 0x{raw[error.start]:02x} is not UTF-8", "Save the file as UTF-8.")
        return None
    if strange := _NOT_PRINTABLE.search(text):
        code = f"U+{ord(strange[0]):04X}"
        file.error(_end_of(text[: strange.start()]), f"YAML does not allow the character {code}", "Remove it.")
        return None
    return text


def _end_of(text: str) -> Position:
    lines = _LINE_BREAK.split(text)
    return Position(len(lines), len(lines[-1]) + 1)


def _compose(text: str, file: RuleFile, settings: Mapping[str, str]) -> Node | None:
    """The root of the only document; None if it is empty or has a syntax error."""
    yaml = YAML(typ="safe", pure=True)
    yaml.Composer = _Composer
    yaml.max_depth = MAX_LEVELS + 1
    composer: _Composer = yaml.composer
    converter = _Converter(file, settings, composer, _LINE_BREAK.split(text))
    try:
        root = yaml.compose(text)
        return None if root is None else converter.node(root)
    except MarkedYAMLError as error:
        line, column, message, hint = explain(error, _LINE_BREAK.split(text))
        file.error(Position(line, column), message, hint)
    except Exception as error:  # such as OverflowError for the escape "\\U99999999"
        file.error(START, f"the file cannot be read as YAML: {type(error).__name__}")
    for unfinished in composer.unfinished:
        with suppress(MarkedYAMLError):
            converter.node(unfinished)  # reports the errors above this one
    return None


class _Composer(BoundedComposer):
    """Keeps what composed nodes lack: tags, and aliases without an anchor."""

    def __init__(self, loader: Any = None) -> None:
        super().__init__(loader)
        self.tags: dict[nodes.Node, str] = {}
        self.dangling: dict[nodes.Node, str] = {}  # a placeholder for each invalid alias, with the reason
        self.unfinished: list[nodes.Node] = []  # the mappings and lists around the current position

    def compose_node(self, parent: Any, index: Any) -> nodes.Node:
        event = self.parser.peek_event()
        if parent is not None:
            self.unfinished[self.depth - 1 :] = [parent]
        is_alias = isinstance(event, AliasEvent)
        if is_alias and not self.is_complete(event.anchor):
            return self._dangling(event)
        node = super().compose_node(parent, index)
        if not is_alias and event.tag is not None:
            self.tags[node] = str(event.tag)
        return node

    def _dangling(self, event: AliasEvent) -> nodes.Node:
        self.parser.get_event()
        problem = "contains itself" if event.anchor in self.anchors else "is not defined above"
        placeholder = nodes.ScalarNode("", "", event.start_mark, event.end_mark)
        self.dangling[placeholder] = f"*{event.anchor} {problem}"
        return placeholder


class _Converter:
    """Converts ruamel's nodes, reports content that rules files do not allow, and fills in app settings."""

    def __init__(self, file: RuleFile, settings: Mapping[str, str], composer: _Composer, lines: Iterable[str]) -> None:
        self._file, self._settings, self._lines = file, settings, tuple(lines)
        self._tags, self._dangling = composer.tags, composer.dangling

    def node(self, node: nodes.Node, level: int = 0) -> Node:
        at = _position(node)
        if level > MAX_LEVELS:  # an alias adds the levels of its anchor
            raise MarkedYAMLError(None, None, "maximum depth", node.start_mark)
        if node in self._dangling:
            self._file.error(at, self._dangling[node], "A text that begins with * needs quotes.")
            return Scalar(at, None, "", broken=True)
        if node in self._tags:
            self._file.error(at, f"rules files do not allow a tag ({shown(self._tags[node])})", "Remove it.")
        if isinstance(node, nodes.SequenceNode):
            return Sequence(at, tuple(self.node(item, level + 1) for item in node.value))
        if isinstance(node, nodes.MappingNode):
            return self._table(node, level + 1)
        return self._scalar(cast(nodes.ScalarNode, node))

    def _table(self, node: nodes.MappingNode, level: int) -> Table:
        fields: dict[str, Node] = {}
        keys: dict[str, Position] = {}
        for key_node, value_node in node.value:
            key, at, value = self._key(key_node, node, level), _position(key_node), self.node(value_node, level)
            if key is None:
                continue
            if key in keys:
                first = keys[key].line
                self._file.error(at, f"duplicate key {shown(key)}", f"The first is in line {first}.")
                continue
            if isinstance(value, Scalar) and not value.written and value.value is None:
                value = Scalar(at, None, "", broken=value.broken)  # ruamel gives the position of the next token
            fields[key], keys[key] = value, at
        return Table(_position(node), fields, keys)

    def _key(self, node: nodes.Node, table: nodes.MappingNode, level: int) -> str | None:
        """The key's text; reports a key that is not allowed, and returns None."""
        at = _position(node)
        if node in self._dangling or not isinstance(node, nodes.ScalarNode):
            self.node(node, level)
            template = isinstance(node, nodes.MappingNode) and node.flow_style and table.flow_style
            hint = 'A text that begins with {{ needs quotes: "{{ … }}".' if template else ""
            self._file.error(_position(table) if template else at, "a key should be a text", hint)
            return None
        text = str(node.value)
        if node in self._tags or not text or _SURROGATE.search(text):
            self._file.error(at, "a key should be a text")
            return None
        hint = ""
        if text == "<<" and node.style is None:
            hint = "YAML 1.2 has no merge keys: repeat the keys, or use an alias for a whole value."
        elif "${" in text:
            hint = "Only values can be read from app settings."
        if hint:
            self._file.error(at, f"{shown(text)} cannot be a key", hint)
            return None
        return text

    def _scalar(self, node: nodes.ScalarNode) -> Scalar:
        at, written = _position(node), str(node.value)
        value = _resolve(written) if node.style is None and node not in self._tags else written
        if not isinstance(value, str):
            return Scalar(at, value, written)
        filled = substitute(value, self._settings)
        for message, hint in filled.errors:
            self._file.error(at, message, hint)
        if warning := other_form(value):
            self._file.warning(at, *warning)
        surrogate = _SURROGATE.search(filled.text)
        if surrogate:
            code = f"U+{ord(surrogate[0]):04X}"
            self._file.error(at, f"half of a surrogate pair ({code}), which is not a character", _HALF)
        first_line = self._first_line(node) if node.style == "|" and not filled.settings else None
        broken = bool(filled.errors or surrogate)
        return Scalar(at, filled.text, written, filled.settings, broken, first_line)

    def _first_line(self, node: nodes.ScalarNode) -> Position:
        """Where the text of a literal block begins, as its first line that is not empty is indented."""
        number = node.start_mark.line + 1
        below = next((line for line in self._lines[number:] if line.strip()), "")
        return Position(number + 1, len(below) - len(below.lstrip(" ")) + 1)


def _position(node: nodes.Node) -> Position:
    return Position(node.start_mark.line + 1, node.start_mark.column + 1)


def _resolve(text: str) -> str | int | float | bool | None:
    """The value of a scalar without quotes in YAML 1.2's core schema."""
    if _WORD.fullmatch(text):
        return _WORDS[text.lower()]
    if _INT.fullmatch(text):
        return int(text, 0) if text[:2] in ("0o", "0x") else int(text)
    if _FLOAT.fullmatch(text):
        return float(re.sub(r"\.(?=inf|nan)", "", text.lower()))
    return text
