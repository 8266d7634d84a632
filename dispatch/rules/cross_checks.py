"""Check the rules of all files together: their names, what follows what, and how many act on one event."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from dispatch.inbox.actions import MAX_ACTIONS
from dispatch.inbox.rows import ENDED
from dispatch.rules.checks.keys import check_keys
from dispatch.rules.checks.scope import joined
from dispatch.rules.errors import did_you_mean
from dispatch.rules.reading.nodes import field_of
from dispatch.rules.rule_entry import RuleEntry
from dispatch.rules.workspaces import Workspaces
from handlers.base import Handler
from schemas import EVENT_NAMES, EVENT_TYPES, Event
from schemas.errors import shown

_COMBINE = "One transaction creates their actions, with at most 100 operations, two for each. Combine some rules."

_CIRCLES = 10  # that are reported


def check_together(entries: Sequence[RuleEntry], workspaces: Workspaces | None, *, all_readable: bool) -> None:
    """Report errors between rules, each with the later of them.

    Rules of refused files count, because the files may become valid. If not all files are readable, a rule that `after`
    names and that is not found is no error, because it may be in an unreadable file.
    """
    named = _unique(entries)
    if all_readable:
        _check_followed_exist(entries, named)
    order = _in_order(named)
    _check_circles(named, order)
    events = _events(named, order)
    _check_handlers_accept(entries, events, named)
    check_keys(entries, named, order, workspaces)
    if workspaces:
        _check_sources(entries, workspaces)
        _check_workspaces(entries, events, workspaces)
    _check_common_workspaces(named, order)
    _check_numbers(entries, workspaces)


def _unique(entries: Iterable[RuleEntry]) -> dict[str, RuleEntry]:
    named: dict[str, RuleEntry] = {}
    for entry in entries:
        first = named.setdefault(entry.name, entry)
        if entry.name and first is not entry:
            at = entry.node.fields["name"]
            message = f"another rule has the name {entry.name}: {first.source}"
            entry.file.error(at, message, "Give this one another name.")
    return named


def _check_followed_exist(entries: Iterable[RuleEntry], named: Mapping[str, RuleEntry]) -> None:
    written = {name: entry.written_name for name, entry in named.items()}
    for entry in entries:
        for name, at in entry.after.items():
            if name not in named:
                hint = partial(did_you_mean, name, named.keys() - {"", entry.name}, "The rules are", written)
                entry.file.error(at, f"there is no rule {shown(name)} to follow", hint)


def _in_order(named: Mapping[str, RuleEntry]) -> list[str]:
    """The names of the rules, each after those that it follows; without rules in a circle and their followers."""
    followers: dict[str, list[str]] = {name: [] for name in named}
    left = dict.fromkeys(named, 0)  # how many rules that a rule follows are not in order yet
    for name, entry in named.items():
        for followed in entry.after:
            if followed in named:
                followers[followed].append(name)
                left[name] += 1
    order = [name for name, count in left.items() if not count]
    for name in order:
        for follower in followers[name]:
            left[follower] -= 1
            if not left[follower]:
                order.append(follower)
    return order


def _check_circles(named: Mapping[str, RuleEntry], order: Iterable[str]) -> None:
    """Report each circle once, with the last of its rules; at most `_CIRCLES`, each found in linear time."""
    index = {name: number for number, name in enumerate(named)}
    for _ in range(_CIRCLES):
        named = {name: named[name] for name in named.keys() - set(order)}
        if not named:
            break
        circle = _circle_through(max(_a_circle(named, index), key=index.__getitem__), named)
        at = circle.index(max(circle, key=index.__getitem__))
        circle = [*circle[at:], *circle[1 : at + 1]]
        last = named.pop(circle[0])
        names = " after ".join((last if name == circle[0] else named[name]).written_name for name in circle)
        message = f"these rules follow each other in a circle: {names}"
        last.file.error(last.after[circle[1]], message, "One of them must have 'on' instead.")
        order = _in_order(named)


def _a_circle(named: Mapping[str, RuleEntry], index: Mapping[str, int]) -> list[str]:
    """A circle of rules, each of which follows at least one other of them."""
    name = min(named, key=index.__getitem__)
    path: dict[str, int] = {}
    while name not in path:
        path[name] = len(path)
        name = next(followed for followed in named[name].after if followed in named)
    return [*path][path[name] :]


def _circle_through(start: str, named: Mapping[str, RuleEntry]) -> list[str]:
    """The shortest circle of followed rules through a rule that is in one; the rule comes first and last."""
    came_from: dict[str, str] = {}
    for here in (reached := [start]):
        for name in named[here].after if here in named else ():
            if name not in came_from:
                came_from[name] = here
                reached.append(name)
    circle = [start, came_from[start]]
    while circle[-1] != start:
        circle.append(came_from[circle[-1]])
    return circle[::-1]


def _check_common_workspaces(named: Mapping[str, RuleEntry], order: Iterable[str]) -> None:
    """Report rules that follow only rules for other workspaces, and so never act. `order` is as in `check_keys`."""
    chosen: dict[str, frozenset[str] | None] = {}  # the workspaces of each rule; None: all
    for name in order:
        entry = named[name]
        own, followed = entry.chosen, [chosen.get(other) for other in entry.after]
        above = frozenset[str]().union(*(each for each in followed if each is not None))
        if not followed or None in followed:
            chosen[name] = own
            continue
        common = above if own is None else own & above
        if own and above and not common:
            rules = joined(named[other].written_name for other in entry.after)
            message = f"{rules} {'acts' if len(entry.after) == 1 else 'act'} only in {joined(sorted(above))}"
            entry.file.error(entry.node.fields["in"], f"the rule never acts: {message}", "Name a workspace of these.")
        chosen[name] = common or own


def _check_handlers_accept(
    entries: Iterable[RuleEntry], events: Mapping[str, set[type[Event]]], named: Mapping[str, RuleEntry]
) -> None:
    for entry in entries:
        handler = entry.handler
        if handler is None:
            continue
        for name, at in entry.on.items():
            if refused := handler.refuses(EVENT_NAMES[name]):
                what = name if refused == [name] else f"{name}, which can be {' or '.join(refused)}"
                entry.file.error(at, f"{handler.written} cannot act on {what}", f"It takes {handler.takes}.")
        for name in entry.after:
            if refused := handler.refuses(event for event in EVENT_TYPES.values() if event in events.get(name, ())):
                followed = f"{named[name].written_name} ({named[name].source})"
                message = f"{handler.written} cannot act on {' or '.join(refused)}, on which {followed} acts"
                entry.file.error(handler.node, message, f"It takes {handler.takes}.")


def _events(named: Mapping[str, RuleEntry], order: Iterable[str]) -> dict[str, set[type[Event]]]:
    """The event types on which each rule acts: those of its `on`, or of the rules that it follows."""
    events: dict[str, set[type[Event]]] = {}
    for name in order:
        followed = (events[other] for other in named[name].after if other in events)
        events[name] = named[name].events.union(*followed)
    return events


def _check_sources(entries: Iterable[RuleEntry], workspaces: Workspaces) -> None:
    """Report event types in `on`, `expect` and `unless` that no workspace of the rule raises."""
    for entry in entries:
        here = [each.id for each in workspaces.named(entry.chosen)]
        if entry.chosen is not None and not here:  # `in` has errors
            continue
        for name, at in (*entry.on.items(), *entry.asks.items()):
            kinds = dict.fromkeys(event.resource_id for event in EVENT_NAMES[name])
            if not any(isinstance(id, kind) for id in here for kind in kinds):
                nouns = joined((kind.noun.split(" ", 1)[1] for kind in kinds), "or")
                where = "in workspaces.yaml" if entry.chosen is None else "that this rule chooses"
                hint = f"List it under {' or '.join(dict.fromkeys(kind.listed_under for kind in kinds))}."
                message = f"{name} never comes: there is no {nouns} {where}"
                entry.file.error(at, message, hint if entry.chosen is None else "")


def _check_workspaces(
    entries: Iterable[RuleEntry], events: Mapping[str, set[type[Event]]], workspaces: Workspaces
) -> None:
    """Report the first workspace of each rule whose events its handler cannot act on."""
    for entry in entries:
        handler = entry.handler.handler if entry.handler else None
        if handler is None or type(handler).check_workspace is Handler.check_workspace:
            continue
        settings = entry.node.fields.get("with")
        at = field_of(settings, "workspace") or settings or entry.node
        kinds = tuple(event.resource_id for event in events.get(entry.name, entry.events))
        for each in sorted(workspaces.named(entry.chosen), key=lambda each: each.name):
            if not isinstance(each.id, kinds):
                continue
            try:
                handler.check_workspace(each.id)
            except ValueError as error:
                message, _, hint = str(error).partition("; ")
                entry.file.error(at, message, f"{hint[:1].upper()}{hint[1:]}." if hint else "")
                break


def _check_numbers(entries: Iterable[RuleEntry], workspaces: Workspaces | None) -> None:
    """Report every rule above the limit of rules for one event, or for the end of one action."""
    first = min(workspaces.by_name if workspaces else (), default="every workspace")
    numbers: defaultdict[str, _Numbers] = defaultdict(lambda: _Numbers(first))
    for entry in entries:
        counted = [(trigger, numbers[trigger].add(entry.chosen)) for trigger in _triggers(entry)]
        crowded = next(((trigger, workspace) for trigger, workspace in counted if workspace), None)
        if crowded:
            message = f"more than {MAX_ACTIONS} rules act on {crowded[0]} in {crowded[1]}"
            entry.file.error(entry.node, message, _COMBINE)


@dataclass(slots=True)
class _Numbers:
    """How many rules act on the same thing: rules for all workspaces are one number, not one for each workspace."""

    busiest: str  # the workspace with most rules of its own
    for_all: int = 0
    own: Counter[str] = field(default_factory=Counter)
    crowded: dict[frozenset[str], str] = field(default_factory=dict)  # choices with too many rules: one of their names

    def add(self, chosen: frozenset[str] | None) -> str | None:
        """Count a rule, and return the name of a workspace for which it is one too many."""
        if chosen is None:
            self.for_all += 1
            return self.busiest if self.for_all + self.own[self.busiest] > MAX_ACTIONS else None
        if chosen not in self.crowded:
            self.own.update(chosen)
            self.busiest = max(self.busiest, *chosen, key=self.own.__getitem__)
            if crowded := [name for name in chosen if self.for_all + self.own[name] > MAX_ACTIONS]:
                self.crowded[chosen] = min(crowded)
        return self.crowded.get(chosen)


def _triggers(entry: RuleEntry) -> list[str]:
    ends = [f"the end ({status}) of {name}" for name in entry.after for status in ENDED if entry.follows(status)]
    asking = {event.__name__ for name in entry.asks for event in EVENT_NAMES[name]}
    asked = [f"the presence or absence of {name}" for name in sorted(asking)]
    return sorted(event.__name__ for event in entry.events) + asked + ends
