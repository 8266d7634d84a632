"""What the record says of the app's work: problems, poison messages, lag, and the last event of each workspace."""

from datetime import datetime, timedelta

from dispatch.inbox.history.numbers import Numbers
from handlers.duration import format_duration
from mlevents.commands.status import Status, status_of
from mlevents.doctor.diagnosis import Diagnoses, Group
from mlevents.record import Record

_WORK, _EVENTS = Group("work"), Group("events")
_LATE = timedelta(hours=1)  # of the oldest open action
_QUIET = timedelta(days=7)  # without an event of a workspace
_SPAN = timedelta(days=90)  # of which the numbers are read


def check(record: Record) -> Diagnoses:
    """Read the state of the app, with a few queries. Raises StorageError."""
    status = status_of(record)
    for problem in status.problems:
        yield _WORK.error(problem, record.names.table, "`mlevents status` shows what waits and fails")
    yield from _lag(status)
    for pause in status.paused:
        to_do = f"`mlevents resume {pause.rule or '--all'}` ends it"
        yield _WORK.warning(f"{pause.rule}: {pause}" if pause.rule else str(pause), record.names.table, to_do)
    failed = Numbers()
    failed.add(status.today)
    if count := failed.outcomes["failed"]:
        to_do = f"`mlevents events --status failed --from {status.now:%Y-%m-%d}`, then `mlevents replay --failed`"
        yield _WORK.warning(f"{count} actions have failed today", record.names.table, to_do)
    yield from _last_events(record, status.now)


def _lag(status: Status) -> Diagnoses:
    current = status.current
    if not current.open:
        yield _WORK.ok("no action is open")
        return
    if not current.actions:
        yield _WORK.ok(f"{current.open} actions are open")
        return
    oldest = min(current.actions, key=lambda action: action.started)
    age = format_duration(timedelta(seconds=(status.now - oldest.started) // timedelta(seconds=1)))
    text = f"{current.open} actions are open, the oldest for {age}: {oldest.id.rule}, {oldest.status}"
    if status.now - oldest.started < _LATE:
        yield _WORK.ok(text)
    else:
        text += f": {oldest.note}" if oldest.note else ""
        yield _WORK.warning(text, to_do=f"`mlevents show {oldest.id.event}` shows why it waits")


def _last_events(record: Record, now: datetime) -> Diagnoses:
    """The day of the last event of each workspace in workspaces.yaml, with one query."""
    first, last = f"{now - _SPAN:%Y-%m-%d}", f"{now + timedelta(days=2):%Y-%m-%d}"
    days: dict[str, str] = {}
    for day, counts in sorted(record.app.inbox.index.counts(first, last).items()):
        numbers = Numbers()
        numbers.add(counts)
        days |= dict.fromkeys(numbers.workspaces, day)
    to_do = (
        "is it subscribed? `mlevents subscriptions --diff live`; `mlevents events --workspace NAME` reads the record"
    )
    for workspace in record.app.rules.workspaces or ():
        seen = days.get(workspace.name)
        if seen is None:
            text = f"no event of {workspace.name} is indexed in {_SPAN.days} days"
            yield _EVENTS.warning(text, workspace.id.text, to_do)
        elif seen < f"{now - _QUIET:%Y-%m-%d}":
            yield _EVENTS.warning(f"the last event of {workspace.name} is of {seen}", workspace.id.text, to_do)
        else:
            yield _EVENTS.ok(f"the last event of {workspace.name} is of {seen}", workspace.id.text)
