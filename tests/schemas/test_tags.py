"""`Tags`: a dict whose lookup ignores case."""

import json
from typing import Any

import pytest

from schemas import Tags

TAGS = Tags({"githuB_REPOSITORY": "acme/churn", "buildId": 7, "azureml.Designer": "true", "STRASSE": None})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("githuB_REPOSITORY", "acme/churn"),
        ("GITHUB_REPOSITORY", "acme/churn"),
        ("BuildId", 7),
        ("AZUREML.designer", "true"),
        ("straße", None),
    ],
)
def test_names_are_found_regardless_of_case(name: str, value: object) -> None:
    """By ``[]``, `get` and ``in``."""
    assert TAGS[name] == value
    assert TAGS.get(name, "default") == value
    assert name in TAGS


@pytest.mark.parametrize("name", ["other", "build_id", "azureml"])
def test_other_names_are_not_found(name: str) -> None:
    """Names that differ in dots or underscores are other names."""
    with pytest.raises(KeyError, match=name):
        TAGS[name]
    assert TAGS.get(name) is None
    assert TAGS.get(name, "default") == "default"
    assert name not in TAGS


def test_the_exact_name_precedes_others() -> None:
    """Without an exact match, the first name that matches counts."""
    tags = Tags({"Team": "a", "team": "b"})
    assert (tags["Team"], tags["team"], tags["TEAM"]) == ("a", "b", "a")


def test_keys_that_are_no_text_are_not_found() -> None:
    """They raise no error."""
    other: Any = 5
    assert other not in TAGS
    assert TAGS.get(other) is None


def test_tags_equal_and_print_like_a_plain_dict() -> None:
    """With the order and the spelling of the event."""
    assert Tags({"A": 1}) == {"A": 1} != {"a": 1}
    assert json.dumps(TAGS) == json.dumps(dict(TAGS))
    assert list(TAGS) == ["githuB_REPOSITORY", "buildId", "azureml.Designer", "STRASSE"]
