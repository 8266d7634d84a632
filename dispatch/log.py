"""The app's log: named events with keys, on the logger ``mlevents``.

The names and keys are part of the interface, because people set alerts on them. The message of a log record is
``name key=value …``; its attribute ``mlevents`` holds the same pairs as a dict. In a span, `trace_id` is one of them.
"""

import json
import logging
from collections.abc import Mapping
from typing import Any

from dispatch.telemetry import trace_id

_logger = logging.getLogger("mlevents")


def log_event(name: str, /, level: int = logging.INFO, **keys: Any) -> None:
    """Log one named event. Values are quoted as needed, so that none can end the line or look like another key."""
    if not _logger.isEnabledFor(level):
        return
    keys = with_trace(keys)
    _logger.log(level, "%s %s", name, pairs(keys), extra={"mlevents": {"name": name, **keys}})


def with_trace(keys: Mapping[str, Any]) -> dict[str, Any]:
    """The keys and, in a span, the id of its trace."""
    return {**keys, "trace_id": trace} if (trace := trace_id()) else {**keys}


def pairs(keys: Mapping[str, Any]) -> str:
    """``key=value key="other value"``."""
    return " ".join(f"{key}={_quoted(value)}" for key, value in keys.items())


def _quoted(value: Any) -> str:
    text = value if isinstance(value, str) else str(value)
    plain = text.isascii() and text.isprintable() and text != "" and not set(text) & set(' "=\\')
    return text if plain else json.dumps(text)
