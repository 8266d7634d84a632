"""Alert people that something is wrong with the app or its rules, through the handler that workspaces.yaml names.

An alert is an event of the app with one action, or another action on the event whose action failed: recorded, retried
and settled like any other. A failed alert raises no other alert. Of a rule whose actions fail again and again, the
first failure is reported at once, and the others by dispatch/digests.py.
"""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from dispatch.app import TWO_VERSIONS, App
from dispatch.failures import takes_alert
from dispatch.inbox.actions import NewAction
from dispatch.inbox.backlog import failed_marker
from dispatch.inbox.errors import StorageError
from dispatch.inbox.keys import ActionId
from dispatch.inbox.leases import Claim, Dropped
from dispatch.inbox.rows import EventRecord
from dispatch.inbox.shared_state import hashed
from dispatch.inbox.tables import Row
from dispatch.log import log_event
from dispatch.rules.rule import ALERTS
from dispatch.telemetry import traceparent
from handlers.base import Result, shorten
from schemas.alert import Alert

BURST = 5  # rejected events of one kind on one day; fewer raise no alert
_LINES = 20  # errors in an alert about a rules file; the log and `make check` show all


def for_failure(result: Result, app: App) -> list[NewAction]:
    """Return the action that alerts people of a failed action; none if workspaces.yaml has no `alerts`."""
    alert = app.rules.get(f"{ALERTS}-{result.rule}")
    if result.status != "failed" or app.rules.alerts is None or alert is None or result.rule.startswith(ALERTS):
        return []
    return [alert.action(result)]


def at_failure(result: Result, claim: Claim, app: App) -> tuple[list[NewAction], Row | None]:
    """Return the action that alerts people of a failed action at once, or else the marker for the next digest.

    While workspaces.yaml is refused there is always a marker, since it may have `alerts` once it is valid again. It
    makes no request unless an alert is due. Raises nothing.
    """
    if result.status != "failed" or result.rule.startswith(ALERTS):
        return [], None
    if app.rules.alerts is None and app.rules.knows_workspaces:
        return [], None
    if actions := for_failure(result, app):
        with suppress(StorageError):  # then the digest reports it
            if takes_alert(claim.id, app):
                return actions, None
    at, version = app.now().isoformat(), claim.record.message_version
    return [], failed_marker(claim.id, version, at=at, reason=result.summary, **claim.about)


def refused_files(app: App) -> None:
    """Alert people of each refused rules file, once for every version of it. Raises storage's errors."""
    for file, digest in app.rules.refused.items():
        errors = [str(error) for error in app.rules.errors if error.file == file]
        if errors:
            count = f"{len(errors)} errors" if len(errors) > 1 else "an error"
            summary = f"{file} has {count} and is refused: its rules do not run"
            version = f"{digest} {hashed(*errors)[:8]}"  # another version of the app may find other errors in the file
            to_do = [f"Correct {file}, run mlevents check, and deploy again. Events that came meanwhile are not lost."]
            about = f"{file} {version}"
            raise_alert(Alert.of("refused rules", about, summary, errors[:_LINES], to_do).naming(app.name), app)


def unreadable_event(id: ActionId, dropped: Dropped, app: App) -> None:
    """Alert people of an action that failed because its stored event cannot be read, or let the digest report it.

    Its end has left a marker for the digest, which is deleted once an alert is recorded. Raises nothing.
    """
    rule = id.rule
    if dropped.failure is None or rule.startswith(ALERTS) or app.rules.alerts is None:
        return
    summary = f"rule {rule} has failed, and the rules that follow it did not run: {dropped.reason}"
    alert = Alert.of("unreadable event", f"{id.day} {id.event} {rule}", summary).naming(app.name, rule)
    with _log_storage_errors(alert.object):
        if takes_alert(id, app):
            raise_alert(alert, app)
            app.inbox.backlog.delete_failures(id.day, [dropped.failure])


def rule_missing(claim: Claim, app: App) -> None:
    """Alert people of a rule that is missing while actions wait for it, once for each rule and day. Raises nothing.

    Sends none within the first hour, because another version of the app may have the rule, and none while a rules file
    is refused, because the rule may be in that file, of which `refused_files` alerts people.
    """
    since = claim.record.rule_missing_since
    if since is None or app.now() - since < TWO_VERSIONS or app.rules.refused:
        return
    rule = claim.id.rule
    summary = f"no rules file has the rule {rule}, and its actions wait"
    details = [
        "The rule was removed or renamed while actions were running; they wait until a rule has that name again.",
        f"One of them acts on event {claim.event.id} and was created on {claim.record.started:%Y-%m-%d %H:%M} UTC.",
    ]
    about = f"{rule} {app.now():%Y-%m-%d}"
    alert = Alert.of("rule is gone", about, summary, details, [to_end_actions(rule)]).naming(app.name, rule)
    with _log_storage_errors(alert.object):
        raise_alert(alert, app)


def to_end_actions(rule: str) -> str:
    """How to continue or end the actions of a rule that is missing."""
    return (
        f"To continue its actions, give a rule the name {rule} again. To end them, add a rule "
        f"{{ name: {rule}, on: RunCompleted, when: id StringIn none, do: log }} until they have ended"
    )


def rejected(kind: str, reason: str, app: App) -> None:
    """Count a rejected event, and alert people once a day when there are several of its kind. Raises nothing.

    A misspelled workspace in workspaces.yaml rejects all events of the workspace, which could go unnoticed otherwise.
    """
    if app.rules.alerts is not None:
        with _log_storage_errors(kind):  # the event is recorded: Event Grid must not deliver it again because of this
            _count_rejected(kind, reason, app)


def _count_rejected(kind: str, reason: str, app: App) -> None:
    now = app.now()
    name = f"rejected|{now:%Y-%m-%d}|{kind.replace(' ', '-')}"

    def count_one(note: dict[str, str]) -> dict[str, str]:
        count = int(note.get("count", "0"))
        return note if count >= BURST else {**note, "count": str(count + 1)}

    note = app.inbox.shared.change(name, count_one, now)
    if int(note["count"]) < BURST or "told" in note:
        return
    summary = f"at least {BURST} events were rejected today: {kind}"
    configured = ", ".join(workspace.name for workspace in app.rules.workspaces or ())
    details = [
        f"Reason of the latest rejection: {shorten(reason)}",
        f"Configured workspaces: {configured}",
        "The inbox keeps each rejected event.",
    ]
    about = f"{kind} {now:%Y-%m-%d}"
    to_do = [f"Correct the cause and deploy. Then accept the events: mlevents replay --rejected --from {now:%Y-%m-%d}"]
    raise_alert(Alert.of("rejected events", about, summary, details, to_do).naming(app.name), app)
    app.inbox.shared.change(name, lambda note: {**note, "told": "yes"}, now)


@contextmanager
def _log_storage_errors(kind: str) -> Iterator[None]:
    """Log that storage did not accept an alert of this kind, instead of raising its error."""
    try:
        yield
    except StorageError as error:
        log_event("alert.lost", logging.WARNING, kind=kind, reason=f"{error.reason}: {error}")


def raise_alert(alert: Alert, app: App) -> None:
    """Record an alert, unless it is recorded already, and queue its action. Raises StorageError."""
    rule = app.rules.get(ALERTS)
    if app.rules.alerts is None or rule is None:
        return
    record = EventRecord(json.dumps(alert.wire()), alert.id, Alert.__name__, "", alert.object, app.now(), 1)
    new, messages = app.inbox.add(alert, record, [rule.action()], app.now())
    for message in messages:
        app.queue.send(str(message._replace(traceparent=traceparent())))
    if new:
        log_event("alert.raised", logging.WARNING, kind=alert.object, summary=alert.data.summary)
