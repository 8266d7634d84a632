"""Compare the runs and models of yesterday with the record, once a day: which events have never come?

A subscription was deleted, or its filter is too narrow. Only events count that a rule would act on. What is missing is
kept in shared state, ``missing|…``, for two weeks; `alerts` is notified, and `mlevents watch --take-in` takes it in.
The comparison starts at 02:00 UTC, when nearly all events have come; Event Grid may deliver one for up to a day.
"""

import json
import logging
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from itertools import islice

from dispatch import alerts
from dispatch.app import App
from dispatch.inbox.errors import StorageError
from dispatch.inbox.history.lookup import recent_days
from dispatch.inbox.shared_state import SharedState, hashed
from dispatch.log import log_event
from dispatch.receive import receive
from dispatch.watch.demand import LISTED, reconciled
from dispatch.watch.looks import Kind, Watched
from dispatch.watch.memory import KEEP, Wire, fits, packed, unpacked
from dispatch.watch.missing import Expectation, of_job, of_version
from dispatch.watch.scope import Look
from dispatch.watch.walk import Walk
from handlers.azure.listed import Listed
from handlers.azure.lists import OutOfRequests, segment
from schemas import Event, EventError, ModelRegistered, ResourceId, RunCompleted, RunStatusChanged, parse_event
from schemas.alert import Alert

STARTS = timedelta(hours=2)  # after midnight in UTC
KEEP_MISSING = timedelta(days=14)
MOST_ROWS, IN_A_ROW = 200, 50  # rows of shared state for the missing events of a day of a workspace, and events in one
ENOUGH_OLDER = 300  # consecutive older jobs, newest first, after which none of the day is expected
CLOSE = timedelta(minutes=10)  # by which the time of an event may differ from that in a list
MOST_NAMES = 10  # in an alert

PURPOSE = "compare runs and models with the record"
LOSS = "So events that never come are not noticed."

_RECORDED = 30  # events of one name that are read
_ALL = {"listViewType": "All"}
_NEWEST = {**_ALL, "$orderBy": "createdtime desc"}
_LISTED = frozenset(event.__name__ for event in LISTED)


def reconcile(app: App, has_time: Callable[[], bool]) -> int:
    """Reconcile yesterday in each workspace, unless that is done; returns 0, because it raises no events itself.

    Raises the first error of storage.
    """
    now = app.now()
    day = now.date() - timedelta(days=1)
    if now - now.replace(hour=0, minute=0, second=0, microsecond=0) < STARTS:
        return 0
    kind = Kind("reconciliation", PURPOSE, _LISTED, partial(_reconcile, day), True, LOSS, alerts_daily=False)
    errors = list[StorageError]()
    for demand in reconciled(app.rules):
        try:
            if has_time() and not _is_done(app, demand.workspace.id, day):
                Watched(app, demand, kind).look(has_time)
        except StorageError as error:
            errors.append(error)
    if errors:
        raise errors[0]
    return 0


def _reconcile(day: date, look: Look) -> int:
    _Day(replace(look, since=look.began), day).reconcile()  # walks of this day continue after any time
    return 0


class _Day:
    """One day of one workspace."""

    def __init__(self, look: Look, day: date) -> None:
        self.look, self.app, self.day = look, look.app, day
        workspace = look.app.rules.workspaces and look.app.rules.workspaces.find(look.resource)
        self.workspace = workspace.name if workspace else look.resource.name
        self._rows = len(look.app.inbox.shared.all(f"{self._name}|"))

    def reconcile(self) -> None:
        """Find what is missing; if runs cannot be listed, models are compared nevertheless. The next look continues."""
        errors: list[Exception] = []
        for part in (self._jobs, self._models):
            try:
                part()
            except (OutOfRequests, StorageError):
                raise
            except Exception as error:
                errors.append(error)
        if errors:
            self._report(" so far")
            raise errors[0]
        self._report()
        done = {"day": self.day.isoformat()}
        self.app.inbox.shared.change(_state(self.look.resource), lambda _: done, self.app.now(), KEEP)

    def _jobs(self) -> None:
        """Find the missing events of jobs that were created on the day, and have ended."""
        if not self.look.types & {RunCompleted.__name__, RunStatusChanged.__name__}:
            return
        walk = Walk(self.look, f"jobs of {self.day}")
        if walk.complete:
            return
        older, last = 0, datetime.max.replace(tzinfo=UTC)
        with walk.resources(f"{self.look.path}/jobs", _ALL) as jobs:
            for job in jobs:
                created = job.created or last
                if created.date() == self.day:
                    self._compare(of_job(job, self.look.resource))
                older = older + 1 if created.date() < self.day and created <= last else 0
                last = created
                if older == ENOUGH_OLDER:
                    walk.complete = True
                    return

    def _models(self) -> None:
        """Find the missing events of model versions that were created on the day."""
        if ModelRegistered.__name__ not in self.look.types:
            return
        walk = Walk(self.look, f"models of {self.day}")
        if walk.complete:
            return
        with walk.resources(f"{self.look.path}/models", _ALL) as models:
            for model in models:
                path = f"{self.look.path}/models/{segment(model.name)}/versions"
                for body in self.look.lists.items_if_any(path, _NEWEST):
                    version = Listed.of(body)
                    if version and version.created and version.created.date() < self.day:
                        break
                    if version and version.created and version.created.date() == self.day:
                        self._compare([of_version(model.name, version, self.look.resource)])

    def _compare(self, expected: Iterable[Expectation]) -> None:
        """Keep those events that are missing. Raises OutOfTime and StorageError."""
        for each in expected:
            self.look.lists.check_time()
            if each.kind.__name__ in self.look.types and self._is_missing(each):
                self._keep(each.wire)

    def _is_missing(self, expected: Expectation) -> bool:
        """Does a rule need the event, and is no such event on record, nor one that may be it and was erased?"""
        try:
            event = parse_event(json.dumps(expected.wire))
        except EventError as error:
            self.look.log_problem(error)
            return False
        rules = self.app.rules
        if not (rules.matching(event) or rules.sightings(rules.context(event))):
            return False
        days = dict.fromkeys([self.day.isoformat(), *recent_days(self.app.now())])
        for stored in islice(self.app.inbox.lookup.events(expected.name, [*days]), _RECORDED):
            try:
                recorded = parse_event(stored.record.raw)
            except EventError:
                continue
            same = not isinstance(recorded, RunStatusChanged) or _status(recorded) == _status(event)
            if type(recorded) is expected.kind and recorded.resource == event.resource and same:
                return False
        return not self._may_be_erased(expected)

    def _may_be_erased(self, expected: Expectation) -> bool:
        """Was an event of this type erased that happened then? What it was about is not known any more."""
        if not (expected.since and expected.until):
            return False
        begin, end = expected.since - CLOSE, expected.until + CLOSE
        return any(
            stored.record.erased
            and stored.record.event_type == expected.kind.__name__
            and stored.record.workspace == self.workspace
            for stored in self.app.inbox.history.between(begin, end)
        )

    def _keep(self, wire: Wire) -> None:
        """Add a missing event to those of the day, in as many rows as it takes. Raises StorageError."""
        if not fits({"events": [wire]}):
            self.look.log_problem(f"the missing event of {wire['subject']} is too large to be kept")
            return
        is_kept = False

        def add(value: dict[str, str]) -> dict[str, str]:
            nonlocal is_kept
            events = unpacked(value["events"])["events"] if "events" in value else []
            added = {"events": [*events, wire]}
            is_known = any(each["id"] == wire["id"] for each in events)
            is_kept = is_known or (len(events) < IN_A_ROW and fits(added))
            if is_known or not is_kept:
                return value
            about = {"workspace": self.workspace, "day": self.day.isoformat(), "count": str(len(events) + 1)}
            return {**value, **about, "events": packed(added)}

        for number in range(max(0, self._rows - 1), MOST_ROWS):
            self._rows = number + 1
            self.app.inbox.shared.change(f"{self._name}|{number:03d}", add, self.app.now(), KEEP_MISSING)
            if is_kept:
                return
        self.look.log_problem(f"more events of {self.day} are missing than can be kept")

    @property
    def _name(self) -> str:
        return f"missing|{self.day}|{hashed(*self.look.resource.key)}"

    def _report(self, so_far: str = "") -> None:
        """Log what is missing, and alert people of it. Raises StorageError."""
        values = self.app.inbox.shared.all(f"{self._name}|").values()
        wires = [wire for value in values for wire in unpacked(value["events"])["events"]]
        if not wires:
            return
        count = len(wires)
        listed = ", ".join(dict.fromkeys(wire["subject"] for wire in wires[:MOST_NAMES]))
        log_event("watch.missing", logging.WARNING, workspace=self.workspace, day=self.day, count=count)
        more = f", and {count - MOST_NAMES} more" if count > MOST_NAMES else ""
        alert = Alert.of(
            "missing events",
            f"{self.workspace} {self.day}{so_far}",
            f"{count} events of {self.workspace} on {self.day} have never come{so_far}",
            [f"They are about {listed}{more}.", "Event Grid may still deliver an event for up to a day."],
            [
                "Compare the event subscriptions with those that the rules need: mlevents subscriptions --diff",
                f"Then take the events in: mlevents watch --take-in {self.day}",
            ],
        )
        alerts.raise_alert(alert.naming(self.app.name), self.app)


def _state(resource: ResourceId) -> str:
    return f"reconciled|{hashed(*resource.key)}"


def _is_done(app: App, resource: ResourceId, day: date) -> bool:
    name = _state(resource)
    return app.inbox.shared.all(name).get(name, {}).get("day") == day.isoformat()


def _status(event: Event) -> str:
    return event.data.run_status.casefold() if isinstance(event, RunStatusChanged) else ""


def missing_days(shared: SharedState) -> list[dict[str, str]]:
    """What is missing, by day and workspace, the newest first. Raises StorageError."""
    found: dict[tuple[str, str], dict[str, str]] = {}
    for value in shared.all("missing|").values():
        key = value["day"], value["workspace"]
        count = int(found.get(key, {}).get("count", "0")) + int(value["count"])
        found[key] = {**value, "count": str(count)}
    return [found[key] for key in sorted(found, reverse=True)]


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
