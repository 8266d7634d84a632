"""Scripts of simulated handlers: which faults an action has in each of its stages, and how it ends.

A script is drawn from the seed, the event and the rule, so that it does not depend on the order of calls.
"""

import random
from dataclasses import dataclass
from typing import NamedTuple

from dispatch.inbox.rows import Status

CRASHING_RULE = "record"  # some events make the handler of this rule kill its process at every call
FOREVER = 1_000  # times; a stage with so many faults never succeeds
STATUSES: dict[str, Status] = {"succeed": "succeeded", "give up": "failed", "skip": "skipped"}  # by last outcome


class Stage(NamedTuple):
    """A part of an action: the faults of its first calls, and the outcome of the call after them."""

    faults: tuple[str, ...]
    outcome: str

    @property
    def succeeds(self) -> bool:
        """Does the stage succeed in the end?"""
        return len(self.faults) < FOREVER


class End(NamedTuple):
    """The status with which an action must end, and the number of stages that must succeed before."""

    status: Status
    stages: int


@dataclass(frozen=True)
class Script:
    """The scripts of all actions of a simulation."""

    seed: int
    crashing: frozenset[str] = frozenset()  # events on which CRASHING_RULE kills its process

    def stages(self, event: str, rule: str, count: int) -> list[Stage]:
        """The stages of an action."""
        if rule == CRASHING_RULE and event in self.crashing:
            return [Stage(("kill",) * FOREVER, "succeed")]
        rng = random.Random(f"{self.seed}|{event}|{rule}")
        return [Stage(_faults(rng), _outcome(rng, last=n == count - 1)) for n in range(count)]

    def end(self, event: str, rule: str, count: int) -> End:
        """The end of an action that no guard skips."""
        stages = self.stages(event, rule, count)
        for number, stage in enumerate(stages):
            if not stage.succeeds:
                return End("failed", number)
        return End(STATUSES[stages[-1].outcome], count)


def _faults(rng: random.Random) -> tuple[str, ...]:
    drawn = rng.random()
    for share, faults in (
        (0.9, ()),
        (0.05, ("retry",) * rng.randint(1, 4)),
        (0.02, ("break",)),
        (0.02, ("retry", "break", "retry")),
        (0.005, ("throttle",) * rng.randint(1, 2)),
        (0.004, ("retry",) * FOREVER),
        (0.001, ("hang",)),
    ):
        drawn -= share
        if drawn < 0:
            return faults
    return ()


def _outcome(rng: random.Random, *, last: bool) -> str:
    if not last:
        return f"wait {rng.choice((20, 200, 2_000, 20_000))}"
    return rng.choices(("succeed", "give up", "skip"), (95, 3, 2))[0]
