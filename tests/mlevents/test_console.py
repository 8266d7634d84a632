"""What the console prints."""

import io
from typing import Any

import pytest

from dispatch import log
from mlevents.console import Console, printable


def record(level: str = "INFO", error: str = "", **keys: Any) -> dict[str, Any]:
    message = " ".join(f"{key}={value}" for key, value in keys.items())
    return {"logger": "mlevents", "level": level, "message": message, "error": error, "keys": keys or None}


def line(**keys: Any) -> str:
    """The one line of a named record, without its time."""
    console = Console()
    console.log(record(**keys))
    (line,) = console.lines
    return line[10:]


EVENT = {"id": "e1", "type": "RunCompleted", "workspace": "churn-prod", "object": "run_7"}


@pytest.mark.parametrize(
    ("keys", "printed"),
    [
        (
            {"name": "event.received", **EVENT, "rules": "a,b"},
            "event     RunCompleted  churn-prod  run_7  → a, b",
        ),
        ({"name": "event.received", **EVENT, "rules": ""}, "event     RunCompleted  churn-prod  run_7  no rule"),
        (
            {"name": "event.duplicate", **EVENT, "rules": "a"},
            "event     RunCompleted  churn-prod  run_7  again, known already",
        ),
        ({"name": "event.rejected", "id": "e1", "reason": "no data"}, "event     rejected  e1  no data"),
        ({"name": "event.rejected", "reason": "not JSON"}, "event     rejected  not JSON"),
        (
            {
                "name": "action.settled",
                "rule": "a",
                "handler": "email",
                "status": "succeeded",
                "note": "sent",
                "ms": 12,
            },
            "action    a  email  succeeded  sent  (12 ms)",
        ),
        (
            {"name": "action.settled", "rule": "a", "handler": "email", "status": "skipped", "note": "", "ms": 0},
            "action    a  email  skipped  (0 ms)",
        ),
        ({"name": "rules.mistake", "mistake": "rules/a.yaml:3"}, "rules     rules/a.yaml:3"),
        (
            {"name": "action.rearmed", "rule": "a", "event": "e1"},
            "action    action.rearmed  rule=a  event=e1",
        ),
        ({"name": "event.received", "id": "e1"}, "event     event.received  id=e1"),
    ],
)
def test_one_line_per_event_and_per_action(keys: dict[str, Any], printed: str) -> None:
    """Names known to the console are written to be read; unknown ones, or without their keys, with what they have."""
    assert line(**keys) == printed


def test_named_records_are_kept_for_whoever_asks() -> None:
    console = Console()
    console.log(record(name="event.received", id="e1"))
    assert list(console.records) == [{"name": "event.received", "id": "e1"}]


def test_of_many_lines_and_records_the_last_are_remembered() -> None:
    """`mlevents start` runs for weeks; whoever does not say how many gets all."""
    console, everything = Console(remember=2), Console()
    for number in range(3):
        console.log(record(name="event.rejected", reason=str(number)))
        everything.log(record(name="event.rejected", reason=str(number)))
    assert [text[20:] for text in console.lines] == ["rejected  1", "rejected  2"]
    assert [keys["reason"] for keys in console.records] == ["1", "2"]
    assert (len(everything.lines), len(everything.records)) == (3, 3)


def test_other_records_are_printed_plainly_with_their_stack_trace() -> None:
    console = Console()
    console.log(record("ERROR", "Traceback\nValueError: x") | {"logger": "acme", "message": "it broke"})
    assert console.lines[0].endswith("error     acme: it broke")
    assert list(console.lines)[1:] == ["          Traceback", "          ValueError: x"]


@pytest.mark.parametrize("logger", ["azure.core.pipeline.policies.http_logging_policy", "azure", "asyncio"])
def test_the_sdks_are_heard_from_warnings_on(logger: str) -> None:
    """They log every request; --verbose shows it."""
    quiet, loud = Console(), Console(verbose=True)
    for console in (quiet, loud):
        console.log(record("INFO") | {"logger": logger, "message": "Request URL"})
        console.log(record("WARNING") | {"logger": logger, "message": "careful"})
    assert [text[20:] for text in quiet.lines] == [f"{logger}: careful"]
    assert len(loud.lines) == 2


def test_a_value_cannot_forge_a_line_or_move_the_cursor() -> None:
    text = line(name="event.rejected", id="e1\n10:00:00  action  a", reason="\x1b[2J\r\u202e\x9b\ud800")
    assert text == r"event     rejected  e1\n10:00:00  action  a  \x1b[2J\r\u202e\x9b\ud800"
    assert printable("ä → 😀") == "ä → 😀"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_colours_are_for_terminals_only() -> None:
    terminal, file = Terminal(), io.StringIO()
    for stream in (terminal, file):
        Console(stream).say("done", "good")
    assert terminal.getvalue() == "\x1b[32mdone\x1b[0m\n"
    assert file.getvalue() == "done\n"


def test_a_reader_that_has_gone_does_not_stop_the_host() -> None:
    stream = io.StringIO()
    console = Console(stream)
    stream.close()
    console.say("nobody reads this")
    assert list(console.lines) == ["nobody reads this"]


def test_it_understands_what_the_app_says(caplog: pytest.LogCaptureFixture) -> None:
    """The keys of `dispatch.log.say` are what the console looks for."""
    with caplog.at_level("INFO", "mlevents"):
        log.log_event("event.received", **dict[str, Any](EVENT), rules="a")
    assert line(**caplog.records[0].__dict__["mlevents"]) == "event     RunCompleted  churn-prod  run_7  → a"
