"""The columns of rows: texts and payloads that fit the limits of Azure Tables."""

import json
import zlib
from collections.abc import Mapping
from typing import Any

from dispatch.inbox.errors import Refused
from dispatch.inbox.tables import Value
from handlers.base import TEXT_LIMIT, Result, shorten

SCHEMA = 1  # of rows and messages; rows of a newer schema are left to newer versions of the app
CHUNK = 60_000  # bytes that fit a property
TEXT = 30_000  # UTF-16 code units that fit a property

_ROW = 900_000  # bytes of a payload, which leave space for the other columns


def packed(text: str) -> dict[str, Value]:
    """The columns of a payload: one of plain text if it fits, so that people can read it; else compressed chunks.

    Raises Refused if the chunks do not fit a row.
    """
    if units(text) <= TEXT and clean(text, TEXT) == text:
        return {"raw": text}
    data = zlib.compress(text.encode("utf-8", "surrogatepass"))
    if len(data) > _ROW:
        raise Refused(f"{len(text)} characters do not fit a table row, even compressed")
    return {f"raw{n}": data[at : at + CHUNK] for n, at in enumerate(range(0, len(data), CHUNK))}


def unpacked(values: Mapping[str, Value]) -> str:
    """The payload in the columns that `packed` returned. Raises KeyError or ValueError for any others."""
    if "raw" in values:
        return str(values["raw"])
    chunks = [values[name] for name in sorted((n for n in values if n[:3] == "raw"), key=lambda name: int(name[3:]))]
    if not chunks:
        raise KeyError("raw")
    try:
        return zlib.decompress(b"".join(c for c in chunks if isinstance(c, bytes))).decode("utf-8", "surrogatepass")
    except zlib.error as error:
        raise ValueError(f"the stored payload is damaged: {error}") from error


def fitting(details: Mapping[str, str]) -> dict[str, str]:
    """The first details, as many as fit a property."""
    kept: dict[str, str] = {}
    for name, text in details.items():
        more = kept | {clean(name): clean(text)}
        if units(json_text(more)) > TEXT - 3_000:  # the rest of a result needs space, too
            return kept
        kept = more
    return kept


def written_result(result: Result | None) -> str:
    """A result as JSON that fits a property; an empty text for None."""
    texts = {"summary": clean(result.summary), "details": fitting(result.details)} if result else {}
    return json_text(result.view() | texts) if result else ""


def read_result(text: str) -> Result | None:
    """Read the text that `written_result` returned. Raises ValueError or TypeError for any other."""
    return Result(**json.loads(text)) if text else None


def units(text: str) -> int:
    """The UTF-16 code units of a text, which the service counts."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def json_text(value: Any) -> str:
    """A value as JSON in as few characters as it needs."""
    return json.dumps(value, ensure_ascii=False)


def clean(text: str, limit: int = TEXT_LIMIT) -> str:
    """Truncate a text, and replace what the service or its tools refuse: control characters and lone surrogates."""
    text = shorten(text, limit)
    if text.isprintable():  # the usual case
        return text
    kept = "".join(c if c >= " " or c in "\t\n\r" else "\ufffd" for c in text)
    return kept.encode("utf-8", "replace").decode("utf-8")
