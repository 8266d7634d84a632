"""Look at every workspace and registry for what rules ask for there: the part of the watch that asks Azure ML.

What could not be seen is kept in shared state, ``watch|…``, until a look succeeds: it is shown by `mlevents status` and
on the page, and `alerts` is notified once a day, at once if the app lacks a role, else after an hour. After a failure,
the next look waits for as long as the service says, or twice as long each time.
"""

import logging
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from dispatch import alerts
from dispatch.app import App
from dispatch.inbox.errors import StorageError
from dispatch.inbox.shared_state import hashed
from dispatch.log import log_event
from dispatch.watch import deployments, models, schedules
from dispatch.watch.demand import Demand, demands
from dispatch.watch.memory import KEEP
from dispatch.watch.scope import MOST_REQUESTS, Look, OutOfTime, TimedLists
from handlers.azure.lists import NotFound, OutOfRequests, Service, connect
from handlers.base import RetryLater, shorten
from handlers.errors import DENIED, classify, is_expected, status_of
from schemas.alert import Alert

FORGET = timedelta(days=7)  # after so long without a look, what is seen counts as seen for the first time
FIRST_PAUSE, LONGEST_PAUSE = timedelta(minutes=5), timedelta(hours=1)
QUIET = timedelta(hours=1)  # for which failures that are not the app's permissions raise no alert

State = dict[str, str]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of thing that is looked at: its name, what it does, the event types it raises, and its function."""

    name: str
    purpose: str
    types: frozenset[str]
    look: Callable[[Look], int]
    in_parts: bool = False  # does the next look continue where this one has made all its requests?
    loss: str = ""  # what does not happen without it; by default, its events are not raised
    alerts_daily: bool = True  # or once, until it succeeds again


KINDS = (
    Kind(
        "deployments",
        "list online endpoints and deployments",
        frozenset(event.__name__ for event in deployments.TYPES),
        deployments.look_at_deployments,
    ),
    Kind(
        "models",
        "list models and their versions",
        frozenset(event.__name__ for event in models.TYPES),
        models.look_at_models,
        in_parts=True,
    ),
    Kind(
        "schedules",
        "list schedules and jobs",
        frozenset(event.__name__ for event in schedules.TYPES),
        schedules.look_at_schedules,
    ),
)


def look_at_all(app: App, has_time: Callable[[], bool]) -> int:
    """Look once at everything that rules ask for; returns the number of events. Raises the first error of storage.

    Without such rules it makes no request.
    """
    todo = [(demand, kind) for demand in demands(app.rules) for kind in KINDS if kind.types & demand.types.keys()]
    raised, errors = 0, list[StorageError]()
    for demand, kind in random.sample(todo, len(todo)):
        if not has_time():
            break
        try:
            raised += Watched(app, demand, kind).look(has_time)
        except StorageError as error:
            errors.append(error)
    if errors:
        raise errors[0]
    return raised


@dataclass(frozen=True, slots=True)
class Watched:
    """One kind of thing in one workspace or registry, and the state of its looks."""

    app: App
    demand: Demand
    kind: Kind

    @property
    def name(self) -> str:
        """The name of the state of its looks."""
        return f"watch|{hashed(self.kind.name, *self.demand.workspace.id.key)}"

    def look(self, has_time: Callable[[], bool]) -> int:
        """Look once, unless it is to wait; returns the number of events. Raises StorageError."""
        app, began = self.app, self.app.now()
        state = app.inbox.shared.all(self.name).get(self.name, {})
        if _time(state, "again") > began:
            return 0
        since = _time(state, "looked")
        types = self.kind.types & self.demand.types.keys()
        try:
            lists = TimedLists(service(), has_time)
            last = since if began - since < FORGET else None
            raised = self.kind.look(Look(app, self.demand.workspace.id, types, lists, began, last))
        except OutOfTime:
            return 0  # the next look begins at the same point
        except StorageError:
            raise
        except OutOfRequests as error:
            if not self.kind.in_parts:
                self._failed(error, state, began)
                return 0
            raised = 0
        except Exception as error:
            self._failed(error, state, began)
            return 0
        self._succeeded(began)
        return raised

    def _succeeded(self, began: datetime) -> None:
        looked = {"looked": began.isoformat()}
        self.app.inbox.shared.change(self.name, lambda _: looked, self.app.now(), KEEP)

    def _failed(self, error: Exception, state: State, began: datetime) -> None:
        """Keep what could not be seen, log it, and alert people if it is time for that. Raises StorageError."""
        app, now = self.app, self.app.now()
        if not is_expected(error) and not isinstance(error, OutOfRequests | schedules.TooManyJobs):
            app.secrets.log_defect(f"in a look at {self.demand.workspace.name}", error)
        count = int(state.get("count", "0")) + 1
        pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(count - 1, 10))
        verdict = classify(error, now)
        if isinstance(verdict, RetryLater) and verdict.after:
            pause = max(pause, verdict.after)
        reason = shorten(app.secrets.mask(_reason(error, verdict)), 300)
        if denied := is_denied(error):
            reason += f"; the app's identity needs the role {self.demand.role.name}"
        since = state.get("since", began.isoformat())
        lost = isinstance(error, schedules.TooManyJobs)  # longer searches find even more jobs: the next one is short
        value = {
            **state,
            **({"looked": began.isoformat()} if lost else {}),
            "workspace": self.demand.workspace.name,
            "what": self.kind.purpose,
            "reason": reason,
            "since": since,
            "count": str(count),
            "again": (now + pause).isoformat(),
        }
        app.inbox.shared.change(self.name, lambda _: value, now, KEEP)
        log_event(
            "watch.unseen",
            logging.WARNING,
            workspace=self.demand.workspace.name,
            what=self.kind.purpose,
            reason=reason,
            again=value["again"],
        )
        if denied or lost or now - datetime.fromisoformat(since) >= QUIET:
            day = now if self.kind.alerts_daily else datetime.fromisoformat(since)
            alerts.raise_alert(
                self._alert(reason, f"{day:%Y-%m-%d}", self._to_do(state, denied=denied, lost=lost)), app
            )

    def _to_do(self, state: State, *, denied: bool, lost: bool) -> str:
        workspace, role = self.demand.workspace, self.demand.role
        if denied:
            return (
                f"Give the app's identity the role {role.name} ({role.id}) on {workspace.id}: mlevents roles lists it."
            )
        if lost:
            since = _time(state, "looked") - schedules.GRACE
            return f"Look in the studio which schedules have started no job since {since:%Y-%m-%d %H:%M} UTC."
        return "If the service recovers, nothing: the watch tries again at least once an hour."

    def _alert(self, reason: str, day: str, to_do: str) -> Alert:
        workspace, kind = self.demand.workspace, self.kind
        types = {name: rules for name, rules in self.demand.types.items() if name in kind.types}
        rules = sorted({rule for of_type in types.values() for rule in of_type})
        summary = f"the watch cannot {kind.purpose} of {workspace.name}"
        loss = kind.loss or f"So {', '.join(sorted(types))} is not raised."
        details = [f"The service says: {reason}", f"{loss} Rules: {', '.join(rules)}."]
        about = f"{workspace.name} {kind.name} {day}"
        return Alert.of("cannot watch", about, summary, details, [to_do]).naming(self.app.name)


def service() -> Service:
    """Resource Manager, as the watch reads it."""
    return connect()


def is_denied(error: Exception) -> bool:
    """Does the app lack a role? Resource Manager answers 404 to some who may not see a workspace."""
    return status_of(error) in DENIED or isinstance(error, NotFound)


def _reason(error: Exception, verdict: Exception) -> str:
    if isinstance(error, OutOfRequests):
        return f"it takes more than {MOST_REQUESTS} requests"
    if isinstance(error, schedules.TooManyJobs):
        return "there are too many jobs to search them all"
    return str(verdict)


def _time(state: State, name: str) -> datetime:
    return datetime.fromisoformat(state.get(name, "2000-01-01T00:00:00+00:00"))
