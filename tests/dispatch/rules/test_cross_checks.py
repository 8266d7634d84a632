"""Checks between rules, and hints, when there are many rules, workspaces and names."""

from pathlib import Path

from dispatch.rules.errors import did_you_mean
from tests.kit.rule_files import loaded, rule
from tests.kit.world import rules


def test_hint_lists_at_most_fifty_words() -> None:
    hint = did_you_mean("?", [f"rule-{n:03}" for n in range(53)], "The rules are")
    assert hint.startswith("The rules are rule-000, rule-001")
    assert hint.endswith("rule-049 and 3 more.")


def test_a_similar_word_is_found_among_thousands_but_not_for_a_very_long_word() -> None:
    """Comparing two long words takes seconds."""
    names = [f"retrain-{'x' * (n % 50)}{n}" for n in range(5_000)]
    assert did_you_mean("Retrain-churm", [*names, "retrain-churn"]) == "Did you mean retrain-churn?"
    assert did_you_mean("a" * 101, ["a" * 101 + "b", "a" * 100]) == ""


def test_some_of_many_circles_are_reported(tmp_path: Path) -> None:
    """A file with more circles than are reported is refused, too."""
    pairs = [(f"a{n}", f"b{n}") for n in range(12)]
    texts = [rule(name=one, after=f"{{ rules: {other} }}") for pair in pairs for one, other in (pair, pair[::-1])]
    errors = loaded(tmp_path, a=rules(*texts)).errors
    assert [error.message.partition(": ")[2] for error in errors] == [f"b{n} after a{n} after b{n}" for n in range(10)]


def test_rules_for_all_workspaces_count_with_those_for_some(tmp_path: Path) -> None:
    everywhere = [rule(name=f"all{n}") for n in range(40)]
    some = [rule(name=f"dev{n}", **{"in": "churn-dev"}) for n in range(8)]
    assert not loaded(tmp_path, a=rules(*everywhere, *some)).errors
    for one_more in (rule(name="x"), rule(name="x", **{"in": "{ env: [dev, prod] }"})):
        [error] = loaded(tmp_path, a=rules(*everywhere, *some, one_more)).errors
        assert error.message == "more than 48 rules act on RunStatusChanged in churn-dev"
    assert not loaded(tmp_path, a=rules(*everywhere, *some, rule(name="x", **{"in": "churn-prod"}))).errors


def test_a_rule_that_follows_only_rules_for_other_workspaces_is_an_error(tmp_path: Path) -> None:
    """It would never act."""

    def of(first: str, second: str, after: str = "[a]") -> list[str]:
        a = rule(name="a", **{"in": first}) if first else rule(name="a")
        b = rule(name="b", after=f"{{ rules: {after} }}", **{"in": second})
        return [error.message for error in loaded(tmp_path, churn=rules(a, rule(name="c"), b)).errors]

    assert of("churn-dev", "churn-prod") == ["the rule never acts: a acts only in churn-dev"]
    assert of("{ env: dev }", "{ env: prod }") == ["the rule never acts: a acts only in churn-dev"]
    for first, second in (("", "churn-prod"), ("churn-dev", "[churn-dev, churn-prod]"), ("{ env: dev }", "churn-dev")):
        assert of(first, second) == []
    assert of("churn-dev", "churn-prod", "[a, c]") == []


def test_workspaces_of_a_chain_of_rules_are_those_of_all_its_rules(tmp_path: Path) -> None:
    a = rule(name="a", **{"in": "churn-dev"})
    b = rule(name="b", after="{ rules: a }")
    c = rule(name="c", after="{ rules: b }", **{"in": "churn-prod"})
    assert [error.message for error in loaded(tmp_path, churn=rules(a, b, c)).errors] == [
        "the rule never acts: b acts only in churn-dev"
    ]
