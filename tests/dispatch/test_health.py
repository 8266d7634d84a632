"""The sentences about what somebody should look at."""

from datetime import timedelta

from dispatch.health import LATE, problems
from dispatch.rules.rule import Rules
from mlevents.testing.storage import NOW


def test_app_without_problems_has_none() -> None:
    assert problems(Rules(), NOW - LATE, 0, NOW) == []


def test_each_problem_is_a_sentence() -> None:
    refused = Rules(workspaces=None, refused={"rules/b.yaml": "1", "rules/a.yaml": "2"})
    late = NOW - LATE - timedelta(seconds=1)
    queues = {"actions": 9, "actions-poison": 2, "events-poison": 0, "other-poison": None}
    assert problems(refused, late, 2, NOW, queues) == [
        "workspaces.yaml is invalid, so no rule acts: see `mlevents check`",
        "rules/a.yaml is invalid, so its rules do not act: see `mlevents check`",
        "rules/b.yaml is invalid, so its rules do not act: see `mlevents check`",
        "2 messages are in the queue actions-poison, which the app's functions empty: do they run?",
        "the timer function `sweep` last ran at 2026-11-22 08:44:59 UTC: is the app running?",
        "2 actions are retried without success so far",
    ]


def test_sweep_that_has_never_run_is_a_problem() -> None:
    assert problems(Rules(), None, 1, NOW) == [
        "the timer function `sweep` has never run: is the app deployed and running?",
        "1 action is retried without success so far",
    ]
