"""Measure steps alternately, so that changes of the machine's speed affect all of them equally."""

from collections.abc import Callable, Mapping
from statistics import median
from time import thread_time

ROUNDS = 30

Step = Callable[[], object]


def side_by_side(steps: Mapping[str, Step], calls: int, rounds: int = ROUNDS) -> dict[str, list[float]]:
    """Measure CPU seconds per call of each step, one value per round; each round runs every step."""
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for step in steps.values():
        step()
    for _ in range(rounds):
        for name, step in steps.items():
            started = thread_time()
            for _ in range(calls):
                step()
            seconds[name].append((thread_time() - started) / calls)
    return seconds


def print_ratios(title: str, seconds: Mapping[str, list[float]], baseline: str) -> None:
    """Print each step's median, and the median over all rounds of its ratio to the baseline within a round."""
    print(f"\n{title}\n")
    for name, values in seconds.items():
        ratio = median(value / base for value, base in zip(values, seconds[baseline], strict=True))
        print(f"  {name:<58} {median(values) * 1e6:>9.1f} µs {ratio:>7.2f} x")
