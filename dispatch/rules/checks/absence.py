"""Check `expect` and `unless`: their conditions and keys, and whether an event can satisfy them."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import time
from typing import TYPE_CHECKING

from dispatch.rules.checks.conditions import check_conditions
from dispatch.rules.checks.scope import Scope, find_key, joined, kinds_of
from dispatch.rules.expectations.calendar import time_of_day
from dispatch.rules.reading.nodes import Table, field_of, items_of, scalars_of, text_of
from dispatch.rules.values import event_name
from schemas import Expected, ResourceId
from schemas.events.base import FACT_NAMES
from schemas.events.known_keys import Known

if TYPE_CHECKING:
    from dispatch.rules.rule_entry import RuleEntry

_EARLY = time(3)  # until then, "since midnight" is probably shorter than somebody means


def check_absence(entry: "RuleEntry", own: Scope, workspace: Callable[[type[ResourceId]], Known]) -> None:
    """Report what is wrong with `expect` and `unless` of a rule; `own` is the scope of the events on which it acts."""
    for key in ("expect", "unless"):
        node = entry.node.fields.get(key)
        if isinstance(node, Table) and (names := list(_event_names(node))):
            kinds = {kind for name in names for kind in kinds_of(name)}
            _check_facts(entry, node)
            scope = check_conditions(field_of(node, "when"), Scope.of(kinds, workspace, None), entry.file)
            if key == "expect":
                _check_expect(entry, node)
            else:
                _check_unless(entry, node, scope, own)


def _event_names(node: Table) -> Iterator[str]:
    for item in items_of(field_of(node, "event")):
        if name := event_name(text_of(item) or ""):
            yield name


def _check_facts(entry: "RuleEntry", node: Table) -> None:
    """Report keys that are known only when an action runs: events are compared when they are received."""
    for item in (*scalars_of(node.fields.get("when")), *scalars_of(node.fields.get("same"))):
        fact = (text_of(item) or "").partition(".")[0].strip().casefold()
        if fact in FACT_NAMES:
            message = (
                f"{fact} is asked of the service when an action runs, and this is compared when an event is received"
            )
            entry.file.error(item, message, "Name keys of the event, such as those under data.")


def _check_expect(entry: "RuleEntry", node: Table) -> None:
    for item in items_of(node.fields.get("event")):
        if event_name(text_of(item) or "") == Expected.__name__:
            message = "a rule cannot expect Expected: it is the event that says what did not come"
            entry.file.error(item, message, "Name the event that must come, such as RunCompleted.")
    by = node.fields.get("by")
    if by is None or "within" in node.fields:
        return
    with suppress(ValueError):
        clock = time_of_day(text_of(by) or "")
        if clock == time():
            message = "the rule would always act: events count since midnight, and the deadline is midnight"
            entry.file.error(by, message, "Write within: 12h, to count the events of the 12 hours before it.")
        elif clock < _EARLY:
            message = f"only events between 00:00 and {clock:%H:%M} count"
            entry.file.warning(by, message, "Write within: 12h, to count the events of the 12 hours before it.")


def _check_unless(entry: "RuleEntry", node: Table, scope: Scope, own: Scope) -> None:
    fields = entry.node.fields
    if "still_after" not in fields and "expect" not in fields and "within" not in node.fields:
        message = "the rule acts within seconds, and sees only what is on record then"
        hint = "Write still_after: 1h beside unless, to act later, or within: 1h in it, to look at earlier events."
        entry.file.warning(node, message, hint)
    same = node.fields.get("same")
    key = text_of(same)
    if same is None or not key or not all(name.strip() for name in key.split(".")):
        return
    for each in (own, scope):
        found = [name for name, root in each.roots.items() if find_key(key, root)]
        if each.roots and not found:
            entry.file.error(same, *each.lacks(key.split(".")))
            return
        if lacking := [name for name in each.roots if name not in found]:
            verb = "has" if len(lacking) == 1 else "have"
            message = f"{joined(lacking)} {verb} no {key}, and is not compared"
            entry.file.warning(same, message, "Name a key that all have, such as object.")
