"""What shows only when the rules of all files are known: names, what follows what, how many act on one event."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import product

from dispatch.inbox.actions import MAX_ACTIONS
from dispatch.inbox.rows import ENDED
from dispatch.rules.errors import did_you_mean
from dispatch.rules.rule_entry import Draft
from dispatch.rules.workspaces import Workspaces
from schemas import EVENT_NAMES, EVENT_TYPES, Event
from schemas.errors import shown

_WHY_SO_FEW = (
    "They are written down in one transaction, which takes 100 operations, two of them for each. Combine some."
)


def check_links(drafts: Sequence[Draft], workspaces: Workspaces | None, *, all_readable: bool) -> None:
    """Report what is wrong between rules, each mistake with the later of them.

    Rules of refused files count: they may come back. If not all files are readable, a rule that is named by `after` and
    found nowhere may be in one of those, and is no mistake.
    """
    named = _unique(drafts)
    if all_readable:
        _check_followed_exist(drafts, named)
    _check_circles(named)
    _check_handlers_accept(drafts, named)
    _check_numbers(drafts, workspaces)


def _unique(drafts: Iterable[Draft]) -> dict[str, Draft]:
    named: dict[str, Draft] = {}
    for draft in drafts:
        first = named.setdefault(draft.name, draft)
        if draft.name and first is not draft:
            at = draft.node.fields["name"]
            draft.file.error(at, f"a rule {draft.name} stands at {first.source}, too", "Give this one another name.")
    return named


def _check_followed_exist(drafts: Iterable[Draft], named: Mapping[str, Draft]) -> None:
    for draft in drafts:
        for name, at in draft.after.places.items() if draft.after else ():
            if name not in named:
                hint = did_you_mean(name, named.keys() - {"", draft.name}, "The rules are")
                draft.file.error(at, f"there is no rule {shown(name)} to follow", hint)


def _check_circles(named: Mapping[str, Draft]) -> None:
    """Report each circle once, with the last of its rules."""
    order = {name: index for index, name in enumerate(named)}
    for name, draft in named.items():
        circle = _way_back(name, named)
        if circle and draft.after and all(order[other] <= order[name] for other in circle):
            message = f"these rules go round in a circle: {' after '.join(circle)}"
            draft.file.error(draft.after.places[circle[1]], message, "One of them must have 'on' instead.")


def _way_back(start: str, named: Mapping[str, Draft]) -> list[str]:
    """The shortest way from a rule over those that it follows back to it, with both ends; empty if there is none."""
    came_from: dict[str, str] = {}
    for here in (reached := [start]):
        draft = named.get(here)
        for name in draft.after.places if draft and draft.after else ():
            if name not in came_from:
                came_from[name] = here
                reached.append(name)
    if start not in came_from:
        return []
    way = [start]
    while len(way) == 1 or way[0] != start:
        way.insert(0, came_from[way[0]])
    return way


def _check_handlers_accept(drafts: Iterable[Draft], named: Mapping[str, Draft]) -> None:
    for draft in drafts:
        if draft.doing is None:
            continue
        for name, at in draft.on.items():
            if refused := draft.doing.refuses(EVENT_NAMES[name]):
                what = name if refused == [name] else f"{name}, which can be {' or '.join(refused)}"
                draft.file.error(at, f"{draft.doing.do} cannot act on {what}", f"It takes {draft.doing.takes}.")
        for name in draft.after.places if draft.after else ():
            if refused := draft.doing.refuses(_events(name, named)):
                followed = f"{name} ({named[name].source})"
                message = f"{draft.doing.do} cannot act on {' or '.join(refused)}, on which {followed} acts"
                draft.file.error(draft.doing.at, message, f"It takes {draft.doing.takes}.")


def _events(name: str, named: Mapping[str, Draft]) -> list[type[Event]]:
    """The event types on which a rule acts: those of its `on`, or of all that it follows, over any number of steps."""
    seen, left, events = {name}, [name], set()
    while left:
        draft = named.get(left.pop())
        if draft is None:
            continue
        events |= draft.events
        more = set(draft.after.places if draft.after else ()) - seen
        seen |= more
        left += more
    return [event for event in EVENT_TYPES.values() if event in events]


def _check_numbers(drafts: Iterable[Draft], workspaces: Workspaces | None) -> None:
    """Report every rule that is one too many for one event, or for the end of one action."""
    counts: Counter[tuple[str, str]] = Counter()
    everywhere = frozenset(workspaces.by_name if workspaces else {"every workspace"})
    for draft in drafts:
        places = everywhere if draft.chosen is None else draft.chosen
        mine = list(product(_triggers(draft), sorted(places)))
        counts.update(mine)
        crowded = next((key for key in mine if counts[key] > MAX_ACTIONS), None)
        if crowded:
            message = f"more than {MAX_ACTIONS} rules act on {crowded[0]} in {crowded[1]}"
            draft.file.error(draft.node, message, _WHY_SO_FEW)


def _triggers(draft: Draft) -> list[str]:
    ends = [
        f"the end ({status}) of {name}"
        for name in (draft.after.places if draft.after else ())
        for status in ENDED
        if draft.after and draft.after.follows(status)
    ]
    return sorted(event.__name__ for event in draft.events) + ends
