"""Keep filters within Event Grid's limits: widen or leave out the weakest, and report which."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from dispatch.filters.event_filter import MAX_FILTERS, MAX_VALUES
from mlevents.subscriptions.terms import NOT_NULL, Term, Word, strongest, weaker

_WIDENED = f"Event Grid takes at most {MAX_VALUES} values over all filters of a subscription"
_LEFT_OUT = f"Event Grid takes at most {MAX_FILTERS} filters of a subscription"


@dataclass(frozen=True, slots=True)
class AdvancedFilter:
    """An advanced filter of Event Grid."""

    key: str
    operator: str
    values: tuple[Any, ...] = ()  # texts, numbers, pairs of numbers, or one of true and false
    takes: str | None = None  # the member of the filter that has the values: `values`, `value` or none

    def __str__(self) -> str:
        return " ".join([self.key, self.operator, *(_shown(value) for value in self.values)])

    def arm(self) -> dict[str, Any]:
        """The filter as Resource Manager's API has it."""
        found: dict[str, Any] = {"operatorType": self.operator, "key": self.key}
        values = [list(value) if isinstance(value, tuple) else value for value in self.values]
        if self.takes:
            found[self.takes] = values if self.takes == "values" else values[0]
        return found


def within_limits(terms: Sequence[Term]) -> tuple[tuple[AdvancedFilter, ...], tuple[str, ...]]:
    """The filters that say these terms, or weaker ones, and a note about each that was widened or left out."""
    notes: list[str] = []
    found = _grouped(terms)
    while sum(len(each.operands) for each in found) > MAX_VALUES:
        largest = max(found, key=lambda each: len(each.operands))
        wider = weaker(largest)
        notes = [note for note in notes if not note.startswith(f"{largest.key} ")]
        outcome = f"was widened to {_filter(wider)}" if wider else f"{largest.operator.name} was left out"
        notes.append(f"{largest.key} {outcome}: {_WIDENED}")
        kept = [wider if each is largest else each for each in found]
        found = strongest([each for each in kept if each is not None], len(found))
    by_strength = sorted(found, key=lambda each: (each.operator is NOT_NULL, each.operator.negated, len(each.operands)))
    for each in by_strength[MAX_FILTERS:]:
        notes.append(f"{_filter(each)} was left out: {_LEFT_OUT}")
    kept_terms = by_strength[:MAX_FILTERS]
    return tuple(_filter(each) for each in found if each in kept_terms), tuple(notes)


def _grouped(terms: Iterable[Term]) -> list[Term]:
    """Terms with Not on one key and operator as one: it denies all of its operands."""
    found: dict[object, Term] = {}
    for term in terms:
        index = (term.key, term.operator.name) if _denies(term) else term
        same = found.get(index)
        found[index] = term if same is None else Term(term.key, term.operator, same.operands + term.operands, True)
    return list(found.values())


def _denies(term: Term) -> bool:
    return term.operator.negated and term.operator is not NOT_NULL


def _filter(term: Term) -> AdvancedFilter:
    values = tuple(_plain(operand) for operand in term.operands)
    return AdvancedFilter(term.key, term.operator.name, values, term.operator.takes)


def _plain(operand: Any) -> Any:
    match operand:
        case Word():
            return operand.written
        case Decimal():
            return int(operand) if operand == operand.to_integral_value() else float(operand)
        case tuple():
            return tuple(_plain(end) for end in operand)
    return operand


def _shown(value: Any) -> str:
    if isinstance(value, tuple):
        return ",".join(str(end) for end in value)
    return str(value).lower() if isinstance(value, bool) else repr(value) if _needs_quotes(value) else str(value)


def _needs_quotes(value: object) -> bool:
    return isinstance(value, str) and (not value or not value.isprintable() or " " in value)
