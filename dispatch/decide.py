"""Decide what follows a call of an action: a table of cases without I/O."""

from dataclasses import replace
from datetime import datetime, timedelta

from dispatch.guards.base import Hold
from dispatch.inbox.leases import Claim, Settlement
from dispatch.inbox.rows import ActionRecord
from dispatch.rules.retry import Retry
from dispatch.rules.rule import Rule
from handlers.base import CheckBack, GiveUp, Outcome, RetryLater, Skipped, Succeeded
from handlers.duration import format_duration

_CLOCKS = ("failing_since", "denied_since")  # what runs while an action fails


_MOST_PATIENCE = timedelta(days=7)  # with a service that does nothing but ask for pauses


_RULE_PATIENCE = timedelta(minutes=5), timedelta(hours=1)  # how often to look for a rule that cannot be found


class NoRule(RetryLater):
    """The rule is in no rules file that could be read: its action waits, however long."""


def decide(claim: Claim, rule: Rule | None, result: Outcome | Hold | RetryLater | GiveUp, now: datetime) -> Settlement:
    """What follows from how it went. No I/O."""
    settlement = _decided(claim, rule, result, now)
    orphaned = (claim.record.rule_missing_since or now) if isinstance(result, NoRule) else None
    return replace(settlement, changes={**settlement.changes, "rule_missing_since": orphaned})


def _decided(
    claim: Claim, rule: Rule | None, result: Outcome | Hold | RetryLater | GiveUp, now: datetime
) -> Settlement:
    """A table of cases."""
    record = claim.record
    kept = rule is None or (record.state and record.handler != rule.do)  # what has begun is still the other handler's
    ran = {} if rule is None or kept else {"handler": rule.do, "settings": rule.settings_hash}
    match result:
        case Succeeded():
            return Settlement("succeeded", result.summary, dict(result.details), changes=ran)
        case Skipped():
            return Settlement("skipped", result.reason, changes=ran)
        case CheckBack():
            clocks = dict.fromkeys((*_CLOCKS, "throttled_since"))
            fresh = {"failures": 0, "crashes": 0, **clocks}
            progress = {"state": result.state, "checked_back": True, **fresh, **ran}
            return Settlement("waiting", result.note, due=now + result.after, changes=progress)
        case Hold():
            return Settlement("waiting", result.note, due=now + result.after, changes=_stopped(record, result.after))
        case NoRule():
            shortest, longest = _RULE_PATIENCE
            return Settlement("waiting", str(result), due=now + min(max(shortest, now - record.started), longest))
        case RetryLater():
            again = try_again(record, result, rule.retry if rule else Retry(), now)
            return replace(again, changes={**again.changes, **ran})
        case GiveUp():
            return Settlement("failed", str(result), changes=ran)


def try_again(record: ActionRecord, error: RetryLater, retry: Retry, now: datetime) -> Settlement:
    """Wait and try again, or give up. Being throttled is waiting: the time that it takes does not count."""
    if error.throttled:
        return _throttled(record, error, retry, now)
    since, denied, failures = record.failing_since or now, record.denied_since or now, record.failures + 1
    delay = retry.delay(error, failures, now - since, now - denied)
    if delay is None:
        tried = format_duration(now - since)
        return Settlement("failed", f"gave up after {failures} attempts in {tried}: {error}")
    failing = {
        "failures": failures,
        "crashes": 0,
        "failing_since": since,
        "denied_since": denied if error.patience else None,
        "throttled_since": None,
    }
    return Settlement("waiting", str(error), due=now + delay, changes=failing)


def _throttled(record: ActionRecord, error: RetryLater, retry: Retry, now: datetime) -> Settlement:
    since = record.throttled_since or now
    delay = retry.pause(error)
    if now - since >= _MOST_PATIENCE:
        return Settlement(
            "failed", f"gave up: the service has wanted pauses for {format_duration(now - since)}: {error}"
        )
    pause = {**_stopped(record, delay), "throttled_since": since}
    return Settlement("waiting", str(error), due=now + delay, changes=pause)


def _stopped(record: ActionRecord, span: timedelta) -> dict[str, datetime]:
    """The clocks of a failing action, which stand still while it is not its turn."""
    return {name: then + span for name in _CLOCKS if (then := getattr(record, name)) is not None}
