"""The command `python -m mlevents`."""

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from io import TextIOWrapper
from pathlib import Path

from mlevents.commands.emulator import add_azure, azure
from mlevents.commands.replay_report import add_replay, wish

PROJECT = Path(__file__).resolve().parent.parent
_COMMANDS = {
    "check": "mlevents.commands.check",
    "demo": "mlevents.commands.demo.demo",
    "mailbox": "mlevents.commands.mailbox",
}
REMEMBERED = 1000  # lines, log records and mails: `mlevents start` may run for weeks


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the process's exit code. What a command needs is imported when it is chosen."""
    parsed = command_line().parse_args(arguments)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal that has no arrows still gets its lines
    try:
        if parsed.command == "start":
            return _start(parsed)
        if parsed.command == "replay":
            return _replay(parsed)
        if parsed.command == "azure":
            return azure(parsed.app.resolve(), parsed)
        command = getattr(import_module(_COMMANDS[parsed.command]), parsed.command)
        return int(command(parsed.app.resolve()))
    except KeyboardInterrupt:
        return 130


def command_line() -> argparse.ArgumentParser:
    """All commands and their options."""
    parser = argparse.ArgumentParser(prog="python -m mlevents", description="Work on the app without Azure.")
    commands = parser.add_subparsers(dest="command", required=True)
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--app", type=Path, default=PROJECT, help="the app's folder; default: this project")
    commands.add_parser("check", parents=[shared], help="find every mistake in the rules")
    commands.add_parser("demo", parents=[shared], help="show it on samples: events in, mails out; drift to deployment")
    commands.add_parser("mailbox", parents=[shared], help="a mail server on localhost:1025, to go with `func start`")
    add_replay(commands, shared)
    add_azure(commands, shared)
    start = commands.add_parser("start", parents=[shared], help="run the app on this machine, as `func start` does")
    start.add_argument(
        "--port", type=_port, help="default: Host.LocalHttpPort of local.settings.json, else 7071; 0: any"
    )
    start.add_argument("--no-azurite", action="store_true", help="use a storage emulator that runs already")
    start.add_argument("--no-mail", action="store_true", help="do not start a mailbox")
    start.add_argument("--no-azure", action="store_true", help="do not stand in for Azure ML: act in the real one")
    start.add_argument("--verbose", action="store_true", help="print every call and every log record")
    return parser


def _port(text: str) -> int:
    if not (text.isdecimal() and int(text) < 65536):
        raise argparse.ArgumentTypeError(f"{text!r} is not a port: 0 to 65535")
    return int(text)


def _replay(parsed: argparse.Namespace) -> int:
    wanted = wish(parsed)
    from mlevents.commands.replay import replay

    return replay(parsed.app.resolve(), wanted)


def _start(parsed: argparse.Namespace) -> int:
    from mlevents.commands.start import start
    from mlevents.local.running import Options

    options = Options(
        app_dir=parsed.app.resolve(),
        port=parsed.port,
        keep=True,
        azurite=not parsed.no_azurite,
        mailbox=not parsed.no_mail,
        azure=not parsed.no_azure,
        remember=REMEMBERED,
    )
    return start(options, verbose=parsed.verbose)


if __name__ == "__main__":
    sys.exit(main())
