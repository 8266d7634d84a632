"""Validate a part of a rules file with a pydantic model, and report pydantic's errors at their lines and columns.

Messages reveal no secrets: they never show the value of a field that is typed as a secret, or of an app setting.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Any, TypeAlias, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from dispatch.rules.errors import closest, did_you_mean
from dispatch.rules.reading.nodes import (
    MAX_ERRORS,
    Node,
    Position,
    RuleFile,
    Scalar,
    Sequence,
    Table,
    hide,
    is_broken,
    kind,
    scalars_of,
)
from dispatch.rules.reading.shapes import MAPPING, OTHER, Named, Shape, shape_of
from handlers.workspace_field import NOT_KNOWN
from schemas.errors import shown

M = TypeVar("M", bound=BaseModel)
Loc: TypeAlias = tuple[int | str, ...]
Hint: TypeAlias = str | Callable[[], str]

_INVALID = "invalid"  # the type of the errors that `invalid` creates
_FREE = {"value_error", "assertion_error"}  # raised by a field's own validator
_EXPECTED = (  # pydantic's error types -> what to write
    (r"bool_", "should be true or false"),
    (r"string_type", "should be a text"),
    (r"int_", "should be a whole number"),
    (r"(float|decimal)_(type|parsing)", "should be a number"),
    (r"(list|tuple|set|frozen_set|iterable)_type", "should be a list"),
    (r"dict_type|mapping_type|model_type|model_attributes_type|dataclass_type", "should be a mapping (key: value)"),
)


def invalid(message: str, hint: Hint = "") -> PydanticCustomError:
    """The error that a validator raises for its own message, in which ``{name}`` stands for the value's name."""
    return PydanticCustomError(_INVALID, "invalid", {"message": message, "hint": hint})


def validated(model: type[M], node: Node, file: RuleFile, path: str = "", at: Position | None = None) -> M | None:
    """The model that a node describes; None if it has errors, or depends on workspaces that are not known.

    `path` is the node's name in messages ("with"; "" if messages name only its keys). Errors about missing keys, or
    about the node as a whole, are reported `at` a position, by default its own.
    """
    try:
        return model.model_validate(node.plain(), context=file.context)
    except ValidationError as error:
        reader = _Reader(model, node, path, at or node.position)
        errors = error.errors(include_url=False, include_input=False)
        outer = {detail["loc"][:length] for detail in errors for length in range(len(detail["loc"]))}
        details = [detail for detail in errors if detail["type"] != NOT_KNOWN and detail["loc"] not in outer]
        file.more_errors += sum(not reader.is_broken(detail["loc"]) for detail in details[MAX_ERRORS:])
        complaints = [c for detail in details[:MAX_ERRORS] if (c := reader.complaint(detail))]
        for complaint in _merged(complaints):
            file.error(complaint.at, complaint.text, complaint.hint)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a handler's validator may raise anything
        file.error(at or node.position, f"{model.__name__} cannot check its settings: {type(error).__name__}")
    return None


@dataclass(frozen=True, slots=True)
class _Value:
    """A value in the file: its node, where to report errors about it, its path and its shape."""

    node: Node
    at: Position
    path: str
    loc: Loc  # keys and indexes only
    shape: Shape
    key: Position | None = None  # of the value's key, if it has one
    examples: tuple[Any, ...] = ()  # of its field

    @property
    def name(self) -> str:
        named = self.shape.named
        if named is None:
            return self.path
        keys = [part for part in self.loc if isinstance(part, str)]
        return named.name.format(key=keys[-1] if keys else "", parent=keys[-2] if len(keys) > 1 else "")

    def inner(self, part: int | str) -> "_Value":
        """The value of a key or index. A part that is neither is the name of a union's member: this value."""
        node, shape, named = self.node, self.shape.inner(part), self.shape.named
        if isinstance(node, Table) and part in node.fields:
            key = str(part)
            start = self.path if named is None or named.path is None else named.path
            path, value = f"{start}.{key}".lstrip("."), node.fields[key]
            examples = tuple((info.examples if (info := self.shape.fields.get(key)) else None) or ())
            return _Value(value, value.position, path, (*self.loc, key), shape, node.keys[key], examples)
        if isinstance(node, Sequence) and isinstance(part, int) and part < len(node.items):
            item = node.items[part]
            return _Value(item, item.position, f"{self.path}[{part}]", (*self.loc, part), shape)
        return _Value(
            node, self.at, self.path, self.loc, shape, self.key, self.examples
        )  # also a single value in place of a list


@dataclass(frozen=True, slots=True)
class _Complaint:
    """One of pydantic's errors, with its position. Those of one `loc` are merged."""

    at: Position
    loc: Loc
    start: str  # of the text, if alternatives can follow it: "with.to should be "
    text: str
    hint: Hint = ""


class _Reader:
    """Finds the positions of pydantic's errors, and words them."""

    def __init__(self, model: type[BaseModel], root: Node, path: str, at: Position) -> None:
        self._root = _Value(root, at, path, (), shape_of(model))
        self._hidden = list(dict.fromkeys(_hidden(root, shape_of(model))))

    def complaint(self, error: ErrorDetails) -> _Complaint | None:
        """The error with its position; None if it only follows from an error that is reported elsewhere."""
        loc, type_ = error["loc"], error["type"]
        if type_ == "extra_forbidden":
            return _unknown_key(str(loc[-1]), self._find(loc[:-1]))
        if type_ == "missing":
            return _missing_key(str(loc[-1]), self._find(loc[:-1]))
        is_key = bool(loc) and loc[-1] == "[key]"
        found = self._find(loc[:-1] if is_key else loc)
        if is_broken(found.node) and not is_key:
            return None
        text, hint = self._worded(error, found)
        at = found.key if is_key and found.key else found.at
        if type_ in _FREE and isinstance(found.node, Table):
            at = _mentioned(error["msg"], found.node) or at
        return _Complaint(at, (*found.loc, "[key]") if is_key else found.loc, f"{found.name} should be ", text, hint)

    def is_broken(self, loc: Loc) -> bool:
        """Does the error only come from an app setting that is not available, which is reported already?"""
        return is_broken(self._find(loc).node)

    def _find(self, loc: Loc) -> _Value:
        found = self._root
        for part in loc:
            if part not in (MAPPING, OTHER):
                found = found.inner(part)
        return found

    def _worded(self, error: ErrorDetails, found: _Value) -> tuple[str, Hint]:
        """The message and the hint."""
        node, named, context = found.node, found.shape.named, error.get("ctx", {})
        if error["type"] == _INVALID:
            settings = node.settings if isinstance(node, Scalar) else ()
            hidden_hint = partial(_hidden_hint, context["hint"], settings)
            return hide(context["message"].replace("{name}", found.name), settings), hidden_hint
        if error["type"] in _FREE:
            if found.shape.secret:
                return f"{found.path} is not valid; the reason is not shown, because the value is a secret", ""
            return f"{found.path}: {hide(error['msg'].split(', ', 1)[-1], self._hidden)}", ""
        if error["type"] == "too_short" and not context.get("actual_length"):
            return f"{found.name} is empty", ""
        expected = next((text for pattern, text in _EXPECTED if re.match(pattern, error["type"])), "")
        expected = expected or re.sub(r"^\w+ should ", "should ", hide(error["msg"], self._hidden))
        text = f"{found.name} {expected}"
        if found.shape.secret:
            return text, ""
        hint: Hint = named.hint if named else ""
        if isinstance(node, Scalar) and isinstance(node.value, str) and ("{{" in node.value or "{%" in node.value):
            hint = hint or "It is not a template: {{ … }} and {% … %} have no effect in it."
        if not hint and found.examples and "should be a mapping" in text:
            hint = f"Write {found.loc[-1]}: {_flow(found.examples[0])}."
        if isinstance(node, Scalar) and isinstance(node.value, str):
            choices = re.findall(r"'([^']*)'", str(context.get("expected", "")))
            hint = hint or partial(_hidden_hint, partial(did_you_mean, node.value, choices), node.settings)
        elif isinstance(node, Scalar) and node.written and error["type"] == "string_type":
            hint = hint or f'Put it in quotes: "{node.written}".'
        return f"{text}, not {kind(node)}" if " should be" in text else text, hint


def _mentioned(message: str, table: Table) -> Position | None:
    """The position that a message about a whole mapping is about; None if it names no part of the mapping.

    That is a value or a key that it quotes, a file whose line it gives, or else the value of the key that it names
    first.
    """
    texts = [(each.value, each.position) for each in scalars_of(table) if isinstance(each.value, str) and each.value]
    quoted = ((text, at) for text, at in (*texts, *_keys_in(table)) if repr(text) in message)
    files = ((text, at) for text, at in texts if f" {text}:" in message)
    if found := next(chain(quoted, files), None):
        return found[1]
    words = re.findall(r"\w+", message)
    named = sorted((words.index(key), key) for key in table.fields if key in words)
    return table.fields[named[0][1]].position if named else None


def _keys_in(node: Node) -> Iterator[tuple[str, Position]]:
    """The keys of a mapping and of those inside of it, with their positions."""
    if isinstance(node, Table):
        yield from node.keys.items()
    inner = node.fields.values() if isinstance(node, Table) else node.items if isinstance(node, Sequence) else ()
    for child in inner:
        yield from _keys_in(child)


def _flow(value: Any) -> str:
    """An example as YAML on one line."""
    if isinstance(value, Mapping):
        return f"{{ {', '.join(f'{key}: {_flow(inner)}' for key, inner in value.items())} }}"
    return f"[{', '.join(map(_flow, value))}]" if isinstance(value, list) else str(value)


def _unknown_key(key: str, found: _Value) -> _Complaint:
    at = found.node.keys.get(key, found.at) if isinstance(found.node, Table) else found.at
    ours = found.shape.keys
    hint = (
        partial(ours.hint, key, found.node) if ours else partial(did_you_mean, key, found.shape.fields, "The keys are")
    )
    return _Complaint(at, (*found.loc, key), "", f"unknown key {shown(key)} in {found.name}", hint)


def _missing_key(key: str, found: _Value) -> _Complaint | None:
    """The error about a missing key; None if the key is misspelt, which is reported already."""
    node, named, ours, loc = found.node, found.shape.named, found.shape.keys, (*found.loc, key)
    keys: Mapping[str, Position] = node.keys if isinstance(node, Table) else {}
    if not ours or not isinstance(node, Table):
        misspelt = closest(key, keys.keys() - found.shape.fields.keys())
        return None if misspelt else _Complaint(found.at, loc, "", f"{found.name} needs {shown(key)}")
    needed = found.shape.inner(key).named or Named("")
    at = found.key if named and named.at_key and found.key else found.at
    hint = needed.needed or (named.hint if named else "")
    return _Complaint(at, loc, "", f"{ours.subject(node, found.name)} has no {key!r}", hint)


def _merged(complaints: list[_Complaint]) -> Iterator[_Complaint]:
    """One complaint for each value: the alternatives of a union become one sentence.

    Leaves out an error about a whole value if there are errors about its parts.
    """
    by_loc: dict[Loc, list[_Complaint]] = {}
    outer = {c.loc[:length] for c in complaints for length in range(len(c.loc))}
    for c in complaints:
        if c.loc not in outer:
            by_loc.setdefault(c.loc, []).append(c)
    for loc, same in by_loc.items():
        first = same[0]
        texts = list(dict.fromkeys(c.text for c in same))
        if len(texts) > 1 and all(c.start and c.text.startswith(c.start) for c in same):
            found = texts[-1].partition(", not ")[2]
            forms = [text.partition(", not ")[0].removeprefix(first.start) for text in texts]
            texts = [first.start + " or ".join(dict.fromkeys(forms)) + (f", not {found}" if found else "")]
        yield _Complaint(first.at, loc, first.start, "; ".join(texts), first.hint)


def _hidden(node: Node, shape: Shape) -> Iterator[tuple[str, str]]:
    """The values that must not be shown, each with its placeholder."""
    if isinstance(node, Table):
        for key, child in node.fields.items():
            yield from _hidden(child, shape.inner(key))
    elif isinstance(node, Sequence):
        for item in node.items:
            yield from _hidden(item, shape.inner(0))
    else:
        yield from [(str(node.value), "**********")] if shape.secret else node.settings


def _hidden_hint(hint: Hint, settings: tuple[tuple[str, str], ...]) -> str:
    return hide(hint if isinstance(hint, str) else hint(), settings)
