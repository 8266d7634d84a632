"""The invariants of a simulation: they compare published events and logged effects with the app's record."""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from math import inf

from dispatch.inbox.history.records import DayHistory
from dispatch.inbox.leases import MAX_CRASHES
from dispatch.inbox.rows import ActionRecord
from dispatch.rules.rule import ALERTS
from schemas.alert import Alert
from tests.kit.indexed import index_errors
from tests.simulation.handlers import SKEW, SKIPPED, Call
from tests.simulation.scheduler import START
from tests.simulation.script import CRASHING_RULE
from tests.simulation.simulation import Simulation
from tests.simulation.workload import FOLLOWS, GUARDED, MAX_COUNT, SPAN, STAGES, UNFOLLOWED, WorkloadEvent

ENDED = {"succeeded", "skipped", "failed"}
MAX_SHOWN = 20  # violations in the text of an error
GUARD_TO_CALL = 60.0  # seconds, at most
GUARD_TO_CALL_CRASHED = timedelta(hours=1)  # at most, if the worker crashes in between

Events = Mapping[str, WorkloadEvent]  # by id
Actions = Mapping[tuple[str, str], ActionRecord]  # by event and rule


def check(simulation: Simulation, *, stale_reads: bool = False) -> None:
    """Raise AssertionError, with the violations and the command that repeats them, if an invariant is violated."""
    found = [*violations(simulation, stale_reads=stale_reads)]
    assert not found, "\n".join(
        [
            f"{len(found)} violations; again: python -m tests.simulation {simulation.parameters}",
            simulation.figures(),
            *found[:MAX_SHOWN],
        ]
    )


def violations(simulation: Simulation, *, stale_reads: bool = False) -> Iterator[str]:
    """All violations. Stale reads allow effects to be repeated and throttled services to be called."""
    yield from (f"a defect: {defect}" for defect in simulation.function_app.defects)
    yield from simulation.handlers.violations
    if not simulation.is_idle():
        yield "work is left after ten days"
    histories = simulation.histories()
    ids = {(number, key): event.id for number, h in enumerate(histories) for key, event in h.events.items()}
    actions = {
        (ids[number, id.event], id.rule): record for number, h in enumerate(histories) for id, record in h.actions
    }
    counts = Counter(ids.values())
    rejected = {record.raw for history in histories for record in history.rejected}
    events = {event.id: event for event in simulation.workload.events}
    yield from _events_recorded_once_or_rejected(events, counts, rejected)
    alerts = [id for id in counts if id.startswith(("refused", "rejected", "failed actions", "failing actions"))]
    yield from _actions_of_matching_rules(events, actions, alerts)
    yield from _failures_are_reported(histories, actions)
    yield from index_errors(simulation.inbox)
    yield from _actions_end_as_scripted(simulation, actions)
    yield from _recorded_effects_happened(simulation, actions)
    yield from _at_most_skips_only_at_the_limit(simulation, events, actions)
    if not stale_reads:
        yield from _effects_repeated_only_after_faults(simulation)
        yield from simulation.handlers.calls_while_throttled
    yield from _locks_exclude_and_keep_order(simulation, events)
    yield from _latest_only_keeps_order(simulation, events, actions)
    yield from _at_most_limits_actions(simulation, events, actions)
    yield from _crashing_handlers_are_stopped(simulation, actions)


def _events_recorded_once_or_rejected(events: Events, counts: Counter[str], rejected: set[str]) -> Iterator[str]:
    for event in events.values():
        if event.rejected != (event.raw in rejected):
            yield f"{event.id}: {'not ' if event.rejected else ''}rejected"
        if not event.rejected and counts[event.id] != 1:
            yield f"{event.id}: recorded {counts[event.id]} times"


def _actions_of_matching_rules(events: Events, actions: Actions, alerts: list[str]) -> Iterator[str]:
    """Each rule that matches an event, an end or an alert has one action, which has ended once."""
    expected = {(event.id, rule) for event in events.values() for rule in event.rules}
    expected |= {(alert, ALERTS) for alert in alerts}
    for (event, rule), record in actions.items():
        expected |= {(event, next) for (next, of), ends in FOLLOWS.items() if of == rule and record.status in ends}
        alert = (event, f"{ALERTS}-{rule}")  # others are reported by a digest
        if record.status == "failed" and rule in UNFOLLOWED and alert in actions:
            expected.add(alert)
    for file in ("other.yaml", "third.yaml"):
        if sum(file in alert for alert in alerts) != 1:
            yield f"alerts about {file}: {alerts}"
    for event, rule in sorted(expected - {*actions}):
        yield f"{event}: {rule} has no action"
    for event, rule in sorted({*actions} - expected):
        yield f"{event}: {rule} has an action, but does not match"
    for (event, rule), record in actions.items():
        if sum(moment.status in ENDED for moment in record.timeline) != 1:
            yield f"{event}: {rule} has not ended once: {[moment.status for moment in record.timeline]}"


def _failures_are_reported(histories: list[DayHistory], actions: Actions) -> Iterator[str]:
    """Each failure that no rule follows is reported once: by an alert of its own, or in the number of a digest."""
    failed = Counter(rule for (_, rule), r in actions.items() if r.status == "failed" and rule in UNFOLLOWED)
    reported: Counter[str] = Counter()
    for _, rule in actions:
        if rule.startswith(f"{ALERTS}-"):
            reported[rule.removeprefix(f"{ALERTS}-")] += 1
    for history in histories:
        for event in (record.event for record in history.events.values()):
            if isinstance(event, Alert) and event.data.kind == "failed actions":
                reported[event.data.rule] += int(event.data.summary.split()[0])
    if reported != failed:
        yield f"{failed} have failed, and {reported} are reported"


def _actions_end_as_scripted(simulation: Simulation, actions: Actions) -> Iterator[str]:
    """An action ends as its script says, unless a guard skips it."""
    for (event, rule), record in actions.items():
        expected = simulation.script.end(event, rule, STAGES.get(rule, 1)).status
        if record.status != expected and not _skipped_by_guard(record):
            yield f"{event}: {rule} has {record.status}, not {expected}: {record.note}"


def _skipped_by_guard(record: ActionRecord) -> bool:
    """Has a guard skipped the action? Its handler would leave another note."""
    return record.rule in GUARDED and record.status == "skipped" and record.note != SKIPPED


def _recorded_effects_happened(simulation: Simulation, actions: Actions) -> Iterator[str]:
    """Each stage that an action has recorded has had its effect, under one key; and again after each lost effect."""
    log = simulation.handlers
    effects, lost = (
        Counter((e.event, e.rule, e.step) for e in counter.elements()) for counter in (log.effects, log.repeatable)
    )
    keys: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for effect in log.effects:
        keys[effect.event, effect.rule].add(effect.key)
    yield from (f"{event}: {rule} had keys {of_one}" for (event, rule), of_one in keys.items() if len(of_one) > 1)
    for (event, rule), record in actions.items():
        stages = 0 if _skipped_by_guard(record) else simulation.script.end(event, rule, STAGES.get(rule, 1)).stages
        for part in ((event, rule, stage) for stage in range(stages)):
            if effects[part] < 1 + lost[part]:
                yield f"{part}: {effects[part]} effects, {lost[part]} lost, and the action has {record.status}"


def _effects_repeated_only_after_faults(simulation: Simulation) -> Iterator[str]:
    """An effect is repeated only if its worker was lost before the effect was recorded."""
    log = simulation.handlers
    for effect, count in log.effects.items():
        if count > 1 + log.repeatable[effect]:
            yield f"{effect}: {count} times, {log.repeatable[effect]} of them lost"


def _locks_exclude_and_keep_order(simulation: Simulation, events: Events) -> Iterator[str]:
    """A lock is held by one action from its start to its end, and by later events after earlier ones."""
    for lock, holders in simulation.handlers.lock_holders.items():
        if len({*holders}) < len(holders):
            yield f"{lock}: an action started before another one had ended: {holders}"
        positions = [events[event].position for event in holders]
        if positions != sorted(positions):
            yield f"{lock}: an earlier event after a later one: {holders}"


def _latest_only_keeps_order(simulation: Simulation, events: Events, actions: Actions) -> Iterator[str]:
    """The latest event about an object is acted on, and no earlier event after a later one.

    A worker that is frozen between the guard and the call acts later, and does not notice it.
    """
    rules = {"latest", "deploy"}
    called: defaultdict[tuple[str, str], list[Call]] = defaultdict(list)
    for call in simulation.handlers.calls:
        if call.rule in rules and call.stage == 0:
            called[call.rule, events[call.event].object].append(call)
    latest: dict[tuple[str, str], WorkloadEvent] = {}
    for event in events.values():
        for rule in event.rules & rules:
            latest[rule, event.object] = max(latest.get((rule, event.object), event), event, key=lambda e: e.position)
    for (rule, object), event in latest.items():
        if event.id not in {call.event for call in called[rule, object]}:
            record = actions.get((event.id, rule))
            yield f"{object}: {rule} did not act on the latest event, {event.id}: {record and record.note}"
    for (rule, object), calls in called.items():
        newest, since = events[calls[0].event].position, calls[0].seconds
        for call in calls:
            position, late = events[call.event].position, call.seconds - since
            if position > newest:
                newest, since = position, call.seconds
            elif position < newest and late > GUARD_TO_CALL and not call.by_frozen_worker:
                yield f"{object}: {rule} acted on {call.event} {late:.0f} s after it had acted on a later event"


def _at_most_limits_actions(simulation: Simulation, events: Events, actions: Actions) -> Iterator[str]:
    """No span has more actions than `at_most` allows, without those that had ended without success by then."""
    uncounted = {
        event: (record.timeline[-1].at - START).total_seconds() - SKEW
        for (event, rule), record in actions.items()
        if rule == "limited" and record.status != "succeeded"
    }
    called: defaultdict[str, list[tuple[float, str]]] = defaultdict(list)
    for call in simulation.handlers.calls:
        if call.rule == "limited":
            called[events[call.event].experiment].append((call.seconds, call.event))
    for experiment, calls in called.items():
        for at, _ in calls:
            first = bisect_left(calls, (at - SPAN + SKEW + GUARD_TO_CALL, ""))
            counted = {event for time, event in calls[first:] if time <= at < uncounted.get(event, inf)}
            if len(counted) > MAX_COUNT:
                yield f"{experiment}: {len(counted)} in the span before {at:.0f} s: {sorted(counted)}"


def _at_most_skips_only_at_the_limit(simulation: Simulation, events: Events, actions: Actions) -> Iterator[str]:
    """`at_most` skips an action only if its count of other actions is reached."""
    called: defaultdict[str, list[tuple[datetime, str]]] = defaultdict(list)
    for call in simulation.handlers.calls:
        if call.rule == "limited":
            called[events[call.event].experiment].append((START + timedelta(seconds=call.seconds), call.event))
    for (event, rule), record in actions.items():
        if rule == "limited" and _skipped_by_guard(record):
            at = record.timeline[-1].at
            first, last = at - timedelta(seconds=SPAN + SKEW) - GUARD_TO_CALL_CRASHED, at + GUARD_TO_CALL_CRASHED
            counted = {other for time, other in called[events[event].experiment] if first < time < last}
            if len(counted) < MAX_COUNT:
                yield f"{event}: {rule} was skipped at {at} after only {sorted(counted)}: {record.note}"


def _crashing_handlers_are_stopped(simulation: Simulation, actions: Actions) -> Iterator[str]:
    """An action that kills its process at every call fails after the fifth crash."""
    for event in simulation.script.crashing:
        kills, record = simulation.handlers.kills[event], actions.get((event, CRASHING_RULE))
        if record is None or record.status != "failed" or not kills or kills > MAX_CRASHES:
            yield f"{event}: {CRASHING_RULE} killed {kills} processes: {record and record.status}"
