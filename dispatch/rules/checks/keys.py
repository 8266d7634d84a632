"""Check the keys that rules read: those of conditions, of `by` and of templates."""

from collections.abc import Iterable, Mapping
from functools import cache, partial

from dispatch.inbox.rows import ENDED
from dispatch.rules.checks.absence import check_absence
from dispatch.rules.checks.conditions import check_conditions
from dispatch.rules.checks.scope import EventKind, Scope, every_kind, find_key, joined, kinds_of, workspace_scope
from dispatch.rules.checks.templates import check_templates
from dispatch.rules.reading.nodes import Scalar, field_of, items_of, text_of
from dispatch.rules.rule_entry import RuleEntry
from dispatch.rules.workspaces import Workspaces
from schemas import ResourceId
from schemas.events.known_keys import Known, Type, result_keys

_WITHOUT_BY = {  # keys of a rule with `by` -> what becomes of events that lack this key
    "at_most": "actions on it are not limited",
    "collect": "such events are collected together",
    "at_least": "such events are counted together",
}


def check_keys(
    entries: Iterable[RuleEntry], named: Mapping[str, RuleEntry], order: Iterable[str], workspaces: Workspaces | None
) -> None:
    """Report the keys of all rules that no event has, and conditions that cannot hold; warn of doubtful ones.

    `order` has the names of the rules, each after those that it follows. Rules in a circle are left out.
    """
    kinds = _kinds(named, order)

    @cache
    def scope_of(chosen: frozenset[str] | None, kind: type[ResourceId]) -> Known:
        return workspace_scope(chosen, workspaces, kind)

    for entry in entries:
        acts_on = kinds.get(entry.name) if entry.after else _own_kinds(entry)
        if acts_on:
            here = partial(scope_of, entry.chosen)
            scope = Scope.of(acts_on, here, _result(entry) if entry.after else None)
            check_absence(entry, scope, here)
            _check_entry(entry, scope)


def _kinds(named: Mapping[str, RuleEntry], order: Iterable[str]) -> dict[str, set[EventKind]]:
    """The events on which each rule acts: those of its `on`, or of the rules that it follows.

    Every event, where a part of that is not known: an invalid `on`, or a rule in a file that cannot be read.
    """
    kinds: dict[str, set[EventKind]] = {}
    for name in order:
        entry = named[name]
        own = _own_kinds(entry) if not entry.after else set()
        unknown = any(followed not in kinds for followed in entry.after)
        followed = [kinds[other] for other in entry.after if other in kinds]
        kinds[name] = (every_kind() if unknown else set[EventKind]().union(own, *followed)) or every_kind()
    return kinds


def _own_kinds(entry: RuleEntry) -> set[EventKind]:
    """The events of `on`, or of `expect`; none if it has errors."""
    if "on" in entry.node.fields and len(entry.on) < len(
        {text_of(item) for item in items_of(entry.node.fields.get("on"))}
    ):
        return set()
    return {kind for name in entry.on for kind in kinds_of(name)}


def _result(entry: RuleEntry) -> Known:
    statuses = [status for status in ENDED if entry.follows(status)]
    has_settings = any(isinstance(node, Scalar) and node.settings for node in entry.after.values())
    return result_keys(() if has_settings else entry.after, statuses)


def _check_entry(entry: RuleEntry, scope: Scope) -> None:
    fields, file = entry.node.fields, entry.file
    scope = check_conditions(fields.get("when"), scope, file)
    if not scope.roots:  # the conditions can never hold, which is reported
        return
    for key, without in _WITHOUT_BY.items():
        _check_by(entry, scope, key, without)
    if entry.handler and entry.handler.handler:
        if fields.keys() & {"collect", "at_least"}:
            scope = scope.with_events()
        check_templates(entry.handler.handler, fields.get("with"), scope, file)


def _check_by(entry: RuleEntry, scope: Scope, key_of_rule: str, without: str) -> None:
    """Check the key by whose values a rule groups events; `without` says what becomes of an event that lacks it."""
    node = field_of(entry.node.fields.get(key_of_rule), "by")
    key = text_of(node)
    if node is None or not key or not all(name.strip() for name in key.split(".")):
        return
    found = {name: known for name, root in scope.roots.items() if (known := find_key(key, root))}
    if not found:
        entry.file.error(node, *scope.lacks(key.split(".")))
    elif all(known.type in (Type.OBJECT, Type.NULL) for known in found.values()):
        names = dict.fromkeys(f"{key}.{name}" for known in found.values() for name in known.members)
        hint = f"Its keys are {', '.join(names)}." if names else f"Name one of its keys: {key}.NAME."
        what = joined(dict.fromkeys(known.type.value for known in found.values()), "or")
        entry.file.error(node, f"{key_of_rule}.by needs a key with one value, and {key} is {what}", hint)
    elif lacking := [name for name in scope.roots if name not in found]:
        verb = "has" if len(lacking) == 1 else "have"
        message = f"{joined(lacking)} {verb} no {key}, and {without}"
        entry.file.warning(node, message, "Write a rule for each type, or name a key that all have, such as object.")
