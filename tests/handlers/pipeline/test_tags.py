"""Tags and names of experiments, within the limits of Azure ML."""

import pytest

from handlers.pipeline.tags import experiment_name, fit_tags


@pytest.mark.parametrize(
    ("text", "suffix", "name"),
    [
        ("churn-training", "", "churn-training"),
        ("drift of 'x'!", "", "drift-of-x"),
        ("-_a_-", "", "a"),
        ("x" * 300, "", "x" * 255),
        ("churn", "mle-1-x", "churn-mle-1-x"),
        ("x" * 300, "mle-1-x", "x" * 247 + "-mle-1-x"),
        ("!!!", "mle-1-x", "mle-1-x"),
    ],
)
def test_experiment_name_is_made_valid(text: str, suffix: str, name: str) -> None:
    assert experiment_name(text, suffix) == name
    assert len(experiment_name(text, suffix)) <= 255


def test_tag_of_an_earlier_group_wins() -> None:
    assert fit_tags({"a": "1"}, {"a": "2", "b": "3"}) == ({"a": "1", "b": "3"}, [])


def test_long_tags_are_cut_and_named() -> None:
    tags, cut = fit_tags({"k" * 101: "v", "long": "v" * 1_001}, {f"t{n}": "v" for n in range(50)})
    assert len(tags) == 50
    assert (tags["k" * 100], tags["long"]) == ("v", "v" * 1_000)
    assert cut == ["k" * 100, "long", "t48", "t49"]
