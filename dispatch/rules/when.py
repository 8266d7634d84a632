"""Evaluate ``when:``: conditions, and their groups `any` and `all`.

Conditions on what a service knows about the event's object (`schemas.events.base.FACT_NAMES`) are *late*: they cannot
be decided when an event is received. `split` takes them apart as the rules load.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from dispatch.filters.condition import Condition
from dispatch.filters.keys import EventValues, slot
from schemas.context import Context
from schemas.errors import shown
from schemas.events.base import FACT_NAMES
from schemas.plain import MISSING


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one of the tests is true."""

    tests: tuple["Test", ...]

    def holds(self, values: EventValues) -> bool:
        """Is it true for the event with these values?"""
        return any(test.holds(values) for test in self.tests)


@dataclass(frozen=True, slots=True)
class AllOf:
    """All of the tests are true, or there are none."""

    tests: tuple["Test", ...] = ()

    def holds(self, values: EventValues) -> bool:
        """Is it true for the event with these values?"""
        return self.first_false(values) is None

    def first_false(self, values: EventValues) -> "Test | None":
        """The first test that is false for the event with these values; None if all are true."""
        for test in self.tests:
            if not test.holds(values):
                return test
        return None

    def matches(self, context: Context) -> bool:
        """Is it true for this event?"""
        return self.holds(EventValues(context))


Test: TypeAlias = Condition | AnyOf | AllOf
ALWAYS = AllOf()


def facts_read(test: Test) -> frozenset[str]:
    """The facts that a test reads."""
    if isinstance(test, Condition):
        return frozenset({test.key.partition(".")[0].lower()}) & frozenset(FACT_NAMES)
    return frozenset[str]().union(*map(facts_read, test.tests))


def split(when: AllOf) -> tuple[AllOf, AllOf]:
    """The tests that an event decides, and the late ones: all of both must be true.

    A group under `any` is late if one of its tests is.
    """
    late = [test for test in _flat(when) if facts_read(test)]
    return (when, ALWAYS) if not late else (AllOf(tuple(t for t in _flat(when) if not facts_read(t))), AllOf((*late,)))


def _flat(when: AllOf) -> Iterator[Test]:
    for test in when.tests:
        if isinstance(test, AllOf):
            yield from _flat(test)
        else:
            yield test


def text_of(test: Test) -> str:
    """A test in one line."""
    match test:
        case Condition():
            return str(test)
        case AnyOf(tests):
            return f"({' or '.join(map(text_of, tests))})"
        case AllOf(tests):
            return f"({' and '.join(map(text_of, tests))})"


def why_false(test: Test, values: EventValues) -> str:
    """What a false test asks for, and the values that the event has."""
    match test:
        case Condition():
            found = values[slot(test.key, None)]
            nothing = "not known" if facts_read(test) else "not in the event"
            return f"{test} is false: {test.key} is {nothing if found is MISSING else shown(found)}"
        case AnyOf(tests):
            each = "; ".join(why_false(one, values) for one in tests)
            return f"none of {len(tests)} alternatives is true: {each}"
        case AllOf():
            first = test.first_false(values)
            return why_false(first, values) if first else "it is true"
