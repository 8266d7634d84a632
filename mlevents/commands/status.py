"""``mlevents status``: what waits, fails and is paused, and whether rules, queues and the sweep are well."""

import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from azure.core.exceptions import ResourceNotFoundError

from dispatch.health import problems
from dispatch.inbox.actions import read_action
from dispatch.inbox.errors import sdk_errors_translated
from dispatch.inbox.history.numbers import Numbers
from dispatch.inbox.keys import ActionId
from dispatch.inbox.pauses import Pause
from dispatch.inbox.rows import ActionRecord
from dispatch.rules.rule import Rules
from mlevents import PROJECT
from mlevents.cli import AppFolder, AsJson, command_line, examples
from mlevents.console import Console
from mlevents.record import Record, StorageAccount, open_record, reported
from mlevents.views import action_json, json_lines, pause_json, print_open_action

_MOST = 200  # open actions that are read; all are counted

cli = command_line()


@dataclass(slots=True)
class Status:
    """The state of an app, as its record and its queues show it."""

    now: datetime
    rules: Rules
    queues: Mapping[str, int | None]  # messages by queue; None: there is no such queue
    swept: datetime | None
    open: int = 0  # actions that have not ended
    actions: dict[ActionId, ActionRecord] = field(default_factory=dict)  # some of them, the oldest first
    deferred: int = 0  # matches that wait for a refused file
    throttled: list[datetime] = field(default_factory=list)  # the ends of throttles
    paused: list[Pause] = field(default_factory=list)
    today: Mapping[str, int] = field(default_factory=dict)  # the numbers of the day, as far as they are indexed

    @property
    def problems(self) -> list[str]:
        """What somebody should look at, in sentences."""
        failing = sum(bool(record.failing_since or record.throttled_since) for record in self.actions.values())
        return problems(self.rules, self.swept, failing, self.now, self.queues)


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
            for line in json_lines(_json(found)):
                console.print(line)
        else:
            for line in record.notes:
                console.print(line, "faint")
            _print(found, console)
        return 1 if found.problems else 0
    return outcome.code


def status_of(record: Record) -> Status:
    """Read the state of an app. Raises StorageError."""
    app, inbox, now = record.app, record.app.inbox, record.app.now()
    swept = inbox.shared.all("sweep").get("sweep", {}).get("at", "")
    found = Status(
        now,
        app.rules,
        dict(_queues(record)),
        datetime.fromisoformat(swept) if swept else None,
    )
    for day in inbox.history.days():
        markers = inbox.backlog.markers(day)
        found.deferred += len(markers.deferred)
        found.open += len(markers.open)
        for id in markers.open[: _MOST - len(found.actions)]:
            _, action = read_action(inbox.table, id)
            if action and not action.ended:
                found.actions[id] = action
    ends = (datetime.fromisoformat(value["until"]) for value in inbox.shared.all("pause|").values())
    found.throttled = sorted(end for end in ends if end > now)
    found.paused = inbox.pauses.all(now)
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
    console.print(f"today: {_today(found.today)}")
    for end in found.throttled:
        console.print(f"a service is throttled until {end:%H:%M:%S} UTC", "warning")
    for pause in found.paused:
        rule = f"{pause.rule}: " if pause.rule else ""
        console.print(f"{rule}{pause}: `mlevents resume {pause.rule or '--all'}`", "warning", indent=4)
    if found.deferred:
        console.print(f"{found.deferred} matches wait for a rules file to be valid", "warning")
    by_status: defaultdict[str, int] = defaultdict(int)
    for action in found.actions.values():
        by_status[action.status] += 1
    shares = ", ".join(f"{count} {name}" for name, count in sorted(by_status.items()))
    console.print(f"{found.open} open actions{f': {shares}' if shares else ''}", "" if found.open else "success")
    for id, action in sorted(found.actions.items(), key=lambda pair: pair[1].started):
        print_open_action(id.day, id.event, action, console)
    if found.open > len(found.actions):
        console.print(f"and {found.open - len(found.actions)} more", "faint")


def _today(numbers: Mapping[str, int]) -> str:
    """The numbers of a day in words."""
    total = Numbers()
    total.add(numbers)
    groups = {"received": total.received, "rejected": total.rejected.total(), **total.outcomes}
    return ", ".join(f"{count} {name}" for name, count in groups.items() if count) or "nothing is indexed yet"


def _json(found: Status) -> dict[str, Any]:
    return {
        "now": found.now.isoformat(),
        "rules": len(found.rules.by_name),
        "refusedFiles": sorted(found.rules.refused),
        "problems": found.problems,
        "queues": dict(found.queues),
        "swept": found.swept.isoformat() if found.swept else None,
        "open": found.open,
        "deferredMatches": found.deferred,
        "throttledUntil": [end.isoformat() for end in found.throttled],
        "paused": [pause_json(pause) for pause in found.paused],
        "today": dict(found.today),
        "actions": [
            {"day": id.day, "key": id.event, **action_json(id.rule, action)} for id, action in found.actions.items()
        ],
    }
