"""``mlevents status``: what waits, fails and is paused, and whether rules, queues and the sweep are well."""

import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from azure.core.exceptions import ResourceNotFoundError

from dispatch.evidence.upcoming import Upcoming, upcoming
from dispatch.health import problems, unseen_by_watch
from dispatch.inbox.errors import sdk_errors_translated
from dispatch.inbox.history.numbers import Numbers
from dispatch.inbox.history.open_work import Current
from dispatch.inbox.pauses import Pause
from dispatch.rules.rule import Rules
from mlevents import PROJECT
from mlevents.cli import AppFolder, AsJson, command_line, examples
from mlevents.console import Console
from mlevents.record import Record, StorageAccount, open_record, reported
from mlevents.views import open_action_json, pause_json, print_json, print_open_action

cli = command_line()

_DEADLINES = 5  # that are printed


@dataclass(slots=True)
class Status:
    """The state of an app, as its record and its queues show it."""

    now: datetime
    rules: Rules
    queues: Mapping[str, int | None]  # messages by queue; None: there is no such queue
    current: Current
    throttled: list[datetime] = field(default_factory=list)  # the ends of throttles
    paused: list[Pause] = field(default_factory=list)
    today: Mapping[str, int] = field(default_factory=dict)  # the numbers of the day, as far as they are indexed
    unseen: Sequence[str] = ()  # what the watch cannot see
    deadlines: Sequence[Upcoming] = ()  # of what rules expect, the earliest first

    @property
    def problems(self) -> list[str]:
        """What somebody should look at, in sentences."""
        failing = sum(action.failing for action in self.current.actions)
        found = [*problems(self.rules, self.current.swept, failing, self.now, self.queues), *self.unseen]
        if overdue := [each for each in self.deadlines if each.is_overdue(self.now)]:
            passed = f"a deadline has passed and is not decided ({overdue[0]})"
            found.append(f"{passed}: does the timer function `watch` run?")
        return found


@cli.command(epilog=examples("mlevents status", "mlevents status --storage mystorage --json"))
def status(*, as_json: AsJson = False, storage: StorageAccount = "", app: AppFolder = PROJECT) -> int:
    """Show what waits and fails, and whether rules, queues and the sweep are well.

    Exit code: 0 if all is well, 1 if there is a problem or storage cannot be read.
    """
    console = Console(sys.stdout, remember=0)
    with reported(console) as outcome:
        record = open_record(app, storage)
        found = status_of(record)
        if as_json:
            print_json(_json(found), console)
        else:
            for line in record.notes:
                console.print(line, "faint")
            _print(found, console)
        return 1 if found.problems else 0
    return outcome.code


def status_of(record: Record) -> Status:
    """Read the state of an app, with seven queries and the lengths of four queues. Raises StorageError."""
    app, inbox, now = record.app, record.app.inbox, record.app.now()
    current = Current.read(inbox.table, inbox.shared, now)
    found = Status(now, app.rules, dict(_queues(record)), current)
    ends = (datetime.fromisoformat(value["until"]) for value in inbox.shared.all("pause|").values())
    found.throttled = sorted(end for end in ends if end > now)
    found.paused = inbox.pauses.all(now)
    found.unseen = unseen_by_watch(inbox.shared, now)
    found.deadlines = upcoming(app)
    day = f"{now:%Y-%m-%d}"
    found.today = inbox.index.counts(day, day + "~").get(day, {})
    return found


def _queues(record: Record) -> Iterator[tuple[str, int | None]]:
    names = record.names
    for name in (names.events, f"{names.events}-poison", names.actions, f"{names.actions}-poison"):
        with record.storage.queue(name) as client, sdk_errors_translated():
            try:
                yield name, client.get_queue_properties().approximate_message_count
            except ResourceNotFoundError:
                yield name, None


def _print(found: Status, console: Console) -> None:
    rules = len(found.rules.by_name)
    console.print(f"{rules} {'rule' if rules == 1 else 'rules'} in force")
    for problem in found.problems:
        console.print(problem, "error", indent=4)
    messages = ", ".join(f"{name} {count}" for name, count in found.queues.items() if count is not None)
    console.print(f"messages: {messages or 'no queue exists yet'}")
    today = _numbers(found.today)
    console.print(f"today: {_in_words(today)}")
    if today.outcomes["failed"]:
        console.print(f"which failed: `mlevents events --status failed --from {found.now:%Y-%m-%d}`", "error", indent=4)
    for end in found.throttled:
        console.print(f"a service is throttled until {end:%H:%M:%S} UTC", "warning")
    for pause in found.paused:
        rule = f"{pause.rule}: " if pause.rule else ""
        console.print(f"{rule}{pause}: `mlevents resume {pause.rule or '--all'}`", "warning", indent=4)
    for deadline in found.deadlines[:_DEADLINES]:
        console.print(f"next deadline: {deadline}", indent=4)
    if len(found.deadlines) > _DEADLINES:
        console.print(f"and {len(found.deadlines) - _DEADLINES} later deadlines: `mlevents status --json`", "faint")
    current = found.current
    if current.deferred:
        console.print(f"{current.deferred} matches wait for a rules file to be valid", "warning")
    by_status = Counter(action.status for action in current.actions)
    shares = ", ".join(f"{count} {name}" for name, count in sorted(by_status.items()))
    console.print(f"{current.open} open actions{f': {shares}' if shares else ''}", "" if current.open else "success")
    for action in current.actions:
        print_open_action(action, console)
    if current.open > len(current.actions):
        console.print(f"and {current.open - len(current.actions)} more", "faint")


def _numbers(counts: Mapping[str, int]) -> Numbers:
    total = Numbers()
    total.add(counts)
    return total


def _in_words(total: Numbers) -> str:
    """The numbers of a day in words."""
    groups = {"received": total.received, "rejected": total.rejected.total(), **total.outcomes}
    return (
        ", ".join(f"{count} {name}" for name, count in groups.items() if count)
        or "no event is counted yet; the sweep does so every 5 minutes"
    )


def _json(found: Status) -> dict[str, Any]:
    current = found.current
    return {
        "now": found.now.isoformat(),
        "rules": len(found.rules.by_name),
        "refusedFiles": sorted(found.rules.refused),
        "problems": found.problems,
        "queues": dict(found.queues),
        "swept": current.swept.isoformat() if current.swept else None,
        "open": current.open,
        "deferredMatches": current.deferred,
        "throttledUntil": [end.isoformat() for end in found.throttled],
        "paused": [pause_json(pause) for pause in found.paused],
        "today": dict(found.today),
        "deadlines": [deadline.view() for deadline in found.deadlines],
        "actions": [open_action_json(action) for action in current.actions],
    }
