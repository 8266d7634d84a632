"""Filters that rules imply: no event that a rule matches is lost, and known sets of rules get the strongest filters."""

import json
from collections import Counter
from pathlib import Path
from random import Random

import pytest
from hypothesis import strategies as st

from dispatch.filters import EventFilter
from dispatch.rules.rule import Rules
from mlevents.subscriptions.model import Delivery, Names, plan
from schemas import EventError, parse_event
from tests.kit.any_input import any_input
from tests.kit.rule_files import loaded
from tests.kit.world import STORAGE, WORKSPACES
from tests.mlevents.subscriptions.random_rules import BLOB_KEYS, events, rule_sets

MET: Counter[str] = Counter()


@any_input(30, 20_000, rules=rule_sets(), seed=st.integers(0, 2**32))
def test_event_that_a_rule_matches_passes_the_filter(rules: Rules, seed: int) -> None:
    check_events(rules, seed)


def check_events(rules: Rules, seed: int) -> None:
    """Through the real matching, on the event as it is parsed; the filter reads what Azure has published."""
    subscriptions = plan(rules, Delivery(), Names(), with_filters=True).subscriptions
    filters = {each.source: EventFilter.model_validate(each.filter()) for each in subscriptions}
    assert all(not each.limits() for each in filters.values())
    for raw in events(rules, Random(seed), 50):
        try:
            event = parse_event(json.dumps(raw))
        except EventError:
            MET["rejected"] += 1
            continue
        matching = rules.matching(event)
        MET["matched" if matching else "unmatched"] += 1
        if matching:
            found = filters.get(event.resource)
            assert found is not None, [rule.when for rule in matching]
            assert found.matches(raw), ([rule.when for rule in matching], found)
            MET["filtered"] += bool(found.advanced_filters)


@any_input(20, 10_000, rules=rule_sets(on=("BlobCreated", "BlobDeleted"), usual=BLOB_KEYS), seed=st.integers(0, 2**32))
def test_event_of_a_blob_that_a_rule_matches_passes_the_filter(rules: Rules, seed: int) -> None:
    """Conditions on the parts of a blob become conditions on the subject."""
    check_events(rules, seed)


def filters_of(
    folder: Path, *whens: str, on: str = "RunStatusChanged", with_filters: bool = True
) -> tuple[list[str], list[str]]:
    """The filters of churn-dev for rules with these conditions, and the notes."""
    entries = "".join(
        f"  - name: r{number}\n    on: {on}\n    do: log\n    when: {when}\n" for number, when in enumerate(whens)
    )
    rules = loaded(folder, workspaces=WORKSPACES + STORAGE, a=f"rules:\n{entries}")
    assert not rules.errors, rules.errors
    found = plan(rules, Delivery(), Names(), with_filters=with_filters).subscriptions[0]
    return [str(each) for each in found.filters], list(found.notes)


STRONGEST: list[tuple[list[str], list[str]]] = [
    (["data.runStatus StringIn Failed"], ["data.runStatus StringIn Failed"]),
    (
        ["data.runStatus StringIn Failed", "data.RunStatus StringIn failed Canceled"],
        ["data.runStatus StringIn Failed Canceled"],
    ),
    (
        ["data.runStatus StringIn Failed", "data.runStatus StringBeginsWith Cancel"],
        ["data.runStatus StringBeginsWith Failed Cancel"],
    ),
    (
        ["data.runStatus StringBeginsWith Fail", "data.runStatus StringEndsWith ed"],
        ["data.runStatus StringContains Fail ed"],
    ),
    (["data.runStatus StringNotIn Completed Running"], ["data.runStatus StringNotIn Completed Running"]),
    (
        ["data.runStatus StringNotIn Completed Running", "data.runStatus StringNotIn Running Queued"],
        ["data.runStatus StringNotIn Running"],
    ),
    (
        ["data.runStatus StringNotIn Completed", "data.runStatus StringIn Failed"],
        ["data.runStatus StringNotIn Completed"],
    ),
    (["data.runStatus StringNotIn Failed", "data.runStatus StringIn Failed"], []),
    (
        ["data.runStatus StringNotBeginsWith Fail", "data.runStatus StringNotContains ail"],
        ["data.runStatus StringNotBeginsWith Fail"],
    ),
    (
        ["[data.runType IsNotNull, data.runType StringNotIn automl]"],
        ["data.runType IsNotNull", "data.runType StringNotIn automl"],
    ),
    (["data.runType StringNotIn automl"], []),
    (["data.runTags.team StringNotIn a"], []),
    (["data.runTags.team StringIn a", "data.runTags.team IsNotNull"], ["data.runTags.team IsNotNull"]),
    (["data.runTags.team IsNullOrUndefined"], ["data.runTags.team IsNullOrUndefined"]),
    (["data.runType IsNullOrUndefined"], []),
    (["data.runTags.azureml.x StringIn a"], []),
    (
        ["[{ any: [data.runStatus StringIn Failed, data.runStatus StringEndsWith ed] }]"],
        ["data.runStatus StringEndsWith ed"],
    ),
    (["[{ any: [data.runStatus StringIn Failed, data.runType StringIn automl] }]"], []),
    (
        ["[{ any: [data.runStatus StringIn Failed, workspace.labels.env StringIn prod] }]"],
        ["data.runStatus StringIn Failed"],
    ),
    (
        ["data.createdBy NumberIn 5 7", "data.createdBy NumberGreaterThan 6"],
        ["data.createdBy NumberGreaterThanOrEquals 5"],
    ),
    (["data.createdBy NumberIn 5", "data.createdBy NumberIn 7 5"], ["data.createdBy NumberIn 5 7"]),
    (["data.createdBy NumberIn 5", "data.createdBy NumberInRange 1,3"], ["data.createdBy NumberInRange 1,3 5,5"]),
    (
        ["data.createdBy NumberLessThan 5", "data.createdBy NumberLessThanOrEquals 4"],
        ["data.createdBy NumberLessThan 5"],
    ),
    (["data.createdBy NumberLessThan 5", "data.createdBy NumberGreaterThan 6"], ["data.createdBy IsNotNull"]),
    (["data.createdBy BoolEquals true", "data.createdBy BoolEquals false"], ["data.createdBy IsNotNull"]),
    (["data.createdBy NumberIn 9007199254740993"], ["data.createdBy IsNotNull"]),
    (["subject StringContains runs"], ["subject StringContains runs"]),
]


@pytest.mark.parametrize(("whens", "filters"), STRONGEST, ids=" | ".join)
def test_filter_is_the_strongest_that_all_rules_imply(whens: list[str], filters: list[str], tmp_path: Path) -> None:
    assert filters_of(tmp_path, *whens)[0] == filters


PREFIX = "/blobServices/default/containers/"


@pytest.mark.parametrize(
    ("when", "filters"),
    [
        ("blob.container StringIn exports", [f"subject StringBeginsWith {PREFIX}exports/blobs/"]),
        ("blob.container StringBeginsWith exp", [f"subject StringBeginsWith {PREFIX}exp"]),
        ("blob.path StringBeginsWith daily/ weekly/", ["subject StringContains /blobs/daily/ /blobs/weekly/"]),
        (
            "[Blob.Container StringIn exports, blob.path StringEndsWith .csv .parquet]",
            [f"subject StringBeginsWith {PREFIX}exports/blobs/", "subject StringEndsWith .csv .parquet"],
        ),
        ("blob.name StringIn _SUCCESS", ["subject StringEndsWith /_SUCCESS"]),
        ("blob.folder StringIn daily", []),
        ("blob.path StringNotContains _temporary", []),
    ],
)
def test_parts_of_a_blob_are_filtered_by_the_subject(when: str, filters: list[str], tmp_path: Path) -> None:
    """Always: an account raises an event for each blob."""
    assert filters_of(tmp_path, when, on="BlobCreated", with_filters=False)[0] == filters


def test_each_resource_gets_the_types_that_it_raises(tmp_path: Path) -> None:
    """Also of one rule for all of them; what raises no type of any rule needs no subscription."""
    text = "rules:\n  - { name: a, on: [RunCompleted, BlobCreated], in: { env: dev }, do: log }\n"
    rules = loaded(tmp_path, workspaces=WORKSPACES + STORAGE, a=text)
    assert not rules.errors
    found = plan(rules, Delivery(), Names(), with_filters=False)
    assert {each.workspace: (each.topic, each.event_types) for each in found.subscriptions} == {
        "churn-dev": ("mlevents-churn-dev", ("Microsoft.MachineLearningServices.RunCompleted",)),
        "churn-landing": ("mlevents-storage-churnlanding", ("Microsoft.Storage.BlobCreated",)),
    }
    assert found.notes == ("churn-prod needs no subscription: no rule acts on its events",)


@pytest.mark.parametrize(
    ("on", "when", "filters"),
    [
        (
            "DatasetDriftDetected",
            "data.dataDriftName StringBeginsWith churn",
            ["data.dataDriftName StringBeginsWith churn"],
        ),
        ("DatasetDriftDetected", "data.driftCoefficient NumberGreaterThan 0.3", ["data.driftCoefficient IsNotNull"]),
        ("ModelRegistered", "data.modelVersion StringIn 3", []),
        ("ModelRegistered", "data.modelName StringIn churn", ["data.modelName StringIn churn"]),
        ("ModelDeployed", "data.modelIds StringContains churn", ["data.modelIds IsNotNull"]),
    ],
)
def test_converted_value_is_not_compared_by_event_grid(on: str, when: str, filters: list[str], tmp_path: Path) -> None:
    """Rules see a version as a text, and a coefficient as a number, whichever Azure ML has sent."""
    assert filters_of(tmp_path, when, on=on)[0] == filters


def test_notes_name_the_rule_and_the_condition_that_keep_a_key_from_being_filtered(tmp_path: Path) -> None:
    _, notes = filters_of(tmp_path, "data.runStatus StringIn Failed", "drift.monitor IsNotNull", "object StringIn x")
    assert notes == [
        "data.runStatus is not filtered: r1 and 1 more may act without a condition on it",
        "r1: drift.monitor IsNotNull is not a filter: drift.monitor is what the app adds to the event",
        "r2: object StringIn x is not a filter: object is what the app adds to the event",
    ]


@pytest.mark.parametrize(
    ("operands", "filters"),
    [
        ([f"{letter}{number}" for letter in "ab" for number in range(13)], ["data.runId StringBeginsWith"]),
        ([f"{chr(97 + number)}x" for number in range(26)], ["data.runId IsNotNull"]),
        (["x" * 600], ["data.runId StringBeginsWith"]),
    ],
    ids=["shared beginnings", "nothing shared", "long"],
)
def test_filter_beyond_the_limits_is_widened(operands: list[str], filters: list[str], tmp_path: Path) -> None:
    text = f"rules:\n  - {{ name: a, on: RunCompleted, do: log, when: data.runId StringIn {' '.join(operands)} }}\n"
    rules = loaded(tmp_path, a=text)
    found = plan(rules, Delivery(), Names(), with_filters=True).subscriptions[0]
    assert [f"{each.key} {each.operator}" for each in found.filters] == filters
    assert not EventFilter.model_validate(found.filter()).limits()
    assert len(operands) == 1 or "at most 25 values" in found.notes[0]


def test_negated_filter_beyond_the_limits_is_left_out(tmp_path: Path) -> None:
    values = " ".join(f"v{number}" for number in range(24))
    filters, notes = filters_of(tmp_path, f"[data.runStatus StringNotIn {values}, data.runId StringIn a b c]")
    assert filters == ["data.runId StringIn a b c"]
    assert notes[0].startswith("data.runStatus StringNotIn was left out: ")


def test_more_filters_than_event_grid_takes_are_left_out(tmp_path: Path) -> None:
    conditions = ", ".join(f"data.runTags.t{number} IsNotNull" for number in range(27))
    filters, notes = filters_of(tmp_path, f"[data.runStatus StringIn Failed, {conditions}]")
    assert len(filters) == 25
    assert filters[0] == "data.runStatus StringIn Failed"
    assert [note.endswith("at most 25 filters of a subscription") for note in notes] == [True] * 3


def test_types_are_those_of_rules_that_can_match_in_the_workspace(tmp_path: Path) -> None:
    text = "rules:\n" + "".join(
        f"  - {{ name: {name}, do: log, {keys} }}\n"
        for name, keys in {
            "a": "on: RunCompleted, in: churn-dev",
            "b": "on: DriftDetected, in: { env: prod }",
            "c": "on: ModelRegistered, when: workspace.labels.env StringIn prod",
            "d": "on: [ModelDeployed, RunCompleted], in: churn-prod, when: eventType StringContains Model",
        }.items()
    )
    found = plan(loaded(tmp_path, a=text), Delivery(), Names(), with_filters=False)
    assert {each.workspace: [name.rpartition(".")[2] for name in each.event_types] for each in found.subscriptions} == {
        "churn-dev": ["RunCompleted"],
        "churn-prod": ["RunStatusChanged", "ModelRegistered", "ModelDeployed", "DatasetDriftDetected"],
    }
    assert all(not each.filters for each in found.subscriptions)


def test_workspace_without_rules_gets_no_subscription_and_that_is_said(tmp_path: Path) -> None:
    found = plan(
        loaded(tmp_path, a="rules:\n  - { name: a, on: RunCompleted, in: churn-dev, do: log }\n"),
        Delivery(),
        Names(),
        with_filters=False,
    )
    assert [each.workspace for each in found.subscriptions] == ["churn-dev"]
    assert found.notes == ("churn-prod needs no subscription: no rule acts on its events",)


@pytest.mark.parametrize(("on", "needed"), [("ModelTagged", True), ("ModelArchived", False), ("JobMissed", False)])
def test_what_the_watch_compares_with_the_record_is_delivered(tmp_path: Path, on: str, needed: bool) -> None:
    """The tags with which a model was registered are those of its event, which no filter may leave out."""
    entries = (
        f"  - {{ name: watched, on: {on}, in: churn-dev, do: log }}\n"
        "  - { name: other, on: ModelRegistered, in: churn-dev, when: data.modelName StringIn a, do: log }\n"
    )
    rules = loaded(tmp_path, workspaces=WORKSPACES, a=f"rules:\n{entries}")
    [found] = plan(rules, Delivery(), Names(), with_filters=True).subscriptions
    event = {"eventType": "Microsoft.MachineLearningServices.ModelRegistered", "data": {"modelName": "b"}}
    assert EventFilter.model_validate(found.filter()).matches(event) is needed
    only = loaded(tmp_path, workspaces=WORKSPACES, a=f"rules:\n{entries.splitlines(True)[0]}")
    types = [each.event_types for each in plan(only, Delivery(), Names(), with_filters=False).subscriptions]
    assert types == ([(event["eventType"],)] if needed else [])
