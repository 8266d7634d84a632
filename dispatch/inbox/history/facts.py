"""What a service has said about the object of an event, kept beside the event: all rules and replays read the same.

A row for each fact, beside those with what actions have sent: its key sorts after those of all events, which lists and
claims read as a range. The first writer wins. It is deleted with the event.
"""

import json
from collections.abc import Mapping

from dispatch.inbox.errors import Conflict
from dispatch.inbox.history.sent import PREFIX
from dispatch.inbox.rows import SCHEMA, packed, unpacked
from dispatch.inbox.tables import Row, Table
from schemas.facts import FACTS, Facts


def facts_key(event: str, name: str) -> str:
    """The key of a fact's row. `!` begins no name of a rule."""
    return f"{PREFIX}{event}|!{name}"


def read_facts(table: Table, day: str, event: str) -> dict[str, Facts]:
    """The facts that are kept beside an event, by name, with one query. Raises Unavailable.

    Those of another version of the app that cannot be read are left out.
    """
    first = facts_key(event, "")
    found = {row.key.removeprefix(first): _read(row) for row in table.read(day, first, first + "~")}
    return {name: facts for name, facts in found.items() if facts is not None}


def keep_facts(table: Table, day: str, event: str, name: str, facts: Facts) -> Facts:
    """Keep what a service has said; returns what is kept: another worker may have been first. Raises StorageError."""
    row = Row(facts_key(event, name), {"schema": SCHEMA, **packed(json.dumps(facts.view(), ensure_ascii=False))})
    try:
        table.commit(day, row)
    except Conflict:
        return read_facts(table, day, event).get(name, facts)
    return facts


def _read(row: Row) -> Facts | None:
    name = row.key.rpartition("|!")[2]
    try:
        values: Mapping[str, object] = json.loads(unpacked(row.values))
        return FACTS[name].model_validate(values)
    except (LookupError, TypeError, ValueError):  # pydantic's ValidationError is a ValueError
        return None
