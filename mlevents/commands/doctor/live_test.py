"""`mlevents doctor --live`: what it asks, its steps, and the report to paste into an issue."""

import platform
import re
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from types import FrameType

import typer

from dispatch.app import utc_now
from dispatch.settings import SettingsError
from mlevents.app_settings import BadFile
from mlevents.cli import UsageError
from mlevents.console import Console
from mlevents.doctor import live
from mlevents.doctor.diagnosis import Diagnosis, Subject
from mlevents.doctor.function_app import FunctionApp
from mlevents.doctor.trial import Unsuitable, trial
from mlevents.record import record_of

_PACKAGES = ("azure-functions", "azure-core", "azure-data-tables", "azure-identity", "pydantic")
_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)
_ADDRESS = re.compile(r"[\w.+%-]+@[\w-]+(\.[\w-]+)+")


def run(subject: Subject, app: FunctionApp, rule: str, pace: live.Pace, terminal: "Terminal") -> None:
    """Say what will happen, ask, do it, and print the report, also after Ctrl-C.

    Raises UsageError if it cannot be done, or without a terminal and without `yes`.
    """
    if subject.rules is None or app.settings is None:
        raise UsageError("--live needs valid rules, and to read the app's settings: run it without --live first")
    try:
        chosen = trial(subject.rules, rule, utc_now())
        record = record_of(subject.folder, subject.environment)
    except (Unsuitable, SettingsError, BadFile) as error:
        raise UsageError(f"--live: {error}") from error
    console = terminal.console
    console.print(f"an event {type(chosen.event).__name__} of {chosen.event.resource.name} will be raised, and")
    console.print(f"rule {chosen.rule.name} will {chosen.plan}", "bold")
    console.print(f"a resource group is created in the subscription of {app.name}, and deleted at the end")
    if not terminal.agrees():
        return
    found: list[tuple[Diagnosis, float]] = []
    began = time.monotonic()

    def emit(each: Diagnosis) -> None:
        found.append((each, time.monotonic() - began))
        terminal.emit(each)

    try:
        with _terminable():
            live.run(app, record, chosen, pace, emit)
    finally:
        for line in report(found):
            console.print(line)


@dataclass(frozen=True, slots=True)
class Terminal:
    """Where it prints, what takes each diagnosis, and whether it asks."""

    console: Console
    emit: Callable[[Diagnosis], None]
    yes: bool = False

    def agrees(self) -> bool:
        """Does the user agree? Raises UsageError if nobody can be asked."""
        if not self.yes and not sys.stdin.isatty():
            raise UsageError("--live asks first; without a terminal, add --yes")
        return self.yes or typer.confirm("go on?")


def report(found: Sequence[tuple[Diagnosis, float]]) -> list[str]:
    """What an issue needs, in Markdown: no secrets, no addresses, and ids shortened."""
    versions = [f"{name} {metadata.version(name)}" for name in _PACKAGES]
    lines = ["", "--- paste this into an issue ---", "", "| step | result | after |", "|---|---|---|"]
    lines += [f"| {_shortened(each.what)} | {each.severity} | {seconds:.0f} s |" for each, seconds in found]
    python = f"Python {platform.python_version()}, {platform.system()}"
    return [*lines, "", f"{python}; {', '.join(versions)}", ""]


def _shortened(text: str) -> str:
    text = _ADDRESS.sub("ADDRESS", _ID.sub(lambda found: f"{found[0][:4]}…", text))
    return text.replace("|", "\\|")


@contextmanager
def _terminable() -> Iterator[None]:
    """Treat SIGTERM and SIGHUP as Ctrl-C, so that the scratch resource group is deleted."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
