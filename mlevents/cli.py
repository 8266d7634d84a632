"""What the command lines of all commands share."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

AppFolder = Annotated[
    Path, typer.Option("--app", resolve_path=True, show_default="this project", help="The folder of the function app.")
]


AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


class UsageError(typer.TyperException):
    """The arguments of a command are invalid; the message names the argument and the reason. The exit code is 2."""

    exit_code = 2


def command_line(*, completion: bool = False) -> typer.Typer:
    """An empty command line, to which a module adds its command or commands.

    `completion` adds the options that install the completion of commands and options in a shell.
    """
    return typer.Typer(add_completion=completion, rich_markup_mode="rich", pretty_exceptions_enable=False)


def examples(*lines: str) -> str:
    """The end of a command's help: commands that show how to use it."""
    return "\n".join(["Examples:" if lines[1:] else "Example:", "", *(f"$ {line}" for line in lines)])


def moment(text: str) -> datetime:
    """Read a time of a command line, in UTC unless it has an offset. Raises typer.BadParameter."""
    try:
        found = datetime.fromisoformat(text)
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise typer.BadParameter(f"{text!r} is not a time; write 2026-11-22 or 2026-11-22T08:00") from None


def pairs(option: str, texts: Sequence[str] | None) -> dict[str, str]:
    """The values ``NAME=VALUE`` of an option that may be repeated. Raises UsageError."""
    found = {}
    for text in texts or ():
        name, equals, value = text.partition("=")
        if not name or not equals:
            raise UsageError(f"{option}: {text!r} has no name or no value; write NAME=VALUE, like stage=production")
        found[name] = value
    return found
