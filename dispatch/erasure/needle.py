"""`Needle`: a name or an address that is looked for in the record, whole, and as JSON, URLs and HTML spell it."""

import html
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from dispatch.inbox.rows import unpacked
from dispatch.inbox.tables import Row

ERASED = "[erased]"  # replaces it where the text around it must stay
SHORTEST = 3  # characters: shorter texts occur in ordinary words

_ENCODED = ("\\u", "%", "&")  # begin characters that JSON, URLs and HTML spell otherwise
_DEEPEST = 4  # levels of JSON in texts of JSON


@dataclass(frozen=True, slots=True)
class Needle:
    """A text that is found whole, in any case: ``bob@x.org`` not in ``jim.bob@x.org``, ``churn`` not in ``churn-2``.

    Raises ValueError for a text of fewer than three characters.
    """

    text: str
    _pattern: re.Pattern[str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if len(self.text.strip()) < SHORTEST:
            raise ValueError(f"{self.text!r} is too short to be looked for: write at least {SHORTEST} characters")
        whole = rf"(?<![\w.+%-]){re.escape(self.text.strip())}(?![\w-]|[.@+]\w)"
        if "@" not in self.text:  # a name is found in its own address
            whole = rf"(?<![\w.+%-]){re.escape(self.text.strip())}(?![\w-]|[.+]\w)"
        object.__setattr__(self, "_pattern", re.compile(whole, re.IGNORECASE))

    def is_in(self, text: str) -> bool:
        """Does a text have it, plain, as JSON, in a URL or in HTML?"""
        if not self._may_be_in(text):
            return False
        return any(self._pattern.search(spelled) for each in _strings(text) for spelled in _spellings(each))

    def is_in_row(self, row: Row) -> bool:
        """Does a column of a row have it, or its payload?"""
        return any(self.is_in(text) for text in texts_of(row))

    def replaced(self, text: str) -> str:
        """The text without it; JSON in it stays JSON."""
        return str(self._replaced(text, 0)) if self._may_be_in(text) else text

    def _may_be_in(self, text: str) -> bool:
        return self.text.strip().casefold() in text.casefold() or any(each in text for each in _ENCODED)

    def _replaced(self, value: Any, level: int) -> Any:
        match value:
            case str():
                inner = _parsed(value) if level < _DEEPEST else None
                if inner is not None:
                    return json.dumps(self._replaced(inner, level + 1))
                return self._pattern.sub(ERASED, value)
            case dict():
                return {self._replaced(name, level): self._replaced(each, level) for name, each in value.items()}
            case list():
                return [self._replaced(each, level) for each in value]
        return value


def texts_of(row: Row) -> Iterator[str]:
    """The texts in the columns of a row; a compressed payload as the text that it was."""
    yield from (value for value in row.values.values() if isinstance(value, str))
    if any(isinstance(value, bytes) for value in row.values.values()):
        try:
            yield unpacked(row.values)
        except (LookupError, ValueError):  # damaged, or of another version of the app
            return


def _strings(text: str, level: int = 0) -> Iterator[str]:
    """The text, or the texts in it if it is JSON; these may be JSON again."""
    value = _parsed(text) if level < _DEEPEST else None
    if value is None:
        yield text
        return
    todo = [value]
    while todo:
        match todo.pop():
            case str() as found:
                yield from _strings(found, level + 1)
            case dict() as found:
                todo += [*found, *found.values()]
            case list() as found:
                todo += found


def _parsed(text: str) -> Any:
    """A JSON object or array in a text; None for any other text."""
    if text.lstrip()[:1] not in ("{", "["):
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _spellings(text: str) -> Iterator[str]:
    yield text
    if "%" in text:
        yield unquote(text)
    if "&" in text:
        yield html.unescape(text)
