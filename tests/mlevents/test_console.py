"""The lines of the console."""

import io
import re
from typing import Any

import pytest

from dispatch import log
from mlevents.console import Console
from schemas.errors import printable


def record(level: str = "INFO", error: str = "", **keys: Any) -> dict[str, Any]:
    message = " ".join(f"{key}={value}" for key, value in keys.items())
    return {"logger": "mlevents", "level": level, "message": message, "error": error, "keys": keys or None}


def line(level: str = "INFO", *, verbose: bool = False, **keys: Any) -> str:
    """The line of a named record, without its time."""
    console = Console(verbose=verbose)
    console.log(record(level, **keys))
    return console.lines[0][10:]


EVENT = {"id": "e1", "type": "RunCompleted", "workspace": "churn-prod", "object": "run_7"}
SETTLED = {"name": "action.settled", "rule": "a", "handler": "email", "object": "run-1", "workspace": "churn-dev"}
RETRY: dict[str, Any] = {
    "status": "waiting",
    "note": "HTTP 500: busy",
    "attempt": 3,
    "wait": "40s",
    "due": "2026-11-22T09:00:40",
}


@pytest.mark.parametrize(
    ("keys", "printed"),
    [
        (
            {"name": "event.received", **EVENT, "rules": "a,b"},
            "event      RunCompleted  run_7  churn-prod → a, b",
        ),
        (
            {"name": "event.received", **EVENT, "rules": "a", "label": "run_7 Failed"},
            "event      RunCompleted  run_7 Failed  churn-prod → a",
        ),
        ({"name": "event.received", **EVENT, "rules": ""}, "event      RunCompleted  run_7  churn-prod: no rule"),
        (
            {"name": "event.duplicate", **EVENT, "rules": "a"},
            "event      RunCompleted  run_7  known already",
        ),
        ({"name": "event.rejected", "id": "e1", "reason": "no data"}, "event      rejected  e1  no data"),
        ({"name": "event.rejected", "reason": "not JSON"}, "event      rejected  not JSON"),
        (
            {**SETTLED, "status": "succeeded", "note": "sent", "ms": 12},
            "succeeded  a  run-1  sent",
        ),
        (
            {"name": "action.settled", "rule": "a", "handler": "email", "status": "skipped", "note": "", "ms": 0},
            "skipped    a",
        ),
        ({"name": "rules.mistake", "mistake": "rules/a.yaml:3"}, "rules      rules/a.yaml:3"),
        ({"name": "rules.warning", "warning": "rules/a.yaml:3"}, "rules      warning: rules/a.yaml:3"),
        (
            {"name": "action.rearmed", "rule": "a", "event": "e1"},
            "action     action.rearmed  rule=a  event=e1",
        ),
        (
            {**SETTLED, "status": "succeeded", "note": "Microsoft.MachineLearningServices.RunCompleted run-1"},
            "succeeded  a  RunCompleted run-1",
        ),
        ({**SETTLED, **RETRY}, "waiting    a  run-1  attempt 3, again in 40s: HTTP 500: busy"),
        ({"name": "event.received", "id": "e1"}, "event      event.received  id=e1"),
    ],
)
def test_every_event_and_every_action_is_one_line(keys: dict[str, Any], printed: str) -> None:
    """A record with a known name and all its keys gets a line for reading; any other is printed with its keys."""
    assert line(**keys) == printed


def test_verbose_lines_of_actions_have_handler_workspace_and_time() -> None:
    found = line(verbose=True, **SETTLED, **RETRY, ms=12)
    assert found == "waiting    a  email  run-1 in churn-dev  attempt 3, again in 40s: HTTP 500: busy  (12 ms)"


def test_what_the_log_handler_writes_is_printed_once() -> None:
    """As the note of its action. --verbose prints both."""
    quiet, loud = Console(), Console(verbose=True)
    for console in (quiet, loud):
        console.log(record("WARNING") | {"logger": "mlevents.log", "message": "run_7 failed"})
        console.log(record(**SETTLED, status="succeeded", note="run_7 failed"))
    assert [text[10:] for text in quiet.lines] == ["succeeded  a  run-1  run_7 failed"]
    assert len(loud.lines) == 2


def test_a_sweep_is_printed_only_if_the_console_is_verbose_or_something_is_wrong() -> None:
    quiet, loud = Console(), Console(verbose=True)
    for console in (quiet, loud):
        console.log(record(name="sweep.done", requeued=0))
        console.log(record("WARNING", name="sweep.done", errors=1))
    assert [text[10:] for text in quiet.lines] == ["sweep      sweep.done  errors=1"]
    assert len(loud.lines) == 2
    assert len(quiet.records) == 2


@pytest.mark.parametrize(
    ("keys", "hint"),
    [
        ({"name": "event.received", "rules": ""}, "why: mlevents explain run_7"),
        (
            {"name": "event.duplicate", "rules": "a"},
            "run its actions again: mlevents replay e1; send it as a new event: mlevents send",
        ),
    ],
)
def test_a_hint_says_what_to_do_once_a_minute(keys: dict[str, Any], hint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line that has no effect for the user is followed by the command that helps."""
    times = iter([1.0, 2.0, 60.9, 61.0])
    monkeypatch.setattr("time.monotonic", lambda: next(times))
    console = Console()
    for _ in range(4):
        console.log(record(**EVENT, **keys))
    hints = [text.strip() for text in console.lines if hint in text]
    assert hints == [hint, hint]
    assert console.lines[1].strip() == console.lines[-1].strip() == hint
    assert len(console.lines) == 6


def test_named_records_are_kept() -> None:
    console = Console()
    console.log(record(name="event.received", id="e1"))
    assert list(console.records) == [{"name": "event.received", "id": "e1"}]


def test_only_the_latest_lines_and_records_are_kept_if_a_limit_is_set() -> None:
    """`mlevents start` runs for weeks. Without a limit, all are kept."""
    console, everything = Console(remember=2), Console()
    for number in range(3):
        console.log(record(name="event.rejected", reason=str(number)))
        everything.log(record(name="event.rejected", reason=str(number)))
    assert [text[21:] for text in console.lines] == ["rejected  1", "rejected  2"]
    assert [keys["reason"] for keys in console.records] == ["1", "2"]
    assert (len(everything.lines), len(everything.records)) == (3, 3)


def test_records_without_a_name_are_printed_with_their_stack_trace() -> None:
    console = Console()
    console.log(record("ERROR", "Traceback\nValueError: x") | {"logger": "acme", "message": "it broke"})
    assert console.lines[0].endswith("error      acme: it broke")
    assert list(console.lines)[1:] == ["          Traceback", "          ValueError: x"]


def test_a_record_of_several_lines_is_printed_on_several_lines() -> None:
    """A traceback, for example. No line looks like a record of its own, and none has control characters."""
    console = Console()
    console.log(
        record("ERROR") | {"logger": "mlevents", "message": "rule a on event e1\n  | Traceback\n10:00:00  \x1b[2J"}
    )
    assert console.lines[0].endswith("error      mlevents: rule a on event e1")
    assert list(console.lines)[1:] == ["            | Traceback", r"          10:00:00  \x1b[2J"]


@pytest.mark.parametrize("logger", ["azure.core.pipeline.policies.http_logging_policy", "azure", "asyncio"])
def test_records_of_the_sdks_are_printed_from_warning_on(logger: str) -> None:
    """The SDKs log every request; --verbose prints that."""
    quiet, loud = Console(), Console(verbose=True)
    for console in (quiet, loud):
        console.log(record("INFO") | {"logger": logger, "message": "Request URL"})
        console.log(record("WARNING") | {"logger": logger, "message": "careful"})
    assert [text[21:] for text in quiet.lines] == [f"{logger}: careful"]
    assert len(loud.lines) == 2


def test_a_value_cannot_forge_a_line_or_move_the_cursor() -> None:
    text = line(name="event.rejected", id="e1\n10:00:00  action  a", reason="\x1b[2J\r\u202e\x9b\ud800")
    assert text == r"event      rejected  e1\n10:00:00  action  a  \x1b[2J\r\u202e\x9b\ud800"
    assert printable("ä → 😀") == "ä → 😀"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """A terminal with colours and 40 columns."""
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "COLORTERM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "40")
    return Terminal()


def test_only_a_terminal_gets_colours(terminal: Terminal) -> None:
    file = io.StringIO()
    for stream in (terminal, file):
        Console(stream).print("done", "success")
    assert terminal.getvalue() == "\x1b[32mdone\x1b[0m\n"
    assert file.getvalue() == "done\n"


def test_no_color_switches_colours_off(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    Console(terminal).print("done", "success")
    assert terminal.getvalue() == "done\n"


def test_only_a_terminal_gets_long_lines_wrapped(terminal: Terminal) -> None:
    """Between words, and under the text of the line. A long word, such as a URL, stays whole; so does a kept line."""
    url = "http://localhost:7071/runtime/webhooks/eventgrid?functionName=azureml_event"
    text = f"    azureml_event: a text that is longer than the terminal {url}"
    file = io.StringIO()
    for stream in (terminal, file):
        console = Console(stream)
        console.print(text, indent=8)
        assert list(console.lines) == [text]
    assert terminal.getvalue().splitlines() == [
        "    azureml_event: a text that is longer",
        "        than the terminal",
        f"        {url}",
    ]
    assert file.getvalue() == f"{text}\n"


def test_routine_lines_are_cut_on_a_terminal_and_others_are_not(terminal: Terminal) -> None:
    """The failure of an action, and why it was skipped, are printed whole; --verbose prints all lines whole."""
    for status, level in (("succeeded", "INFO"), ("failed", "ERROR"), ("skipped", "INFO")):
        Console(terminal).log(record(level, **SETTLED, status=status, note="some words of an explanation"))
    lines = [re.sub(r"\x1b\[\d*m", "", text)[10:] for text in terminal.getvalue().splitlines()]
    assert lines == [
        "succeeded  a  run-1  some wor…",
        "failed     a  run-1  some words",
        "           of an explanation",
        "skipped    a  run-1  some words",
        "           of an explanation",
    ]
    terminal.seek(0)
    terminal.truncate()
    Console(terminal, verbose=True).log(record(**SETTLED, status="succeeded", note="some words"))
    assert "…" not in terminal.getvalue()


def test_a_long_first_word_keeps_its_indentation(terminal: Terminal) -> None:
    word = "x" * 50
    Console(terminal).print(f"    {word} y", indent=8)
    assert terminal.getvalue().splitlines() == [f"    {word}", "        y"]


def test_a_closed_pipe_does_not_stop_the_host() -> None:
    stream = io.StringIO()
    console = Console(stream)
    stream.close()
    console.print("unread")
    assert list(console.lines) == ["unread"]


def test_the_console_knows_the_keys_of_the_app_s_log(caplog: pytest.LogCaptureFixture) -> None:
    """`dispatch.log.log_event` writes the keys that the console reads."""
    with caplog.at_level("INFO", "mlevents"):
        log.log_event("event.received", **dict[str, Any](EVENT), rules="a")
    assert line(**caplog.records[0].__dict__["mlevents"]) == "event      RunCompleted  run_7  churn-prod → a"
