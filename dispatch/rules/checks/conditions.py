"""Check the conditions of a rule: their keys, their values, and whether they can hold."""

import shlex
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from dispatch.filters.condition import Condition
from dispatch.filters.contradictions import contradiction
from dispatch.filters.operators import BOOL, NUMBER, RANGE, STRING, Kind
from dispatch.rules.checks.scope import Scope, can_hold, find_key, joined
from dispatch.rules.errors import did_you_mean
from dispatch.rules.reading.nodes import Node, RuleFile, Scalar, Table, items_of, text_of
from schemas.errors import shown
from schemas.events.known_keys import Known, Type
from schemas.plain import MISSING

_COMPARES = {NUMBER: Type.NUMBER, RANGE: Type.NUMBER, STRING: Type.TEXT, BOOL: Type.BOOL}
_USE = {
    (Type.TEXT, NUMBER): "A text is never compared as a number, whatever it looks like: use StringIn or StringNotIn.",
    (Type.TEXT, BOOL): "Compare it with the text: StringIn true, or StringIn false.",
    (Type.NUMBER, STRING): "Use NumberIn, NumberInRange, NumberGreaterThan or NumberLessThan.",
    (Type.NUMBER, BOOL): "Use NumberIn.",
    (Type.BOOL, STRING): "Use BoolEquals.",
    (Type.BOOL, NUMBER): "Use BoolEquals.",
}
_VERBS = {"In": "is", "BeginsWith": "begins with", "EndsWith": "ends with", "Contains": "contains"}
_MAX_OUTER = 100  # conditions with which the alternatives of an `any` are compared


@dataclass(frozen=True, slots=True)
class _Located:
    """A condition with its node."""

    condition: Condition
    node: Scalar


def check_conditions(when: Node | None, scope: Scope, file: RuleFile) -> Scope:
    """Report the errors and warnings about a rule's conditions. Those that cannot be read are reported already.

    Returns the scope of the events for which the conditions can hold.
    """
    _Checker(scope, file).group(items_of(when), [])
    own, _ = _flattened(items_of(when))
    return scope.narrowed(each.condition for each in own)


@dataclass(frozen=True, slots=True)
class _Checker:
    scope: Scope
    file: RuleFile

    def group(self, nodes: Iterable[Node], outer: Sequence[_Located]) -> None:
        """Check conditions that must all hold, together with those around them."""
        own, choices = _flattened(nodes)
        fit = [each for each in own if self._check(each)]
        together = [*outer, *fit]
        if len(fit) == len(own) and not self._contradicts(together, fit):
            for choice in choices:
                for alternative in items_of(choice):
                    self.group([alternative], together if len(together) <= _MAX_OUTER else [])

    def _check(self, located: _Located) -> bool:
        """Report what is wrong with one condition; False if it can never hold."""
        condition = located.condition
        path = condition.key.split(".")
        found = _find(condition.key, self.scope)
        if not found:
            self.file.error(located.node, *self.scope.lacks(path))
            return False
        if condition.operator.kind is None:
            return self._check_null_test(located, found)
        if not self._check_type(located, found, condition.operator.kind):
            return False
        return self._has_separators(located) or self._check_values(located, found)

    def _check_null_test(self, located: _Located, found: Mapping[str, Known]) -> bool:
        condition = located.condition
        is_everywhere = len(found) == len(self.scope.roots)
        always = is_everywhere and all(known.always for known in found.values())
        never = all(known.type is Type.NULL for known in found.values())
        if not (always or never):
            return True
        state = "is always there" if always else "is always null"
        if always is condition.operator.negated:
            self.file.warning(located.node, f"the condition always holds: {condition.key} {state}", "Remove it.")
            return True
        self.file.error(located.node, f"the condition never holds: {condition.key} {state}")
        return False

    def _check_type(self, located: _Located, found: Mapping[str, Known], kind: Kind) -> bool:
        condition, compared = located.condition, _COMPARES[kind]
        types = {type_ for known in found.values() for type_ in _types(known)}
        if types & {compared, Type.ANY}:
            return True
        what = joined([type_.value for type_ in Type if type_ in types], "or")
        if all(known.type is Type.LIST for known in found.values()):
            what = f"a list, each item of which is {what}"
        end = "always holds" if condition.operator.negated else "never holds"
        noun = "numbers" if compared is Type.NUMBER else "texts" if compared is Type.TEXT else "true and false"
        message = f"{condition.key} is {what}, and {condition.operator.name} compares {noun}: the condition {end}"
        first = next(iter(types))
        hint = _USE.get((first, NUMBER if kind is RANGE else kind), "") or self._inner_keys(condition.key, found)
        self.file.error(located.node, message, hint)
        return False

    def _inner_keys(self, key: str, found: Mapping[str, Known]) -> str:
        names = dict.fromkeys(f"{key}.{name}" for known in found.values() for name in known.members)
        if names:
            return f"Its keys are {', '.join(names)}."
        return f"Name one of its keys: {key}.NAME." if any(known.others for known in found.values()) else ""

    def _has_separators(self, located: _Located) -> bool:
        """Warn of texts that seem to be written as in another language: ``a, b`` or ``[a, b]``."""
        *others, last = shlex.split(located.condition.text)[2:]
        if located.condition.operator.kind is not STRING or not others:
            return False
        brackets = others[0].startswith(("[", "(")) and last.endswith(("]", ")"))
        if not brackets and not any(word.endswith(",") for word in others):
            return False
        values = [*others, last]
        meant = " ".join(shlex.quote(value.strip("[](),")) for value in values)
        message = f"commas and brackets are a part of the values {joined(map(shown, values))}"
        self.file.warning(located.node, message, f"Did you mean {located.condition.operator.name} {meant}?")
        return True

    def _check_values(self, located: _Located, found: Mapping[str, Known]) -> bool:
        """Warn of each operand that no known value of the key matches; report an error if nothing else can occur."""
        condition, kinds = located.condition, found.values()
        if condition.operator.kind is not STRING or not all(known.values for known in kinds):
            return True
        known = {value: text for each in kinds for value, text in each.values.items()}
        only = all(each.only_values for each in kinds)
        operator = condition.operator
        unmatched = [
            word
            for word, operand in zip(shlex.split(condition.text)[2:], condition.operands, strict=True)
            if not any(operator.compare(value, operand) for value in map(_fold, known))
        ]
        if not unmatched:
            return True
        verb = _VERBS[operator.name.removeprefix("String").removeprefix("Not")]
        value = "value" if only else "known value"
        message = f"no {value} of {condition.key} {verb} {joined(map(shown, unmatched), 'or')}"
        words = {text for text in known.values() if text}
        listed = f"The {value}s are" if len(words) > 1 else f"The only {value} is"
        hint = partial(did_you_mean, unmatched[0], words, listed) if words else ""
        dead = only and not operator.negated and len(unmatched) == len(condition.operands)
        report = self.file.error if dead else self.file.warning
        report(located.node, message, hint)
        return not dead

    def _contradicts(self, together: Sequence[_Located], own: Sequence[_Located]) -> bool:
        """Report the conditions that cannot hold together, at the last of them; True if there are some."""
        new = set(map(id, own))  # conditions around them have been compared with each other already
        by_key: defaultdict[str, list[_Located]] = defaultdict(list)
        for located in together:
            by_key[located.condition.key.casefold()].append(located)
        for same in by_key.values():
            if new.isdisjoint(map(id, same)):
                continue
            if pair := self._contradiction([each.condition for each in same]):
                found = [each for each in same if each.condition in pair]
                last = found[-1]
                texts = joined(dict.fromkeys(shown(each.node.written) for each in found))
                message = f"{texts} cannot hold together" if len(pair) > 1 else f"{texts} can never hold"
                self.file.error(
                    last.node, message, "Put them under any, to act if one of them holds." * (len(pair) > 1)
                )
                return True
        return self._excludes_all_types(together)

    def _contradiction(self, conditions: Sequence[Condition]) -> tuple[Condition, ...]:
        found = _find(conditions[0].key, self.scope).values()
        if not all(known.type in (Type.TEXT, Type.NUMBER, Type.BOOL, Type.NULL) for known in found):
            return ()
        values: list[object] | None = None
        if all(known.only_values for known in found):
            values = [value for known in found for value in known.values]
            is_everywhere = len(found) == len(self.scope.roots) and all(known.always for known in found)
            values += [] if is_everywhere else [MISSING]
        return contradiction(conditions, values)

    def _excludes_all_types(self, together: Sequence[_Located]) -> bool:
        """Report conditions of which each type of event fails one; True if there are some."""
        left = dict(self.scope.roots)
        excluding: list[_Located] = []
        for located in together:
            fit = {name: root for name, root in left.items() if can_hold(located.condition, root)}
            excluding += [located] * (len(fit) < len(left))
            left = fit
            if not left:
                texts = joined(dict.fromkeys(shown(each.node.written) for each in excluding))
                self.file.error(located.node, f"no event can satisfy {texts}: each type of event fails one of them")
                return True
        return False


def _find(key: str, scope: Scope) -> dict[str, Known]:
    """What is known of a condition's key, by the event types that have it."""
    found = {name: find_key(key, root) for name, root in scope.roots.items()}
    return {name: known for name, known in found.items() if known is not None}


def _flattened(nodes: Iterable[Node]) -> tuple[list[_Located], list[Node]]:
    """The conditions that must all hold, and the lists of which one must."""
    own: list[_Located] = []
    choices: list[Node] = []
    for node in nodes:
        match node:
            case Table(fields={"all": nodes_of_all, **rest}) if not rest:
                inner, more = _flattened(items_of(nodes_of_all))
                own += inner
                choices += more
            case Table(fields={"any": nodes_of_any, **rest}) if not rest:
                choices.append(nodes_of_any)
            case _:
                own += _condition(node)
    return own, choices


def _condition(node: Node) -> Iterator[_Located]:
    if isinstance(node, Scalar) and (text := text_of(node)):
        with suppress(ValueError):
            yield _Located(Condition.parse(text), node)


def _types(known: Known) -> set[Type]:
    """The types that a condition on the value compares: those of the elements of a list."""
    return {known.item.type} if known.type is Type.LIST and known.item else {known.type}


def _fold(text: str) -> str:
    return STRING.read(text) or ""
