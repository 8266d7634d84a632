"""Take up what was left lying: the timer's work. Its cost grows with what is open, and with days, not with the history.

* An action that is past due, with nobody at work on it, gets another message: the worker that settled what came before
  died before it sent one, or the queue lost it.
* Of a refused rules file, `alerts` is told.
* What is older than the app's retention is deleted, once a day (dispatch/inbox/purge.py).
* An event that came, or an action that ended, while a rules file was refused is matched against that file's rules once
  the file is valid; if the file is gone by then, against all rules: they may be in another one now.

One thing that fails does not keep the sweep from the others. It ends before the host would end it, with the whole
process; and goes through things in another order each time, so that none is always the one that is not reached.
"""

import json
import logging
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

from dispatch import alerts
from dispatch.app import TWO_VERSIONS, App
from dispatch.inbox.actions import MAX_ACTIONS, NewAction
from dispatch.inbox.backlog import DeferredMatch
from dispatch.inbox.errors import StorageError
from dispatch.inbox.tables import Row
from dispatch.log import log_event
from dispatch.rules.rule import Rule
from dispatch.rules.workspaces_file import FILE

GRACE = timedelta(minutes=10)  # past due, a message may still be on its way: longer than twice what a busy queue takes
MOST_ERRORS = 5  # of storage in one sweep: with more, it is away

T = TypeVar("T")


@dataclass
class _Round:
    """One sweep: what it did, and what kept it from doing more."""

    app: App

    def __post_init__(self) -> None:
        self.done: Counter[str] = Counter()
        self.errors: list[Exception] = []
        began, lease = self.app.now(), self.app.inbox.lease  # which is longer than functionTimeout, by a minute
        self._purge_ends, self._ends = began + lease / 4, began + lease / 2

    def day(self, day: str) -> None:
        """Take up what was left lying of a day."""
        with self.going_on():
            left = self.app.inbox.backlog.markers(day)
            for marker in self.in_any_order(left.deferred, by=_end):
                with self.going_on():
                    if not self._can_be_asked(marker):
                        continue
                    for pending in self.app.inbox.backlog.deferred_matches(day, [marker]):
                        self.done["decided"] += decide(pending, self.app)
            for id in self.in_any_order(left.open):
                with self.going_on():
                    self.done["requeued"] += self.app.inbox.backlog.requeue_overdue(
                        id, GRACE, self.app.now(), self.app.queue
                    )

    @contextmanager
    def going_on(self) -> Iterator[None]:
        """An error is kept for later; many of storage end the sweep, a defect in one thing keeps it from no other."""
        try:
            yield
        except StorageError as error:
            if sum(isinstance(other, StorageError) for other in self.errors) >= MOST_ERRORS:
                raise
            self.errors.append(error)
        except Exception as error:
            self.app.secrets.log_defect("in the sweep", error)
            self.errors.append(error)

    def purge(self) -> int:
        """Once a day, delete what is older than the app's retention; how many rows were."""
        app, now, today = self.app, self.app.now(), f"{self.app.now():%Y-%m-%d}"
        if app.inbox.shared.all("purged").get("purged") == {"day": today}:
            return 0
        went = app.inbox.purge(now - app.retention, now, lambda: app.now() < self._purge_ends)
        if went.done:
            app.inbox.shared.change("purged", lambda _: {"day": today}, now)
        return went.deleted

    def _can_be_asked(self, marker: Row) -> bool:
        """Is one of its files valid now? While none is, it costs nothing, however many there are."""
        return not {*json.loads(str(marker.values["files"]))} <= {*self.app.rules.refused}

    def in_any_order(self, things: Sequence[T], by: Callable[[T], tuple[str, int]] | None = None) -> Iterator[T]:
        """All of them, or as many as there is time for; those of one group as `by` numbers them."""
        order = random.sample(things, len(things))
        if by is not None:
            groups: defaultdict[str, float] = defaultdict(random.random)
            order.sort(key=lambda thing: (groups[by(thing)[0]], by(thing)[1]))
        for thing in order:
            if self.app.now() > self._ends:
                self.done["left"] += 1
            else:
                yield thing


def _end(marker: Row) -> tuple[str, int]:
    """Which action's end a marker stands for, and the how manieth: of several, what follows is told of the first."""
    _, event, *end = marker.key.split("|")
    return (f"{event}|{end[0]}", int(end[1])) if end else (event, 0)


def sweep(app: App) -> None:
    """Go once through all days. Raises what went wrong, in the end; what is not done then is done the next time."""
    now = _Round(app)
    with now.going_on():
        alerts.refused_files(app)
    with now.going_on():
        now.done["purged"] = now.purge()
    for day in now.in_any_order(app.inbox.history.days()):
        now.day(day)
    done = {what: now.done[what] for what in ("requeued", "decided", "purged")}
    log_event("sweep.done", **done, refused=len(app.rules.refused), left=now.done["left"], errors=len(now.errors))
    if now.errors:
        raise now.errors[0]


def decide(pending: DeferredMatch, app: App) -> int:
    """Match an event, or the end of an action, against the rules of files that are valid now; how many rules did."""
    asked, left = _to_ask(pending, app)
    if not asked:
        return 0
    rules = [rule for rule in _matching(pending, app) if rule.file in asked and pending.lacks(rule.name)]
    left |= {rule.file for rule in rules[MAX_ACTIONS:]}
    messages = app.inbox.backlog.record_match(pending, _actions(rules[:MAX_ACTIONS], pending), sorted(left), app.now())
    for message in messages:
        app.queue.send(str(message))
    return len(messages)


def _to_ask(pending: DeferredMatch, app: App) -> tuple[set[str], set[str]]:
    """The files to ask now, and those to ask later.

    While workspaces.yaml was refused no rule could be asked, of whatever file; and what was in a file that is gone may
    be in any other now. Then all are asked: a rule that has acted does not act again.
    """
    files, known, refused = {*pending.files}, app.rules.read, {*app.rules.refused}
    gone = files - known
    if gone and app.now() - pending.since < TWO_VERSIONS:
        return files - gone - refused, gone | (files & refused)
    if gone:
        log_event("rules.gone", logging.WARNING, files=",".join(sorted(gone)), event=pending.event.id)
    if gone or any(file.endswith(f"/{FILE}") for file in files):
        files = {*known}
    return files - refused, files & refused


def _matching(pending: DeferredMatch, app: App) -> list[Rule]:
    context = app.rules.context(pending.event, pending.result)
    if pending.result is None:
        return app.rules.matching(context)
    return app.rules.following(pending.result.rule, pending.result.status, context)


def _actions(rules: Sequence[Rule], pending: DeferredMatch) -> list[NewAction]:
    return [rule.action(pending.result) for rule in rules]
