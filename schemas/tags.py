"""`Tags`: tags and properties of an object, with lookup that ignores case.

Azure ML camel-cases the names of tags when it publishes an event: ``GITHUB_REPOSITORY`` arrives as
``githuB_REPOSITORY`` (Azure/aml-function, GridEventHandler.cs), ``BuildId`` as ``buildId``. Rules use the name under
which the tag was set.
"""

from collections.abc import Mapping
from typing import Any, Self

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema


class Tags(dict[str, Any]):
    """A dict whose ``[]``, `get` and ``in`` fall back to a match that ignores case. Names keep their spelling.

    Do not change it after the first lookup: the case-folded names are collected once.
    """

    __slots__ = ("_folded",)
    _folded: dict[str, str]  # casefolded name -> the first name of that spelling

    def _find(self, name: object) -> str | None:
        """The name as it is spelled here, or None."""
        if not isinstance(name, str):
            return None
        if dict.__contains__(self, name):
            return name
        try:
            folded = self._folded
        except AttributeError:
            folded = self._folded = {known.casefold(): known for known in reversed(self)}
        return folded.get(name.casefold())

    def __missing__(self, name: str) -> Any:
        found = self._find(name)
        if found is None:
            raise KeyError(name)
        return self[found]

    def __contains__(self, name: object) -> bool:
        return self._find(name) is not None

    def get(self, name: str, default: Any = None) -> Any:
        """The value of a name, or `default`."""
        found = self._find(name)
        return default if found is None else self[found]

    @classmethod
    def read(cls, value: Any) -> Self:
        """Read an object; null and the text "null" become empty tags. Raises ValueError for any other value."""
        if value is None or value == "null":
            return cls()
        if not isinstance(value, Mapping):
            raise ValueError("an object of names and values, or null")  # noqa: TRY004 - pydantic collects ValueErrors
        return cls(value)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        plain = core_schema.plain_serializer_function_ser_schema(dict)
        return core_schema.no_info_plain_validator_function(cls.read, serialization=plain)
