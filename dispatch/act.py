"""Carry out one action.

    queue message ─▶ claim ─▶ guards ─▶ handler ─▶ decide ─▶ settle ─▶ queue, if the action is to run again

This module names no guard and no handler. A new key of a rule is a guard (may the action run now?), a case of `decide`
(what follows from the outcome?) or a condition in dispatch.rules (does the rule match?), never a branch here.
"""

import logging
from asyncio import CancelledError
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, TypeVar

from dispatch import alerts
from dispatch.app import App
from dispatch.decide import RuleMissing, decide
from dispatch.facts.source import FactSource
from dispatch.guards.base import Attempt, Gathered, Guard, HasWaiting, Hold
from dispatch.guards.keys import guards_of
from dispatch.guards.pause import Paused
from dispatch.guards.throttle import Throttle, destination
from dispatch.inbox.actions import MAX_ACTIONS, NewAction
from dispatch.inbox.errors import Refused, StorageError, Unavailable
from dispatch.inbox.leases import MAX_CRASHES, Claim, Dropped, LeaseLost, NotYet, Settlement
from dispatch.inbox.messages import Message
from dispatch.log import log_event
from dispatch.rules.rule import Rule
from dispatch.secrets import Secrets
from dispatch.telemetry import traceparent
from handlers.base import GiveUp, Outcome, Result, RetryLater, Skipped
from handlers.duration import format_duration
from handlers.errors import classify, is_expected

_GUARD_RETRY = timedelta(seconds=30)  # until a guard that could not reach storage is called again
_STORAGE_RETRIES = (2.0, 5.0, 10.0, 20.0)  # seconds between attempts to write

_EXITS = (SystemExit, GeneratorExit, CancelledError)  # no Exceptions: they would end the worker and its other actions

T = TypeVar("T")


def act(text: str, app: App) -> None:
    """Carry out the action that a queue message names. Raises StorageError; the host then redelivers the message."""
    message = _read(text)
    if message is None:
        return
    with app.telemetry.acting(message.id.rule, message.traceparent):
        claim = app.inbox.leases.claim(message, app.now())
        if isinstance(claim, Dropped):
            log_event("action.dropped", logging.DEBUG, rule=message.id.rule, reason=claim.reason, **claim.about)
            if claim.failure:
                app.telemetry.ended(message.id.rule, "failed", None, app.now())
            alerts.unreadable_event(message.id, claim, app)
        elif isinstance(claim, NotYet):
            app.queue.send(text, claim.until - app.now())
        else:
            carry_out(claim, app, message.traceparent)


def carry_out(claim: Claim, app: App, trace: str = "") -> None:
    """Run a claimed action, record its outcome, and send the messages that follow from it.

    A message for the same action keeps `trace`, the traceparent of its message; others get the current span's.
    """
    began, rule = app.now(), app.rules.get(claim.id.rule)
    secrets = app.secrets.including(rule.handler if rule else None)
    facts = FactSource(claim.event, claim.id, app.inbox.table, app.ask, secrets, app.now)
    context = replace(app.rules.context(claim.event, claim.record.follows), facts=facts)
    crashed_too_often = claim.record.crashes >= MAX_CRASHES
    event = claim.event if crashed_too_often else context.event_for_handler()  # copying it may kill workers
    attempt = Attempt(claim, context, event, app.inbox, began)
    result, attempt = run(attempt, rule, secrets)
    if rule and isinstance(result, RetryLater) and result.throttled:
        result = _throttle_destination(result, attempt, rule, app)
    settlement = _mask(decide(claim, rule, result, app.now()), secrets)
    if facts.is_kept and not claim.record.facts:
        settlement = replace(settlement, changes={**settlement.changes, "facts": True})
    if attempt.gathered:
        settlement = replace(settlement, changes={**settlement.changes, **attempt.gathered.changes})
    try:
        messages = _settle(attempt, settlement, app)
    except LeaseLost as error:
        about = {"rule": claim.id.rule, **claim.about, "attempt": claim.record.attempts}
        log_event("action.overtaken", logging.WARNING, **about, reason=str(error))
        return
    trace = (trace if settlement.due else "") or traceparent()
    for message in messages:
        app.queue.send(str(message._replace(traceparent=trace)), message.after)
    if rule and not settlement.due:
        _wake_waiting(attempt, rule, app)
    if isinstance(result, RuleMissing):
        alerts.rule_missing(claim, app)
    _log_settled(attempt, rule, settlement, result, app)


def _log_settled(attempt: Attempt, rule: Rule | None, settlement: Settlement, result: Any, app: App) -> None:
    """Log the outcome of a call: an end, progress, or an attempt that failed and when the next one is."""
    claim, now, level = attempt.claim, app.now(), logging.INFO
    if settlement.status == "failed":
        level = logging.ERROR
    elif isinstance(result, RetryLater):
        level = logging.WARNING
    waits = {}
    if settlement.due:
        waits = {"due": settlement.due.isoformat(timespec="seconds"), "wait": format_duration(settlement.due - now)}
    handler = rule.do if rule else claim.record.handler
    details = {"handler": handler, "status": settlement.status, "note": settlement.note}
    log_event(
        "action.settled",
        level,
        rule=claim.id.rule,
        **details,
        event=claim.event.id,
        type=type(claim.event).__name__,
        ms=(now - attempt.now) // timedelta(milliseconds=1),
        object=claim.about["object"],
        workspace=claim.about["workspace"],
        attempt=claim.record.attempts,
        **waits,
    )
    error = type(result).__name__ if isinstance(result, RetryLater | GiveUp) else ""
    app.telemetry.called(claim.event, claim.about["workspace"], claim.record.attempts, details, error)
    if not settlement.due:
        since = None if claim.record.replay_number else claim.event.event_time
        app.telemetry.ended(claim.id.rule, settlement.status, since, now)
    elif isinstance(result, RetryLater) and not isinstance(result, RuleMissing):
        app.telemetry.retried(claim.id.rule)


def run(attempt: Attempt, rule: Rule | None, secrets: Secrets) -> tuple[Outcome | Hold | RetryLater | GiveUp, Attempt]:
    """Call the guards, then the handler. Any exception is returned as RetryLater or GiveUp.

    The attempt that is returned has the events of the action's window, if it belongs to one. An exception that would
    end the worker, such as SystemExit, is a GiveUp: it would end the worker at each retry.
    """
    claim = attempt.claim
    try:
        if claim.record.crashes >= MAX_CRASHES:
            raise GiveUp(f"the worker died {MAX_CRASHES} times while it ran this action")
        if rule is None:
            raise RuleMissing(f"no readable rules file has this rule. {alerts.to_end_actions(claim.id.rule)}")
        if claim.record.state and claim.record.handler != rule.do:
            raise GiveUp(
                f"the rule does {rule.do!r} now, but did {claim.record.handler!r} when this action started; replay it"
            )
        guards: tuple[Guard, ...] = (Paused(), *guards_of(rule.guards, claim.record), Throttle(rule.handler))
        for guard in guards:
            answer = _call_guard(guard, attempt)
            if isinstance(answer, Gathered):
                attempt = attempt.in_window(answer)
                answer = answer.answer
            if answer is not None:
                return answer, attempt
        action = replace(
            claim.action,
            source=rule.source,
            now=attempt.now,
            matches=lambda event: rule.matches(event, attempt.context),
        )
        outcome = rule.handler.run(attempt.event, action)
        if not isinstance(outcome, Outcome):
            raise GiveUp(f"{rule.do} returned {type(outcome).__name__}; Succeeded, Skipped or CheckBack was expected")
    except Exception as error:  # every exception of a handler is an outcome
        _log_defect(error, claim, secrets)
        return classify(error, attempt.now), attempt
    except _EXITS as error:
        _log_defect(error, claim, secrets)
        return GiveUp(f"the rule's handler raised {type(error).__name__}: {error}"), attempt
    return outcome, attempt


def _log_defect(error: BaseException, claim: Claim, secrets: Secrets) -> None:
    """Log the traceback of an unexpected error of a handler, once for each action and type of error.

    All other errors, and later attempts, are lines of `action.settled` only, whose note has the error's text.
    """
    record = claim.record
    notes = (entry.note for entry in record.timeline if entry.at >= record.started)
    if not is_expected(error) and not any(note.startswith(type(error).__name__) for note in notes):
        about = {name: claim.about[name] for name in ("object", "workspace")}
        secrets.log_defect(f"rule {claim.id.rule} on event {claim.event.id}", error, **about, attempt=record.attempts)


def _call_guard(guard: Guard, attempt: Attempt) -> Skipped | Hold | Gathered | None:
    """Call a guard. An error of storage holds the action and does not count as a failure of its handler.

    Raises GiveUp if storage refuses the guard's state for its content: it would refuse it every time.
    """
    try:
        return guard(attempt)
    except Refused as error:
        raise GiveUp(f"storage cannot hold the state of the rule's guard: {error.reason}") from error
    except StorageError as error:
        return Hold(_GUARD_RETRY, f"storage does not answer: {error.reason}")


def _throttle_destination(result: RetryLater, attempt: Attempt, rule: Rule, app: App) -> RetryLater:
    """Hold all actions with the handler's destination; return the same result with the delay that they share."""
    try:
        name, now = destination(rule.handler, attempt), app.now()
        until = _retry(lambda: app.inbox.throttles.begin(name, result.after, now), app, now + app.inbox.lease / 4)
    except StorageError:  # only this action waits, and its result is still recorded
        return result
    except (Exception, *_EXITS) as error:  # a handler's `destination` may raise anything
        app.secrets.including(rule.handler).log_defect(f"finding the destination of rule {rule.name}", error)
        return result
    return RetryLater(str(result), until - app.now(), throttled=True, max_elapsed=result.max_elapsed)


def _wake_waiting(attempt: Attempt, rule: Rule, app: App) -> None:
    """Call the next action that waited for the end of this one. Raises nothing: it will ask again by itself, too."""
    try:
        for guard in rule.guards:
            if isinstance(guard, HasWaiting):
                any(app.inbox.backlog.wake(id, app.now(), app.queue) for id in guard.waiting(attempt))
    except StorageError as error:
        about = {"rule": rule.name, **attempt.claim.about, "attempt": attempt.claim.record.attempts}
        log_event("action.uncalled", logging.WARNING, **about, reason=f"{error.reason}: {error}")
    except (Exception, *_EXITS) as error:  # a handler's `lock` may raise anything
        app.secrets.including(rule.handler).log_defect(f"finding what waits for rule {rule.name}", error)


def _mask(settlement: Settlement, secrets: Secrets) -> Settlement:
    """Replace secrets in the texts that are recorded."""
    details = {secrets.mask(name): secrets.mask(text) for name, text in settlement.details.items()}
    sent = {secrets.mask(name): secrets.mask(text) for name, text in settlement.sent.items()}
    return replace(settlement, note=secrets.mask(settlement.note), details=details, sent=sent)


def _settle(attempt: Attempt, settlement: Settlement, app: App) -> list[Message]:
    """Record a settlement with the actions that follow it; return the messages to send. Raises StorageError.

    Retries for half a lease while storage is unavailable: no other worker can claim the action in that time, and a
    later worker that found no outcome would repeat the effect. Leaves out texts that storage refuses; if it also
    refuses the state with which the action would run again, the action fails.
    """
    until = attempt.now + app.inbox.lease / 2
    follow_ups, unmatched = ([], []) if settlement.due else _following(attempt, settlement, app)
    if not (settlement.due or follow_ups):
        result = _result(attempt, settlement)
        follow_ups, failure = alerts.at_failure(result, attempt.claim, app)
        settlement = replace(settlement, failure=failure)
    without_results = [replace(action, follows=None) for action in follow_ups]

    def write(settlement: Settlement, follow_ups: list[NewAction]) -> list[Message]:
        now = app.now()  # the same for all retries: a retry recognises by it the rows that an earlier one wrote
        return _retry(
            lambda: app.inbox.leases.settle(attempt.claim, settlement, follow_ups, now, unmatched), app, until
        )

    refusal = ""
    for actions in (follow_ups, without_results) if follow_ups else ([],):
        try:
            return write(settlement, actions)
        except (Refused, TypeError, ValueError) as error:
            refusal = type(error).__name__
    bare = replace(settlement, note=f"the outcome could not be recorded: {refusal}", details={}, sent={})
    try:
        return write(bare, without_results)
    except Refused:
        if not settlement.due:
            raise
    return _settle(attempt, Settlement("failed", bare.note), app)


def _retry(write: Callable[[], T], app: App, until: datetime) -> T:
    """Call `write`; while storage is unavailable, call it again after a pause, until `until`. Raises its last error."""
    for pause in _STORAGE_RETRIES:
        try:
            return write()
        except Unavailable:
            if app.now() + timedelta(seconds=pause) > until:
                raise
        app.sleep(pause)
    return write()


def _following(attempt: Attempt, settlement: Settlement, app: App) -> tuple[list[NewAction], list[str]]:
    """Return the actions that follow this one's end, and the rules files that must be matched against it later."""
    rule, event = attempt.claim.id.rule, attempt.claim.event.id
    result = _result(attempt, settlement)
    try:
        rules = app.rules.following(rule, settlement.status, attempt.context.with_result(result.view()))
    except Exception as error:  # a defect in matching must not keep the outcome from being recorded
        app.secrets.log_defect(f"matching the rules that follow {rule} on event {event}", error)
        return [], app.rules.files
    unmatched = {rule.file for rule in rules[MAX_ACTIONS:]} | set(app.rules.refused)
    return [rule.action(result) for rule in rules[:MAX_ACTIONS]], sorted(unmatched)


def _result(attempt: Attempt, settlement: Settlement) -> Result:
    return Result(attempt.claim.id.rule, settlement.status, settlement.note, settlement.details)


def rearm(text: str, app: App) -> None:
    """Send a new message for an action whose message the host gave up, unless it has ended. Needs no rules."""
    message = _read(text)
    if message is None:
        return
    fresh = app.inbox.leases.rearm(message, app.now())
    if isinstance(fresh, Dropped):
        return
    app.queue.send(str(fresh._replace(traceparent=message.traceparent)), fresh.after)
    log_event("action.rearmed", logging.WARNING, rule=message.id.rule, event=message.id.event)


def _read(text: str) -> Message | None:
    """Parse a queue message. Log and drop a message that the app did not write: the host would deliver it for ever."""
    try:
        return Message.parse(text)
    except ValueError as error:
        log_event("action.unreadable", logging.ERROR, reason=str(error), message=text[:200])
        return None
