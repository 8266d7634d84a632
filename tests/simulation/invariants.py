"""What must hold after a simulation, told from outside: from what was published, what was done, and the record."""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from math import inf

from dispatch.inbox.leases import MAX_CRASHES
from dispatch.inbox.rows import ActionRecord
from dispatch.rules.rule import ALERTS
from tests.simulation.agenda import START
from tests.simulation.deeds import DEADLY, IDLE, SKEW
from tests.simulation.workload import EVERY, FOLLOWS, GUARDED, MOST, STAGES, UNFOLLOWED, Fact
from tests.simulation.world import Simulation

ENDED = {"succeeded", "skipped", "failed"}
SHOWN = 20  # violations in an error's text
LATE = timedelta(hours=1)  # between being let pass and being called, if the worker dies in between, at most
RACE = 60.0  # seconds between being let pass and being called, at most

Actions = dict[tuple[str, str], ActionRecord]  # by event and rule


def check(simulation: Simulation, *, behind: bool = False) -> None:
    """Raises AssertionError, with what is wrong and how to have it again. `behind`: the workers' reads were stale."""
    found = [*violations(simulation, behind=behind)]
    assert not found, "\n".join(
        [
            f"{len(found)} violations; again: python -m tests.simulation {simulation.plan}",
            simulation.figures(),
            *found[:SHOWN],
        ]
    )


def violations(simulation: Simulation, *, behind: bool = False) -> Iterator[str]:
    """All that is wrong."""
    yield from (f"a defect: {defect}" for defect in simulation.site.defects)
    yield from simulation.journal.violations
    if not simulation.is_quiet():
        yield "it has not become quiet"
    histories = simulation.histories()
    ids = {
        (history_number, key): event.id for history_number, h in enumerate(histories) for key, event in h.events.items()
    }
    actions = {
        (ids[number, id.event], id.rule): record for number, h in enumerate(histories) for id, record in h.actions
    }
    counts = Counter(ids.values())
    rejected = {record.raw for history in histories for record in history.rejected}
    facts = {fact.id: fact for fact in simulation.workload.facts}
    yield from _lost(facts, counts, rejected)
    yield from _wrong_actions(facts, actions, [id for id in counts if id.startswith(("refused", "rejected"))])
    yield from _wrong_ends(simulation, actions)
    yield from _not_done(simulation, actions)
    yield from _too_seldom(simulation, facts, actions)
    if not behind:  # who does not see yet that it was done, or that a service wants to be left alone, does no more harm
        yield from _repeated(simulation)
        yield from simulation.journal.intrusions
    yield from _not_in_turn(simulation, facts)
    yield from _not_the_latest(simulation, facts, actions)
    yield from _too_often(simulation, facts, actions)
    yield from _not_stopped(simulation, actions)


def _lost(facts: dict[str, Fact], counts: Counter[str], rejected: set[str]) -> Iterator[str]:
    """Each event is in the record once, or rejected."""
    for fact in facts.values():
        if fact.rejected != (fact.raw in rejected):
            yield f"{fact.id}: {'not ' if fact.rejected else ''}rejected"
        if not fact.rejected and counts[fact.id] != 1:
            yield f"{fact.id}: recorded {counts[fact.id]} times"


def _wrong_actions(facts: dict[str, Fact], actions: Actions, alerts: list[str]) -> Iterator[str]:
    """Each rule that an event, an end or an alert should have led to has one action, which has ended once."""
    expected = {(fact.id, rule) for fact in facts.values() for rule in fact.rules}
    expected |= {(alert, ALERTS) for alert in alerts}
    for (event, rule), record in actions.items():
        expected |= {(event, then) for (then, of), ends in FOLLOWS.items() if of == rule and record.status in ends}
        if record.status == "failed" and rule in UNFOLLOWED:
            expected.add((event, f"{ALERTS}-{rule}"))
    for file in ("other.yaml", "third.yaml"):
        if sum(file in alert for alert in alerts) != 1:
            yield f"alerts of {file}: {alerts}"
    for event, rule in sorted(expected - {*actions}):
        yield f"{event}: {rule} was not matched"
    for event, rule in sorted({*actions} - expected):
        yield f"{event}: {rule} was matched, and should not have been"
    for (event, rule), record in actions.items():
        if sum(moment.status in ENDED for moment in record.timeline) != 1:
            yield f"{event}: {rule} has ended so: {[moment.status for moment in record.timeline]}"


def _wrong_ends(simulation: Simulation, actions: Actions) -> Iterator[str]:
    """An action ends as its handler answers in the end, unless a guard skips it before."""
    for (event, rule), record in actions.items():
        wanted = simulation.journal.end(event, rule, STAGES.get(rule, 1)).status
        if record.status != wanted and not _is_kept_back(record):
            yield f"{event}: {rule} has {record.status}, not {wanted}: {record.note}"


def _is_kept_back(record: ActionRecord) -> bool:
    """Has a guard skipped it? Its handler's words are others."""
    return record.rule in GUARDED and record.status == "skipped" and record.note != IDLE


def _not_done(simulation: Simulation, actions: Actions) -> Iterator[str]:
    """What an action is recorded to have done was done, under one key; and again, if its worker was lost before."""
    journal = simulation.journal
    done, lost = (
        Counter((e.event, e.rule, e.stage) for e in some.elements()) for some in (journal.effects, journal.excused)
    )
    keys: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for effect in journal.effects:
        keys[effect.event, effect.rule].add(effect.key)
    yield from (f"{event}: {rule} had keys {of_one}" for (event, rule), of_one in keys.items() if len(of_one) > 1)
    for (event, rule), record in actions.items():
        stages = 0 if _is_kept_back(record) else journal.end(event, rule, STAGES.get(rule, 1)).stages
        for part in ((event, rule, stage) for stage in range(stages)):
            if done[part] < 1 + lost[part]:
                yield f"{part}: done {done[part]} times, of which {lost[part]} were lost, and it is {record.status}"


def _repeated(simulation: Simulation) -> Iterator[str]:
    """An effect is had again only if its worker was lost before it was recorded."""
    journal = simulation.journal
    for effect, times in journal.effects.items():
        if times > 1 + journal.excused[effect]:
            yield f"{effect}: {times} times, of which {journal.excused[effect]} were lost"


def _not_in_turn(simulation: Simulation, facts: dict[str, Fact]) -> Iterator[str]:
    """Who has had his turn does not come back, and the next is about what happened later."""
    for lock, turns in simulation.journal.turns.items():
        if len({*turns}) < len(turns):
            yield f"{lock}: began before another had ended: {turns}"
        places = [facts[event].place for event in turns]
        if places != sorted(places):
            yield f"{lock}: an older one after a newer one: {turns}"


def _not_the_latest(simulation: Simulation, facts: dict[str, Fact], actions: Actions) -> Iterator[str]:
    """The latest event about an object is acted on, and no older one after a newer one."""
    called: defaultdict[tuple[str, str], list[tuple[float, str]]] = defaultdict(list)
    for entry in simulation.journal.entries:
        if entry.rule in ("newest", "ship") and entry.stage == 0:
            called[entry.rule, facts[entry.event].object].append((entry.seconds, entry.event))
    latest: dict[tuple[str, str], Fact] = {}
    for fact in facts.values():
        for rule in fact.rules & {"newest", "ship"}:
            latest[rule, fact.object] = max(latest.get((rule, fact.object), fact), fact, key=lambda fact: fact.place)
    for (rule, object), fact in latest.items():
        if fact.id not in {event for _, event in called[rule, object]}:
            end = actions.get((fact.id, rule))
            yield f"{object}: {rule} did not act on the latest, {fact.id}: {end and end.note}"
    for (rule, object), calls in called.items():
        newest, since = facts[calls[0][1]].place, calls[0][0]
        for at, event in calls:
            if facts[event].place > newest:
                newest, since = facts[event].place, at
            elif facts[event].place < newest and at > since + RACE:
                yield f"{object}: {rule} acted on {event} {at - since:.0f} s after it had on a newer one"


def _too_often(simulation: Simulation, facts: dict[str, Fact], actions: Actions) -> Iterator[str]:
    """No span of time has more actions than `at_most` lets pass; what had come to nothing by then does not count."""
    gave_way = {
        event: (record.timeline[-1].at - START).total_seconds() - SKEW
        for (event, rule), record in actions.items()
        if rule == "seldom" and record.status != "succeeded"
    }
    called: defaultdict[str, list[tuple[float, str]]] = defaultdict(list)
    for entry in simulation.journal.entries:
        if entry.rule == "seldom":
            called[facts[entry.event].experiment].append((entry.seconds, entry.event))
    for experiment, calls in called.items():
        for at, _ in calls:
            first = bisect_left(calls, (at - EVERY + SKEW + RACE, ""))
            events = {event for when, event in calls[first:] if when <= at < gave_way.get(event, inf)}
            if len(events) > MOST:
                yield f"{experiment}: {len(events)} at once before {at:.0f} s: {sorted(events)}"


def _too_seldom(simulation: Simulation, facts: dict[str, Fact], actions: Actions) -> Iterator[str]:
    """Who is skipped because others have all places is not alone."""
    called: defaultdict[str, list[tuple[datetime, str]]] = defaultdict(list)
    for entry in simulation.journal.entries:
        if entry.rule == "seldom":
            called[facts[entry.event].experiment].append((START + timedelta(seconds=entry.seconds), entry.event))
    for (event, rule), record in actions.items():
        if rule == "seldom" and _is_kept_back(record):
            at, span = record.timeline[-1].at, timedelta(seconds=EVERY + SKEW) + LATE
            others = {other for when, other in called[facts[event].experiment] if at - span < when < at + LATE}
            if len(others) < MOST:
                yield f"{event}: {rule} was skipped at {at}, with {sorted(others)} about: {record.note}"


def _not_stopped(simulation: Simulation, actions: Actions) -> Iterator[str]:
    """What ends its process every time is stopped after the fifth."""
    for event in simulation.journal.deadly:
        kills, record = simulation.journal.kills[event], actions.get((event, DEADLY))
        if record is None or record.status != "failed" or not kills or kills > MAX_CRASHES:
            yield f"{event}: {DEADLY} killed {kills} processes: {record and record.status}"
