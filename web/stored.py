"""Recorded events and their actions as pages show them."""

import json
from dataclasses import dataclass

from dispatch.app import App
from dispatch.inbox.history.records import StoredEvent, actions_of
from dispatch.inbox.rows import ActionRecord
from dispatch.rules.explain import Verdict, explain
from handlers.base import Result
from schemas import EventError
from schemas.alert import Alert

LONGEST = 200_000  # characters of a payload that a page shows; all of it can be downloaded


@dataclass(frozen=True, slots=True)
class Node:
    """An action of a tree, with those that follow it."""

    rule: str
    record: ActionRecord
    children: tuple["Node", ...] = ()


def tree(event: StoredEvent) -> list[Node]:
    """The actions of an event, each under the one that it follows. Every action occurs once."""
    records = dict(sorted(actions_of(event).items()))
    seen: set[str] = set()

    def under(followed: str) -> tuple[Node, ...]:
        nodes = []
        for rule, record in records.items():
            if rule not in seen and (record.follows.rule if record.follows else "") == followed:
                seen.add(rule)
                nodes.append(Node(rule, record, under(rule)))
        return tuple(nodes)

    found = [*under("")]
    found += [Node(rule, record) for rule, record in records.items() if rule not in seen]
    return found


@dataclass(frozen=True, slots=True)
class Reading:
    """What this version of the app reads in an event: its link, its verdicts, or why it cannot be read."""

    headline: str = ""
    link: str = ""
    verdicts: tuple[Verdict, ...] = ()
    error: str = ""


def reading(stored: StoredEvent, app: App) -> Reading:
    """Read an event, and compare it with the rules in force."""
    try:
        event = stored.record.event
    except EventError as error:
        return Reading(error=str(error))
    ends = [Result(rule, r.status, r.note, r.details) for rule, r in actions_of(stored).items() if r.ended]
    verdicts = [] if isinstance(event, Alert) else explain(app.rules, app.rules.context(event), ends)
    in_order = tuple(sorted(verdicts, key=lambda verdict: not verdict.matches))
    return Reading(event.headline, event.studio_url or "", in_order)


def payload_lines(raw: str) -> tuple[list[str], bool]:
    """The lines of a payload, indented if it is JSON, and whether they are all."""
    try:
        text = json.dumps(json.loads(raw), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        text = raw
    return text[:LONGEST].split("\n"), len(text) <= LONGEST
