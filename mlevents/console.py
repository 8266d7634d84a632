"""What `mlevents start` prints: one line for each event and each action, and whatever else must be said.

The app names what happens in its log records (`dispatch.log`); names known here get a line made for reading, all others
are printed with their keys. Values are not trusted: they cannot move the cursor or forge a line.
"""

import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, TextIO

_QUIET = ("azure", "asyncio")  # loggers that are heard from WARNING on: the SDKs log every request
_NOISE = "Auth level is not applied to non http"  # azure.functions warns so of every app without HTTP functions
_STYLES = {"good": "32", "bad": "31", "odd": "33", "faint": "2"}
_STATUS = {"succeeded": "good", "failed": "bad", "skipped": "faint"}


class Console:
    """Prints lines, in colours on a terminal; remembers the last lines and named records, or all."""

    def __init__(self, stream: TextIO | None = None, *, verbose: bool = False, remember: int | None = None) -> None:
        self.lines: deque[str] = deque(maxlen=remember)
        self.records: deque[dict[str, Any]] = deque(maxlen=remember)
        self.verbose = verbose
        self._stream = stream
        self._colours = stream is not None and stream.isatty()

    def say(self, text: str = "", style: str = "") -> None:
        """One line."""
        text = printable(text)
        self.lines.append(text)
        if self._stream is None:
            return
        code = _STYLES.get(style, "") if self._colours else ""
        with suppress(OSError, ValueError):  # whoever read this has gone; the host goes on
            print(f"\x1b[{code}m{text}\x1b[0m" if code else text, file=self._stream, flush=True)

    def event(self, what: str, text: str, style: str = "") -> None:
        """One line about something that happened now."""
        self.say(f"{time.strftime('%H:%M:%S')}  {what:<8}  {text}", style)

    def problem(self, text: str, details: str = "") -> None:
        """Something went wrong; `details`, like a stack trace, follow line by line."""
        self.event("problem", text, "bad")
        for line in details.rstrip().splitlines():
            self.say(f"          {line}", "faint")

    def output(self, line: str) -> None:
        """A line that a function printed."""
        self.event("printed", line, "faint")

    def log(self, record: Mapping[str, Any]) -> None:
        """A log record of the worker: one named by the app, or any other."""
        keys = record["keys"]
        if isinstance(keys, dict) and "name" in keys:
            self.records.append(keys)
            self.event(*_line(keys, record["level"]))
        elif self.verbose or not _quiet(record):
            style = {"WARNING": "odd", "ERROR": "bad", "CRITICAL": "bad"}.get(record["level"], "")
            self.event(record["level"].lower(), f"{record['logger']}: {record['message']}", style)
        else:
            return
        for line in str(record["error"]).splitlines():
            self.say(f"          {line}", "faint")


def printable(text: str) -> str:
    """The text with every control character, and all else that is not printable, written as an escape."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def _quiet(record: Mapping[str, Any]) -> bool:
    if record["message"].startswith(_NOISE):
        return True
    return record["logger"].split(".")[0] in _QUIET and record["level"] in {"DEBUG", "INFO"}


def _line(keys: Mapping[str, Any], level: str) -> tuple[str, str, str]:
    """What, the text and the style of a named record's line."""
    name = str(keys["name"])
    if (known := _LINES.get(name)) is not None:
        with suppress(LookupError):
            return known(_Keys(keys))
    rest = "  ".join(f"{key}={value}" for key, value in keys.items() if key != "name")
    return name.partition(".")[0], f"{name}  {rest}", {"WARNING": "odd", "ERROR": "bad"}.get(level, "")


class _Keys:
    """A record's keys as texts; `a, b = keys("type", "object")` raises LookupError if one is not there."""

    def __init__(self, keys: Mapping[str, Any]) -> None:
        self._keys = keys

    def __call__(self, *names: str) -> tuple[str, ...]:
        return tuple(str(self._keys[name]) for name in names)

    def get(self, name: str) -> str:
        value = self._keys.get(name)
        return "" if value is None else str(value)


def _received(keys: _Keys) -> tuple[str, str, str]:
    type, workspace, object, rules = keys("type", "workspace", "object", "rules")
    text = f"{type}  {workspace}  {object}"
    return ("event", f"{text}  → {rules.replace(',', ', ')}", "") if rules else ("event", f"{text}  no rule", "faint")


def _duplicate(keys: _Keys) -> tuple[str, str, str]:
    type, workspace, object = keys("type", "workspace", "object")
    return "event", f"{type}  {workspace}  {object}  again, known already", "faint"


def _rejected(keys: _Keys) -> tuple[str, str, str]:
    (reason,) = keys("reason")
    return "event", "  ".join(filter(None, ("rejected", keys.get("id"), reason))), "odd"


def _settled(keys: _Keys) -> tuple[str, str, str]:
    rule, handler, status = keys("rule", "handler", "status")
    took = f"({ms} ms)" if (ms := keys.get("ms")) else ""
    return "action", "  ".join(filter(None, (rule, handler, status, keys.get("note"), took))), _STATUS.get(status, "")


def _mistake(keys: _Keys) -> tuple[str, str, str]:
    (mistake,) = keys("mistake")
    return "rules", mistake, "bad"


_LINES: dict[str, Callable[[_Keys], tuple[str, str, str]]] = {
    "event.received": _received,
    "event.duplicate": _duplicate,
    "event.rejected": _rejected,
    "action.settled": _settled,
    "rules.mistake": _mistake,
}
