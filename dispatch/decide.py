"""Decide what follows from a call of an action: a table of cases, without I/O."""

from dataclasses import replace
from datetime import datetime, timedelta

from dispatch.guards.base import Hold
from dispatch.inbox.leases import Claim, Settlement
from dispatch.inbox.rows import ActionRecord
from dispatch.rules.retry import Retry
from dispatch.rules.rule import Rule
from handlers.base import CheckBack, GiveUp, Outcome, RetryLater, Skipped, Succeeded
from handlers.duration import format_duration
from handlers.errors import DEFECT_ATTEMPTS, Defect

_COUNTS = ("attempts", "failures", "defects", "crashes")  # of consecutive calls without progress
_CLOCKS = ("failing_since", "denied_since")  # run while an action fails, against `retry.for` and the error's own limit
LONGEST_THROTTLING = timedelta(days=7)  # after that long with nothing but 429s, an action fails
_MISSING_RULE_DELAY = timedelta(minutes=5), timedelta(hours=1)  # the shortest and the longest


class RuleMissing(RetryLater):
    """No readable rules file has the rule: its action waits, without limit."""


def decide(claim: Claim, rule: Rule | None, result: Outcome | Hold | RetryLater | GiveUp, now: datetime) -> Settlement:
    """Return the settlement of a call with this result: what to record, and when the action runs again."""
    settlement = _case(claim, rule, result, now)
    missing_since = (claim.record.rule_missing_since or now) if isinstance(result, RuleMissing) else None
    return replace(settlement, changes={**settlement.changes, "rule_missing_since": missing_since})


def _case(claim: Claim, rule: Rule | None, result: Outcome | Hold | RetryLater | GiveUp, now: datetime) -> Settlement:
    record = claim.record
    changed = rule is not None and record.state and record.handler != rule.do  # another handler started the action
    ran = {} if rule is None or changed else {"handler": rule.do, "settings": rule.settings_hash}
    match result:
        case Succeeded():
            return Settlement("succeeded", result.summary, dict(result.details), changes=ran, sent=result.sent)
        case Skipped():
            return Settlement("skipped", result.reason, changes=ran)
        case CheckBack():
            reset = {**dict.fromkeys(_COUNTS, 0), **dict.fromkeys((*_CLOCKS, "throttled_since"))}
            progress = {"state": result.state, "checked_back": True, **reset, **ran}
            return Settlement("waiting", result.note, due=now + result.after, changes=progress, sent=result.sent)
        case Hold():
            held = {**_stop_clocks(record, result.after), "attempts": record.attempts - 1}
            return Settlement("waiting", result.note, due=now + result.after, changes=held)
        case RuleMissing():
            shortest, longest = _MISSING_RULE_DELAY
            delay = min(max(shortest, now - record.started), longest)
            held = {"attempts": record.attempts - 1}
            return Settlement("waiting", str(result), due=now + delay, changes=held)
        case RetryLater():
            again = _retry(record, result, rule.retry if rule else Retry(), now)
            return replace(again, changes={**again.changes, **ran})
        case GiveUp():
            return Settlement("failed", str(result), changes=ran)


def _retry(record: ActionRecord, error: RetryLater, retry: Retry, now: datetime) -> Settlement:
    """Wait for the backoff and retry, or fail once the error has lasted for `retry.for` or for its own limit."""
    if error.throttled:
        return _throttled(record, error, retry, now)
    since, denied, failures = record.failing_since or now, record.denied_since or now, record.failures + 1
    defects = record.defects + 1 if isinstance(error, Defect) else 0
    if isinstance(error, Defect) and defects >= DEFECT_ATTEMPTS:
        where = f" at {error.where}" if error.where else ""
        return Settlement("failed", f"gave up after {defects} attempts: an error in code{where}: {error}")
    delay = retry.delay(error, failures, now - since, now - denied)
    if delay is None:
        elapsed = format_duration(now - since)
        return Settlement("failed", f"gave up after {failures} attempts in {elapsed}: {error}")
    failing = {
        "failures": failures,
        "defects": defects,
        "crashes": 0,
        "failing_since": since,
        "denied_since": denied if error.max_elapsed else None,
        "throttled_since": None,
    }
    return Settlement("waiting", str(error), due=now + delay, changes=failing)


def _throttled(record: ActionRecord, error: RetryLater, retry: Retry, now: datetime) -> Settlement:
    """Wait as long as the service requests, without counting it against `retry.for`; fail after a week of waits."""
    since = record.throttled_since or now
    delay = retry.pause(error)
    if now - since >= LONGEST_THROTTLING:
        elapsed = format_duration(now - since)
        return Settlement("failed", f"gave up: the service has throttled the action for {elapsed}: {error}")
    changes = {**_stop_clocks(record, delay), "throttled_since": since, "defects": 0}
    return Settlement("waiting", str(error), due=now + delay, changes=changes)


def _stop_clocks(record: ActionRecord, span: timedelta) -> dict[str, datetime]:
    """Move the clocks of a failing action forward by a span in which the action does not run."""
    return {name: then + span for name in _CLOCKS if (then := getattr(record, name)) is not None}
