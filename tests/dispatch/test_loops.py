"""Lineage: no rule acts on the runs that it started itself, and chains of starts are limited."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import pytest

from handlers.base import Action
from handlers.lineage import job_name
from schemas import Event, ModelDeployed, ModelRegistered, RunCompleted, RunStatusChanged
from tests.kit.world import Scripted, World, rule, rules


class Starting(Scripted):
    """A scripted handler that declares that it starts runs."""

    starts_runs: ClassVar[bool] = True


def started(folder: Path, **keys: str) -> tuple[World, Action]:
    """A world in which the rule `retrain` has acted once, and its action."""
    text = rule("retrain", on="[RunCompleted, RunStatusChanged, ModelRegistered, ModelDeployed]", **keys)
    world = World(rules(text).replace("SCRIPTED", "tests.dispatch.test_loops:Starting"), folder)
    world.receive(RunCompleted.example(id="e1", run_id="created-by-a-person", run_tags={}, run_properties={}))
    world.run()
    [call] = world.calls
    return world, call.action


def acts_on(world: World, event: Event) -> bool:
    before = len(world.calls)
    world.receive(event)
    world.run()
    return len(world.calls) > before


def test_an_action_has_its_depth_and_the_tags_of_its_jobs(tmp_path: Path) -> None:
    _, action = started(tmp_path)
    assert (action.depth, action.event) == (1, "e1")
    assert action.job_name == job_name("retrain", 1, action.key)
    assert action.tags == {"mlevents_rule": "retrain", "mlevents_event": "e1", "mlevents_depth": "1"}


def test_events_of_a_job_do_not_match_the_rule_that_started_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The log has the reason."""
    world, action = started(tmp_path)
    with caplog.at_level(logging.INFO):
        assert not acts_on(world, RunCompleted.example(id="e2", run_id=action.job_name))
    assert "rule.stopped rule=retrain event=e2" in caplog.text


OF_A_JOB: dict[str, Callable[[str], Event]] = {
    "its status": lambda name: RunStatusChanged.example(id="e2", run_id=name),
    "a child of a sweep": lambda name: RunCompleted.example(id="e2", run_id=f"{name}_17"),
    "a step": lambda name: RunCompleted.example(
        id="e2", run_id="0a1b", run_tags={"azureml.pipelinerunid": name}, run_properties={}
    ),
    "a step, camel-cased": lambda name: RunCompleted.example(
        id="e2", run_id="0a1b", run_tags={}, run_properties={"azureml.rootPipelineRunId": name.upper()}
    ),
    "a child": lambda name: RunCompleted.example(
        id="e2", run_id="0a1b", run_tags={}, run_properties={"azureml.parentrunid": name}
    ),
    "a tagged run": lambda _: RunCompleted.example(
        id="e2", run_id="of-a-batch-endpoint", run_tags={"mlevents_rule": "retrain"}, run_properties={}
    ),
    "a model": lambda name: ModelRegistered.example(
        id="e2", model_tags={}, model_properties={"azureml.runid": name, "else": "1"}
    ),
    "a deployment": lambda _: ModelDeployed.example(
        id="e2", service_tags={"mlevents_rule": "retrain", "mlevents_depth": "1"}
    ),
}


@pytest.mark.parametrize("what", OF_A_JOB)
def test_events_of_steps_children_and_models_count_as_events_of_their_job(what: str, tmp_path: Path) -> None:
    """Steps and children do not have the tags of the job, but the name of their parent."""
    world, action = started(tmp_path)
    assert not acts_on(world, OF_A_JOB[what](action.job_name))


@pytest.mark.parametrize("what", OF_A_JOB)
def test_allow_loops_lets_a_rule_act_on_its_own_jobs(what: str, tmp_path: Path) -> None:
    world, action = started(tmp_path, allow_loops="true")
    assert acts_on(world, OF_A_JOB[what](action.job_name))
    assert world.calls[-1].action.depth == 2


@pytest.mark.parametrize(("keys", "depths"), [({}, [1, 2, 3]), ({"max_depth": "5"}, [1, 2, 3, 4, 5])])
def test_max_depth_limits_a_chain_of_starts(keys: dict[str, str], depths: list[int], tmp_path: Path) -> None:
    """The default is 3."""
    world, action = started(tmp_path, allow_loops="true", **keys)
    for n in range(2, 9):
        if not acts_on(world, RunCompleted.example(id=f"e{n}", run_id=action.job_name)):
            break
        action = world.calls[-1].action
    assert [call.action.depth for call in world.calls] == depths


def test_rules_that_start_no_runs_act_at_every_depth(tmp_path: Path) -> None:
    """A mail about the fourth failed retraining matters most."""
    world = World(rules(rule("mail", on="RunCompleted")), tmp_path)
    assert acts_on(world, RunCompleted.example(id="e4", run_id=job_name("retrain", 4, Action().key)))


def test_following_rules_do_not_act_on_their_own_jobs_either(tmp_path: Path) -> None:
    texts = rule("first", on="RunCompleted"), rule("second", after="{ rules: first }")
    world = World(rules(*texts), tmp_path)
    world.receive(RunCompleted.example(id="e2", run_id=job_name("second", 1, Action().key)))
    world.run()
    assert world.ends() == {"first": "succeeded"}


@pytest.mark.parametrize(
    "run_id", ["mle-1-retrain", "mle-x-00000000-" + "0" * 32, "mle-1-00000000-" + "0" * 33, "created-by-a-person"]
)
def test_other_run_names_have_no_lineage(run_id: str, tmp_path: Path) -> None:
    world, _ = started(tmp_path)
    assert acts_on(world, RunCompleted.example(id="e2", run_id=run_id, run_tags={}, run_properties={}))


def test_invalid_lineage_tags_raise_no_error(tmp_path: Path) -> None:
    """An invalid depth counts as 1. The tag of a rule is ignored if it is no text."""
    world, _ = started(tmp_path)
    tags = {"mlevents_rule": "other", "mlevents_depth": "many"}
    assert acts_on(world, RunCompleted.example(id="e2", run_id="r2", run_tags=tags, run_properties={}))
    assert world.calls[-1].action.depth == 2
    tags = {"mlevents_rule": ["retrain"], "mlevents_depth": "²"}  # type: ignore[dict-item]  # JSON can have other values than texts
    assert acts_on(world, RunCompleted.example(id="e3", run_id="r3", run_tags=tags, run_properties={}))
    assert world.calls[-1].action.depth == 1


def test_an_action_can_match_its_rule_against_a_changed_event(tmp_path: Path) -> None:
    """A handler uses it for the event with the current tags of the model."""
    world = World(rules(rule("ring", when="[data.runId StringIn one]")), tmp_path)
    world.receive(RunStatusChanged.example(run_id="one"))
    world.run()
    [(event, action)] = world.calls
    assert action.matches(event)
    assert not action.matches(RunStatusChanged.example(run_id="two"))
