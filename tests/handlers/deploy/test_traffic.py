"""Splits of the traffic: whole percents whose sum is 100, in proportion."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.deploy.traffic import format_traffic, next_share, with_share

SPLITS = st.dictionaries(st.sampled_from("abcdefgh"), st.integers(1, 60), min_size=1).map(
    lambda weights: with_share({}, "x", 100) if not weights else split_of(weights)
)


def split_of(weights: dict[str, int]) -> dict[str, int]:
    """A split of 100 in roughly these proportions."""
    total, names = sum(weights.values()), sorted(weights)
    split = {name: weights[name] * 100 // total for name in names}
    split[names[0]] += 100 - sum(split.values())
    return {name: share for name, share in split.items() if share}


@pytest.mark.parametrize(
    ("before", "share", "after"),
    [
        ({}, 10, {"new": 100}),
        ({"old": 0}, 10, {"new": 100}),
        ({"old": 100}, 10, {"old": 90, "new": 10}),
        ({"old": 90, "new": 10}, 50, {"old": 50, "new": 50}),
        ({"old": 100}, 100, {"new": 100}),
        ({"a": 50, "b": 50}, 10, {"a": 45, "b": 45, "new": 10}),
        ({"a": 34, "b": 33, "c": 33}, 50, {"a": 17, "b": 17, "c": 16, "new": 50}),
        ({"a": 99, "b": 1}, 50, {"a": 50, "new": 50}),
        ({"new": 100}, 10, {"new": 100}),
    ],
)
def test_with_share_returns_the_split_with_that_share(
    before: dict[str, int], share: int, after: dict[str, int]
) -> None:
    """Percents that rounding leaves over go to those that lose most by it."""
    assert with_share(before, "new", share) == after


@given(SPLITS, st.integers(1, 99))
def test_others_keep_their_proportions_and_the_sum_is_100(before: dict[str, int], share: int) -> None:
    after = with_share(before, "new", share)
    assert sum(after.values()) == 100
    assert after["new"] == share
    for name, percent in before.items():
        assert abs(after.get(name, 0) - percent * (100 - share) / 100) < 1


@given(SPLITS, st.lists(st.integers(1, 99), unique=True).map(sorted))
def test_last_share_is_all_of_the_traffic(before: dict[str, int], shares: list[int]) -> None:
    plan, done, split = [*shares, 100], 0, before
    while done < len(plan):
        done = next_share(plan, before, "new", done)
        split = with_share(before, "new", plan[done - 1])
    assert split == {"new": 100}


def test_first_deployment_gets_all_traffic_at_once() -> None:
    assert next_share([10, 50, 100], {}, "new", 0) == 3
    assert next_share([10, 50, 100], {"new": 100}, "new", 0) == 3
    assert next_share([10, 50, 100], {"old": 100}, "new", 0) == 1


def test_format_traffic_lists_shares_by_name() -> None:
    assert format_traffic({"b": 10, "a": 90, "c": 0}) == "a 90 %, b 10 %"
    assert format_traffic({}) == "none"
