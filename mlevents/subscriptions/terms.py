"""`Term`: what the value of one key must satisfy, as one advanced filter of Event Grid can say it.

`weakest_common` finds a term that two others imply. It uses only what "Understand event filtering for Event Grid
subscriptions" documents: an operator without Not matches if a value of its type does, in an array any element; one with
Not is used only where the value is certainly a single text. Numbers are compared as decimals, texts without case.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import pairwise
from typing import Any, Final, Self

from dispatch.filters.contradictions import TEXT_IMPLIES
from dispatch.filters.event_filter import MAX_CHARACTERS
from dispatch.filters.operators import NUMBER, RANGE, STRING, Operator, operator_named
from schemas.plain import fold

NOT_NULL, IS_NULL = operator_named("IsNotNull"), operator_named("IsNullOrUndefined")
_IN, _BEGINS, _ENDS, _CONTAINS = (
    operator_named(f"String{name}") for name in ("In", "BeginsWith", "EndsWith", "Contains")
)
_MOST_OPERANDS = 400  # of a term, which `weaker` and `_minimal` compare with each other
_POSITIVE_TEXTS: Final = {operator.name: operator for operator in (_IN, _BEGINS, _ENDS, _CONTAINS)}


class Word(str):
    """A text that is compared without case, and printed as a rule writes it."""

    __slots__ = ("written",)
    written: str

    @classmethod
    def of(cls, written: str) -> Self:
        """The text in the form that operators compare."""
        word = cls(fold(written) or "")
        word.written = written
        return word

    @classmethod
    def within_limit(cls, operator: Operator, written: str) -> Self:
        """The text, or as much of its end or its beginning as Event Grid takes, in UTF-16 units as .NET counts."""
        ends = operator is _ENDS
        while len(written.encode("utf-16-le", "surrogatepass")) // 2 > MAX_CHARACTERS:
            excess = max(1, len(written) - MAX_CHARACTERS)
            written = written[excess:] if ends else written[:-excess]
        return cls.of(written)


@dataclass(frozen=True, slots=True)
class Term:
    """A key, an operator of Event Grid and its operands. Of an operator with Not, it has one operand.

    `is_text`: in every event in question, the value is a single text.
    """

    key: str
    operator: Operator
    operands: tuple[Any, ...] = ()
    is_text: bool = field(default=False, compare=False)

    def implies(self, other: "Term") -> bool:
        """Does the other hold wherever this one does, as far as `weakest_common` knows?

        StringNotIn does not imply IsNotNull: it matches an event without the key, in which this value is always there.
        """
        if other.operator is NOT_NULL and self.operator.negated and self.operator is not NOT_NULL:
            return False
        return self.key == other.key and weakest_common(self, other) == other


def positive_text(key: str, operator: Operator, texts: Iterable[str], *, is_text: bool) -> Term:
    """A term with texts, none of which is longer than Event Grid takes: a longer one is shortened, which is weaker."""
    words = [Word.within_limit(operator, text) for text in texts]
    if operator is _IN and any(word.written != text for word, text in zip(words, texts, strict=True)):
        operator = _BEGINS
    return Term(key, operator, _minimal(operator, words), is_text)


def weakest_common(one: Term, other: Term) -> Term | None:
    """A term that holds wherever one of two terms on one key does, and is as strong as one filter can be; else None."""
    is_text = one.is_text and other.is_text
    if one == other:
        return Term(one.key, one.operator, one.operands, is_text)
    if IS_NULL in (one.operator, other.operator):
        return None
    not_null = Term(one.key, NOT_NULL, (), is_text)
    if NOT_NULL in (one.operator, other.operator):
        return not_null
    if one.operator.negated or other.operator.negated:
        return _with_negated(one, other) or not_null
    kinds = {one.operator.kind, other.operator.kind}
    if kinds == {STRING}:
        return _texts(one, other, is_text=is_text)
    if kinds <= {NUMBER, RANGE}:
        return _of_intervals(one.key, [*intervals(one), *intervals(other)]) or not_null
    return not_null


def strongest(terms: Iterable[Term], most: int) -> list[Term]:
    """The terms that no other implies, at most so many of each key: all hold, so any may be left out."""
    kept: list[Term] = []
    for term in terms:
        if any(each.implies(term) for each in kept):
            continue
        kept = [each for each in kept if each.key != term.key or not term.implies(each)]
        if sum(each.key == term.key for each in kept) < most:
            kept.append(term)
    return kept


def _base(operator: Operator) -> str:
    return operator.name.removeprefix("String").removeprefix("Not")


def _text_implies(operator: Operator, text: str, other: Operator, operand: str) -> bool:
    """Does a text that satisfies the one satisfy the other, both without their Not?"""
    return _base(other) in TEXT_IMPLIES[_base(operator)] and other.compare(text, operand)


def _minimal(operator: Operator, words: Iterable[Word]) -> tuple[Word, ...]:
    """The words without those that another one covers, such as ab beside a for BeginsWith."""
    unique = list(dict.fromkeys(words))
    if operator is _IN:
        return tuple(unique)
    return tuple(
        word for word in unique if not any(o != word and _text_implies(operator, word, operator, o) for o in unique)
    )


def _texts(one: Term, other: Term, *, is_text: bool) -> Term:
    if len(one.operands) + len(other.operands) > _MOST_OPERANDS:
        return Term(one.key, NOT_NULL, (), is_text)
    operators = {one.operator.name, other.operator.name} - {_IN.name}
    operator = _CONTAINS if len(operators) == 2 else _POSITIVE_TEXTS[(operators or {_IN.name}).pop()]
    return Term(one.key, operator, _minimal(operator, [*one.operands, *other.operands]), is_text)


def _with_negated(one: Term, other: Term) -> Term | None:
    """Of not-p and not-q, the one that the other implies; of p and not-q, not-q if p excludes q."""
    if one.operator.negated and other.operator.negated:
        (first,), (second,) = one.operands, other.operands
        if _text_implies(one.operator, first, other.operator, second):
            return one
        return other if _text_implies(other.operator, second, one.operator, first) else None
    positive, negated = (other, one) if one.operator.negated else (one, other)
    excludes = positive.is_text and positive.operator.kind is STRING and _exclude(positive, negated)
    return negated if excludes else None


def _exclude(positive: Term, negated: Term) -> bool:
    """Does no text satisfy both the positive term and what the other denies?"""
    [operand] = negated.operands
    base = _base(negated.operator)
    if positive.operator is _IN:
        return not any(negated.operator.compare(text, operand) for text in positive.operands)
    if base == "In":
        return not any(positive.operator.compare(operand, text) for text in positive.operands)
    if positive.operator.name.endswith(base) and base in ("BeginsWith", "EndsWith"):
        compare = positive.operator.compare
        return not any(compare(text, operand) or compare(operand, text) for text in positive.operands)
    return False


@dataclass(frozen=True, slots=True)
class Interval:
    """Numbers from `low` to `high`; None: no end. An open end does not belong to it, and has no number on the other."""

    low: Decimal | None
    high: Decimal | None
    is_open: bool = False


def intervals(term: Term) -> list[Interval]:
    """The numbers that satisfy a term."""
    name = term.operator.name
    if term.operator.kind is RANGE:
        return [Interval(low, high) for low, high in term.operands]
    if name == "NumberIn":
        return [Interval(value, value) for value in term.operands]
    [bound] = term.operands
    is_open = not name.endswith("OrEquals")
    return [Interval(None, bound, is_open) if "Less" in name else Interval(bound, None, is_open)]


def _of_intervals(key: str, found: Sequence[Interval]) -> Term | None:
    """The strongest term that all of these numbers satisfy; None if only all numbers do."""
    lows, highs = [each.low for each in found], [each.high for each in found]
    if None in lows and None in highs:
        return None
    if None in highs:
        low = min(each for each in lows if each is not None)
        is_open = all(each.is_open for each in found if each.low == low)
        return Term(key, operator_named("NumberGreaterThan" + "OrEquals" * (not is_open)), (low,))
    if None in lows:
        high = max(each for each in highs if each is not None)
        is_open = all(each.is_open for each in found if each.high == high)
        return Term(key, operator_named("NumberLessThan" + "OrEquals" * (not is_open)), (high,))
    ranges: list[tuple[Decimal, Decimal]] = []
    for low, high in sorted((each.low, each.high) for each in found if each.low is not None and each.high is not None):
        if ranges and low <= ranges[-1][1]:
            ranges[-1] = ranges[-1][0], max(high, ranges[-1][1])
        else:
            ranges.append((low, high))
    if all(low == high for low, high in ranges):
        return Term(key, operator_named("NumberIn"), tuple(low for low, _ in ranges))
    return Term(key, operator_named("NumberInRange"), tuple(ranges))


def weaker(term: Term) -> Term | None:
    """A weaker term with fewer operands; None if only one without any is weaker, and there is none."""
    if term.operator.negated or term.operator is IS_NULL:
        return None
    kind = term.operator.kind
    if kind in (NUMBER, RANGE) and len(term.operands) > 1:
        found = intervals(term)
        low, high = min(each.low or 0 for each in found), max(each.high or 0 for each in found)
        return Term(term.key, operator_named("NumberInRange"), ((Decimal(low), Decimal(high)),))
    if term.operator in (_IN, _BEGINS, _ENDS) and len(term.operands) > 1:
        operator = _ENDS if term.operator is _ENDS else _BEGINS
        shared, first, second = _closest(operator, term.operands)
        if shared:
            others = [word for word in term.operands if word not in (first, second)]
            return Term(term.key, operator, _minimal(operator, [*others, shared]), term.is_text)
    return Term(term.key, NOT_NULL, (), term.is_text)


def _closest(operator: Operator, words: Sequence[Word]) -> tuple[Word, Word, Word]:
    """The longest beginning, or end, that two of the words share, and these two."""
    step = -1 if operator is _ENDS else 1
    in_order = sorted(words, key=lambda word: word[::step])
    best = (Word.of(""), in_order[0], in_order[0])
    for first, second in pairwise(in_order):
        count = next((n for n, (a, b) in enumerate(zip(first[::step], second[::step], strict=False)) if a != b), None)
        count = min(len(first), len(second)) if count is None else count
        if count > len(best[0]):
            written = first.written[len(first) - count :] if step < 0 else first.written[:count]
            best = Word.of(written), first, second
    return best
