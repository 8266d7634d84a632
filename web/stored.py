"""Recorded events and their actions as pages show them."""

import json
from dataclasses import dataclass, replace
from typing import Any

from dispatch.app import App
from dispatch.facts.kept import kept_facts, kept_source, values_of
from dispatch.guards.standings import standings_now
from dispatch.inbox.history.records import StoredEvent, actions_of, ends_of
from dispatch.inbox.rows import ActionRecord
from dispatch.rules.explain import Verdict, explain
from schemas import EventError
from schemas.alert import Alert

GUARDED = 10  # rules whose guards a page shows; each guard reads one row at most
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
    ends = ends_of(stored)
    context = replace(app.rules.context(event), facts=kept_source(app.inbox.table, stored))
    verdicts = [] if isinstance(event, Alert) else explain(app.rules, context, ends)
    in_order = tuple(sorted(verdicts, key=lambda verdict: not verdict.matches))
    return Reading(event.headline, event.studio_url or "", in_order)


def facts_of(stored: StoredEvent, app: App) -> tuple[dict[str, str], str]:
    """What Azure ML has said about the event's object, by key, and the end of a log. Raises StorageError."""
    values = {name: app.secrets.mask(text) for name, text in values_of(kept_facts(app.inbox.table, stored)).items()}
    return values, values.pop("run.log_tail", "")


def payload_lines(raw: str) -> tuple[list[str], bool]:
    """The lines of a payload, indented if it is JSON, and whether they are all."""
    try:
        text = json.dumps(json.loads(raw), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        text = raw
    return text[:LONGEST].split("\n"), len(text) <= LONGEST


def standings_of(stored: StoredEvent, app: App) -> dict[str, Any]:
    """How the guards of the rules stand that match an event, of `GUARDED` rules at most. Raises StorageError."""
    matching = [verdict.rule for verdict in reading(stored, app).verdicts if verdict.matches]
    found, ends = [], ends_of(stored)
    for name in matching[:GUARDED]:
        rule, context = app.rules.by_name[name], app.rules.context(stored.record.event)
        mask = app.secrets.including(rule.handler).mask
        standings = standings_now(rule, context, ends, app, stored)
        found.append((name, [each._replace(text=mask(each.text)) for each in standings]))
    return {"standings": found, "more": len(matching[GUARDED:])}
