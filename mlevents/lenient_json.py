"""JSON as .NET's tools read it: with a byte order mark, comments and trailing commas.

host.json and local.settings.json are read with Newtonsoft.Json there (Azure/azure-functions-core-tools,
AppSettingsFile.cs). Its further liberties, single quotes and unquoted names, are not taken here: they are reported.
"""

import json
import re
from pathlib import Path
from typing import Any

_COMMENT = re.compile(r'("(?:\\.|[^"\\])*")|//[^\n]*|/\*.*?\*/', re.DOTALL)
_TRAILING_COMMA = re.compile(r'("(?:\\.|[^"\\])*")|,(?=\s*[}\]])')


class BadFile(Exception):  # noqa: N818 - says what it is about
    """A configuration file cannot be used; the text says which, where and why."""


def read_object(path: Path) -> dict[str, Any]:
    """The JSON object in a file; numbers as they are written. Raises BadFile, and FileNotFoundError."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        plain = _TRAILING_COMMA.sub(r"\1", _COMMENT.sub(_blank, text))
        value = json.loads(plain, parse_float=str, parse_int=str)
    except UnicodeDecodeError as error:
        raise BadFile(f"{path} is not UTF-8: {error}") from error
    except json.JSONDecodeError as error:
        raise BadFile(f"{path}, line {error.lineno}, column {error.colno}: {error.msg}") from error
    if not isinstance(value, dict):
        raise BadFile(f"{path} must hold a JSON object, not {type(value).__name__}")
    return value


def _blank(found: re.Match[str]) -> str:
    """A string as it is; a comment as its line breaks, so that errors name the right line."""
    return found[1] or "\n" * found[0].count("\n")
