"""Loading rules cannot fail, whatever the files contain, and what it says of them is fit for a log."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatch.rules import load
from dispatch.rules.rule import Rules
from schemas import EVENT_TYPES

pytestmark = pytest.mark.no_cover  # the same lines many times; that they are reached, other tests show

RULES = Path(__file__).parents[3] / "samples" / "rules"
GOOD = {path.name: path.read_text() for path in RULES.glob("*.yaml")}
SETTINGS = json.loads((RULES.parents[1] / "local.settings.json.example").read_text())["Values"]
WORDS = [
    *("name", "on", "in", "when", "do", "with", "after", "retry", "dry_run", "rules", "workspaces", "alerts", "id"),
    *("email", "log", "any", "all", "failed", "DriftDetected", "RunCompleted", "mail-failed-runs", "log-everything"),
    *(
        "${RULES_X}",
        "${RULES_WS_CHURN_DEV}",
        "{{ x",
        "'",
        '"',
        "{",
        "}",
        "[",
        "]",
        ":",
        ": ",
        "- ",
        "\n",
        "\n    ",
        "&a ",
    ),
    *(
        "*a",
        "~",
        "5",
        "true",
        "\t",
        "\0",
        "é",
        "#",
        "!!str ",
        "<<",
        "StringIn",
        "os:environ",
        "a.b:C",
        "tests",
        "1e999",
    ),
]


def check(book: Rules) -> None:
    """What must be true of any Rules."""
    for mistake in book.errors:
        text = str(mistake)
        assert mistake.file in book.refused
        assert mistake.line > 0 < mistake.column
        assert len(mistake.message) <= 500
        assert "\n" not in text
        text.encode()
    assert not {rule.file for rule in book.by_name.values()} & {mistake.file for mistake in book.errors}
    for event_type in EVENT_TYPES.values():
        context = book.context(event_type.example())
        assert all(book.get(rule.name) is rule for rule in book.matching(context))
        for rule in book.by_name.values():
            assert all(rule.name in follower.after for follower in book.following(rule.name, "failed", context))


def loaded(**changes: bytes) -> Rules:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "rules"
        path.mkdir()
        for name, text in GOOD.items():
            (path / name).write_bytes(changes.get(name.removesuffix(".yaml"), text.encode()))
        return load(path, SETTINGS)


def mutated(text: str, seed: int, count: int) -> str:
    """Some pieces of the text removed, doubled, or replaced by a word of the language."""
    pieces = text.split(" ")
    dice = random.Random(seed)  # from hypothesis's seed: the same every time
    for _ in range(count):
        at = dice.randrange(len(pieces))
        pieces[at : at + 1] = dice.choice(
            [[], [pieces[at]] * 2, [dice.choice(WORDS)], [pieces[at] + dice.choice(WORDS)]]
        )
    return " ".join(pieces)


def holds(promise: Callable[..., None], examples: int, *inputs: st.SearchStrategy[Any]) -> None:
    """Check a promise on so many inputs, the same every time."""
    settings(max_examples=examples)(given(*inputs)(promise))()


FILES = st.sampled_from(["workspaces", "churn"])
some_and_many = pytest.mark.parametrize("examples", [40, pytest.param(3_000, marks=pytest.mark.fuzz)])


@some_and_many
def test_any_bytes_are_rules_or_mistakes(examples: int) -> None:
    """Nothing is raised."""

    def promise(name: str, raw: bytes) -> None:
        check(loaded(**{name: raw}))

    holds(promise, examples, FILES, st.binary(max_size=200))


@some_and_many
def test_a_good_file_with_a_slip_is_rules_or_mistakes(examples: int) -> None:
    """And the other file is never blamed for it, but for names that it does not find any more."""

    def promise(name: str, seed: int, count: int) -> None:
        book = loaded(**{name: mutated(GOOD[f"{name}.yaml"], seed, count).encode()})
        check(book)
        if name == "churn":
            assert {mistake.file for mistake in book.errors} <= {"rules/churn.yaml"}

    holds(promise, examples, FILES, st.integers(0, 2**32), st.integers(1, 6))


@some_and_many
def test_any_words_are_rules_or_mistakes(examples: int) -> None:
    """Those of the language, in any order."""

    def promise(text: str) -> None:
        check(loaded(churn=text.encode()))
        check(loaded(churn=f"rules:\n  - {text}".encode()))

    words = st.lists(st.sampled_from(WORDS), max_size=12).map(" ".join)
    holds(promise, examples, st.lists(words, max_size=8).map("\n".join))
