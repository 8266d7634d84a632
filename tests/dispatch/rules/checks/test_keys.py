"""Keys that no event has are errors at load, at their position and with a suggestion."""

from pathlib import Path

import pytest

from dispatch.rules.rule import Rules
from tests.kit.rule_files import loaded, rule
from tests.kit.world import WORKSPACES, rules

OTHER = rule(name="other", on="ModelRegistered")


def errors(loaded_rules: Rules) -> list[str]:
    return [str(error).removeprefix("rules/churn.yaml:") for error in loaded_rules.errors]


def warnings(loaded_rules: Rules) -> list[str]:
    return [str(warning).removeprefix("rules/churn.yaml:") for warning in loaded_rules.warnings]


UNKNOWN = [
    (
        "RunCompleted",
        "data.experimentNam",
        "RunCompleted has no key data.experimentNam. Did you mean data.experimentName?",
    ),
    ("RunCompleted", "data.run_id", "RunCompleted has no key data.run_id. Did you mean data.runId?"),
    ("RunCompleted", "runId", "RunCompleted has no key runId. Did you mean data.runId?"),
    ("RunCompleted", "event.data.runId", "RunCompleted has no key event.data.runId. Did you mean data.runId?"),
    ("RunCompleted", "runStatus", "RunCompleted has no key runStatus. RunStatusChanged has data.runStatus."),
    (
        "RunCompleted",
        "data.modelName",
        "RunCompleted has no key data.modelName. ModelRegistered, ModelArchived, ModelRestored, ModelTagged and "
        "RegistryModelRegistered have data.modelName.",
    ),
    (
        "RunCompleted",
        "data.runTag.owner",
        "RunCompleted has no key data.runTag.owner. Did you mean data.runTags.owner?",
    ),
    ("RunCompleted", "tags.owner", "RunCompleted has no key tags.owner. Did you mean data.runTags.owner?"),
    ("RunCompleted", "time", "RunCompleted has no key time. Did you mean eventTime?"),
    ("RunCompleted", "data.runId.x", "there is no data.runId.x: data.runId is a text"),
    ("RunCompleted", "eventTyp", "RunCompleted has no key eventTyp. Did you mean eventType?"),
    (
        "RunCompleted",
        "workspace.label.team",
        "RunCompleted has no key workspace.label.team. Did you mean workspace.labels.team?",
    ),
    ("RunCompleted", "workspace.team", "RunCompleted has no key workspace.team. Did you mean workspace.labels.team?"),
    (
        "RunCompleted",
        "workspace.labels.tema",
        "no workspace of this rule has a label 'tema'. Did you mean workspace.labels.team?",
    ),
    (
        "RunCompleted",
        "result.status",
        "there is no result.status: only rules with 'after' have a result. Write after in place of on.",
    ),
    (
        "RunCompleted",
        "drift.monitor",
        "RunCompleted never reports drift, so there is no drift.monitor. "
        "Write on: DriftDetected, or one of the types that report drift: RunStatusChanged and DatasetDriftDetected.",
    ),
    (
        "[RunCompleted, ModelRegistered]",
        "drift.monitor",
        "ModelRegistered and RunCompleted never report drift, so there is no drift.monitor. "
        "Write on: DriftDetected, or one of the types that report drift: RunStatusChanged and DatasetDriftDetected.",
    ),
    ("RunStatusChanged", "drift.monitr", "RunStatusChanged has no key drift.monitr. Did you mean drift.monitor?"),
    (
        "DriftDetected",
        "drift.violations.feature",
        "there is no drift.violations.feature: drift.violations is a list",
    ),
    (
        "[ModelRegistered, ModelDeployed]",
        "data.version",
        "neither ModelDeployed nor ModelRegistered has a key data.version. Did you mean data.modelVersion?",
    ),
    (
        "[RunCompleted, RunStatusChanged, ModelDeployed, ModelRegistered]",
        "data.zzz",
        "no event type of this rule has a key data.zzz. The keys are data.serviceName, data.serviceComputeType, "
        "data.modelIds, data.serviceTags, data.serviceProperties, data.modelName, data.modelVersion, data.modelTags, "
        "data.modelProperties, data.createdBy, data.experimentId, data.experimentName, data.runId, data.runType, "
        "data.runTags, data.runProperties, data.runStatus.",
    ),
]


@pytest.mark.parametrize(("on", "key", "message"), UNKNOWN)
@pytest.mark.parametrize(
    "place",
    [
        {"when": "[{} IsNotNull]"},
        {"at_most": "{{ count: 1, every: 1h, by: {} }}"},
        {"with": '{{ message: "{{{{ {} }}}}" }}'},
        {"with": "{{ message: \"{{{{ {} | default('x') }}}}\" }}"},
    ],
)
def test_a_key_that_no_event_of_the_rule_has_is_an_error(
    on: str, key: str, message: str, place: dict[str, str], tmp_path: Path
) -> None:
    """In conditions, in `at_most.by` and in templates; a default does not change that it can never be there."""
    [(name, text)] = place.items()
    column = {"when": 12, "at_most": 41, "with": 22}[name]
    written = rule(on=on, **{name: text.format(key)})
    assert errors(loaded(tmp_path, churn=rules(written))) == [f"5:{column}: {message}"]


@pytest.mark.parametrize(
    ("on", "key"),
    [
        ("RunCompleted", "id"),
        ("RunCompleted", "DATA.runid"),
        ("RunCompleted", "data.runTags.azureml.pipelineid"),
        ("RunCompleted", "data.runProperties.x"),
        ("RunCompleted", "data.createdBy"),
        ("RunCompleted", "workspace.labels.team"),
        ("RunCompleted", "workspace.resource_group"),
        ("RunCompleted", "studio_url"),
        ("DriftDetected", "drift.monitor"),
        ("DatasetDriftDetected", "drift.coefficient"),
        ("DatasetDriftDetected", "data.dataDriftName"),
        ("Microsoft.MachineLearningServices.ModelRegistered", "data.modelTags.stage"),
        ("ModelDeployed", "data.serviceComputeType"),
    ],
)
def test_a_key_of_the_event_is_no_error(on: str, key: str, tmp_path: Path) -> None:
    """In any case; names of tags, properties and what the service may add are free."""
    template = f'{{ message: "{{{{ {key} }}}}" }}'
    text = rules(rule(on=on, at_most=f"{{ count: 1, every: 1h, by: {key} }}", **{"with": template}))
    loaded_rules = loaded(tmp_path, churn=text)
    assert (errors(loaded_rules), warnings(loaded_rules)) == ([], [])


@pytest.mark.parametrize("key", ["source", "type", "eventid", "dataschema", "eventTypeVersion"])
def test_conditions_know_the_envelope_s_names_in_all_schemas(key: str, tmp_path: Path) -> None:
    """Templates do not: the event that they see has one schema."""
    assert errors(loaded(tmp_path, churn=rules(rule(when=f"{key} StringContains e")))) == []
    assert errors(loaded(tmp_path, churn=rules(rule(**{"with": f'{{ message: "{{{{ {key} }}}}" }}'}))))


def test_a_rule_with_after_has_the_keys_of_the_events_on_which_the_followed_rules_act(tmp_path: Path) -> None:
    after = rule(name="b", after="{ rules: [other, c] }", when="[data.modelName IsNotNull, data.runId IsNotNull]")
    later = rule(name="c", after="{ rules: other }", when="data.runStatus StringIn Failed")
    assert errors(loaded(tmp_path, churn=rules(OTHER) + after + later)) == [
        "8:38: ModelRegistered has no key data.runId. DatasetDriftDetected, RunCompleted and RunStatusChanged have "
        "data.runId.",
        "12:11: ModelRegistered has no key data.runStatus. RunStatusChanged has data.runStatus.",
    ]


def test_result_has_the_names_of_the_followed_rules_and_their_outcomes(tmp_path: Path) -> None:
    def of(outcome: str, *when: str) -> list[str]:
        follower = rule(name="b", after=f"{{ rules: other, outcome: {outcome} }}", when=f"[{', '.join(when)}]")
        return errors(loaded(tmp_path, churn=rules(OTHER) + follower))

    fine = ("result.rule StringIn other", "result.details.link StringContains x", "result.summary IsNotNull")
    assert of("failed", "result.status StringIn failed", *fine) == []
    assert of("any", "result.status StringIn failed skipped", *fine) == []
    assert of("failed", "result.status StringIn skipped") == [
        "8:12: no value of result.status is 'skipped'. The only value is failed."
    ]
    assert of("any", "result.rule StringIn othr") == ["8:12: no value of result.rule is 'othr'. Did you mean other?"]
    assert of("any", "result.sumary IsNotNull") == [
        "8:12: ModelRegistered has no key result.sumary. Did you mean result.summary?"
    ]


def test_keys_are_not_checked_where_the_events_are_not_known(tmp_path: Path) -> None:
    """After a rule of an unreadable file, every type counts. A misspelt `on` and a circle have errors of their own."""
    after = rule(name="b", after="{ rules: gone }", when="[data.runId IsNotNull, data.zzz IsNotNull]")
    unreadable = loaded(tmp_path, gone="rules: [", churn=rules(after))
    [error] = [error for error in errors(unreadable) if "rules/gone.yaml" not in error]
    assert error.startswith("5:34: no event type of this rule has a key data.zzz. The keys are ")
    misspelt = loaded(
        tmp_path, gone="", churn=rules(rule(on="[RunComplted, ModelDeployed]", when="data.runId IsNotNull"))
    )
    assert [error.partition(". ")[0] for error in errors(misspelt)] == ["3:10: unknown event type 'RunComplted'"]
    circle = loaded(tmp_path, churn=rules(rule(name="b", after="{ rules: b }", when="data.zzz IsNotNull")))
    assert len(errors(circle)) == 1


def test_labels_are_free_while_the_workspaces_are_not_known(tmp_path: Path) -> None:
    text = rules(rule(when="workspace.labels.zzz StringIn x"))
    loaded_rules = loaded(tmp_path, workspaces=WORKSPACES + "zzz: 1\n", churn=text)
    assert {error.file for error in loaded_rules.errors} == {"rules/workspaces.yaml"}


def test_a_limit_by_a_key_that_some_types_lack_is_a_warning(tmp_path: Path) -> None:
    """Not if the rule's conditions leave only types that have it. An object is no value to count by."""
    at_most = "{ count: 1, every: 1h, by: data.experimentName }"
    both = rule(on="[RunCompleted, ModelRegistered]", at_most=at_most)
    assert warnings(loaded(tmp_path, churn=rules(both))) == [
        "5:41: ModelRegistered has no data.experimentName, and actions on it are not limited. "
        "Write a rule for each type, or name a key that all have, such as object."
    ]
    narrow = rule(on="[RunCompleted, ModelRegistered]", at_most=at_most, when="data.runId IsNotNull")
    assert warnings(loaded(tmp_path, churn=rules(narrow))) == []
    tags = rule(at_most="{ count: 1, every: 1h, by: data.runTags }")
    assert errors(loaded(tmp_path, churn=rules(tags))) == [
        "5:41: at_most.by needs a key with one value, and data.runTags is an object. "
        "Name one of its keys: data.runTags.NAME."
    ]
