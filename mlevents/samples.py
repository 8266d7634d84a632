"""`samples_of`: events on which `mlevents check` previews rules: examples of their types that they match.

Where no example matches a rule's conditions, one is changed so that it does: a key of the data, of the envelope or of
`result` gets a value with which its conditions hold. Whether the rule then matches is verified, not assumed.
"""

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import cache
from itertools import chain, islice, product
from typing import Any

from dispatch.filters.condition import Condition
from dispatch.filters.keys import EventValues, find_across_dots
from dispatch.rules.checks.scope import ANY_LABELS
from dispatch.rules.rule import Rule, Rules
from dispatch.rules.when import AnyOf, Test
from dispatch.rules.workspaces import Workspace
from mlevents.sample_values import change, value_for
from schemas import EVENT_TYPES, Context, Event, Expected, ResourceId, RunStatusChanged
from schemas.errors import MalformedEvent, shown
from schemas.events.known_keys import Known, known_keys, workspace_keys
from schemas.examples import MODEL_MONITOR_BREACH
from schemas.plain import MISSING

_MAX_CHOICES = 32  # ways to meet a rule's conditions that are tried
_MAX_WORKSPACES = 20  # of those that `in` allows that are tried
_CHANGEABLE = {"id", "subject", "eventtime", "dataversion"}  # of the envelope

EXAMPLES: Mapping[str, Event] = {
    **{event_class.__name__: event_class.example() for event_class in EVENT_TYPES.values()},
    "a model monitor's breach": RunStatusChanged.example(**MODEL_MONITOR_BREACH),
}


class AnyDetails(dict[str, Any]):
    """The details of a result in an example: each handler, also one of the app's own, has others."""

    def __contains__(self, key: object) -> bool:
        return True

    def __missing__(self, key: str) -> str:
        return f"<{key}>"


@dataclass(frozen=True, slots=True)
class Sample:
    """An event that a rule matches: the name of its example, and what was changed in it."""

    rule: Rule
    name: str
    event: Event
    workspace: Workspace
    follows: "Sample | None" = None  # of a rule that the rule follows
    result: Mapping[str, Any] | None = None
    changes: tuple[str, ...] = ()

    @property
    def context(self) -> Context:
        """The event with its workspace and the result that its rule follows."""
        return Context(self.event, self.workspace.view(), self.result)

    @property
    def title(self) -> str:
        """The example's name, and what was changed."""
        return f"{self.name} with {', '.join(self.changes)}" if self.changes else self.name


def samples_of(rules: Rules) -> dict[str, list[Sample]]:
    """The samples of each rule, by its name: at most one for each example. Rules with `after` follow a sample.

    An example is changed only if no other of its event type matches the rule. Takes time linear in the number of rules
    and of the rules that they follow.
    """
    found: dict[str, dict[str, Sample]] = {name: {} for name in rules.by_name}
    followers = defaultdict(list)
    for rule in rules.by_name.values():
        for followed in rule.after:
            followers[followed].append(rule)
    todo: deque[Sample] = deque()
    event_in = cache(_event_in)
    for name, event in EXAMPLES.items():
        for rule in rules.by_name.values():
            if rule.takes(_own(rule, event)) and (sample := _first(rule, _bases(rule, name, rules, event_in), found)):
                found[rule.name][name] = sample
                todo.append(sample)
    while todo:
        sample = todo.popleft()
        for rule in followers[sample.rule.name]:
            if sample.name not in found[rule.name] and (following := _following(rule, sample)):
                found[rule.name][sample.name] = following
                todo.append(following)
    return {name: list(by_example.values()) for name, by_example in found.items()}


def _bases(rule: Rule, name: str, rules: Rules, event_in: Callable[[str, ResourceId], Event | None]) -> list[Sample]:
    """An example as events of its own workspace and of others, as far as the rule's `in` allows them."""
    own = rules.workspace(EXAMPLES[name])
    others = rules.workspaces.named(rule.workspaces) if rules.workspaces else ()
    allowed = islice(chain([own] if own and rule.is_for(own) else [], others), _MAX_WORKSPACES)
    events = [(each, event_in(name, each.id)) for each in allowed]
    return [Sample(rule, name, _own(rule, event), workspace) for workspace, event in events if event is not None]


def _own(rule: Rule, event: Event) -> Event:
    """The event itself, or for a rule with `expect` the one about what this rule expects."""
    if rule.expect is None or not isinstance(event, Expected):
        return event
    data = {"rule": rule.name, "expected": rule.expect.name or rule.name, "event": rule.expect.what}
    return _rebuilt(event, {"data": event.wire()["data"] | data}) or event


def _event_in(name: str, id: ResourceId) -> Event | None:
    """An example as the event of a workspace; None if the id is that of another kind of resource."""
    return _rebuilt(EXAMPLES[name], {"topic": str(id)})


def _first(rule: Rule, bases: Sequence[Sample], found: Mapping[str, Mapping[str, Sample]]) -> Sample | None:
    types = {type(sample.event) for sample in found[rule.name].values()}
    return _matching(rule, bases, as_it_is=any(type(base.event) in types for base in bases))


def _following(rule: Rule, sample: Sample) -> Sample | None:
    """The sample of a rule that follows another one, whose sample this is."""
    if not rule.is_for(sample.workspace):
        return None
    status = "succeeded" if rule.outcome == "any" else rule.outcome
    result = {"rule": sample.rule.name, "status": status, "summary": "an example", "details": AnyDetails()}
    return _matching(rule, [replace(sample, rule=rule, result=result, follows=sample)])


def _matching(rule: Rule, bases: Sequence[Sample], *, as_it_is: bool = False) -> Sample | None:
    """The first of these samples that the rule matches; if there is none, the first that can be changed so."""
    for base in bases:
        if rule.when.matches(base.context):
            return base
    if as_it_is:
        return None
    changed = (sample for base in bases for sample in _changed(rule, base))
    return next((sample for sample in changed if _all_match(sample)), None)


def _all_match(sample: Sample) -> bool:
    """Does its rule match it, and each rule that this one follows?"""
    above: Sample | None = sample
    while above is not None:
        if not above.rule.when.matches(Context(sample.event, sample.workspace.view(), above.result)):
            return False
        above = above.follows
    return True


def _changed(rule: Rule, base: Sample) -> Iterator[Sample]:
    values = EventValues(base.context)
    for conditions in islice(_choices(rule.when, values), _MAX_CHOICES):
        if sample := _meeting(conditions, base):
            yield sample


def _choices(test: Test, values: EventValues) -> Iterable[tuple[Condition, ...]]:
    """Sets of conditions that together make the test true; those that hold already come first."""
    if isinstance(test, Condition):
        return [(test,)]
    if isinstance(test, AnyOf):
        inner = sorted(test.tests, key=lambda each: not each.holds(values))
        return list(islice(chain.from_iterable(_choices(each, values) for each in inner), _MAX_CHOICES))
    sets = product(*(list(_choices(each, values)) for each in test.tests))
    return [tuple(chain.from_iterable(each)) for each in islice(sets, _MAX_CHOICES)]


def _meeting(conditions: Iterable[Condition], base: Sample) -> Sample | None:
    """The sample with changes that meet the conditions one by one; None if a key cannot be changed so."""
    view = base.context.view()
    by_key: defaultdict[str, list[Condition]] = defaultdict(list)
    for condition in conditions:
        by_key[condition.key.lower()].append(condition)
    wire, result = deepcopy(base.event.wire()), deepcopy(base.result)
    changes: list[str] = []
    for of_key in by_key.values():
        key = of_key[0].key
        found = find_across_dots(view, key)
        if all(each.operator.holds(found, each.operands, arrays=True) for each in of_key):
            continue
        first, *rest = key.split(".")
        first = first.lower()
        holder = {"data": wire["data"], "result": result}.get(first) if rest else wire
        if not isinstance(holder, dict) or (not rest and first not in _CHANGEABLE):
            return None
        if first == "data" and _data_keys(type(base.event)).find(rest) is None:
            return None  # no event of this type has the key
        value = value_for(of_key)
        change(holder, rest or [key], value)
        changes.append(f"{key} removed" if value is MISSING else f"{key} {shown(value)}")
    event = _rebuilt(base.event, {name: wire[name] for name in wire if name.lower() in {*_CHANGEABLE, "data"}})
    if event is None:
        return None
    return replace(base, event=event, result=result, changes=(*base.changes, *changes))


@cache
def _data_keys(event_class: type[Event]) -> Known:
    keys = known_keys(event_class, has_drift=False, workspace=workspace_keys(ANY_LABELS))
    return keys.members["data"]


def _rebuilt(event: Event, changes: Mapping[str, Any]) -> Event | None:
    """The event with these fields; None if they are not valid, such as the id of another kind of resource."""
    kept = {name: value for name, value in event.wire().items() if name not in ("eventType", "subject")}
    try:
        return type(event).example(**{**kept, **changes})
    except (MalformedEvent, TypeError):
        return None
