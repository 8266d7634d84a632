"""Loading raises no error, whatever the files contain, and each reported error is one line of a log."""

import json
import random
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import strategies as st

from dispatch.rules import load
from dispatch.rules.rule import Rules
from schemas import EVENT_TYPES
from tests.kit.any_input import any_input

pytestmark = [pytest.mark.slow, pytest.mark.no_cover]  # other tests cover the same lines

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


def check(loaded_rules: Rules) -> None:
    """Check what is true for any Rules."""
    for error in loaded_rules.errors:
        text = str(error)
        assert error.file in loaded_rules.refused
        assert error.line > 0 < error.column
        assert len(error.message) <= 500
        assert "\n" not in text
        text.encode()
    assert not {rule.file for rule in loaded_rules.by_name.values()} & {error.file for error in loaded_rules.errors}
    for event_type in EVENT_TYPES.values():
        context = loaded_rules.context(event_type.example())
        assert all(loaded_rules.get(rule.name) is rule for rule in loaded_rules.matching(context))
        for rule in loaded_rules.by_name.values():
            assert all(rule.name in follower.after for follower in loaded_rules.following(rule.name, "failed", context))


def loaded(**changes: bytes) -> Rules:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "rules"
        path.mkdir()
        for name, text in GOOD.items():
            (path / name).write_bytes(changes.get(name.removesuffix(".yaml"), text.encode()))
        return load(path, SETTINGS)


def mutated(text: str, seed: int, count: int) -> str:
    """The text with some pieces removed, doubled, or replaced by a word of the language."""
    pieces = text.split(" ")
    dice = random.Random(seed)  # from hypothesis's seed: the same every time
    for _ in range(count):
        at = dice.randrange(len(pieces))
        pieces[at : at + 1] = dice.choice(
            [[], [pieces[at]] * 2, [dice.choice(WORDS)], [pieces[at] + dice.choice(WORDS)]]
        )
    return " ".join(pieces)


FILES = st.sampled_from(["workspaces", "churn"])


@any_input(15, 3_000, name=FILES, raw=st.binary(max_size=200))
def test_any_bytes_load_as_rules_or_errors(name: str, raw: bytes) -> None:
    check(loaded(**{name: raw}))


@any_input(15, 3_000, name=FILES, seed=st.integers(0, 2**32), count=st.integers(1, 6))
def test_mutated_file_loads_as_rules_or_errors(name: str, seed: int, count: int) -> None:
    """Errors in workspaces.yaml may show in rules files; errors in a rules file show nowhere else."""
    loaded_rules = loaded(**{name: mutated(GOOD[f"{name}.yaml"], seed, count).encode()})
    check(loaded_rules)
    if name == "churn":
        assert {error.file for error in loaded_rules.errors} <= {"rules/churn.yaml"}


LINES = st.lists(st.lists(st.sampled_from(WORDS), max_size=12).map(" ".join), max_size=8)


@any_input(15, 3_000, text=LINES.map("\n".join))
def test_any_words_of_the_language_load_as_rules_or_errors(text: str) -> None:
    check(loaded(churn=text.encode()))
    check(loaded(churn=f"rules:\n  - {text}".encode()))
