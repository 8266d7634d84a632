"""docs/reference/commands.md: every command with its arguments, options and examples, as `--help` prints them."""

import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from typer.main import get_command

from docs.generate.table import row
from mlevents.__main__ import COMMANDS

_INTRODUCTION = """\
# Options of commands

What `mlevents COMMAND --help` prints. [Commands](../commands.md) has exit codes, and what `init` and `start` do.
`python -m docs.generate` writes this page.
"""
_UNSHOWN: tuple[Any, ...] = (None, False, "", (), [])  # defaults that mean nothing was given


def page() -> str:
    """The page."""
    parts = [_INTRODUCTION]
    for name, (module, _) in COMMANDS.items():
        parts += _section(name, get_command(import_module(f"mlevents.commands.{module}").cli), "##")
    return "\n".join(parts)


def _section(name: str, command: Any, mark: str) -> Iterator[str]:
    yield f"{mark} {name}\n"
    yield re.sub(r"\nExit code:", r"\n\nExit code:", command.help or "").strip() + "\n"
    rows = [_row(parameter) for parameter in command.params if not getattr(parameter, "hidden", False)]
    if rows:
        yield "\n".join(["| argument or option | value | meaning |", "|---|---|---|", *rows, ""])
    if command.epilog:
        lines = [line.removeprefix("$ ") for line in command.epilog.splitlines() if line.startswith("$ ")]
        yield "\n".join(["```sh", *lines, "```", ""])
    for inner, subcommand in getattr(command, "commands", {}).items():
        yield from _section(f"{name} {inner}", subcommand, f"{mark}#")


def _row(parameter: Any) -> str:
    options = [*parameter.opts, *parameter.secondary_opts]
    is_option = any(option.startswith("-") for option in options)
    names = ", ".join(f"`{option}`" for option in options) if is_option else f"`{_value(parameter)}`"
    value = f"`{_value(parameter)}`" if is_option and not parameter.is_flag else ""
    return row([names, value, _meaning(parameter)])


def _value(parameter: Any) -> str:
    return str(parameter.metavar or parameter.name.upper())


def _meaning(parameter: Any) -> str:
    text = " ".join((parameter.help or "").split())
    default = parameter.show_default if isinstance(parameter.show_default, str) else parameter.default
    if parameter.required:
        return f"{text} Required."
    if default in _UNSHOWN or callable(default) or (isinstance(default, Path) and default.is_absolute()):
        return text
    return f"{text} Default: {default if isinstance(parameter.show_default, str) else f'`{default}`'}."
