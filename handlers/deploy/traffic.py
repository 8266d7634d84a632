"""Who gets how much of an endpoint's traffic: whole percents that sum to 100, or to 0."""

from collections.abc import Mapping, Sequence


def with_share(before: Mapping[str, int], name: str, share: int) -> dict[str, int]:
    """The split that gives `name` its share and leaves the others theirs, in proportion.

    What does not come out even goes to those who lose most by rounding down, so that the sum is 100. Where nobody else
    has traffic, `name` gets all: Azure ML takes no sum but 0 and 100.
    """
    others = {other: percent for other, percent in before.items() if other != name and percent > 0}
    if not others or share >= 100:
        return {name: 100}
    left, total = 100 - share, sum(others.values())
    split = {other: percent * left // total for other, percent in others.items()}
    losers = sorted(others, key=lambda other: (-(others[other] * left % total), other))
    for other in losers[: left - sum(split.values())]:
        split[other] += 1
    return {other: percent for other, percent in (split | {name: share}).items() if percent}


def next_share(shares: Sequence[int], before: Mapping[str, int], name: str, done: int) -> int:
    """How many of the shares are done after the next one: all of them at once where nobody else has traffic."""
    alone = not any(percent for other, percent in before.items() if other != name)
    return len(shares) if alone else done + 1


def shown(traffic: Mapping[str, int]) -> str:
    """For people."""
    return ", ".join(f"{name} {percent} %" for name, percent in sorted(traffic.items()) if percent) or "nobody"
