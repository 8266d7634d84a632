"""``when:`` the conditions of a rule, and the groups that ``any`` and ``all`` make of them."""

from dataclasses import dataclass
from typing import TypeAlias

from dispatch.filters.condition import Condition
from dispatch.filters.keys import EventValues
from dispatch.rules.reading.nodes import Node, RuleFile, Table
from schemas.context import Context

_EXAMPLE = "Write a condition, such as data.runStatus StringIn Failed, or a group: { any: [condition, condition] }."


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


def read_when(node: Node, file: RuleFile) -> AllOf:
    """The conditions; those with mistakes are reported and left out."""
    return AllOf(_tests(node, file, "when"))


def _tests(node: Node, file: RuleFile, what: str) -> tuple[Test, ...]:
    return tuple(test for item in file.one_or_more(node, what) if (test := _test(item, file)))


def _test(node: Node, file: RuleFile) -> Test | None:
    if isinstance(node, Table):
        return _group(node, file)
    text = file.text(node, "a condition", _EXAMPLE)
    if text is None:
        return None
    try:
        return Condition.parse(text)
    except ValueError as error:
        file.error(node, str(error))
        return None


def _group(node: Table, file: RuleFile) -> Test | None:
    groups = [key for key in node.keys if key in ("any", "all")]
    if len(groups) != 1 or len(node.keys) != 1:
        file.error(node, "a group of conditions has one key, 'any' or 'all'", _EXAMPLE)
        return None
    [key] = groups
    tests = _tests(node.fields[key], file, key)
    return AnyOf(tests) if key == "any" else AllOf(tests)
