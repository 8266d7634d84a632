"""The facts that are kept beside a recorded event, for people and for rules that are tried on it: nothing is asked."""

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from dispatch.inbox.history.records import StoredEvent, actions_of
from dispatch.inbox.tables import Table

if TYPE_CHECKING:
    from schemas.facts import Facts

NOT_ASKED = "no action has asked for it"


def kept_facts(table: Table, stored: StoredEvent) -> "Mapping[str, Facts]":
    """The kept facts of an event, by name; reads storage only if an action has read some. Raises Unavailable."""
    if not any(record.facts for record in actions_of(stored).values()):
        return {}
    from dispatch.inbox.history.facts import read_facts

    return read_facts(table, stored.day, stored.key)


def kept_source(table: Table, stored: StoredEvent) -> "Callable[[str], Facts]":
    """The kept facts of an event, for its `Context`; others are unavailable. Reads storage when it is first called."""
    found: dict[str, Facts] | None = None

    def read(name: str) -> "Facts":
        nonlocal found
        if found is None:
            found = dict(kept_facts(table, stored))
        if name not in found:
            from schemas.facts import FACTS

            found[name] = FACTS[name].without(NOT_ASKED, transient=True)
        return found[name]

    return read


def values_of(facts: "Mapping[str, Facts]") -> dict[str, str]:
    """The values of facts by their keys in rules, as texts: ``run.error.code``. Empty ones are left out."""
    return {key: str(value) for name, each in facts.items() for key, value in _flat(name, each.view()) if value != ""}


def _flat(key: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _flat(f"{key}.{name}", inner)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _flat(f"{key}[{index}]", inner)
    else:
        yield key, value
