"""Finish the work that the other functions left unfinished; a timer runs the sweep every five minutes.

* An overdue action that no worker runs gets another message: the worker that settled its last call died before it sent
  one, or the queue lost it.
* `alerts` reports refused rules files, rules with many failures, and actions that are retried without success.
* An event that was received, or an action that ended, while a rules file was refused is matched against that file's
  rules once the file is valid. If the file is missing by then it is matched against all rules: they may have moved.
* An open window whose leader has ended gets another one (dispatch/inbox/windows/leaders.py).
* What was recorded since the last sweep is indexed (dispatch/inbox/history/index.py).
* Once a day, rows older than the app's retention are deleted (dispatch/inbox/purge.py).

Overdue actions and deferred matches come first. Counting failures and indexing have their own share of the time. The
cost grows with the unfinished work, not with the history: a sweep visits `MAX_DAYS` days, the current ones and then the
next others in turn, since events can have any time. An error in one item does not stop the others. A sweep ends before
the host would kill it together with its process. It processes the items in random order, so that it does not always
omit the same ones.
"""

import json
import logging
import random
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TypeVar

from dispatch import alerts, digests, failures
from dispatch.app import TWO_VERSIONS, App
from dispatch.digests import FailingAction
from dispatch.health import unseen_by_watch
from dispatch.inbox.actions import MAX_ACTIONS
from dispatch.inbox.backlog import DeferredMatch, rule_of
from dispatch.inbox.errors import StorageError
from dispatch.inbox.history.open_work import NAME, OpenAction, OpenWork
from dispatch.inbox.keys import UNDATED, is_current
from dispatch.inbox.tables import Row
from dispatch.inbox.windows.leaders import replace_leaders
from dispatch.log import log_event
from dispatch.rules.models import WORKSPACES_FILE
from dispatch.rules.rule import Rule

GRACE = timedelta(minutes=10)  # after which an overdue action's message counts as lost; a busy queue needs half of it
MAX_DAYS = 100  # that one sweep visits: those of the default retention, and a few in the future
MAX_ERRORS = 5  # of storage in one sweep; after more, storage counts as unavailable

T = TypeVar("T")


def sweep(app: App) -> None:
    """Sweep all days once. Raises the first error at the end; the next sweep does the rest of the work."""
    _Sweep(app).run()


class _Sweep:
    def __init__(self, app: App) -> None:
        self.app = app
        self.done: Counter[str] = Counter()
        self.errors: list[Exception] = []
        self.failing: defaultdict[str, list[FailingAction]] = defaultdict(list)  # by rule
        self.failed: list[tuple[str, str]] = []  # days and rules with failures to count
        self.new: list[str] = []  # days with rows to index
        self.began = self.oldest = began = app.now()  # `oldest`: when the oldest open action was created
        lease = app.inbox.lease  # a lease is a minute longer than functionTimeout
        self.open = OpenWork()
        self.purge_deadline, self.work_deadline, self.deadline = (began + lease * n / 8 for n in (2, 3, 4))

    def run(self) -> None:
        with self.collected_errors():
            alerts.refused_files(self.app)
        with self.collected_errors():
            self.purge()
        for day in self.in_time(self.days()):
            with self.collected_errors():
                self.sweep_day(day)
        with self.collected_errors():
            self.replace_leaders()
        self.report_failures()
        for day in self.new:
            with self.collected_errors():
                self.done["indexed"] += self.app.inbox.index.add_new(day, self.has_time)
        done = {name: self.done[name] for name in ("requeued", "decided", "purged")}
        refused = len(self.app.rules.refused)
        left, indexed, errors = self.done["left"], self.done["indexed"], len(self.errors)
        oldest = (self.began - self.oldest) // timedelta(seconds=1)
        self.app.telemetry.oldest_waiting(oldest)
        log_event("sweep.done", **done, refused=refused, left=left, errors=errors, indexed=indexed, oldest=oldest)
        with self.collected_errors():
            self.open.unseen = unseen_by_watch(self.app.inbox.shared, self.app.now())
        with self.collected_errors():
            now = self.app.now()
            self.app.inbox.shared.change(NAME, lambda _: self.open.value(now), now)
        if self.errors:
            raise self.errors[0]

    def days(self) -> list[str]:
        """The days of this sweep, in random order. The next sweep continues after them, even if this one dies."""
        days, now = self.app.inbox.history.days(), self.app.now()
        if len(days) > MAX_DAYS:
            current = [day for day in days if day == UNDATED or is_current(day, now)]
            others = [day for day in days if day not in current]

            def advance(value: dict[str, str]) -> dict[str, str]:
                after = [*(day for day in others if day > value.get("after", "")), *others]
                chosen[:] = after[: MAX_DAYS - len(current)]
                return {"after": chosen[-1]}

            chosen: list[str] = []
            self.app.inbox.shared.change("swept", advance, now)
            days = [*current, *chosen]
        return random.sample(days, len(days))

    def sweep_day(self, day: str) -> None:
        app, backlog = self.app, self.app.inbox.backlog
        unfinished = backlog.markers(day)
        self.failed += ((day, rule) for rule in sorted({rule_of(marker) for marker in unfinished.failed}))
        self.new += [day] * unfinished.has_new
        self.open.deferred += len(unfinished.deferred)
        for marker in self.in_time(_in_random_order(unfinished.deferred)):
            with self.collected_errors():
                if self.has_valid_file(marker):
                    for match in backlog.deferred_matches(day, [marker]):
                        self.done["decided"] += match_deferred(match, app)
        for id in self.in_time(random.sample(unfinished.open, len(unfinished.open))):
            with self.collected_errors():
                record, sent = backlog.requeue_overdue(id, GRACE, app.now(), app.queue)
                self.done["requeued"] += sent
                if record:
                    self.oldest = min(self.oldest, record.started)
                    self.open.add(OpenAction.of(id, record))
                if record and (failing := FailingAction.of(id, record)):
                    self.failing[id.rule].append(failing)

    def replace_leaders(self) -> None:
        """Let another action lead each window whose leader has ended before it acted."""
        app = self.app
        for rule in app.inbox.windows.rules():
            for message in replace_leaders(app.inbox.table, app.inbox.windows, rule, GRACE, app.now()):
                app.queue.send(str(message))
                log_event("window.leader", logging.WARNING, rule=rule, event=message.id.event)

    def report_failures(self) -> None:
        """Count failed actions, and raise the alerts that are due."""
        for rule, actions in self.failing.items():
            with self.collected_errors():
                digests.failing_actions(rule, actions, self.app)
        for day, rule in self.failed:
            with self.collected_errors():
                failures.count(day, rule, self.app, self.has_time)
        rules: list[str] = []
        with self.collected_errors():
            rules = digests.rules_to_report(self.app)
        for rule in rules:
            with self.collected_errors():
                digests.failed_actions(rule, self.app)

    def has_time(self) -> bool:
        """Is there time left to count and to index?"""
        return self.app.now() <= self.deadline

    def has_valid_file(self, marker: Row) -> bool:
        """Is one of the files of a deferred match valid now? If not, the match costs no request."""
        return not {*json.loads(str(marker.values["files"]))} <= {*self.app.rules.refused}

    def purge(self) -> None:
        """Delete rows that are older than the app's retention, unless a sweep has done that today.

        If there are too many days for one sweep, the next one continues.
        """
        app, now, today = self.app, self.app.now(), f"{self.app.now():%Y-%m-%d}"
        state = app.inbox.shared.all("purged").get("purged", {})
        if state.get("day") == today:
            return
        purge = app.inbox.purge(now - app.retention, now, lambda: app.now() < self.purge_deadline, state.get("after"))
        left = {} if purge.after is None else {"after": purge.after}
        app.inbox.shared.change("purged", lambda _: {"day": today} if purge.done else left, now)
        self.done["purged"] = purge.deleted

    def in_time(self, items: Sequence[T]) -> Iterator[T]:
        """Yield items while there is time for unfinished work; count those that remain."""
        for item in items:
            if self.app.now() > self.work_deadline:
                self.done["left"] += 1
            else:
                yield item

    @contextmanager
    def collected_errors(self) -> Iterator[None]:
        """Keep an error for the end of the sweep. With too many errors of storage, raise it and end the sweep now."""
        try:
            yield
        except StorageError as error:
            if sum(isinstance(other, StorageError) for other in self.errors) >= MAX_ERRORS:
                raise
            self.errors.append(error)
        except Exception as error:
            self.app.secrets.log_defect("in the sweep", error)
            self.errors.append(error)


def _in_random_order(markers: Sequence[Row]) -> list[Row]:
    """Shuffle deferred matches; the ends of one action stay in order, because the first one creates what follows it."""
    positions: defaultdict[str, float] = defaultdict(random.random)

    def position(marker: Row) -> tuple[float, int]:
        _, event, *end = marker.key.split("|")  # an event, or the rule and the replay number of an action's end
        return (positions[f"{event}|{end[0]}"], int(end[1])) if end else (positions[event], 0)

    return sorted(markers, key=position)


def match_deferred(match: DeferredMatch, app: App) -> int:
    """Match an event, or the end of an action, against the rules of files that are valid now; count its new actions."""
    files, later = _files_to_match(match, app)
    if not files:
        return 0
    rules = [rule for rule in _matching(match, app) if rule.file in files and match.lacks(rule.name)]
    later |= {rule.file for rule in rules[MAX_ACTIONS:]}
    actions = [rule.action(match.result) for rule in rules[:MAX_ACTIONS]]
    messages = app.inbox.backlog.record_match(match, actions, sorted(later), app.now())
    for message in messages:
        app.queue.send(str(message))
    return len(messages)


def _files_to_match(match: DeferredMatch, app: App) -> tuple[set[str], set[str]]:
    """The rules files to match now, and those to match later.

    All files are matched if workspaces.yaml was refused, because no rule could match then; and if a file is missing,
    because its rules may be in any other file now. A rule that already has an action does not get another one.
    """
    files, known, refused = {*match.files}, app.rules.read, {*app.rules.refused}
    missing = files - known
    if missing and app.now() - match.since < TWO_VERSIONS:
        return files - missing - refused, missing | (files & refused)
    if missing:
        log_event("rules.gone", logging.WARNING, files=",".join(sorted(missing)), event=match.event.id)
    if missing or any(file.endswith(f"/{WORKSPACES_FILE}") for file in files):
        files = {*known}
    return files - refused, files & refused


def _matching(match: DeferredMatch, app: App) -> list[Rule]:
    context = app.rules.context(match.event, match.result)
    if match.result is None:
        return app.rules.matching(context)
    return app.rules.following(match.result.rule, match.result.status, context)
