"""`Tags`: a dict that finds names whatever their case."""

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
def test_a_name_is_found_in_any_case(name: str, value: object) -> None:
    """By ``[]``, by `get` and by ``in``; dots and underscores count."""
    assert TAGS[name] == value
    assert TAGS.get(name, "default") == value
    assert name in TAGS


@pytest.mark.parametrize("name", ["other", "build_id", "azureml"])
def test_another_name_is_not(name: str) -> None:
    """As in any dict."""
    with pytest.raises(KeyError, match=name):
        TAGS[name]
    assert TAGS.get(name) is None
    assert TAGS.get(name, "default") == "default"
    assert name not in TAGS


def test_the_exact_name_comes_first() -> None:
    """Where two differ in case alone."""
    tags = Tags({"Team": "a", "team": "b"})
    assert (tags["Team"], tags["team"], tags["TEAM"]) == ("a", "b", "a")


def test_what_is_no_text_is_no_name() -> None:
    """And no error either."""
    other: Any = 5
    assert other not in TAGS
    assert TAGS.get(other) is None


def test_to_all_others_it_is_a_plain_dict() -> None:
    """Equal to one, printed as one, in the order and the spelling in which it came."""
    assert Tags({"A": 1}) == {"A": 1} != {"a": 1}
    assert json.dumps(TAGS) == json.dumps(dict(TAGS))
    assert list(TAGS) == ["githuB_REPOSITORY", "buildId", "azureml.Designer", "STRASSE"]
