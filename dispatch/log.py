"""What the app says of itself: named events with keys, on the logger ``mlevents``.

The names and keys are part of the interface: people alert on them. Each record's message is ``name key=value …``; the
same pairs are in its attribute ``mlevents``, for whoever wants them apart.
"""

import json
import logging
from typing import Any

_logger = logging.getLogger("mlevents")


def log_event(name: str, /, level: int = logging.INFO, **keys: Any) -> None:
    """Log one named event. Values are written so that none can end the line or pass for another key."""
    if not _logger.isEnabledFor(level):
        return
    pairs = " ".join(f"{key}={_written(value)}" for key, value in keys.items())
    _logger.log(level, "%s %s", name, pairs, extra={"mlevents": {"name": name, **keys}})


def _written(value: Any) -> str:
    text = value if isinstance(value, str) else str(value)
    plain = text.isascii() and text.isprintable() and text != "" and not set(text) & set(' "=\\')
    return text if plain else json.dumps(text)
