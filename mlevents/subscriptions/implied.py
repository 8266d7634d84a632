"""The strongest advanced filters that the rules of a workspace imply: every event that a rule matches passes them.

A rule implies a *necessary term* for a key if its ``when`` cannot hold otherwise. The workspace implies the filters
that are weaker than a term of each of its rules, for each event type: one rule without a term on a key keeps that key
from being filtered.
"""

import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import reduce
from typing import Any

from dispatch.filters.condition import Condition
from dispatch.filters.operators import STRING, operator_named
from dispatch.rules.when import AllOf, AnyOf, Test
from mlevents.subscriptions.sent import Sent, as_published, sent_at
from mlevents.subscriptions.terms import IS_NULL, NOT_NULL, Term, Word, positive_text, strongest, weakest_common
from schemas.events.base import Event
from schemas.plain import MISSING

_MOST_TERMS = 24  # of one key: more are left out, which makes the filter weaker
_MOST_DIGITS = 15  # of a number: more do not survive a conversion to double, which az and some JSON libraries do
_REPLACED = "\ufffd"  # the app writes it in place of half a surrogate pair, which Event Grid may see


@dataclass(frozen=True, slots=True)
class Alternative:
    """A rule with one of its event types: some event that it matches has satisfied these terms, all of them."""

    rule: str
    event: type[Event]
    terms: Sequence[Term]
    unusable: Mapping[str, str] = field(default_factory=dict)  # the text of a condition -> why it is no term


def alternative(rule: str, when: AllOf, event: type[Event], known: Mapping[str, Any]) -> Alternative | None:
    """What a rule needs of an event; None if its ``when`` never holds. `known` has keys that are decided already."""
    reader = _Reader(event, {**known, "eventType": event.type_name()})
    terms = reader.necessary(when, frozenset())
    return None if terms is None else Alternative(rule, event, terms, reader.unusable)


def implied(alternatives: Sequence[Alternative]) -> list[Term]:
    """The terms that all alternatives imply, without those that every event satisfies."""
    found = _disjoin([list(each.terms) for each in alternatives])
    return [term for term in found if term.operator is not NOT_NULL or not _always(term.key, alternatives)]


def _always(key: str, alternatives: Iterable[Alternative]) -> bool:
    probe = Condition.parse(f"'{key}' IsNotNull")
    return all(isinstance(sent := sent_at(probe, each.event), Sent) and sent.required for each in alternatives)


def _disjoin(alternatives: Sequence[list[Term]]) -> list[Term]:
    """The terms that hold if all those of any one alternative do."""
    return reduce(_either, alternatives) if alternatives else []


def _either(some: list[Term], others: list[Term]) -> list[Term]:
    pairs = ((one, other) for one in some for other in others if one.key == other.key)
    return strongest((common for pair in pairs if (common := weakest_common(*pair))), _MOST_TERMS)


class _Reader:
    """Reads the necessary terms of a ``when``, for one event type."""

    def __init__(self, event: type[Event], known: Mapping[str, Any]) -> None:
        self.unusable: dict[str, str] = {}
        self._event = event
        self._known = known

    def necessary(self, test: Test, texts: frozenset[str]) -> list[Term] | None:
        """The terms that hold if the test does; None if it never does. `texts`: keys that certainly hold a text."""
        match test:
            case AllOf():
                found = self._all(test.tests, texts)
                more = frozenset(term.key for term in found or () if term.is_text)
                return self._all(test.tests, texts | more) if more - texts else found
            case AnyOf():
                read = [self.necessary(each, texts) for each in test.tests]
                possible = [terms for terms in read if terms is not None]
                return _disjoin(possible) if possible else None
        if (decided := self._decided(test)) is not None:
            return [] if decided else None
        return self._terms(test, texts)

    def _all(self, tests: Iterable[Test], texts: frozenset[str]) -> list[Term] | None:
        read = [self.necessary(test, texts) for test in tests]
        if any(terms is None for terms in read):
            return None
        return strongest((term for terms in read for term in terms or ()), _MOST_TERMS)

    def _decided(self, condition: Condition) -> bool | None:
        """Is it true for all events of the type from this workspace, or false for all? None: it depends."""
        names = condition.key.lower().split(".")
        if names[0] == "workspace" and names[1:2] != ["id"] and len(names) > 1:
            return condition.matches(self._known)
        return condition.matches(self._known) if names == ["eventtype"] else None

    def _terms(self, condition: Condition, texts: frozenset[str]) -> list[Term]:
        published = as_published(condition, self._event)
        sent = sent_at(published, self._event)
        terms = sent if isinstance(sent, str) else list(_as_terms(published, sent, texts))
        if isinstance(terms, list) and all(isinstance(each, Term) for each in terms):
            self.unusable.pop(condition.text, None)  # of a first reading, which did not know that the value is a text
            return [each for each in terms if isinstance(each, Term)]
        self.unusable[condition.text] = terms if isinstance(terms, str) else str(terms[0])
        return [each for each in terms if isinstance(each, Term)]


def _as_terms(condition: Condition, sent: Sent, texts: frozenset[str]) -> Iterator[Term | str]:
    """The terms that hold for what Event Grid sees if the condition does for what rules see, and why there are none."""
    operator, key = condition.operator, sent.key
    is_text = sent.is_field and sent.verbatim and (sent.required or key in texts)
    may_be_null = sent.is_field and not sent.required and key not in texts
    for_null = may_be_null and _holds_for(condition, sent.null_as)
    if operator is IS_NULL or for_null:
        if sent.is_field or operator is not IS_NULL:
            yield "it may hold where Event Grid sees another value than the app: null, or the text null"
        else:
            yield Term(key, IS_NULL)
    elif operator.negated and operator is not NOT_NULL:
        if is_text and operator.kind is STRING:
            yield from _negated(condition, key)
        elif not (sent.is_field and sent.required):
            yield "what Event Grid does with null, numbers and arrays is not documented for an operator with Not"
    elif sent.is_field and not sent.verbatim:
        yield f"the app converts {key}, so Event Grid may see another value"
        yield Term(key, NOT_NULL)
    else:
        yield _positive(condition, key, is_text=sent.is_field and sent.verbatim)


def _holds_for(condition: Condition, value: object) -> bool:
    """Can the condition hold for this value, with which rules see null? MISSING: it is not known."""
    return value is MISSING or condition.operator.holds(value, condition.operands, arrays=True)


def _positive(condition: Condition, key: str, *, is_text: bool) -> Term:
    operator, operands = condition.operator, condition.operands
    if operator.kind is STRING:
        words = _written(condition)
        if not any(_REPLACED in word for word in words):
            return positive_text(key, operator, words, is_text=is_text)
    elif operator.kind is None or all(_is_exact(number) for each in operands for number in _numbers(each)):
        return Term(key, operator, operands, is_text)
    return Term(key, NOT_NULL, (), is_text)


def _negated(condition: Condition, key: str) -> Iterator[Term]:
    plain = operator_named(condition.operator.name.replace("Not", ""))
    for text in _written(condition):
        if Word.within_limit(plain, text).written == text:
            yield Term(key, condition.operator, (Word.of(text),), is_text=True)


def _written(condition: Condition) -> list[str]:
    """The operands as the rule writes them."""
    return shlex.split(condition.text)[2:]


def _numbers(operand: object) -> tuple[object, ...]:
    return operand if isinstance(operand, tuple) else (operand,)


def _is_exact(number: object) -> bool:
    """Can every JSON library on the way write the number as it is?"""
    if not isinstance(number, Decimal):
        return True
    _, digits, exponent = number.normalize().as_tuple()
    return len(digits) <= _MOST_DIGITS and isinstance(exponent, int) and -_MOST_DIGITS <= exponent <= _MOST_DIGITS
