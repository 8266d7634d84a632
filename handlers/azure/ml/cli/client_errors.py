"""Read azure-ai-ml's own errors: what is invalid, and where in its YAML.

azure-ai-ml validates a job before it sends a request. Its errors are texts with JSON in them: either marshmallow's
messages by field, or a list of "errors" with a path, a message and a location; the message can again be such a text.
For a field with alternatives, such as a file, a URL or a reference, they have a message for each.
"""

import ast
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_JSON = re.compile(r"(?s)(?:Validation for \w+ failed:|The yaml file you provided does not match[^{]*)\s*(?=\{)")
_INTERNAL = frozenset({"_schema", "null", "None", "value", "*"})  # parts of a path that are no keys of the file
_ADVICE = re.compile(
    r"(?s)^(?:In order to specify an existing|Anonymous assets|Not a valid URL|In order to specify a git)"
)
_UNSPECIFIC = re.compile(r"^(?:Invalid input type|Not a valid (?:integer|number|string|boolean|mapping type))")
_UNSPECIFIC_TEXT = "this value is not valid here"
_COLORS = re.compile("\x1b\\[[0-9;]*m")
_MOST = 3  # messages of one field that are shown


@dataclass(frozen=True, slots=True)
class ClientError:
    """One thing that azure-ai-ml refuses; `path` has the keys in the YAML, as far as they are known."""

    message: str
    path: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{'.'.join(self.path)}: {self.message}" if self.path else self.message


def client_errors(error: BaseException) -> tuple[ClientError, ...]:
    """What an error of azure-ai-ml reports, each thing once; the error's text on one line if it has no JSON."""
    text = _COLORS.sub("", str(error))
    return tuple(dict.fromkeys(_errors(text, ()))) or (
        ClientError(_one_line(text).removesuffix(".") or type(error).__name__),
    )


def describe_client_error(error: BaseException) -> str:
    """An error of azure-ai-ml as one sentence without JSON."""
    return "; ".join(map(str, client_errors(error)))


def _errors(text: str, path: tuple[str, ...]) -> Iterator[ClientError]:
    found = _JSON.search(text)
    if not found:
        return
    try:
        content, _ = json.JSONDecoder().raw_decode(text, found.end())
    except ValueError:
        return
    if isinstance(content.get("errors"), list) and "result" in content:
        for each in content["errors"]:
            yield from _listed(each, path)
    else:
        yield from _by_field(content, path)


def _listed(error: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[ClientError]:
    """An item of a list of errors."""
    here = (*path, *(part for part in str(error.get("path", "")).split(".") if part and part not in _INTERNAL))
    message = str(error.get("message"))
    inner = tuple(_errors(message, here))
    yield from inner or [ClientError(_chosen(_texts(message.split("; "))), here)]


def _by_field(content: Any, path: tuple[str, ...]) -> Iterator[ClientError]:
    """marshmallow's messages by field. A list that has mappings in it has the alternatives of one field."""
    if isinstance(content, Mapping):
        for key, inner in content.items():
            yield from _by_field(inner, path if key in _INTERNAL else (*path, str(key)))
    else:
        yield ClientError(_chosen(_texts(content)), path)


def _texts(content: Any) -> Iterator[str]:
    """All messages in a value."""
    if isinstance(content, Mapping):
        for key, inner in content.items():
            yield from (text if str(key) in _INTERNAL else f"{key}: {text}" for text in _texts(inner))
    elif isinstance(content, list):
        for inner in content:
            yield from _texts(inner)
    else:
        text = _one_line(str(content)).removesuffix(".")
        nested = _literal(text) if text.startswith(("[", "{")) else None
        yield from [text] if nested is None else _texts(nested)


def _literal(text: str) -> Any:
    """The list or mapping that a message has as Python's text; None if it is no such text."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return None


def _chosen(messages: Iterable[str]) -> str:
    """The messages of one field that say what is wrong with it, rather than what else it could be."""
    useful = [message for message in dict.fromkeys(messages) if message and not _ADVICE.search(message)]
    specific = [message for message in useful if not _UNSPECIFIC.search(message)]
    return ", or ".join(specific[:_MOST]) or _UNSPECIFIC_TEXT


def _one_line(text: str) -> str:
    return " ".join(text.split())
