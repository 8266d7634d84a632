"""Search for the inputs whose cost grows fastest with their size, and assert that it grows linearly."""

import json
from dataclasses import dataclass
from functools import cache
from itertools import product
from math import log
from random import Random

from tests.costs.targets import Case, Target
from tests.kit.cost import calls_of, cpu_of, peak_memory_of
from tests.kit.shapes import Shape, changed, changed_genes, random_genes, random_shape

CALLS_SLOPE = 1.15
CPU_SLOPE = 1.3
_ENOUGH = 0.004  # seconds of CPU: less cannot be compared


@dataclass(frozen=True, slots=True)
class Growth:
    """The slopes of a case: the exponents with which its costs grow with its size."""

    calls: float
    cpu: float
    memory: float = 0.0
    weight: float = 0.0  # CPU time of the larger size, as a multiple of that of reading as much JSON

    @property
    def is_linear(self) -> bool:
        """Is no cost more than linear?"""
        return self.calls <= CALLS_SLOPE and self.cpu <= CPU_SLOPE and self.memory <= CALLS_SLOPE


def slope(small: float, large: float, times: float) -> float:
    """The exponent of a cost that grows from `small` to `large` while the size grows so many `times`."""
    return log(max(large, 1e-9) / max(small, 1e-9)) / log(times) if large > small else 0.0


def growth(case: Case, target: Target, small: int, large: int, *, repeat: int = 2, memory: bool = False) -> Growth:
    """How the costs of a case grow between two sizes."""
    sizes = (small, large)
    calls = [calls_of(target.prepare(case, size)) for size in sizes]
    cpu = [cpu_of(lambda size=size: target.prepare(case, size), repeat) for size in sizes]  # type: ignore[misc]
    peaks = [peak_memory_of(target.prepare(case, size)) for size in sizes] if memory else [1, 1]
    times = large / small
    cpu_slope = slope(max(cpu[0], _ENOUGH / times), cpu[1], times) if cpu[1] > _ENOUGH else 0.0
    memory_slope = slope(peaks[0] + 200_000, peaks[1], times)
    return Growth(slope(calls[0] + 500, calls[1], times), cpu_slope, memory_slope, cpu[1] / floor(large))


def confirmed(case: Case, target: Target) -> Growth:
    """How the costs of a case grow up to the largest size of its target; measured again if they seem to grow fast."""
    _, middle, large = target.sizes
    measured = growth(case, target, middle, large, repeat=1, memory=True)
    return measured if measured.is_linear else growth(case, target, middle, large, repeat=4, memory=True)


@cache
def floor(size: int) -> float:
    """The CPU time of reading JSON of this size."""
    text = json.dumps({f"tag{n}": "value" for n in range(size // 18)})
    return cpu_of(lambda: lambda: json.loads(text), 5)


def search(target: Target, seed: int, *, only_one: bool = False) -> list[tuple[Growth, Case]]:
    """The three cases that grow fastest, and the two that cost most.

    The search begins with simple cases, in a fixed order, and then changes the best ones at random. `only_one`: it
    ends with the first case that is more than linear.
    """
    dice = Random(seed)
    small, large, _ = target.sizes
    found: list[tuple[Growth, Case]] = []
    simple = () if target.takes_rules else _simple(target)
    for number in range(target.rounds):
        if number < len(simple):
            case = simple[number]
        elif number > 20 and number % 3:
            case = _changed(dice.choice(found)[1], target, dice)
        else:
            case = _any(target, dice)
        if all(case != known for _, known in found):
            found.append((growth(case, target, small, large), case))
        if only_one and not found[-1][0].is_linear:
            return found[-1:]
        if number >= 20:
            found = _best(found)
    return _best(found)


def _simple(target: Target) -> list[Case]:
    """Values of two levels, at the first two places of a target in turn."""
    parts = product(("under", "list", "object", "same"), ("list", "object", "same", "text"), ("NaN", '"x"', "0"))
    shapes = [Shape(outer, "a", 1, (Shape(inner, "a", 1, (Shape("atom", atom),)),)) for outer, inner, atom in parts]
    return [Case(target.places[number % 2], shape) for number, shape in enumerate(shapes)]


def _best(found: list[tuple[Growth, Case]]) -> list[tuple[Growth, Case]]:
    by_slope = sorted(found, key=lambda item: -max(item[0].calls, item[0].cpu))
    by_weight = sorted(found, key=lambda item: -item[0].weight)
    return list({case: (measured, case) for measured, case in (*by_slope[:3], *by_weight[:2])}.values())


def _any(target: Target, dice: Random) -> Case:
    return Case(
        dice.choice(target.places),
        random_genes(dice, valid=target.takes_valid_rules) if target.takes_rules else random_shape(dice),
    )


def _changed(case: Case, target: Target, dice: Random) -> Case:
    if dice.random() < 0.2:
        return Case(dice.choice(target.places), case.content)
    if target.takes_rules:
        return Case(case.place, changed_genes(case.content, dice, valid=target.takes_valid_rules))
    return Case(case.place, changed(case.content, dice))
