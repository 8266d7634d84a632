"""Pause rules, resume them, and run what has waited."""

from dataclasses import dataclass
from datetime import timedelta

from dispatch.app import App
from dispatch.inbox.actions import read_action
from dispatch.inbox.pauses import EVERY_RULE, Pause
from dispatch.inbox.throttles import MAX_AGE
from dispatch.log import log_event

_NOTES = ("paused by ", "all rules are paused by ")  # how the notes of actions begin that wait for a pause


@dataclass(frozen=True, slots=True)
class Resumed:
    """The pauses that ended, the one of all rules if it goes on, and how many actions were called that had waited."""

    ended: tuple[Pause, ...]
    still: Pause | None = None
    called: int = 0


def pause(app: App, rule: str, by: str, length: timedelta | None = None) -> Pause:
    """Pause a rule, or all with EVERY_RULE, for a while or until it is resumed. Raises StorageError."""
    now = app.now()
    found = Pause(rule, by, now, now + length if length else None)
    app.inbox.pauses.begin(found)
    log_event("rule.paused", rule=rule, by=by, until=found.until.isoformat() if found.until else "")
    return found


def resume(app: App, rule: str, by: str, most: int | None = None) -> Resumed:
    """End the pause of a rule; with EVERY_RULE, all pauses. Raises StorageError.

    Calls the actions that have waited for it, or only the first `most`: the others run within five minutes.
    """
    now = app.now()
    paused = app.inbox.pauses.all(now)
    ended = tuple(pause for pause in paused if rule in (EVERY_RULE, pause.rule))
    for each in ended:
        app.inbox.pauses.end(each.rule, by, now)
    still = next((pause for pause in paused if pause not in ended and pause.rule == EVERY_RULE), None)
    called = _call(rule, app, most) if ended and not still else 0
    if ended:
        log_event("rule.resumed", rule=rule, by=by, called=called)
    return Resumed(ended, still, called)


def _call(rule: str, app: App, most: int | None) -> int:
    """Call the actions that wait for the pause of a rule, or of all; returns their number.

    They are due when all workers know that the pause has ended: else these would hold them again.
    """
    called, due = 0, app.now() + MAX_AGE
    for day in app.inbox.history.days():
        for id in app.inbox.backlog.open_actions(day):
            if rule in (EVERY_RULE, id.rule) and (most is None or called < most):
                _, action = read_action(app.inbox.table, id)
                if action and action.status == "waiting" and action.note.startswith(_NOTES):
                    called += app.inbox.backlog.wake(id, due, app.queue)
    return called
