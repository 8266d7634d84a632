"""Compare the runs and models of yesterday with the record, once a day: which events have never come?

A subscription was deleted, or its filter is too narrow. Only events count that a rule would act on. What is missing is
kept in shared state, ``missing|…``, for two weeks; `alerts` is notified, and `mlevents watch --take-in` takes it in.
The comparison starts at 02:00 UTC, when nearly all events have come; Event Grid may deliver one for up to a day.
"""

import json
import logging
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from functools import partial
from itertools import islice

from dispatch import alerts
from dispatch.app import App
from dispatch.inbox.errors import StorageError
from dispatch.inbox.history.lookup import recent_days
from dispatch.inbox.shared_state import SharedState, hashed
from dispatch.log import log_event
from dispatch.receive import receive
from dispatch.rules.workspaces import Workspace
from dispatch.watch import looks
from dispatch.watch.memory import KEEP, Wire, fits, packed, unpacked
from dispatch.watch.missing import of_job, of_version
from dispatch.watch.scope import Look, OutOfTime, TimedLists
from dispatch.watch.walk import Walk
from handlers.azure.listed import Listed
from handlers.azure.lists import OutOfRequests, segment
from schemas import Event, EventError, ModelRegistered, RunCompleted, RunStatusChanged, WorkspaceId, parse_event
from schemas.alert import Alert

STARTS = timedelta(hours=2)  # after midnight in UTC
KEEP_MISSING = timedelta(days=14)
PAUSE = timedelta(hours=6)  # after an error: an app without the role to list runs and models does not ask all day
MOST_PAGES = 40  # of jobs that are read for one day
MOST_NAMES = 10  # in an alert

_RECORDED = 30  # events of one name that are read
_TYPES = {event.__name__: event for event in (RunCompleted, RunStatusChanged, ModelRegistered)}


def reconcile(app: App, has_time: Callable[[], bool]) -> int:
    """Reconcile yesterday in each workspace, unless that is done; returns 0, because it raises no events itself."""
    now = app.now()
    day = (now - timedelta(days=1)).date()
    if now - now.replace(hour=0, minute=0, second=0, microsecond=0) < STARTS:
        return 0
    for workspace in app.rules.workspaces or ():
        types = {name for rule in app.rules.by_name.values() if rule.is_for(workspace) for name in rule.on} & {*_TYPES}
        if types and isinstance(workspace.id, WorkspaceId) and has_time():
            _Day(app, workspace, day, frozenset(types), TimedLists(looks.service(), has_time)).reconcile()
    return 0


class _Day:
    """One day of one workspace."""

    def __init__(self, app: App, workspace: Workspace, day: date, types: frozenset[str], lists: TimedLists) -> None:
        self.app, self.workspace, self.day, self.types = app, workspace, day, types
        self.state = f"reconciled|{hashed(*workspace.id.key)}"
        self.look = Look(app, workspace.id, types, lists, app.now(), app.now())

    def reconcile(self) -> None:
        """Find what is missing. After an error, or too many requests, the next watch continues."""
        shared, day = self.app.inbox.shared, self.day.isoformat()
        state = shared.all(self.state).get(self.state, {})
        if state.get("day") == day and "done" in state:
            return
        if "again" in state and self.app.now() < datetime.fromisoformat(state["again"]):
            return
        try:
            if "jobs" not in state or state.get("day") != day:
                self._keep(list(self._of_jobs()))
                shared.change(self.state, lambda _: {"day": day, "jobs": "done"}, self.app.now(), KEEP)
            if ModelRegistered.__name__ in self.types:
                self._models()
        except (OutOfTime, OutOfRequests):
            return
        except StorageError:
            raise
        except Exception as error:
            self.look.log_problem(error)
            again = (self.app.now() + PAUSE).isoformat()
            shared.change(self.state, lambda before: {**before, "again": again}, self.app.now(), KEEP)
            return
        shared.change(self.state, lambda _: {"day": day, "jobs": "done", "done": "yes"}, self.app.now(), KEEP)
        self._report()

    def _of_jobs(self) -> Iterator[Wire]:
        """The missing events of jobs that were created on the day, and have ended."""
        if not self.types & {RunCompleted.__name__, RunStatusChanged.__name__}:
            return
        page = self.look.lists.page(f"{self.look.path}/jobs", {"listViewType": "All"})
        for _ in range(MOST_PAGES):
            jobs = [job for body in page.items if (job := Listed.of(body))]
            for job in jobs:
                if job.created and job.created.date() == self.day:
                    for kind, wire in of_job(job, self.workspace.id):
                        if kind.__name__ in self.types and self._is_missing(kind, job.name, wire):
                            yield wire
            if not page.next or (jobs and all(job.created and job.created.date() < self.day for job in jobs)):
                return
            page = self.look.lists.next_page(page.next)
        self.look.log_problem(f"only the first {MOST_PAGES} pages of jobs were compared with the record")

    def _models(self) -> None:
        """Find the missing events of model versions that were created on the day; continues in the next look."""
        walk = Walk(self.look, f"day {self.day}")
        if walk.complete:
            return
        with walk.resources(f"{self.look.path}/models", {"listViewType": "All"}) as models:
            for model in models:
                path = f"{self.look.path}/models/{segment(model.name)}/versions"
                query = {"listViewType": "All", "$orderBy": "createdtime desc"}
                found = []
                for body in self.look.lists.items_if_any(path, query):
                    version = Listed.of(body)
                    if version and version.created and version.created.date() < self.day:
                        break
                    if version and version.created and version.created.date() == self.day:
                        kind, wire = of_version(model.name, version, self.workspace.id)
                        if self._is_missing(kind, f"{model.name}:{version.name}", wire):
                            found.append(wire)
                self._keep(found)

    def _is_missing(self, kind: type[Event], name: str, wire: Wire) -> bool:
        """Would a rule act on the event, and is no such event on record?"""
        event = parse_event(json.dumps(wire))
        if not any(kind.__name__ in rule.on for rule in self.app.rules.matching(event)):
            return False
        days = dict.fromkeys([self.day.isoformat(), *recent_days(self.app.now())])
        for stored in islice(self.app.inbox.lookup.events(name, [*days]), _RECORDED):
            try:
                recorded = parse_event(stored.record.raw)
            except EventError:
                continue
            same = not isinstance(recorded, RunStatusChanged) or _status(recorded) == _status(event)
            if type(recorded) is kind and recorded.resource == event.resource and same:
                return False
        return True

    def _keep(self, wires: list[Wire]) -> None:
        """Add missing events to those of the day. Raises StorageError."""
        if not wires:
            return

        def add(value: dict[str, str]) -> dict[str, str]:
            events = {wire["id"]: wire for wire in unpacked(value["events"])["events"]} if "events" in value else {}
            new = [wire for wire in wires if wire["id"] not in events]
            count = int(value.get("count", "0")) + len(new)
            for wire in new:
                if fits({"events": [*events.values(), wire]}):
                    events[wire["id"]] = wire
            about = {"workspace": self.workspace.name, "day": self.day.isoformat()}
            return {**value, **about, "count": str(count), "events": packed({"events": [*events.values()]})}

        self.app.inbox.shared.change(self._name, add, self.app.now(), KEEP_MISSING)

    @property
    def _name(self) -> str:
        return f"missing|{self.day}|{hashed(*self.workspace.id.key)}"

    def _report(self) -> None:
        """Log what is missing, and alert people of it. Raises StorageError."""
        value = self.app.inbox.shared.all(self._name).get(self._name)
        if value is None:
            return
        names = [wire["subject"] for wire in unpacked(value["events"])["events"]]
        listed = ", ".join(dict.fromkeys(names[:MOST_NAMES]))
        log_event(
            "watch.missing", logging.WARNING, workspace=self.workspace.name, day=value["day"], count=value["count"]
        )
        more = f", and {int(value['count']) - MOST_NAMES} more" if int(value["count"]) > MOST_NAMES else ""
        alert = Alert.of(
            "missing events",
            f"{self.workspace.name} {self.day}",
            f"{value['count']} events of {self.workspace.name} on {self.day} have never come",
            [f"They are about {listed}{more}.", "Event Grid may still deliver an event for up to a day."],
            [
                "Compare the event subscriptions with those that the rules need: mlevents subscriptions --diff",
                f"Then take the events in: mlevents watch --take-in {self.day}",
            ],
        )
        alerts.raise_alert(alert.naming(self.app.name), self.app)


def _status(event: Event) -> str:
    return event.data.run_status.casefold() if isinstance(event, RunStatusChanged) else ""


def missing_days(shared: SharedState) -> list[dict[str, str]]:
    """What is missing, by day and workspace, the newest first. Raises StorageError."""
    found = [value for value in shared.all("missing|").values() if "count" in value]
    return sorted(found, key=lambda value: (value["day"], value["workspace"]), reverse=True)


def take_in(app: App, day: str) -> int:
    """Receive the missing events of a day; returns how many. Doing it again changes nothing. Raises StorageError."""
    count = 0
    for name, value in app.inbox.shared.all(f"missing|{day}|").items():
        for wire in unpacked(value["events"])["events"]:
            receive(json.dumps(wire), app)
            count += 1
        taken = {"taken": app.now().isoformat()}
        app.inbox.shared.change(name, partial(_merged, taken), app.now(), KEEP_MISSING)
    return count


def _merged(more: dict[str, str], value: dict[str, str]) -> dict[str, str]:
    return {**value, **more}
