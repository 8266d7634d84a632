"""`WireModel`: a JSON object of an event. Known fields are found under any spelling, unknown fields are kept."""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, model_validator
from pydantic.alias_generators import to_camel


def fold(name: str) -> str:
    """Fold a name so that its spellings are equal: ``runId``, ``RunId``, ``RUNID`` and ``run_id``."""
    return name.replace("_", "").lower()


def respelled(raw: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """Rename the keys of an object that are spellings of `names`.

    If several keys are spellings of one name, the exact one counts, else the first; the others keep their names.
    """
    wanted = {fold(name): name for name in names if name not in raw}
    return {wanted.pop(fold(key), key): value for key, value in raw.items()}


class WireModel(BaseModel):
    """A frozen model. Attributes are ``snake_case``, JSON names ``camelCase``, which are read in any spelling."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="allow", alias_generator=to_camel)

    @classmethod
    def wire_names(cls) -> tuple[str, ...]:
        """The JSON names of the fields."""
        return tuple(field.alias or name for name, field in cls.model_fields.items())

    def wire(self) -> dict[str, Any]:
        """The object as plain data with its JSON names. Fields that the sender left out stay out."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True)

    @model_validator(mode="before")
    @classmethod
    def _respell(cls, raw: Any) -> Any:
        return respelled(raw, cls.wire_names()) if isinstance(raw, Mapping) else raw
