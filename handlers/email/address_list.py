"""Split a text into mail addresses, as people and programs write several of them in one tag."""

import json
import re
from collections.abc import Iterator
from typing import Any

MAX_TEXT = 20_000  # characters of a text with several addresses; 50 addresses have at most 12,700
_MAX_LISTS = 100  # in a list: how deep Python's JSON can be nested depends on its version

# What stands between two separators; in quotes or angle brackets, a separator does not separate.
_PART = re.compile(r'(?:"[^"\n]*"|<[^<>\n]*>|[^,;\uff0c\uff1b\u3001\r\n])+')
_NAMED = re.compile(r'((?:"[^"]*"|[^<>"])*)<([^<>]*)>\s*')  # Display name <address>
_QUOTED = re.compile(r'"[^"]*"')
_TEXT = re.compile(r"""'[^'\\]*'|"[^"\\]*\"""")
_TEXTS = re.compile(rf"\[\s*(?:{_TEXT.pattern})(?:\s*,\s*(?:{_TEXT.pattern}))*\s*\]")  # as Python writes a list
_QUOTES = "'\"`"


def split_addresses(text: str) -> list[str]:
    """The entries of a list of addresses, in order, without display names.

    Commas, semicolons and line ends separate, and so do spaces: ``a@x.com; b@x.com``, ``Ann <a@x.com>, b@x.com``,
    ``["a@x.com", "b@x.com"]``. The caller validates each entry. A text of more than `MAX_TEXT` characters is one entry.
    """
    text = text.strip()
    if len(text) > MAX_TEXT:
        return [text]
    listed = _list(text)
    parts = listed if listed is not None else [text]
    return [entry for part in parts for piece in _PART.findall(part) for entry in _entries(piece.strip())]


def _entries(piece: str) -> Iterator[str]:
    """The entries between two separators."""
    end = 0
    while named := _NAMED.match(piece, end):
        yield from (_bare(word) for word in _QUOTED.sub("", named[1]).split() if "@" in word)
        yield _bare(named[2])
        end = named.end()
    rest = piece[end:].strip()
    if "<" in rest or ">" in rest:
        yield rest
    elif rest:
        words = [word for word in rest.split() if word.lower() != "and" and any(map(str.isalnum, word))]
        yield from (_bare(word) for word in words if "@" in word)
        if others := " ".join(word for word in words if "@" not in word):
            yield _bare(others)
        if not words and not end:
            yield rest


def _bare(text: str) -> str:
    """An entry without ``mailto:`` and the quotes around it."""
    text = text.strip()
    while len(text) > 1 and text[0] == text[-1] and text[0] in _QUOTES:
        text = text[1:-1].strip()
    return text[len("mailto:") :] if text.lower().startswith("mailto:") else text


def _list(text: str) -> list[str] | None:
    """The texts of a list in JSON, or as a template writes a list; None if it is no such list."""
    if not (text.startswith("[") and text.endswith("]")) or text.count("[") > _MAX_LISTS:
        return None
    try:
        values: list[Any] = json.loads(text)
    except (ValueError, RecursionError):
        return [match[1:-1] for match in _TEXT.findall(text)] if _TEXTS.fullmatch(text) else None
    return [value if isinstance(value, str) else json.dumps(value) for value in values]
