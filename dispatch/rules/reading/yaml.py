"""Reading a rules file: bytes -> nodes.

ruamel.yaml parses; what it tells is put together here, within bounds, so that every key and value keeps its place, all
that is not in the language of rules is reported at once, and reading cannot take long. Scalars are those of YAML 1.2's
core schema (yaml.org, YAML 1.2.2, section 10.3.2): ``on``, ``yes`` and ``2026-11-22`` are texts.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml import events as yaml
from ruamel.yaml.error import MarkedYAMLError

from dispatch.rules.reading.app_settings import substitute
from dispatch.rules.reading.nodes import START, Node, Position, RuleFile, Scalar, Sequence, Table
from dispatch.rules.reading.yaml_errors import explain
from schemas.errors import shown

MOST_BYTES = 256 * 1024  # some thousand rules, which take a second to read
MOST_NODES = 20_000  # with everything written out that an alias stands for
MOST_LEVELS = 40

_NOT_PRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # YAML 1.2.2, 5.1
_LINE_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")  # as ruamel.yaml counts lines
_SURROGATE = re.compile("[\ud800-\udfff]")
_HALF = "It comes of an escape such as \\ud83d, or of a setting that is not UTF-8."
_WORDS = {"": None, "~": None, "null": None, "true": True, "false": False}
_WORD = re.compile(r"~?|null|Null|NULL|true|True|TRUE|false|False|FALSE")
_INT = re.compile(r"[-+]?[0-9]{1,400}|0o[0-7]{1,400}|0x[0-9a-fA-F]{1,400}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")


def read(path: Path, name: str, settings: Mapping[str, str]) -> RuleFile:
    """Read the file at `path`, known to people as `name`. What cannot be read is a mistake."""
    try:
        with path.open("rb") as stream:
            raw = stream.read(MOST_BYTES + 1)
    except OSError as error:
        file = RuleFile(name, digest="unreadable", readable=False)
        file.error(START, f"the file cannot be read: {error.strerror or type(error).__name__}")
        return file
    return parse(raw, name, settings)


def parse(raw: bytes, name: str, settings: Mapping[str, str]) -> RuleFile:
    """Read a file's content."""
    file = RuleFile(name, digest=sha256(raw).hexdigest()[:12])
    text = _decoded(raw, file)
    if text is not None:
        _Composer(text, file, settings).compose()
    file.readable = file.root is not None or not file.errors
    return file


def _decoded(raw: bytes, file: RuleFile) -> str | None:
    if len(raw) > MOST_BYTES:
        file.error(START, f"the file is larger than {MOST_BYTES // 1024} KiB", "Make several files of it.")
        return None
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = raw[: error.start].decode("utf-8-sig")
        file.error(_position(before), f"byte 0x{raw[error.start]:02x} is not UTF-8", "Save the file as UTF-8.")
        return None
    if strange := _NOT_PRINTABLE.search(text):
        code = f"U+{ord(strange[0]):04X}"
        file.error(_position(text[: strange.start()]), f"the character {code} cannot stand in YAML", "Remove it.")
        return None
    return text


def _position(before: str) -> Position:
    lines = _LINE_BREAK.split(before)
    return Position(len(lines), len(lines[-1]) + 1)


class _Stop(Exception):  # noqa: N818 - not an error: the mistake has been reported
    """There is no use in reading on."""


class _Composer:
    """Puts a document together from what the parser tells."""

    def __init__(self, text: str, file: RuleFile, settings: Mapping[str, str]) -> None:
        self._text, self._file, self._settings = text, file, settings
        self._events: Iterator[yaml.Event] = iter(YAML(typ="safe", pure=True).parse(text))
        self._anchors: dict[str, tuple[Node, int] | None] = {}  # with its number of nodes; None while it is being read
        self._nodes = 0

    def compose(self) -> None:
        """Fill in the file's root, or its mistakes."""
        try:
            documents = 0
            for event in self._events:
                if isinstance(event, yaml.DocumentStartEvent):
                    documents += 1
                    if documents > 1:
                        self._stop(
                            _at(event), "a second document begins here", "Remove the line '---', or make two files."
                        )
                    self._file.root = self._node(next(self._events), 0)
        except _Stop:
            self._file.root = None
        except MarkedYAMLError as error:
            self._file.root = None
            line, column, message, hint = explain(error, _LINE_BREAK.split(self._text))
            self._file.error(Position(line, column), message, hint)
        except Exception as error:  # such as OverflowError for the escape "\\U99999999"
            self._file.root = None
            self._file.error(START, f"the file cannot be read as YAML: {type(error).__name__}")

    def _stop(self, at: Position, message: str, hint: str = "") -> None:
        self._file.error(at, message, hint)
        raise _Stop

    def _node(self, event: yaml.Event, level: int) -> Node:
        self._count(1, event)
        if level > MOST_LEVELS:
            self._stop(_at(event), f"more than {MOST_LEVELS} levels")
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event)
        anchor, before = event.anchor if isinstance(event, yaml.NodeEvent) else None, self._nodes
        if anchor:
            self._anchors[anchor] = None
        node = self._untagged(event, level)
        if anchor:
            self._anchors[anchor] = node, self._nodes - before
        return node

    def _untagged(self, event: yaml.Event, level: int) -> Node:
        if tag := _tag(event):
            self._file.error(_at(event), f"a tag ({shown(tag)}), which rules do not know", "Remove it.")
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event)
        if isinstance(event, yaml.SequenceStartEvent):
            return Sequence(_at(event), tuple(self._items(level)))
        return self._table(event, level)

    def _count(self, nodes: int, event: yaml.Event) -> None:
        self._nodes += nodes
        if self._nodes > MOST_NODES:
            self._stop(_at(event), f"more than {MOST_NODES} entries, aliases written out", "Make several files of it.")

    def _alias(self, event: yaml.AliasEvent) -> Node:
        known = self._anchors.get(event.anchor)
        if known is None:
            message = "contains itself" if event.anchor in self._anchors else "is not defined above"
            self._file.error(_at(event), f"*{event.anchor} {message}", "A text that begins with * needs quotes.")
            return Scalar(_at(event), None, "", broken=True)
        self._count(known[1], event)
        return known[0]

    def _items(self, level: int) -> Iterator[Node]:
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            yield self._node(event, level + 1)

    def _table(self, start: yaml.Event, level: int) -> Table:
        fields: dict[str, Node] = {}
        keys: dict[str, Position] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key = self._key(event, start, level)
            value = self._node(next(self._events), level + 1)
            if key is None:
                continue
            if key in keys:
                first = keys[key].line
                self._file.error(
                    _at(event), f"{shown(key)} stands here a second time", f"The first is in line {first}."
                )
                continue
            if isinstance(value, Scalar) and not value.written and value.value is None:
                value = replace(value, at=_at(event))  # nothing stands there: the key does
            fields[key], keys[key] = value, _at(event)
        return Table(_at(start), fields, keys)

    def _key(self, event: yaml.Event, start: yaml.Event, level: int) -> str | None:
        """The key's text, or None where it cannot be a key, which is reported."""
        if not isinstance(event, yaml.ScalarEvent):
            self._node(event, level + 1)
            template = _in_braces(event) and _in_braces(start)
            hint = 'A text that begins with {{ needs quotes: "{{ … }}".' if template else ""
            self._file.error(_at(start if template else event), "a key should be a text", hint)
            return None
        text, hint = str(event.value), ""
        if _tag(event) or not text or _SURROGATE.search(text):
            self._file.error(_at(event), "a key should be a text")
            return None
        if text == "<<" and event.style is None:
            hint = "YAML 1.2 has no merge keys: repeat what is to be the same, or use an alias for all of a value."
        elif "${" in text:
            hint = "Only values can be read from app settings."
        if hint:
            self._file.error(_at(event), f"{shown(text)} cannot be a key", hint)
            return None
        return text

    def _scalar(self, event: yaml.ScalarEvent) -> Scalar:
        written = str(event.value)
        value = _resolved(written) if event.implicit[0] and not _tag(event) else written
        if not isinstance(value, str):
            return Scalar(_at(event), value, written)
        filled = substitute(value, self._settings)
        for message, hint in filled.wrong:
            self._file.error(_at(event), message, hint)
        surrogate = _SURROGATE.search(filled.text)
        if surrogate:
            code = f"U+{ord(surrogate[0]):04X}"
            self._file.error(_at(event), f"half a character ({code}), which is no text", _HALF)
        return Scalar(_at(event), filled.text, written, filled.settings, broken=bool(filled.wrong or surrogate))


def _tag(event: yaml.Event) -> str:
    return str(getattr(event, "tag", None) or "")


def _in_braces(event: yaml.Event) -> bool:
    return isinstance(event, yaml.MappingStartEvent) and bool(event.flow_style)


def _at(event: yaml.Event) -> Position:
    return Position(event.start_mark.line + 1, event.start_mark.column + 1)


def _resolved(text: str) -> str | int | float | bool | None:
    """What a scalar without quotes is, by YAML 1.2's core schema."""
    if _WORD.fullmatch(text):
        return _WORDS[text.lower()]
    if _INT.fullmatch(text):
        return int(text, 0) if text[:2] in ("0o", "0x") else int(text)
    if _FLOAT.fullmatch(text):
        return float(re.sub(r"\.(?=inf|nan)", "", text.lower()))
    return text
