"""The verdict of each rule on an event, and the reason of each rule that does not match."""

from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from dispatch.rules.explain import Verdict, explain
from dispatch.rules.rule import Rules
from handlers.base import Result
from handlers.lineage import job_name
from schemas import Event, ModelRegistered, RunStatusChanged
from tests.kit.rule_files import loaded, rule
from tests.kit.world import SETTINGS, rules

FAILED = RunStatusChanged.example(runStatus="Failed", runTags={"team": "churn"})


def verdict(folder: Path, event: Event = FAILED, *ends: Result, **keys: Any) -> Verdict:
    """The verdict on the rule with these keys; the rules before it are those that it may follow."""
    found = loaded(folder, churn=rules(rule(name="ring"), rule(name="mine", **keys)))
    return verdicts(found, event, *ends)["mine"]


def verdicts(found: Rules, event: Event, *ends: Result) -> dict[str, Verdict]:
    return {each.rule: each for each in explain(found, found.context(event), ends)}


def test_matching_rule_has_no_reason(tmp_path: Path) -> None:
    found = verdict(tmp_path, on="RunStatusChanged")
    assert (found.matches, found.key, found.reason) == (True, "", "")
    assert found.source.startswith("rules/churn.yaml:")


@pytest.mark.parametrize(
    ("keys", "key", "reason"),
    [
        (
            {"on": "[ModelRegistered, RunCompleted]"},
            "on",
            "the event is RunStatusChanged, and the rule acts on ModelRegistered and RunCompleted",
        ),
        (
            {"on": "RunStatusChanged", "in": "{ env: dev }"},
            "in",
            "the event is from churn-prod, and the rule is for churn-dev",
        ),
        (
            {"on": "RunStatusChanged", "when": "[data.runStatus StringIn Completed Canceled]"},
            "when",
            "data.runStatus StringIn Completed Canceled is false: data.runStatus is 'Failed'",
        ),
        (
            {"on": "RunStatusChanged", "when": "[data.runStatus StringIn Failed, data.runTags.owner IsNotNull]"},
            "when",
            "data.runTags.owner IsNotNull is false: data.runTags.owner is not in the event",
        ),
        (
            {
                "on": "RunStatusChanged",
                "when": "[any: [data.runTags.team StringIn risk, data.runTags.owner IsNotNull]]",
            },
            "when",
            "none of 2 alternatives is true: data.runTags.team StringIn risk is false: data.runTags.team is 'churn'; "
            "data.runTags.owner IsNotNull is false: data.runTags.owner is not in the event",
        ),
        (
            {
                "on": "RunStatusChanged",
                "when": "[any: [all: [data.runStatus StringIn Failed, data.runTags.team StringIn risk]]]",
            },
            "when",
            "none of 1 alternatives is true: data.runTags.team StringIn risk is false: data.runTags.team is 'churn'",
        ),
        ({"after": "{ rules: [ring] }"}, "after", "no action of ring has ended for this event"),
    ],
)
def test_first_obstacle_is_the_reason(tmp_path: Path, keys: dict[str, Any], key: str, reason: str) -> None:
    found = verdict(tmp_path, **keys)
    assert (found.matches, found.key, found.reason) == (False, key, reason)


def test_rule_with_after_is_judged_by_the_end_that_it_follows(tmp_path: Path) -> None:
    succeeded, failed = Result("ring", "succeeded", "done"), Result("ring", "failed", "broken")
    assert verdict(tmp_path, FAILED, succeeded, after="{ rules: [ring] }").matches
    found = verdict(tmp_path, FAILED, failed, after="{ rules: [ring] }")
    assert (found.key, found.reason) == ("after", "ring fails, and the rule follows it if it succeeds")
    when = "[result.summary StringContains done]"
    assert verdict(tmp_path, FAILED, failed, succeeded, after="{ rules: [ring], outcome: any }", when=when).matches
    found = verdict(tmp_path, FAILED, failed, after="{ rules: [ring], outcome: any }", when=when)
    assert found.reason == "result.summary StringContains done is false: result.summary is 'broken'"


def test_event_of_a_workspace_that_is_not_listed_matches_no_rule(tmp_path: Path) -> None:
    topic = SETTINGS["RULES_WS_CHURN_DEV"].replace("churn-dev", "theirs")
    found = verdict(tmp_path, FAILED.model_copy(update={"topic": topic}), on="RunStatusChanged")
    assert (found.key, found.reason) == ("workspace", f"workspaces.yaml does not list {topic}")


def test_no_rule_matches_while_the_workspaces_are_unknown(tmp_path: Path) -> None:
    found = loaded(tmp_path, churn=rules(rule(name="mine")))
    unknown = Rules(found.by_name, workspaces=None)
    assert verdicts(unknown, FAILED)["mine"].reason == "workspaces.yaml is invalid, so no rule matches"


def test_rule_that_started_the_run_is_stopped(tmp_path: Path) -> None:
    event = RunStatusChanged.example(runId=job_name("mine", 1, uuid4()))
    found = verdict(tmp_path, event, on="RunStatusChanged")
    assert (found.key, found.matches) == ("lineage", False)
    assert found.reason == "the event comes from a run that this rule started, and the rule has no allow_loops"


def test_verdicts_that_are_yes_are_the_rules_that_match(tmp_path: Path) -> None:
    """For every example and rule."""
    found = loaded(
        tmp_path,
        churn=rules(
            rule(name="a", on="RunStatusChanged", when="[data.runStatus StringIn Failed]"),
            rule(name="b", on="[ModelRegistered, RunStatusChanged]", **{"in": "{ env: prod }"}),
            rule(name="c", on="ModelRegistered", when="[data.modelName StringIn churn]"),
            rule(name="d", on="DriftDetected"),
        ),
    )
    for event in (FAILED, RunStatusChanged.example(runStatus="Running"), ModelRegistered.example()):
        expected = [each.name for each in found.matching(event)]
        assert [each.rule for each in verdicts(found, event).values() if each.matches] == expected
