"""The console of all commands: one line for each event and each action, and whatever else a command prints.

The app names what happens in its log records (`dispatch.log`). Names known here get a readable line; all others
are printed with their keys. Values are not trusted: they cannot move the cursor or forge a line.
"""

import textwrap
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from io import StringIO
from typing import Any, TextIO

from rich.console import Console as RichConsole
from rich.text import Text
from rich.theme import Theme

_QUIET = ("azure", "asyncio")  # loggers whose records are printed from WARNING on: the SDKs log every request
_NOISE = "Auth level is not applied to non http"  # azure.functions logs this about every app without HTTP functions
_THEME = Theme({"success": "green", "error": "red", "warning": "yellow", "faint": "dim"})
_STATUS = {"succeeded": "success", "failed": "error", "skipped": "faint"}
_LEVELS = {"WARNING": "warning", "ERROR": "error", "CRITICAL": "error"}
_MARGIN = 20  # characters before the text of an event: its time and its kind


class Console:
    """Prints lines, on a terminal in colours; keeps the last lines and named records, or all.

    Styles are success, error, warning, faint and bold.
    """

    def __init__(self, stream: TextIO | None = None, *, verbose: bool = False, remember: int | None = None) -> None:
        self.lines: deque[str] = deque(maxlen=remember)
        self.records: deque[dict[str, Any]] = deque(maxlen=remember)
        self.verbose = verbose
        self._stream = stream
        is_terminal = stream is not None and stream.isatty()
        # Renders to text only: rich itself would end the process when the reader of a pipe has closed it.
        self._rich = RichConsole(file=StringIO(), force_terminal=is_terminal or None, theme=_THEME, highlight=False)

    def print(self, text: str = "", style: str = "", *, indent: int = 0) -> None:
        """Print one line. On a terminal, a long one is continued after `indent` spaces; elsewhere it stays one line."""
        from schemas.errors import printable  # imports pydantic, which `mlevents --help` does not need

        text = printable(text)
        self.lines.append(text)
        if self._stream is None:
            return
        if self._rich.is_terminal:
            words = text.lstrip(" ")
            text = textwrap.fill(
                words,
                max(self._rich.width, indent + 20),
                initial_indent=" " * (len(text) - len(words)),
                subsequent_indent=" " * indent,
                replace_whitespace=False,
                break_long_words=False,  # a URL that the terminal itself breaks can still be copied
                break_on_hyphens=False,
            )
        with self._rich.capture() as capture:
            self._rich.print(Text(text, style), soft_wrap=True)
        with suppress(OSError, ValueError):  # a closed pipe does not stop the host
            self._stream.write(capture.get())
            self._stream.flush()

    def event(self, kind: str, text: str, style: str = "") -> None:
        """Print one line about something that happened now."""
        self.print(f"{time.strftime('%H:%M:%S')}  {kind:<8}  {text}", style, indent=_MARGIN)

    def problem(self, text: str, details: str = "") -> None:
        """Print an error; `details`, like a stack trace, follow line by line."""
        self.event("problem", text, "error")
        self._details(details)

    def output(self, line: str) -> None:
        """Print a line that a function printed."""
        self.event("printed", line, "faint")

    def log(self, record: Mapping[str, Any]) -> None:
        """Print a log record of the worker: one named by the app, or any other."""
        keys = record["keys"]
        if isinstance(keys, dict) and "name" in keys:
            self.records.append(keys)
            self.event(*_line(keys, record["level"]))
        elif self.verbose or not _is_noise(record):
            first, _, rest = record["message"].partition("\n")
            self.event(record["level"].lower(), f"{record['logger']}: {first}", _LEVELS.get(record["level"], ""))
            self._details(rest)
        else:
            return
        self._details(str(record["error"]))

    def _details(self, text: str) -> None:
        """Print more lines of a record, indented, so that none looks like a record of its own."""
        for line in text.rstrip().splitlines():
            self.print(f"          {line}", "faint", indent=10)


def _is_noise(record: Mapping[str, Any]) -> bool:
    if record["message"].startswith(_NOISE):
        return True
    return record["logger"].split(".")[0] in _QUIET and record["level"] in {"DEBUG", "INFO"}


def _line(keys: Mapping[str, Any], level: str) -> tuple[str, str, str]:
    """The kind, the text and the style of a named record's line."""
    name = str(keys["name"])
    if (known := _LINES.get(name)) is not None:
        with suppress(LookupError):
            return known(_Keys(keys))
    rest = "  ".join(f"{key}={value}" for key, value in keys.items() if key != "name")
    return name.partition(".")[0], f"{name}  {rest}", _LEVELS.get(level, "")


class _Keys:
    """A record's keys as texts; `a, b = keys("type", "object")` raises LookupError for a missing one."""

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
    return "event", "  ".join(filter(None, ("rejected", keys.get("id"), reason))), "warning"


def _settled(keys: _Keys) -> tuple[str, str, str]:
    rule, handler, status = keys("rule", "handler", "status")
    took = f"({ms} ms)" if (ms := keys.get("ms")) else ""
    about = " in ".join(filter(None, (keys.get("object"), keys.get("workspace"))))
    again = f"attempt {keys.get('attempt')}, again in {keys.get('wait')}" if keys.get("wait") else ""
    parts = rule, handler, status, about, keys.get("note"), again, took
    return "action", "  ".join(filter(None, parts)), _STATUS.get(status, "")


def _rule_error(keys: _Keys) -> tuple[str, str, str]:
    (error,) = keys("mistake")
    return "rules", error, "error"


def _rule_warning(keys: _Keys) -> tuple[str, str, str]:
    (warning,) = keys("warning")
    return "rules", f"warning: {warning}", "warning"


_LINES: dict[str, Callable[[_Keys], tuple[str, str, str]]] = {
    "event.received": _received,
    "event.duplicate": _duplicate,
    "event.rejected": _rejected,
    "action.settled": _settled,
    "rules.mistake": _rule_error,
    "rules.warning": _rule_warning,
}
