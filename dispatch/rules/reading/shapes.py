"""`Shape`: the types that a file's pydantic model gives to its values, and the names of these values in messages."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from types import UnionType
from typing import Annotated, Any, ClassVar, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Secret, SecretBytes, SecretStr
from pydantic.fields import FieldInfo

from dispatch.rules.errors import closest
from dispatch.rules.reading.nodes import Node, Sequence, Table

MAPPING, OTHER = "(mapping)", "(other)"  # the tags that `form` returns; no key of a rules file has such a name

_SECRET = (SecretStr, SecretBytes, Secret)
_MAX_MISSPELT = 20  # unknown keys of one mapping that are compared with the known ones


@dataclass(frozen=True, slots=True)
class Named:
    """The name of a value in error messages, in place of its path; metadata of a field or type.

    In `name`, ``{key}`` is the value's key and ``{parent}`` the key above it. `hint` says what to write, `needed` why
    the key is needed. `path` begins the paths of inner values. `at_key`: report missing keys of a mapping at its key.
    """

    name: str
    hint: str = ""
    needed: str = ""
    path: str | None = None
    at_key: bool = False


class Keys(BaseModel):
    """A mapping of a rules file. A misspelt key is an error, and its value is checked as that of the intended key."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    named: ClassVar[Named | None] = None  # if it is a whole file
    synonyms: ClassVar[Mapping[str, str]] = {}  # keys of other tools -> ours
    key_hints: ClassVar[Mapping[str, str]] = {}  # what to write in place of a key that does not belong here

    @classmethod
    def intended(cls, key: str) -> str | None:
        """The known key that an unknown one probably stands for."""
        return cls.synonyms.get(key.casefold()) or closest(key, keys_of(cls))

    @classmethod
    def hint(cls, key: str, node: Node) -> str:
        """What to write in place of an unknown key of this mapping."""
        if key in cls.key_hints:
            return cls.key_hints[key]
        meant = cls.intended(key)
        return f"Did you mean {meant}?" if meant else f"The keys are {', '.join(keys_of(cls))}."

    @classmethod
    def subject(cls, node: Table, name: str) -> str:
        """The mapping's name in messages about a missing key."""
        return name


def keys_of(model: type[BaseModel]) -> list[str]:
    """The keys of a model's fields as files have them, in order."""
    return [_key_of(name, info) for name, info in model.model_fields.items()]


def form(value: Any) -> str:
    """The tag of a union of a mapping and another form, for pydantic's Discriminator."""
    return MAPPING if isinstance(value, dict) else OTHER


def with_intended_keys(node: Node, model: type[BaseModel]) -> Node:
    """The node, in which the value of a misspelt key is also the value of the intended key."""
    return _with_intended_keys(node, shape_of(model))


def _with_intended_keys(node: Node, shape: "Shape") -> Node:
    if isinstance(node, Sequence):
        return Sequence(node.position, tuple(_with_intended_keys(item, shape.inner(0)) for item in node.items))
    if not isinstance(node, Table):
        return node
    fields, keys = dict(node.fields), dict(node.keys)
    if shape.keys:
        for key in [key for key in node.fields if key not in shape.fields][:_MAX_MISSPELT]:
            if (meant := shape.keys.intended(key)) and meant not in fields:
                fields[meant], keys[meant] = node.fields[key], node.keys[key]
    return Table(node.position, {k: _with_intended_keys(child, shape.inner(k)) for k, child in fields.items()}, keys)


@dataclass(frozen=True, slots=True)
class Shape:
    """The types that a value may have. `fields` are the keys of the models among them, `keys` is our model, if any."""

    types: tuple[Any, ...]
    named: Named | None
    fields: Mapping[str, FieldInfo]
    keys: type[Keys] | None
    secret: bool
    _inner: dict[int | str, "Shape"] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, types: list[Any], named: Named | None) -> "Shape":
        """The shape of a value that has one of these types."""
        models = [t for t in types if isinstance(t, type) and issubclass(t, BaseModel)]
        fields = {_key_of(name, info): info for model in models for name, info in model.model_fields.items()}
        ours = next((model for model in models if issubclass(model, Keys)), None)
        return cls(tuple(types), named, fields, ours, _is_secret(types))

    def inner(self, part: int | str) -> "Shape":
        """The shape of a key or index; this one if the types do not define it."""
        part = 0 if isinstance(part, int) else part
        if part not in self._inner:
            found = [_frontier(annotation) for type_ in self.types for annotation in _annotations(type_, part)]
            types = [t for members, _ in found for t in members if t not in (None, ..., Any)]
            named = next((named for _, named in found if named), None)
            self._inner[part] = Shape.of(types, named) if types or named else self
        return self._inner[part]


@lru_cache
def shape_of(model: type[BaseModel]) -> Shape:
    """The shape of a whole model."""
    return Shape.of([model], model.named if issubclass(model, Keys) else None)


def _annotations(type_: Any, part: int | str) -> Iterator[Any]:
    """The annotations of a key or index of a type."""
    if isinstance(type_, type) and issubclass(type_, BaseModel):
        for name, info in type_.model_fields.items():
            if _key_of(name, info) == part:
                yield info
                return
        if type_.model_config.get("extra") == "allow":
            yield get_args(type_.__annotations__.get("__pydantic_extra__", dict[str, Any]))[-1]
        return
    origin = get_origin(type_)
    is_list = isinstance(origin, type) and issubclass(origin, list | tuple | set | frozenset)
    if isinstance(part, int) or not is_list:
        yield from get_args(type_)


def _frontier(annotation: Any) -> tuple[list[Any], Named | None]:
    """The types that a value may have, without pydantic's metadata, and its name in messages."""
    metadata: list[Any] = []
    if isinstance(annotation, FieldInfo):
        metadata, annotation = annotation.metadata, annotation.annotation
    named = next((each for each in metadata if isinstance(each, Named)), None)
    annotation = getattr(annotation, "__value__", annotation)  # a `type` alias
    if get_origin(annotation) is Annotated:
        annotation, *more = get_args(annotation)
        named = named or next((each for each in more if isinstance(each, Named)), None)
        types, inner = _frontier(annotation)
        return types, named or inner
    if get_origin(annotation) not in (Union, UnionType):
        return [annotation], named
    members = [_frontier(member) for member in get_args(annotation)]
    return [t for types, _ in members for t in types], named or next((n for _, n in members if n), None)


def _key_of(name: str, info: FieldInfo) -> str:
    return info.validation_alias if isinstance(info.validation_alias, str) else info.alias or name


def _is_secret(types: list[Any], level: int = 0) -> bool:
    """Is one of the types, or of their type arguments, a secret?"""
    return any(
        (isinstance(origin := get_origin(t) or t, type) and issubclass(origin, _SECRET))
        or (level < 10 and _is_secret([a for arg in get_args(t) for a in _frontier(arg)[0]], level + 1))  # recursive
        for t in types
    )
