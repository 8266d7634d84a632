"""What to do about an alert: the lines of a message that alerts people."""

import shlex
from collections.abc import Mapping

from handlers.base import Action
from handlers.content.text import one_line
from schemas import Event
from schemas.alert import Alert

COMMAND = "mlevents "  # the beginning of a line that is a command
_PAGES: Mapping[str, str] = {
    "refused rules": "docs/rules.md",
    "rejected events": "docs/replay.md#rejected-events",
    "failed actions": "docs/replay.md",
}


def next_steps(event: Event, action: Action) -> tuple[str, ...]:
    """The next steps after an alert; none for other messages. `-` begins the names of rules that send alerts.

    A line that begins with `COMMAND` is a command.
    """
    if isinstance(event, Alert):
        page = _PAGES.get(event.data.kind, "docs/guarantees.md")
        return (*(line for text in event.data.to_do for line in _with_command(text)), f"More: {page}")
    result = event.added("result")
    if not (result and action.rule.startswith("-")):
        return ()
    id, rule = shlex.quote(one_line(event.id, 200)), shlex.quote(result["rule"])
    return ("Fix the cause, then run it again (docs/replay.md):", f"{COMMAND}replay {id} --rule {rule}")


def _with_command(text: str) -> list[str]:
    """A text, and on a line of its own the command with which it ends after a colon."""
    words, found, command = text.partition(f": {COMMAND}")
    return [f"{words}:", f"{COMMAND}{command}"] if found else [text]
