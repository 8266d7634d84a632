"""A rule's own card or blocks: JSON with templates, in the rule or in a file beside it."""

import json
from typing import Any

from pydantic import ValidationInfo

from handlers.content.fit import cut_texts
from handlers.file_field import FileName


def read_file(value: Any, info: ValidationInfo) -> Any:
    """The JSON of a file, if the value is its name, else the value. For a validator before that of a `JsonTemplate`.

    Raises ValueError for a file that cannot be read, or is not JSON.
    """
    if not isinstance(value, str):
        return value
    name = FileName.of(value, info)
    try:
        return json.loads(name.read())
    except json.JSONDecodeError as error:
        raise ValueError(f"{name.shown}, line {error.lineno}: not JSON: {error.msg}") from error
    except RecursionError as error:
        raise ValueError(f"{name.shown}: not JSON: too many levels of nesting") from error


def with_note(parts: list[Any], note: Any, longest: int | None) -> list[Any]:
    """The parts of a card or the blocks with texts of at most `longest` characters, and a note if that cuts any."""
    found: list[Any] = cut_texts(parts, longest)
    return found if found == parts else [*found, note]
