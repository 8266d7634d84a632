"""How an endpoint's traffic is split between its deployments: whole percents whose sum is 100, or 0 for none."""

from collections.abc import Mapping, Sequence


def with_share(before: Mapping[str, int], name: str, share: int) -> dict[str, int]:
    """Return the split that gives `name` its share and scales the shares of the other deployments down.

    The others keep their proportions. Percents that rounding down leaves over go to those that lose most by it. If no
    other deployment has traffic, `name` gets all of it: Azure ML accepts no sum but 0 and 100.
    """
    others = {other: percent for other, percent in before.items() if other != name and percent > 0}
    if not others or share >= 100:
        return {name: 100}
    left, total = 100 - share, sum(others.values())
    split = {other: percent * left // total for other, percent in others.items()}
    by_loss = sorted(others, key=lambda other: (-(others[other] * left % total), other))
    for other in by_loss[: left - sum(split.values())]:
        split[other] += 1
    return {other: percent for other, percent in (split | {name: share}).items() if percent}


def next_share(shares: Sequence[int], before: Mapping[str, int], name: str, done: int) -> int:
    """Return how many of the shares are done after the next one: all, if no other deployment has traffic."""
    alone = not any(percent for other, percent in before.items() if other != name)
    return len(shares) if alone else done + 1


def format_traffic(traffic: Mapping[str, int]) -> str:
    """The split as text: ``churn-7 90 %, churn-8 10 %``."""
    return ", ".join(f"{name} {percent} %" for name, percent in sorted(traffic.items()) if percent) or "none"
