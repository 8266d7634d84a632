"""Evaluate ``when:``: conditions, and their groups `any` and `all`."""

from dataclasses import dataclass
from typing import TypeAlias

from dispatch.filters.condition import Condition
from dispatch.filters.keys import EventValues
from schemas.context import Context


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
