"""Tell people that something is wrong with the app or its rules, through the handler that workspaces.yaml names.

An alert is an event of our own with one action, or one more action on the event that went wrong: written down, retried
and settled like any other. Nothing is alerted about alerts.
"""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager

from dispatch.app import TWO_VERSIONS, App
from dispatch.inbox.actions import NewAction
from dispatch.inbox.errors import StorageError
from dispatch.inbox.keys import ActionId
from dispatch.inbox.leases import Claim
from dispatch.inbox.rows import EventRecord
from dispatch.inbox.shared_state import hashed
from dispatch.log import log_event
from dispatch.rules.rule import ALERTS
from handlers.base import Result
from schemas.alert import Alert

BURST = 5  # events of a kind that are rejected on a day: one is an accident

_LINES = 20  # of an alert: who gets it will look at the log, or run `make check`

_logger = logging.getLogger("mlevents")


def refused_files(app: App) -> None:
    """Tell of each rules file that has errors, once for every version of it. Raises what storage raises."""
    for file, digest in app.rules.refused.items():
        errors = [str(error) for error in app.rules.errors if error.file == file]
        if errors:
            what = f"{len(errors)} errors" if len(errors) > 1 else "a mistake"
            summary = f"{file} is refused because of {what}: its rules do not act"
            version = f"{digest} {hashed(*errors)[:8]}"  # the same file may get others, by another version of the app
            _raise(Alert.of("refused rules", f"{file} {version}", summary, errors[:_LINES]), app)


def rejected(kind: str, reason: str, app: App) -> None:
    """Count an event that was rejected, and tell of the first few of its kind on a day, once. Raises nothing.

    Without this, a workspace that workspaces.yaml misspells would have all its events swallowed in silence.
    """
    if app.rules.alerts is not None:
        with _or_lost(kind):  # the event is written down: it must not come again because of this
            _count(kind, reason, app)


def unreadable(id: ActionId, why: str, app: App) -> None:
    """Tell of an action that has failed because its event, as it is stored, cannot be read. Raises nothing."""
    if id.rule.startswith(ALERTS):
        return
    summary = f"rule {id.rule} has failed, and what follows it was not asked: {why}"
    with _or_lost("unreadable event"):
        _raise(Alert.of("unreadable event", f"{id.day} {id.event} {id.rule}", summary), app)


def orphaned(claim: Claim, app: App) -> None:
    """Tell of a rule that actions have waited for, once for each rule and day. Raises nothing.

    Of refused files, in one of which it may be, is told anyhow.
    """
    since = claim.record.rule_missing_since
    if since is None or app.now() - since < TWO_VERSIONS or app.rules.refused:
        return
    rule = claim.id.rule
    summary = f"no rules file has the rule {rule}, and actions of it wait"
    details = [
        "It was removed or renamed while they were under way; they wait for as long as it is not there.",
        f"Write a rule of that name again to have them go on; one with do: log ends them: name: {rule}",
        f"One of them is that on event {claim.event.id}, made on {claim.record.started:%Y-%m-%d %H:%M} UTC.",
    ]
    with _or_lost("rule is gone"):
        _raise(Alert.of("rule is gone", f"{rule} {app.now():%Y-%m-%d}", summary, details), app)


@contextmanager
def _or_lost(kind: str) -> Iterator[None]:
    """If storage does not take an alert, the log is told at least."""
    try:
        yield
    except StorageError as error:
        log_event("alert.lost", logging.WARNING, kind=kind, reason=f"{error.reason}: {error}")


def _count(kind: str, reason: str, app: App) -> None:
    now = app.now()
    name = f"rejected|{now:%Y-%m-%d}|{kind.replace(' ', '-')}"

    def one_more(note: dict[str, str]) -> dict[str, str]:
        count = int(note.get("count", "0"))
        return note if count >= BURST else {**note, "count": str(count + 1)}

    note = app.inbox.shared.change(name, one_more, now)
    if int(note["count"]) < BURST or "told" in note:
        return
    summary = f"{BURST} events were rejected today, and perhaps more: {kind}"
    known = ", ".join(workspace.name for workspace in app.rules.workspaces or ())
    details = [f"The last one: {reason}", f"Workspaces that are listed: {known}", "Each is kept in the record."]
    _raise(Alert.of("rejected events", f"{kind} {now:%Y-%m-%d}", summary, details), app)
    app.inbox.shared.change(name, lambda note: {**note, "told": "yes"}, now)


def failed(rule: str, result: Result, app: App) -> list[NewAction]:
    """The action that tells of one that has failed, and that no rule follows; none if nobody is to be told."""
    alert = app.rules.get(f"{ALERTS}-{rule}")
    if result.status != "failed" or app.rules.alerts is None or alert is None or rule.startswith(ALERTS):
        return []
    return [alert.action(result)]


def _raise(alert: Alert, app: App) -> None:
    rule = app.rules.get(ALERTS)
    if app.rules.alerts is None or rule is None:
        return
    record = EventRecord(json.dumps(alert.wire()), alert.id, Alert.__name__, "", alert.object, app.now(), 1)
    new, messages = app.inbox.add(alert, record, [rule.action()], app.now())
    for message in messages:
        app.queue.send(str(message))
    if new:
        log_event("alert.raised", logging.WARNING, kind=alert.object, summary=alert.data.summary)
