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
from shlex import quote
from typing import Any, NamedTuple, TextIO

from rich.console import Console as RichConsole
from rich.text import Text
from rich.theme import Theme

_QUIET = ("azure", "asyncio")  # loggers whose records are printed from WARNING on: the SDKs log every request
_NOISE = "Auth level is not applied to non http"  # azure.functions logs this about every app without HTTP functions
_THEME = Theme({"success": "green", "error": "red", "warning": "yellow", "faint": "dim"})
_STATUS = {"succeeded": "success", "failed": "error", "skipped": "faint"}
_LEVELS = {"WARNING": "warning", "ERROR": "error", "CRITICAL": "error"}
_MARGIN = 21  # characters before the text of an event: its time and its kind
# Named records and a logger whose lines only --verbose prints: sweep and watch are logged every five minutes; what the
# handler `log` writes is the note of its action, too.
_ROUTINE = {"sweep.done", "watch.done"}
_HANDLER_LOG = "mlevents.log"
_PUBLISHER = "Microsoft.MachineLearningServices."  # the beginning of a type's long name, which says nothing here
_HINT_PAUSE = 60.0  # seconds until the same hint is printed again


class Console:
    """Prints lines, on a terminal in colours; keeps the last lines and named records, or all.

    Styles are success, error, warning, faint and bold.
    """

    def __init__(self, stream: TextIO | None = None, *, verbose: bool = False, remember: int | None = None) -> None:
        self.lines: deque[str] = deque(maxlen=remember)
        self.records: deque[dict[str, Any]] = deque(maxlen=remember)
        self.verbose = verbose
        self._hinted: dict[str, float] = {}  # the hints that were printed, with the time
        self._stream = stream
        is_terminal = stream is not None and stream.isatty()
        # Renders to text only: rich itself would end the process when the reader of a pipe has closed it.
        self._rich = RichConsole(file=StringIO(), force_terminal=is_terminal or None, theme=_THEME, highlight=False)

    def print(self, text: str = "", style: str = "", *, indent: int = 0, cut: bool = False) -> None:
        """Print one line, which is kept whole in a file.

        On a terminal, a long one is continued after `indent` spaces; or it is cut, unless the console is verbose.
        """
        from schemas.errors import printable  # imports pydantic, which `mlevents --help` does not need

        text = printable(text)
        self.lines.append(text)
        if self._stream is None:
            return
        if self._rich.is_terminal and cut and not self.verbose:
            text = text if len(text) <= self._rich.width else f"{text[: self._rich.width - 1]}…"
        elif self._rich.is_terminal:
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

    def event(self, kind: str, text: str, style: str = "", *, cut: bool = False) -> None:
        """Print one line about something that happened now."""
        self.print(f"{time.strftime('%H:%M:%S')}  {kind:<9}  {text}", style, indent=_MARGIN, cut=cut)

    def hint(self, name: str, text: str) -> None:
        """Print what to do about the line before; a hint of the same name at most once a minute."""
        now = time.monotonic()
        if now - self._hinted.get(name, -_HINT_PAUSE) >= _HINT_PAUSE:
            self._hinted[name] = now
            self.print(f"{'':<{_MARGIN}}{text}", "faint", indent=_MARGIN)

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
            self._named(keys, record["level"])
        elif self.verbose or not _is_noise(record):
            first, _, rest = record["message"].partition("\n")
            self.event(record["level"].lower(), f"{record['logger']}: {first}", _LEVELS.get(record["level"], ""))
            self._details(rest)
        else:
            return
        self._details(str(record["error"]))

    def _named(self, keys: Mapping[str, Any], level: str) -> None:
        """Print the line of a record that the app has named."""
        if keys["name"] in _ROUTINE and level == "INFO" and not self.verbose:
            return
        line = _line(keys, level, self.verbose)
        self.event(line.kind, line.text, line.style, cut=line.cut)
        if line.hint:
            self.hint(str(keys["name"]), line.hint)

    def _details(self, text: str) -> None:
        """Print more lines of a record, indented, so that none looks like a record of its own."""
        for line in text.rstrip().splitlines():
            self.print(f"          {line}", "faint", indent=10)


def _is_noise(record: Mapping[str, Any]) -> bool:
    if record["message"].startswith(_NOISE) or record["logger"] == _HANDLER_LOG:
        return True
    return record["logger"].split(".")[0] in _QUIET and record["level"] in {"DEBUG", "INFO"}


class _Line(NamedTuple):
    """A line about a named record. `cut`: its end may be left out on a narrow terminal."""

    kind: str
    text: str
    style: str = ""
    cut: bool = False
    hint: str = ""  # what to do about it


def _line(keys: Mapping[str, Any], level: str, verbose: bool) -> _Line:
    name = str(keys["name"])
    if (known := _LINES.get(name)) is not None:
        with suppress(LookupError):
            return known(_Keys(keys, level, verbose))
    rest = "  ".join(f"{key}={value}" for key, value in keys.items() if key != "name")
    return _Line(name.partition(".")[0], f"{name}  {rest}", _LEVELS.get(level, ""))


class _Keys:
    """A record's keys as texts; `a, b = keys("type", "object")` raises LookupError for a missing one."""

    def __init__(self, keys: Mapping[str, Any], level: str, verbose: bool) -> None:
        self._keys, self.level, self.verbose = keys, level, verbose

    def __call__(self, *names: str) -> tuple[str, ...]:
        return tuple(str(self._keys[name]) for name in names)

    def get(self, name: str) -> str:
        value = self._keys.get(name)
        return "" if value is None else str(value)


def _received(keys: _Keys) -> _Line:
    type, workspace, object, rules = keys("type", "workspace", "object", "rules")
    text = f"{type}  {keys.get('label') or object}  {workspace}"
    if rules:
        return _Line("event", f"{text} → {rules.replace(',', ', ')}", cut=True)
    return _Line("event", f"{text}: no rule", "faint", cut=True, hint=f"why: mlevents explain {quote(object)}")


def _duplicate(keys: _Keys) -> _Line:
    type, object, id = keys("type", "object", "id")
    hint = f"run its actions again: mlevents replay {quote(id)}; send it as a new event: mlevents send"
    return _Line("event", f"{type}  {keys.get('label') or object}  known already", "faint", cut=True, hint=hint)


def _rejected(keys: _Keys) -> _Line:
    (reason,) = keys("reason")
    return _Line("event", "  ".join(filter(None, ("rejected", keys.get("id"), reason))), "warning")


def _settled(keys: _Keys) -> _Line:
    """The line of an action: what is not routine is never cut, such as a failure, or why an action was skipped."""
    rule, handler, status = keys("rule", "handler", "status")
    again = f"attempt {keys.get('attempt')}, again in {keys.get('wait')}" if keys.get("wait") else ""
    note, object = keys.get("note"), keys.get("object")
    if not keys.verbose:
        note = note.replace(_PUBLISHER, "")
    outcome = ": ".join(filter(None, (again, note)))
    parts = [rule, "" if object in note else object, outcome]
    if keys.verbose:
        about = " in ".join(filter(None, (object, keys.get("workspace"))))
        parts = [rule, handler, about, outcome, f"({ms} ms)" if (ms := keys.get("ms")) else ""]
    style = _STATUS.get(status, _LEVELS.get(keys.level, ""))
    return _Line(status, "  ".join(filter(None, parts)), style, cut=keys.level == "INFO" and status != "skipped")


def _rule_error(keys: _Keys) -> _Line:
    (error,) = keys("mistake")
    return _Line("rules", error, "error")


def _rule_warning(keys: _Keys) -> _Line:
    (warning,) = keys("warning")
    return _Line("rules", f"warning: {warning}", "warning")


_LINES: dict[str, Callable[[_Keys], _Line]] = {
    "event.received": _received,
    "event.duplicate": _duplicate,
    "event.rejected": _rejected,
    "action.settled": _settled,
    "rules.mistake": _rule_error,
    "rules.warning": _rule_warning,
}
