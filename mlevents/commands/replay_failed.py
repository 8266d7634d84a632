"""``mlevents replay --failed``: count the actions that failed in a span of time, ask, and replay them."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from dispatch.app import App
from dispatch.replay.failed import FailedEvent, find_failed
from dispatch.replay.replay import ReplayOptions, replay
from dispatch.replay.who import user
from mlevents.commands.replay_report import Report
from mlevents.console import Console
from mlevents.findings import counted

_PROGRESS = 1.0  # seconds between two lines of progress


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which failed actions to replay: those of events with ``since <= time < until``; and whether to ask first."""

    since: datetime
    until: datetime
    rule: str = ""  # "" for all rules
    yes: bool = False
    dry_run: bool = False


@dataclass(slots=True)
class Progress:
    """Prints a line at most once a second, so that a long command shows that it lives."""

    console: Console
    clock: Callable[[], float] = time.monotonic
    _next: float = field(init=False)

    def __post_init__(self) -> None:
        self._next = self.clock() + _PROGRESS

    def report(self, text: str) -> None:
        """Print the text, unless less than a second has passed since the last line."""
        if self.clock() >= self._next:
            self._next = self.clock() + _PROGRESS
            self.console.print(text, "faint")


def replay_failed(wanted: Wanted, app: App, report: Report, progress: Progress | None = None) -> None:
    """Replay the failed actions after a question. Raises StorageError."""
    progress = progress or Progress(report.console)
    found = _find(wanted, app, progress)
    if not found:
        rule = f" of the rule {wanted.rule}" if wanted.rule else ""
        report.console.print(
            f"no action{rule} failed, of events from {_time(wanted.since)} to {_time(wanted.until)} UTC"
        )
        return
    report.console.print(_count(found))
    if not (wanted.dry_run or wanted.yes or _confirmed("Run them again?")):
        report.problem("nothing was replayed")
        return
    for number, each in enumerate(found, 1):
        event = app.inbox.history.event(each.day, each.key)
        if event is None:
            report.problem(f"the event {each.key} of {each.day} has been deleted meanwhile")
            continue
        for rule in each.rules if wanted.rule else ("",):
            options = ReplayOptions(rule=rule, failed=True)
            report.replayed(replay(event, app, options, by=user(), dry_run=wanted.dry_run))
        progress.report(f"{number} of {counted(len(found), 'event')}")


def _confirmed(question: str) -> bool:
    """Ask on the terminal; the end of standard input is a no."""
    try:
        return input(f"{question} [y/N] ").strip().casefold() in {"y", "yes"}
    except EOFError:
        return False


def _find(wanted: Wanted, app: App, progress: Progress) -> list[FailedEvent]:
    found: list[FailedEvent] = []
    for page in find_failed(app, wanted.since, wanted.until, wanted.rule):
        found += page.events
        if page.searched_to:
            progress.report(f"searched back to {_time(page.searched_to)} UTC: {counted(len(found), 'event')} so far")
    return found


def _count(found: list[FailedEvent]) -> str:
    """The number of failed actions, by rule."""
    rules = Counter(rule for event in found for rule in event.rules)
    by_rule = ", ".join(f"{rule} {count}" for rule, count in rules.most_common())
    return f"{counted(rules.total(), 'failed action')} of {counted(len(found), 'event')}: {by_rule}"


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}"
