"""The error of a run: its code and message.

The shape is that of azure-ai-ml (its _restclient/runhistory, RootError): codes become more specific inwards, and the
message is that of the outermost error. Azure/azure-cli-extensions#2346 shows one as the service sends it.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from handlers.azure.facts.values import name, object_of, objects, text
from schemas.facts import RunError

_DEPTH = 10  # levels of errors within errors that are read
# Codes that say whose fault it is, and not what happened (RootError's own list), and those that say nothing.
_GENERAL = frozenset({"usererror", "systemerror", "serviceerror", "transienterror", "unknown", "unknownerror"})


def run_error(run: Mapping[str, Any]) -> RunError:
    """The error of a run or of its details, as run history returns it."""
    outer = object_of(run.get("error"))
    error = object_of(outer.get("error")) or outer
    codes = list(_codes(error))
    specific = [code for code in codes if code.casefold() not in _GENERAL]
    message = next(_messages(error, _DEPTH), None)
    return RunError(code=next(reversed(specific or codes), None), message=message)


def _codes(error: Mapping[str, Any]) -> Iterator[str]:
    """The codes of an error, from the outermost to the innermost."""
    for _ in range(_DEPTH):
        if code := name(error.get("code")):
            yield code
        error = object_of(error.get("innerError") or error.get("innererror"))


def _messages(error: Mapping[str, Any], depth: int) -> Iterator[str]:
    """The message of an error, then those of its details."""
    if message := _message(error.get("message")):
        yield message
    for detail in objects(error.get("details")) if depth else ():
        yield from _messages(detail, depth - 1)


def _message(value: Any) -> str | None:
    """A message; of one that is itself an error as JSON, the message in that."""
    found = text(value)
    if not found or not found.startswith("{"):
        return found
    try:
        inner = object_of(json.loads(value))
    except (ValueError, RecursionError):
        return found
    only = next(iter(inner.values())) if len(inner) == 1 else None  # such as {"NonCompliant": "Process …"}
    return text((object_of(inner.get("error")) or inner).get("message")) or text(only) or found
