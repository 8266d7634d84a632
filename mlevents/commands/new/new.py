"""``mlevents new handler``: write a handler of one's own, with its test."""

import sys
from pathlib import Path
from string import Template
from typing import Annotated

import typer

from mlevents import PROJECT
from mlevents.cli import AppFolder, UsageError, command_line, examples
from mlevents.commands.new.names import Names, names_of
from mlevents.console import Console

HANDLER, TEST = ((Path(__file__).parent / name).read_text(encoding="utf-8") for name in ("handler.txt", "test.txt"))
_TEST_IMPORTS = (
    "from mlevents.testing import Answer, RecordingServer, run_handler",
    "from schemas import RunStatusChanged",
)

cli = command_line()


@cli.callback(epilog=examples("mlevents new handler acme.chat"))
def new() -> None:
    """Write the first version of a handler of your own, with its test.

    Exit code: 0 for success, 1 if a file exists or cannot be written, 2 for invalid arguments.
    """


@cli.command(epilog=examples("mlevents new handler acme.chat"))
def handler(
    module: Annotated[str, typer.Argument(metavar="NAME", help="Where it goes: `acme.chat` is acme/chat.py.")],
    *,
    app: AppFolder = PROJECT,
) -> int:
    """Write a handler that posts a text to a webhook, and its test. Change both to what you need.

    No file is overwritten. docs/handlers/writing-a-handler.md shows how to go on.
    """
    console = Console(sys.stdout, remember=0)
    try:
        names = names_of(module, (HANDLER, "\n".join(_TEST_IMPORTS)), app)
    except ValueError as error:
        raise UsageError(str(error)) from None
    files = {names.file: _handler(names), names.test: _test(names)}
    if existing := [file for file in files if (app / file).exists()]:
        console.print(f"{' and '.join(existing)} exists already; nothing was written", "error")
        return 1
    missing = {file: text for file, text in names.packages.items() if not (app / file).exists()}
    try:
        for file, text in sorted({**missing, **files}.items()):
            path = app / file
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("x", encoding="utf-8") as opened:
                opened.write(text)
            console.print(f"wrote {file}", "success")
    except OSError as error:
        console.print(f"cannot write {error.filename}: {error.strerror}", "error")
        return 1
    for line in _next_steps(names).splitlines():
        console.print(line)
    return 0


def _handler(names: Names) -> str:
    return Template(HANDLER).substitute(file=names.file, name=names.name)


def _test(names: Names) -> str:
    imports = sorted((f"from {names.module} import {names.name}", *_TEST_IMPORTS))
    return Template(TEST).substitute(module=names.module, name=names.name, imports="\n".join(imports))


def _next_steps(names: Names) -> str:
    short = names.module.rpartition(".")[2].replace("_", "-")
    return f"""
Test it:  .venv/bin/python -m pytest {names.test}

Use it, in rules/{short}.yaml:

rules:
  - name: {short}
    on: RunStatusChanged
    do: {names.module}:{names.name}
    with: {{ url: http://localhost:8090/, allow_private: true }}

Try it, each command in a terminal of its own:

  .venv/bin/python -m mlevents.testing          # prints what is posted to it
  make start
  .venv/bin/mlevents send run_status_changed

docs/handlers/writing-a-handler.md goes on from there."""
