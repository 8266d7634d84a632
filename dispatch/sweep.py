"""Take up what was left lying: the timer's work. Its cost grows with what is open, and with days, not with the history.

* An action that is past due, with nobody at work on it, gets another message: the worker that settled what came before
  died before it sent one, or the queue lost it.
* Of a refused rules file, `alerts` is told.
* What is older than the app's retention is deleted, once a day (dispatch/purge.py).
* An event that came, or an action that ended, while a rules file was refused is matched against that file's rules once
  the file is valid.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta

from dispatch import alerts
from dispatch.actions import MOST_ACTIONS, NewAction, Pending
from dispatch.app import App
from dispatch.log import say
from dispatch.rules import Rule

GRACE = timedelta(minutes=10)  # past due, a message may still be on its way: longer than twice what a busy queue takes


def sweep(app: App) -> None:
    """Go once through all days. Raises what storage raises; what is not done then is done the next time."""
    done: Counter[str] = Counter()
    for day in app.inbox.days():
        left = app.inbox.markers(day)
        for message in app.inbox.overdue(left.open, app.now() - GRACE, app.now()):
            app.queue.send(str(message))
            done["requeued"] += 1
        for pending in app.inbox.undecided(day, left.undecided):
            done["decided"] += decide(pending, app)
    alerts.refused_files(app)
    purged = purge(app)
    refused = len(app.rules.refused)
    say("sweep.done", requeued=done["requeued"], decided=done["decided"], purged=purged, refused=refused)


def purge(app: App) -> int:
    """Once a day, delete what is older than the app's retention; how many rows were."""
    now, today = app.now(), f"{app.now():%Y-%m-%d}"
    if app.inbox.notes.all("purged").get("purged") == {"day": today}:
        return 0
    went = app.inbox.purge(now - app.retention, now)
    if went.done:
        app.inbox.notes.change("purged", lambda _: {"day": today}, now)
    return went.deleted


def decide(pending: Pending, app: App) -> int:
    """Match an event, or the end of an action, against the rules of files that are valid now; how many rules did."""
    asked = [file for file in pending.files if file not in app.rules.refused]
    if not asked:
        return 0
    rules = [rule for rule in _matching(pending, app) if rule.file in asked and pending.lacks(rule.name)]
    more = rules[MOST_ACTIONS:]
    left = sorted({*pending.files} - {*asked} | {rule.file for rule in more})
    messages = app.inbox.decide(pending, _actions(rules[:MOST_ACTIONS], pending), left, app.now())
    for message in messages:
        app.queue.send(str(message))
    return len(messages)


def _matching(pending: Pending, app: App) -> list[Rule]:
    event = app.bound(pending.event, pending.result)
    if pending.result is None:
        return app.rules.matching(event)
    return app.rules.following(pending.result.rule, pending.result.status, event)


def _actions(rules: Sequence[Rule], pending: Pending) -> list[NewAction]:
    return [rule.action(pending.result) for rule in rules]
