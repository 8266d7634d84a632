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
        for test in self.tests:  # noqa: SIM110 - all() of a generator takes twice as long, for every rule and event
            if not test.holds(values):
                return False
        return True

    def matches(self, context: Context) -> bool:
        """Is it true for this event?"""
        return self.holds(EventValues(context))


Test: TypeAlias = Condition | AnyOf | AllOf
ALWAYS = AllOf()
