"""The command `mlevents`. Each of its commands is a file under mlevents/commands, imported when the command is run."""

import sys
import tomllib
from collections.abc import Sequence
from importlib import import_module
from io import TextIOWrapper
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from mlevents import PROJECT
from mlevents.cli import command_line, examples
from mlevents.console import Console

# Command -> its module, and the summary that `mlevents --help` shows without importing the module.
COMMANDS = {
    "init": ("init.init", "Write your first rules, workspaces and settings, or add workspaces and labels."),
    "check": ("check", "Find every error in the rules, and show what each rule would do."),
    "test": ("rule_tests.test", "Run the tests of rules: events, and which rules fire on them, and why not."),
    "backtest": ("backtest.backtest", "Say what rules would have done with the events on record."),
    "start": ("start", "Run the app on this machine, like `func start`, with the services that it needs."),
    "events": ("events", "List the recorded events, newest first, with how their actions stand."),
    "show": ("show", "Show an event with its actions, found by its id or by the name of its object."),
    "explain": ("explain", "Say of each rule why it acts on an event, or why it does not."),
    "status": ("status", "Show what waits and fails, and whether rules, queues and the sweep are well."),
    "doctor": ("doctor.doctor", "Find what is wrong with an app, and say what to do about it."),
    "send": ("send", "Send a sample or a file as a new event to a running app, and say what came of it."),
    "demo": ("demo.demo", "Run the app on sample events, and check that it sends mails and deploys models."),
    "azure": (
        "emulator.emulator",
        "Control the emulated Azure ML of a running `mlevents start`: models, jobs, drift, failures.",
    ),
    "mailbox": ("mailbox", "Run a mail server on localhost:1025 that keeps every mail, for `func start`."),
    "replay": ("replay", "Run recorded events again, or accept events that were rejected or dead-lettered."),
    "erase": ("erase.erase", "Find, export and erase what the record keeps about a person."),
    "watch": ("watch.watch", "Show what the watch cannot see, and take in events that never came."),
    "pause": ("pauses.pause", "Let the actions of a rule, or of all rules, wait until `mlevents resume`."),
    "resume": ("pauses.resume", "End the pause of a rule, or of all rules, and run what has waited."),
    "roles": ("roles.roles", "List the roles that the app's identity needs, for the app itself and for its rules."),
    "upgrade": (
        "upgrade.upgrade",
        "Find what an upgrade would meet: files of the project that you changed, and rules with errors.",
    ),
    "schema": ("schema", "Print the JSON Schema of rules files, of workspaces.yaml or of tests, for editors."),
    "subscriptions": (
        "subscriptions",
        "Print the event subscriptions that the rules need, or compare them with those that exist.",
    ),
    "new": ("new.new", "Write the first version of a handler of your own, with its test."),
    "try-deploy": ("try_deploy", "Run one deploy rule against real Azure from this machine, and print every step."),
}


class Commands(TyperGroup):
    """The commands by name. Only the one that runs is imported."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.commands = {name: TyperCommand(name, help=summary) for name, (_, summary) in COMMANDS.items()}

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """Replace the chosen command's summary by the command. Raises typer.TyperException for an unknown one."""
        name, _, rest = super().resolve_command(ctx, args)
        module = import_module(f"mlevents.commands.{COMMANDS[str(name)][0]}")
        return name, get_command(module.cli), rest


cli = command_line(completion=True)


def _print_version(wanted: bool) -> None:
    if wanted:
        Console(sys.stdout).print(f"mlevents {version()}")
        raise typer.Exit


@cli.callback(cls=Commands, epilog=examples("mlevents start", "mlevents check --help"))
def mlevents(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Check, run and operate the app that acts on Azure Machine Learning events.

    Exit code: 0 for success, 1 for failure, 2 for invalid arguments, 130 if
    Ctrl-C interrupted a command other than `start` and `mailbox`.
    """


def version() -> str:
    """The version that pyproject.toml states: the project is a folder to clone, not an installed package."""
    return str(tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"])


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code of the process."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal that has no arrows still gets its lines
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        return int(get_command(cli)(arguments, prog_name="mlevents", standalone_mode=False) or 0)
    except typer.TyperException as error:
        chosen = " ".join(["mlevents", *(name for name in arguments[:1] if name in COMMANDS)])
        command = getattr(getattr(error, "ctx", None), "command_path", chosen)
        text = " ".join(error.format_message().replace("Value error, ", "").split()).rstrip(".")
        Console(sys.stderr).print(f"{text} (see {command} --help)", "error")
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
