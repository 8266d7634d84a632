"""Carry out one action.

    queue message ─▶ claim ─▶ guards ─▶ handler ─▶ decide ─▶ settle ─▶ queue, if there is more to come

This module knows no guard and no handler by name. A new key of a rule is a guard (may it run now?), a term of `decide`
(what follows from how it went?) or a condition in dispatch.rules (does the rule match?); it is never a branch here.
"""

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TypeVar

from dispatch import alerts
from dispatch.app import App
from dispatch.decide import NoRule, decide
from dispatch.guards.base import Guard, GuardContext, Hold
from dispatch.guards.throttle import Throttle, destination
from dispatch.inbox.actions import MAX_ACTIONS, NewAction
from dispatch.inbox.errors import Refused, StorageError, Unavailable
from dispatch.inbox.leases import MAX_CRASHES, Claim, Dropped, LeaseLost, NotYet, Settlement
from dispatch.inbox.messages import Message
from dispatch.log import log_event
from dispatch.rules.rule import Rule
from dispatch.secrets import NO_SECRETS, Secrets
from handlers.base import GiveUp, Outcome, Result, RetryLater, Skipped
from handlers.errors import classify

_UNASKED = timedelta(seconds=30)  # until guards are asked again that storage did not let look
_PAUSES = (2.0, 5.0, 10.0, 20.0)  # seconds between tries to write down how an action went

T = TypeVar("T")


def act(text: str, app: App) -> None:
    """Carry out the action that a queue message names. Raises what storage raises; the message then comes again."""
    message = _read(text)
    if message is None:
        return
    claim = app.inbox.leases.claim(message, app.now())
    if isinstance(claim, Dropped):
        log_event("action.dropped", logging.DEBUG, rule=message.id.rule, reason=claim.reason)
        if claim.failed:
            alerts.unreadable(message.id, claim.reason, app)
    elif isinstance(claim, NotYet):
        app.queue.send(text, claim.until - app.now())
    else:
        carry_out(claim, app)


def carry_out(claim: Claim, app: App) -> None:
    """Run a claimed action, write down how it went, and send the messages that follow from that."""
    began, rule = app.now(), app.rules.get(claim.id.rule)
    if claim.record.crashes < MAX_CRASHES:  # else it may have been this
        claim = replace(claim, event=app.bound(claim.event, claim.record.follows))
    secrets = app.secrets.and_of(rule.handler if rule else None)
    result = paused(attempt(rule, GuardContext(claim, app.inbox, began), secrets), rule, claim, app)
    settlement = secrets.mask_all(decide(claim, rule, result, app.now()))
    try:
        messages = settle(claim, settlement, app, began + app.inbox.lease / 2)
    except LeaseLost as error:
        log_event("action.overtaken", logging.WARNING, rule=claim.id.rule, event=claim.event.id, reason=str(error))
        return
    for message in messages:
        app.queue.send(str(message), message.after)
    if isinstance(result, NoRule):
        alerts.orphaned(claim, app)
    log_event(
        "action.settled",
        logging.ERROR if settlement.status == "failed" else logging.INFO,
        rule=claim.id.rule,
        handler=rule.do if rule else claim.record.handler,
        status=settlement.status,
        note=settlement.note,
        event=claim.event.id,
        type=type(claim.event).__name__,
        ms=(app.now() - began) // timedelta(milliseconds=1),
    )


def attempt(
    rule: Rule | None, context: GuardContext, secrets: Secrets = NO_SECRETS
) -> Outcome | Hold | RetryLater | GiveUp:
    """Ask the guards, then the handler; whatever is raised comes back as RetryLater or GiveUp."""
    try:
        if context.claim.record.crashes >= MAX_CRASHES:
            raise GiveUp(f"the worker died {MAX_CRASHES} times while it ran this action")
        if rule is None:
            raise NoRule("no rules file that could be read has this rule; the action waits for it")
        record = context.claim.record
        if record.state and record.handler != rule.do:
            raise GiveUp(
                f"the rule does {rule.do!r} now, but did {record.handler!r} when this action was begun; replay it"
            )
        guards: tuple[Guard, ...] = (*rule.guards, Throttle(rule.handler))
        for guard in guards:
            if (answer := _asked(guard, context)) is not None:
                return answer
        action = replace(context.claim.action, source=rule.source, now=context.now)
        action = replace(action, matches=lambda event: rule.when.matches(event.view()))
        outcome = rule.handler.run(context.claim.event, action)
        if not isinstance(outcome, Outcome):
            raise GiveUp(f"{rule.do} answered {type(outcome).__name__}; Succeeded, Skipped or CheckBack was expected")
    except Exception as error:  # whatever a handler raises is an answer
        if not isinstance(error, RetryLater | GiveUp):
            secrets.log_defect(f"rule {context.claim.id.rule} on event {context.claim.event.id}", error)
        return classify(error, context.now)
    return outcome


def _asked(guard: Guard, context: GuardContext) -> Skipped | Hold | None:
    """What a guard answers. If storage does not let it look, it is asked again: the handler is not to blame."""
    try:
        return guard(context)
    except StorageError as error:
        return Hold(_UNASKED, f"storage does not answer: {error.reason}")


def paused(
    result: Outcome | Hold | RetryLater | GiveUp, rule: Rule | None, claim: Claim, app: App
) -> Outcome | Hold | RetryLater | GiveUp:
    """A service that asks for a pause is left alone by all actions; this one waits as long as they."""
    if rule is None or not isinstance(result, RetryLater) or not result.throttled:
        return result
    try:
        where, now = destination(rule.handler, claim), app.now()
        latest = now + app.inbox.lease / 4
        until = persistently(lambda: app.inbox.throttles.begin(where, result.after, now), app, latest)
    except StorageError:  # this one at least waits, and what it says is recorded
        return result
    except Exception as error:  # the handler may not be able to say what is busy
        app.secrets.and_of(rule.handler).log_defect(f"the destination of rule {rule.name}", error)
        return result
    return RetryLater(str(result), until - app.now(), throttled=True, patience=result.patience)


def settle(claim: Claim, how: Settlement, app: App, until: datetime) -> list[Message]:
    """Write it down with what follows it. A handler's texts cannot make that fail: without them it is tried again.

    So it is while storage is away, for as long as nobody else can have the action yet: it is done, and whoever had it
    next would do it once more.
    """
    follow_ups, undecided = ([], []) if how.due else following(claim, how, app)
    untold = [replace(action, follows=None) for action in follow_ups]

    def written(how: Settlement, follow_ups: list[NewAction]) -> list[Message]:
        now = app.now()  # the same for each try: so it is recognised if an earlier one got through
        return persistently(lambda: app.inbox.leases.settle(claim, how, follow_ups, now, undecided), app, until)

    bare = replace(how, note="the outcome could not be recorded", details={})
    for ending, follow in ((how, follow_ups), (how, untold))[: 2 if follow_ups else 1]:
        try:
            return written(ending, follow)
        except (Refused, TypeError, ValueError) as error:
            bare = replace(bare, note=f"the outcome could not be recorded: {type(error).__name__}")
    return written(bare, untold)


def persistently(write: Callable[[], T], app: App, until: datetime) -> T:
    """Call it, and again after a while if storage is away. Raises what it raises, in the end."""
    for pause in _PAUSES:
        try:
            return write()
        except Unavailable:
            if app.now() + timedelta(seconds=pause) > until:
                raise
        app.sleep(pause)
    return write()


def following(claim: Claim, how: Settlement, app: App) -> tuple[list[NewAction], list[str]]:
    """The actions of rules that follow this one's end, and the rules files that must be asked again, later."""
    result = Result(claim.id.rule, how.status, how.note, how.details)
    try:
        rules = app.rules.following(claim.id.rule, how.status, app.bound(claim.event, result))
    except Exception as error:  # a defect in matching must not keep what is done from being recorded
        app.secrets.log_defect(f"what follows rule {claim.id.rule} on event {claim.event.id}", error)
        return [], app.rules.files
    undecided = {rule.file for rule in rules[MAX_ACTIONS:]} | set(app.rules.refused)
    actions = [rule.action(result) for rule in rules[:MAX_ACTIONS]]
    return actions or alerts.failed(claim.id.rule, result, app), sorted(undecided)


def rearm(text: str, app: App) -> None:
    """Give an action whose message the host gave up another one. It needs no rules, and ends nothing."""
    message = _read(text)
    if message is None:
        return
    fresh = app.inbox.leases.rearm(message, app.now())
    if isinstance(fresh, Dropped):
        return
    app.queue.send(str(fresh), fresh.after)
    log_event("action.rearmed", logging.WARNING, rule=message.id.rule, event=message.id.event)


def _read(text: str) -> Message | None:
    """The message in a text. One of others is dropped, with a word in the log: it would come again and again."""
    try:
        return Message.parse(text)
    except ValueError as error:
        log_event("action.unreadable", logging.ERROR, reason=str(error), message=text[:200])
        return None
