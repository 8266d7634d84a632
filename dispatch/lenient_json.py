"""JSON with a byte order mark, comments and trailing commas, which .NET's tools and Microsoft's samples write."""

import json
import re
from typing import Any

# A string or a comment that does not end reaches to the end of the text: the search must not go there again and again.
_STRING = r'("(?:\\.|[^"\\])*(?:"|\\?\Z))'
_COMMENT = re.compile(rf"{_STRING}|//[^\n]*|/\*.*?(?:\*/|\Z)", re.DOTALL)
_TRAILING_COMMA = re.compile(rf"{_STRING}|,(?=\s*[}}\]])")
_VISIBLE = re.compile(r"[^\n]")


def loads(text: str, **options: Any) -> Any:
    """The value of a JSON text; `options` are those of `json.loads`.

    Raises json.JSONDecodeError, whose position is that in the text after its byte order mark, and RecursionError.
    """
    text = text.removeprefix("\ufeff")
    try:
        return json.loads(text, **options)
    except json.JSONDecodeError:
        return json.loads(_TRAILING_COMMA.sub(_blank, _COMMENT.sub(_blank, text)), **options)


def _blank(found: re.Match[str]) -> str:
    """Keep a string; replace all else by spaces, so that errors name the right line and column."""
    return found[1] or _VISIBLE.sub(" ", found[0])
