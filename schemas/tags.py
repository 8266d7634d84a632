"""`Tags`: tags and properties, looked up without regard to case.

Azure ML camel-cases the names of tags as it publishes an event: ``GITHUB_REPOSITORY`` arrives as ``githuB_REPOSITORY``
(Azure/aml-function, GridEventHandler.cs), ``BuildId`` as ``buildId``. Whoever set a tag must find it by the name they
gave it.
"""

from collections.abc import Mapping
from typing import Any, Self

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema


class Tags(dict[str, Any]):
    """A dict whose ``[]``, `get` and ``in`` ignore case where the exact name is not there. Nothing is renamed."""

    def _spelled(self, name: object) -> str | None:
        if not isinstance(name, str) or dict.__contains__(self, name):
            return name if isinstance(name, str) else None
        folded = name.casefold()
        return next((known for known in self if known.casefold() == folded), None)

    def __missing__(self, name: str) -> Any:
        found = self._spelled(name)
        if found is None:
            raise KeyError(name)
        return self[found]

    def __contains__(self, name: object) -> bool:
        return self._spelled(name) is not None

    def get(self, name: str, default: Any = None) -> Any:
        """The value of a name, or `default`."""
        found = self._spelled(name)
        return default if found is None else self[found]

    @classmethod
    def read(cls, value: Any) -> Self:
        """From plain data: none for null and for the text "null". Raises ValueError for anything but an object."""
        if value is None or value == "null":
            return cls()
        if not isinstance(value, Mapping):
            raise ValueError("an object of names and values, or null")  # noqa: TRY004 - pydantic collects ValueErrors
        return cls(value)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        plain = core_schema.plain_serializer_function_ser_schema(dict)
        return core_schema.no_info_plain_validator_function(cls.read, serialization=plain)
