"""`samples_of`: the events on which `mlevents check` previews a rule are events that the rule matches."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatch.filters.condition import Condition
from dispatch.rules.rule import Rules
from dispatch.rules.when import AllOf
from mlevents.sample_values import change, value_for
from mlevents.samples import Sample, samples_of
from schemas.plain import MISSING
from tests.kit.rule_files import loaded, rule
from tests.kit.world import entry, rules


def of(tmp_path: Path, *texts: str) -> dict[str, list[Sample]]:
    loaded_rules = loaded(tmp_path, churn=rules(*texts))
    assert loaded_rules.errors == ()
    found = samples_of(loaded_rules)
    _all_match(found, loaded_rules)
    return found


def _all_match(found: dict[str, list[Sample]], loaded_rules: Rules) -> None:
    """The rule itself says so, not the search for samples."""
    for samples in found.values():
        for sample in samples:
            if not sample.follows:
                assert sample.rule in loaded_rules.matching(sample.event)
            assert sample.rule.when.matches(sample.context)
            assert sample.event.workspace == sample.workspace.id


def titles(samples: list[Sample]) -> list[str]:
    return [sample.title for sample in samples]


def test_an_example_that_matches_is_taken_as_it_is(tmp_path: Path) -> None:
    found = of(tmp_path, rule(on="[RunCompleted, ModelRegistered]"))
    assert titles(found["a"]) == ["RunCompleted", "ModelRegistered"]


def test_a_rule_that_expects_an_event_has_the_one_that_says_so(tmp_path: Path) -> None:
    """What it expects itself, though the example is about another rule."""
    expect = "{ event: RunCompleted, when: data.experimentName StringIn nightly, by: '06:30' }"
    [sample] = of(tmp_path, entry({"name": "a", "do": "log", "expect": expect}))["a"]
    data = sample.context.view()["data"]
    assert (data["rule"], data["expected"], data["event"]) == ("a", "nightly", "RunCompleted")


def test_the_event_is_of_a_workspace_that_in_allows(tmp_path: Path) -> None:
    [sample, _] = of(tmp_path, rule(**{"in": "churn-dev"}))["a"]
    assert sample.workspace.name == "churn-dev"
    assert sample.context.view()["workspace"]["resource_group"] == "rg-ml-dev"


@pytest.mark.parametrize(
    ("when", "title"),
    [
        ("data.runStatus StringIn Canceled", "RunStatusChanged with data.runStatus 'Canceled'"),
        (
            "data.runTags.azureml.pipelineid IsNotNull",
            "RunStatusChanged with data.runTags.azureml.pipelineid 'example'",
        ),
        ("DATA.RUNTAGS.Owner StringEndsWith @b.com", "RunStatusChanged with DATA.RUNTAGS.Owner '@b.com'"),
        ("data.runTags.owner IsNullOrUndefined", "RunStatusChanged with data.runTags.owner removed"),
        ("data.runStatus StringNotIn Failed NotResponding", "RunStatusChanged with data.runStatus 'Completed'"),
        ("[data.runId StringBeginsWith a, data.runId StringEndsWith z]", "RunStatusChanged with data.runId 'az'"),
        ("subject StringContains /experiments/x", "RunStatusChanged with subject '/experiments/x'"),
        ("{ any: [object StringIn nothing, data.runId StringIn x] }", "RunStatusChanged with data.runId 'x'"),
        (
            "[{ any: [data.runId StringIn x, data.runStatus StringIn Failed] }, data.runType StringIn y]",
            "RunStatusChanged with data.runType 'y'",
        ),
        ("workspace.labels.env StringIn dev", "RunStatusChanged"),
    ],
)
def test_an_example_is_changed_so_that_the_conditions_hold(tmp_path: Path, when: str, title: str) -> None:
    """As little as possible; what holds already stays."""
    assert titles(of(tmp_path, rule(when=when))["a"])[:1] == [title]


def test_numbers_meet_all_their_conditions(tmp_path: Path) -> None:
    when = "[data.driftCoefficient NumberGreaterThan 0.5, data.driftCoefficient NumberLessThan 0.6]"
    [sample] = of(tmp_path, rule(on="DatasetDriftDetected", when=when))["a"]
    assert sample.event.data.wire()["driftCoefficient"] == pytest.approx(0.55)


@pytest.mark.parametrize(
    "when",
    [
        "[workspace.labels.env StringIn dev, workspace.name StringIn churn-prod]",
        "drift.signal StringIn x",
        "object StringIn x",
    ],
)
def test_no_sample_is_invented_for_what_an_event_cannot_be(tmp_path: Path, when: str) -> None:
    assert of(tmp_path, rule(when=when))["a"] == []


def test_no_key_is_invented_that_events_of_the_type_lack(tmp_path: Path) -> None:
    """Of several types, only those that have the key have a sample; a tag is added where tags of that kind are."""
    found = of(
        tmp_path,
        rule(on="[RunCompleted, RunStatusChanged]", when="data.runStatus StringIn Paused"),
        rule(name="b", on="DriftDetected", when="data.runStatus StringIn Paused"),
        rule(
            name="c",
            on="[RunCompleted, ModelRegistered]",
            when="{ any: [data.runTags.a StringIn x, data.modelTags.a StringIn y] }",
        ),
    )
    assert titles(found["a"]) == ["RunStatusChanged with data.runStatus 'Paused'"]
    assert titles(found["b"]) == ["a model monitor's breach with data.runStatus 'Paused'"]
    assert titles(found["c"]) == [
        "RunCompleted with data.runTags.a 'x'",
        "ModelRegistered with data.modelTags.a 'y'",
    ]


def test_a_change_that_makes_no_valid_event_is_not_made(tmp_path: Path) -> None:
    loaded_rules = loaded(tmp_path, churn=rules(rule()))
    never = replace(loaded_rules.by_name["a"], when=AllOf((Condition.parse("data.runId IsNullOrUndefined"),)))
    assert samples_of(replace(loaded_rules, by_name={"a": never})) == {"a": []}


def test_a_rule_that_follows_another_has_its_sample_and_result(tmp_path: Path) -> None:
    found = of(
        tmp_path,
        rule(when="data.runStatus StringIn Canceled", **{"in": "churn-dev"}),
        rule(
            name="b",
            after="{ rules: a, outcome: failed }",
            when="[data.runId StringIn x, result.details.why StringIn y]",
        ),
        rule(name="c", after="{ rules: b, outcome: any }"),
        rule(name="d", after="{ rules: a }", when="data.runStatus StringIn Failed"),
    )
    [b], [c] = found["b"], found["c"]
    assert b.changes == ("data.runStatus 'Canceled'", "data.runId 'x'", "result.details.why 'y'")
    assert b.workspace.name == "churn-dev"
    assert b.result
    assert {key: b.result[key] for key in ("rule", "status")} == {"rule": "a", "status": "failed"}
    assert c.result
    assert c.result["rule"] == "b"
    assert c.result["details"]["anything"] == "<anything>"
    assert found["d"] == []  # a and d cannot both match


OPERATORS = st.sampled_from(["StringIn", "StringNotIn", "StringBeginsWith", "StringNotContains", "StringEndsWith"])


@given(st.lists(st.tuples(OPERATORS, st.text("ab", min_size=1, max_size=2)), min_size=1, max_size=3))
def test_a_value_that_is_found_meets_every_condition(pairs: list[tuple[str, str]]) -> None:
    conditions = [Condition.parse(f"data.x {operator} {operand}") for operator, operand in pairs]
    value = value_for(conditions)
    if value is not MISSING:
        assert all(condition.matches({"data": {"x": value}}) for condition in conditions)


@pytest.mark.parametrize(
    ("condition", "value"),
    [
        ("data.x NumberIn 5", 5),
        ("data.x NumberLessThan 0.5", -0.5),
        ("data.x NumberInRange 0.25,0.5 0.9,1", 0.25),
        ("data.x NumberNotIn 5", 6),
        ("data.x BoolEquals true", True),
        ("data.x IsNullOrUndefined", MISSING),
    ],
)
def test_values_of_operators(condition: str, value: object) -> None:
    assert value_for([Condition.parse(condition)]) == value


def test_a_change_enters_objects_and_keeps_the_dots_of_tags() -> None:
    data = {"runTags": {"A.b": "1"}, "other": {"x": 1}}
    change(data, ["runtags", "a", "B"], "2")
    change(data, ["runTags", "c", "d"], "3")
    change(data, ["modelTags", "e"], "4")
    change(data, ["other", "x"], MISSING)
    assert data == {"runTags": {"A.b": "2", "c.d": "3"}, "other": {}, "modelTags": {"e": "4"}}
