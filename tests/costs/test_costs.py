"""What an event or a rules file contains costs no more than its size allows: every cost grows linearly.

`make fuzz` searches for the inputs whose costs grow fastest; `CORPUS` has the worst that it has found, before they were
fixed, and each slow variant of the code here is one that the search must find.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import pytest

from dispatch import lenient_json
from dispatch.rules.reading import nodes
from handlers import template
from schemas import plain
from tests.costs.search import Growth, confirmed, growth, search, slope
from tests.costs.targets import TARGETS, Case, Target
from tests.kit.any_input import one_in
from tests.kit.shapes import Shape

pytestmark = [pytest.mark.slow, pytest.mark.no_cover]  # other tests cover the same lines

BY_NAME = {target.name: target for target in TARGETS}
SEED = 20261122
NUMBER, LETTER = Shape("atom", "0"), Shape("atom", '"x"')
BAD_NUMBERS = Shape("list", unit=1, inner=(Shape("atom", "NaN"),))


def rule_of(**genes: int) -> tuple[int, ...]:
    """The genes of a rule with these choices, and the first choice for all other keys."""
    keys = ("name", "on", "after", "in", "when", "do", "with", "retry", "latest_only", "at_most", "lock", "unknown")
    return (*(genes.get(key, 0) for key in keys), genes.get("workspaces", 0))


def _event(target: str, place: str, shape: Shape) -> tuple[str, Case]:
    return target, Case(place, shape)


def _rules(target: str, **genes: int) -> tuple[str, Case]:
    return target, Case(BY_NAME[target].places[0], rule_of(**genes))


MEMBERS = Shape("object", "a", 1, (NUMBER,))
# Per target, what was more than linear once, or is what such code would be slowest on.
CORPUS: dict[str, tuple[str, Case]] = {
    "a long name over many invalid numbers": _event("parse", "extra", Shape("under", "a", inner=(BAD_NUMBERS,))),
    "many objects of one member": _event("parse", "extra", Shape("list", unit=1, inner=(MEMBERS,))),
    "a long name over many members": _event("match", "runTags", Shape("under", "é", inner=(MEMBERS,))),
    "names that differ in case only": _event("match", "runTags", MEMBERS),
    "many violations": _event("view", "breach", Shape("text", "{},")),
    "many short paragraphs": _event("mail", "tag", Shape("text", "a\\n\\n")),
    "a lookup in a loop over tags": _event("mail", "runTags", MEMBERS),
    "many unknown keys": _event("yaml", "", MEMBERS),
    "duplicate keys": _event("yaml", "", Shape("same", "a", 1, (NUMBER,))),
    "a number of many parts": _event("job", "number", Shape("raw", ":1")),
    "inputs that cannot be used": _event(
        "job", "inputs", Shape("object", "a", 1, (Shape("atom", '{"path": "azureml:"}'),))
    ),
    "empty rules": _rules("load", name=5, on=6, do=4),
    "rules with the same errors": _rules("load", name=3, on=4, do=2, unknown=1),
    "rules with the same name": _rules("load", name=2),
    "rules in a circle": _rules("load", after=4),
    "many rules for many workspaces": _rules("load", after=1, workspaces=1),
    "many rules that choose by a label": _rules("load", after=1, workspaces=1, **{"in": 2}),
    "unknown names of followed rules": _rules("load", after=5),
    "a chain of rules": _rules("check", after=1),
    "a workspace for each rule": _rules("check", workspaces=1, **{"in": 4}),
    "rules that follow many others": _rules("check", after=2),
    "comments that do not end": _event("dead letter", "comment", Shape("raw", "/*")),
    "quotes that do not end": _event("dead letter", "comma", Shape("raw", '\\"')),
    "a long text": _event("message", "fields", Shape("text", "é")),
}


@pytest.mark.parametrize("name", one_in(3, CORPUS))
def test_costs_of_the_worst_inputs_are_linear(name: str) -> None:
    target_name, case = CORPUS[name]
    target = BY_NAME[target_name]
    assert_linear(growth(case, target, *target.sizes[:2], memory=True), case)


@pytest.mark.fuzz
@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_costs_of_the_inputs_that_a_search_finds_are_linear(target: Target) -> None:
    for _, case in search(target, SEED):
        measured = confirmed(case, target)
        print(f"{target.name}: {measured} {case}")
        assert_linear(measured, case)


def assert_linear(measured: Growth, case: Case) -> None:
    assert measured.is_linear, f"{measured} for {case}"


def test_slope_is_the_exponent_of_the_growth() -> None:
    assert slope(10, 80, 8) == pytest.approx(1)
    assert slope(10, 640, 8) == pytest.approx(2)
    assert slope(10, 10, 8) == 0


# Slow variants of the code, which the corpus and the search must catch


def path_text_for_each_element(value: Any, location: Any, depth: int, problems: list[Any]) -> Any:
    """`schemas.plain._container` with the path of each element as a text, made so that calls count its length."""
    inner: Any = plain._plain

    def text(path: str) -> str:
        return "".join(letter for letter in path)

    if isinstance(value, list):
        return [inner(item, text(f"{location}[{n}]"), depth + 1, problems) for n, item in enumerate(value)]
    return {key: inner(item, text(f"{location}.{key}"), depth + 1, problems) for key, item in value.items()}


def error_once_by_a_list(reports: dict[Any, Any], at: Any, message: str, hint: Any) -> None:
    """`dispatch.rules.reading.nodes._add` that looks for the error in a list, one by one, so that calls count it."""
    position = at if isinstance(at, nodes.Position) else at.position
    if not any(found == (position, message) for found in reports):
        reports[position, message] = lambda: hint if isinstance(hint, str) else hint()


def names_searched_one_by_one(keys: Iterable[str], name: str) -> str | None:
    """`handlers.templates.budget.spelled` without the index, and without its price."""
    folded = name.upper()
    return next((key for key in keys if key.upper() == folded), None)


# The names that each replaces, the target that is slow then, at which sizes, and the case of the corpus that shows it.
SLOW: dict[str, tuple[dict[tuple[Any, str], Callable[..., Any]], Target, str]] = {
    "path text per element": (
        {(plain, "_container"): path_text_for_each_element, (plain, "_path"): str},
        replace(BY_NAME["parse"], sizes=(1_000, 6_000, 0)),
        "a long name over many invalid numbers",
    ),
    "errors in a list": (
        {(nodes, "_add"): error_once_by_a_list},
        replace(BY_NAME["yaml"], sizes=(2_000, 12_000, 0)),
        "duplicate keys",
    ),
    "lookups in a loop": (
        {(template, "spelled"): names_searched_one_by_one},
        replace(BY_NAME["mail"], sizes=(3_000, 18_000, 0)),
        "a lookup in a loop over tags",
    ),
}


@pytest.fixture(params=one_in(3, SLOW))
def slow_variant(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> tuple[Target, Case]:
    """Put a slow variant into the code. The target that it makes slow, and the case of the corpus that shows it."""
    changes, target, case = SLOW[request.param]
    for (module, name), slow in changes.items():
        monkeypatch.setattr(module, name, slow)
    return target, CORPUS[case][1]


def test_corpus_catches_slow_variants(slow_variant: tuple[Target, Case]) -> None:
    target, case = slow_variant
    assert not growth(case, target, *target.sizes[:2]).is_linear


@pytest.mark.fuzz
def test_search_finds_slow_variants(slow_variant: tuple[Target, Case]) -> None:
    target, _ = slow_variant
    [(measured, _)] = search(target, SEED, only_one=True)
    assert not measured.is_linear


def test_comment_that_does_not_end_reaches_to_the_end_of_the_text() -> None:
    with pytest.raises(ValueError, match="Expecting value: line 1 column 1"):
        lenient_json.loads('/* {"a": 1}')
