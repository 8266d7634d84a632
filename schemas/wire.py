"""`WireModel`: an object as it came over the wire. Known names are found in any spelling, unknown ones are kept."""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, model_validator
from pydantic.alias_generators import to_camel


def fold(name: str) -> str:
    """What the spellings of a name have in common: ``runId``, ``RunId``, ``RUNID`` and ``run_id`` are one."""
    return name.replace("_", "").lower()


def respelled(raw: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """The same object with `names` spelled so.

    Where a name is there more than once, the exact spelling counts, else the first; the others stay as they are.
    """
    wanted = {fold(name): name for name in names if name not in raw}
    return {wanted.pop(fold(key), key): value for key, value in raw.items()}


class WireModel(BaseModel):
    """Frozen; attributes are ``snake_case``, names on the wire ``camelCase``, read in any spelling; others are kept."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="allow", alias_generator=to_camel)

    @classmethod
    def wire_names(cls) -> tuple[str, ...]:
        """The fields, as they are spelled on the wire."""
        return tuple(field.alias or name for name, field in cls.model_fields.items())

    def wire(self) -> dict[str, Any]:
        """Plain data, spelled as on the wire; nothing that did not come is added."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True)

    @model_validator(mode="before")
    @classmethod
    def _respell(cls, raw: Any) -> Any:
        return respelled(raw, cls.wire_names()) if isinstance(raw, Mapping) else raw
