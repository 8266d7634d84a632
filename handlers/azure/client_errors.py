"""Read azure-ai-ml's own errors: what is invalid, and where in its YAML.

azure-ai-ml validates a job before it sends a request. Its errors are texts with JSON in them: either marshmallow's
messages by field, or a list of "errors" with a path, a message and a location; the message can again be such a text.
For a field with alternatives, such as a file, a URL or a reference, they have a message for each. Some have their
messages as a list of "details", followed by general advice.
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
_OBJECT = re.compile(r'\{\s*"(?:result|errors)":')
_BULLET = re.compile(r":\s+-\s")
_DETAILS = re.compile(r"Details:\s*(.*?)\s*(?:Resolutions:|$)", re.DOTALL)
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
    found = tuple(dict.fromkeys(_errors(text, ()))) or tuple(ClientError(each) for each in _details(text))
    return found or (ClientError(type(error).__name__),)


def _json(text: str) -> Any:
    """The JSON in an error's text: after the words that announce it, or an object with a list of errors."""
    announced = _JSON.search(text)
    for start in [announced.end()] if announced else [found.start() for found in _OBJECT.finditer(text)]:
        try:
            return json.JSONDecoder().raw_decode(text, start)[0]
        except ValueError:
            continue
    return None


def _details(text: str) -> list[str]:
    """The details of an error that has some; else its text."""
    details = _DETAILS.search(text)
    parts = details[1].split("(x) ") if details else [text]
    return [line for part in parts if (line := _one_line(_BULLET.sub(": ", part)).removesuffix("."))]


def describe_client_error(error: BaseException) -> str:
    """An error of azure-ai-ml as one sentence without JSON."""
    return "; ".join(map(str, client_errors(error)))


def _errors(text: str, path: tuple[str, ...]) -> Iterator[ClientError]:
    content = _json(text) or _literal(text)
    if not isinstance(content, Mapping):
        return
    if isinstance(content.get("errors"), list):
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
            yield from _by_field(inner, path if str(key) in _INTERNAL else (*path, str(key)))
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
        nested = _literal(text)
        yield from [text] if nested is None else _texts(nested)


def _literal(text: str) -> Any:
    """The list or mapping that a message has as Python's text; None if it is no such text."""
    if not text.startswith(("[", "{")):
        return None
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
