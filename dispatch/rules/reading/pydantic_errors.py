"""What pydantic says of a part of a rules file, as mistakes at the line and column where it stands.

Secrets stay out of it: of a field that is typed as a secret nothing is shown, and of what came from an app setting only
the setting's name.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, Secret, SecretBytes, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from dispatch.rules.errors import closest, did_you_mean
from dispatch.rules.reading.nodes import Node, Position, RuleFile, Scalar, Sequence, Table, hide, is_broken, kind
from handlers.workspace_field import NOT_KNOWN
from schemas.errors import shown

M = TypeVar("M", bound=BaseModel)
Loc = tuple[int | str, ...]

_SECRET = (SecretStr, SecretBytes, Secret)
_FREE = {"value_error", "assertion_error"}  # what a field's own validator says
_EXPECTED = (  # pydantic's error types -> what to write
    (r"bool_", "should be true or false"),
    (r"string_type", "should be a text"),
    (r"int_", "should be a whole number"),
    (r"(float|decimal)_(type|parsing)", "should be a number"),
    (r"(list|tuple|set|frozen_set|iterable)_type", "should be a list"),
    (r"dict_type|mapping_type|model_type|model_attributes_type|dataclass_type", "should be a mapping (key: value)"),
)


@dataclass(frozen=True, slots=True)
class _Complaint:
    """One of pydantic's errors, in its place."""

    at: Position
    path: str
    text: str
    hint: str = ""


def validated(model: type[M], node: Table, file: RuleFile, path: str, at: Position) -> M | None:
    """The model that a mapping describes, or None if it has mistakes, or if what it needs to know is not known.

    `path` is how messages name the mapping ("with"; "" if its keys speak for themselves), `at` is where to report what
    is missing or wrong as a whole.
    """
    try:
        return model.model_validate(node.plain(), context=file.context)
    except ValidationError as error:
        reader = _Reader(model, node, path, at)
        complaints = [c for detail in error.errors(include_url=False) if (c := reader.complaint(detail))]
        for complaint in _merged(complaints):
            file.error(complaint.at, complaint.text, complaint.hint)
    except (Exception, SystemExit) as error:  # a handler's validator may raise anything
        file.error(at, f"{model.__name__} cannot check its settings: {type(error).__name__}")
    return None


class _Reader:
    """Finds out where an error of pydantic's belongs, and words it."""

    def __init__(self, model: type[BaseModel], root: Table, path: str, at: Position) -> None:
        self._model, self._root, self._path, self._at = model, root, path, at
        self._hidden = list(_hidden(model, root, ()))

    def complaint(self, error: ErrorDetails) -> _Complaint | None:
        """The error in its place; None if it only follows from a mistake that is reported elsewhere."""
        loc, kind_of = error["loc"], error["type"]
        if kind_of == NOT_KNOWN:
            return None
        if kind_of in ("extra_forbidden", "missing"):
            parent, path = self._locate(loc[:-1])
            return self._about_key(str(loc[-1]), parent, path, loc[:-1], kind_of)
        node, path = self._locate(loc)
        if is_broken(node):
            return None
        text, hint = self._worded(error, node, loc)
        return _Complaint(self._at if node is self._root else node.at, path, f"{path}{text}".strip(), hint)

    def _about_key(self, key: str, parent: Node, path: str, loc: Loc, kind_of: str) -> _Complaint | None:
        known = _fields(_types_at(self._model, loc))
        keys = parent.keys if isinstance(parent, Table) else {}
        if kind_of == "extra_forbidden":
            hint = did_you_mean(key, known, "Known are")
            return _Complaint(keys.get(key, parent.at), f"{path}.{key}", f"unknown key {shown(key)} in {path}", hint)
        if closest(key, keys.keys() - known.keys()):
            return None  # it is misspelt, which is reported
        at = self._at if parent is self._root else parent.at
        return _Complaint(at, f"{path}.{key}", f"{path} needs {shown(key)}")

    def _locate(self, loc: Loc) -> tuple[Node, str]:
        """The node and its path. A part of `loc` that is no key or index is the name of a union's member."""
        node: Node = self._root
        path = self._path
        for part in loc:
            if isinstance(node, Table) and part in node.fields:
                node, path = node.fields[str(part)], f"{path}.{part}".lstrip(".")
            elif isinstance(node, Sequence) and isinstance(part, int) and part < len(node.items):
                node, path = node.items[part], f"{path}[{part}]"
        return node, path

    def _worded(self, error: ErrorDetails, node: Node, loc: Loc) -> tuple[str, str]:
        """What comes after the path, and the hint."""
        secret = _is_secret(self._model, loc)
        if error["type"] in _FREE:
            why = hide(error["msg"].split(", ", 1)[-1], self._hidden)
            return " is not valid; why is not shown, because it is a secret" if secret else f": {why}", ""
        expected = next((text for pattern, text in _EXPECTED if re.match(pattern, error["type"])), "")
        text = " " + (expected or re.sub(r"^\w+ should ", "should ", hide(error["msg"], self._hidden)))
        if secret:
            return text, ""
        hint = ""
        if isinstance(node, Scalar) and isinstance(node.value, str):
            hint = did_you_mean(node.value, re.findall(r"'([^']*)'", str(error.get("ctx", {}).get("expected", ""))))
        elif isinstance(node, Scalar) and node.written and error["type"] == "string_type":
            hint = f'Put it in quotes: "{node.written}".'
        return f"{text}, not {kind(node)}" if text.startswith(" should be") else text, hint


def _merged(complaints: list[_Complaint]) -> Iterator[_Complaint]:
    """One for each place: what a value could have been, of several forms, is one sentence.

    What is wrong with a whole because of its parts, or in a form that was not meant, is told of the parts alone.
    """
    by_path: dict[str, list[_Complaint]] = {}
    for c in complaints:
        inner = (f"{c.path}.", f"{c.path}[")
        if not any(other.path.startswith(inner) for other in complaints):
            by_path.setdefault(c.path, []).append(c)
    for path, same in by_path.items():
        first, start = same[0], f"{path} should be "
        texts = list(dict.fromkeys(c.text for c in same))
        if len(texts) > 1 and all(text.startswith(start) for text in texts):
            found = texts[-1].partition(", not ")[2]
            forms = [text.partition(", not ")[0].removeprefix(start) for text in texts]
            texts = [start + " or ".join(dict.fromkeys(forms)) + (f", not {found}" if found else "")]
        yield _Complaint(first.at, path, "; ".join(texts), first.hint)


def _hidden(model: type[BaseModel], node: Node, loc: Loc) -> Iterator[tuple[str, str]]:
    """The values that must not be shown, each with what is shown instead."""
    if isinstance(node, Table):
        for key, child in node.fields.items():
            yield from _hidden(model, child, (*loc, key))
    elif isinstance(node, Sequence):
        for index, child in enumerate(node.items):
            yield from _hidden(model, child, (*loc, index))
    else:
        yield from [(str(node.value), "**********")] if _is_secret(model, loc) else node.settings


def _inside(annotation: Any, level: int = 0) -> Iterator[Any]:
    """A type and all that it is made of: ``dict[str, SecretStr] | None`` has SecretStr in it."""
    annotation = getattr(annotation, "__value__", annotation)  # a `type` alias
    yield get_origin(annotation) or annotation
    if level < 10:  # aliases may contain themselves
        for argument in get_args(annotation):
            yield from _inside(argument, level + 1)


def _fields(types: list[Any]) -> dict[str, Any]:
    """The keys of the models among `types`, each with its annotation."""
    models = [t for t in types if isinstance(t, type) and issubclass(t, BaseModel)]
    return {_key_of(name, field): field.annotation for m in models for name, field in m.model_fields.items()}


def _key_of(name: str, field: FieldInfo) -> str:
    return field.validation_alias if isinstance(field.validation_alias, str) else field.alias or name


def _types_at(model: type[BaseModel], loc: Loc) -> list[Any]:
    types: list[Any] = [model]
    for part in loc:
        if (fields := _fields(types)) and part in fields:
            types = list(_inside(fields[str(part)]))
    return types


def _is_secret(model: type[BaseModel], loc: Loc) -> bool:
    return any(isinstance(t, type) and issubclass(t, _SECRET) for t in _types_at(model, loc))
