"""Conditions that can never hold are errors; values that are not known to occur are warnings."""

from pathlib import Path

import pytest

from tests.dispatch.rules.checks.test_keys import errors, warnings
from tests.kit.rule_files import loaded, rule
from tests.kit.world import SETTINGS, WORKSPACES, rules

NUMBERS = "A text is never compared as a number, whatever it looks like: use StringIn or StringNotIn."


def found(folder: Path, when: str, on: str = "RunStatusChanged", **keys: str) -> tuple[list[str], list[str]]:
    """The errors and the warnings about a rule with these conditions."""
    loaded_rules = loaded(folder, churn=rules(rule(on=on, when=when, **keys)))
    return errors(loaded_rules), warnings(loaded_rules)


@pytest.mark.parametrize(
    ("when", "message"),
    [
        (
            "data.runTags.auc NumberGreaterThan 0.9",
            f"data.runTags.auc is a text, and NumberGreaterThan compares numbers: the condition never holds. {NUMBERS}",
        ),
        (
            "data.runTags.auc NumberInRange 0,1",
            f"data.runTags.auc is a text, and NumberInRange compares numbers: the condition never holds. {NUMBERS}",
        ),
        (
            "data.runId NumberNotIn 1",
            f"data.runId is a text, and NumberNotIn compares numbers: the condition always holds. {NUMBERS}",
        ),
        (
            "data.runTags.final BoolEquals true",
            "data.runTags.final is a text, and BoolEquals compares true and false: the condition never holds. "
            "Compare it with the text: StringIn true, or StringIn false.",
        ),
        (
            "drift.coefficient StringIn 0.5",
            "drift.coefficient is a number, and StringIn compares texts: the condition never holds. "
            "Use NumberIn, NumberInRange, NumberGreaterThan or NumberLessThan.",
        ),
        (
            "drift.coefficient BoolEquals true",
            "drift.coefficient is a number, and BoolEquals compares true and false: the condition never holds. "
            "Use NumberIn.",
        ),
        (
            "data.runTags StringContains x",
            "data.runTags is an object, and StringContains compares texts: the condition never holds. "
            "Name one of its keys: data.runTags.NAME.",
        ),
        (
            "workspace StringIn churn-prod",
            "workspace is an object, and StringIn compares texts: the condition never holds. Its keys are "
            "workspace.name, workspace.timezone, workspace.id, workspace.resource_group, workspace.subscription, "
            "workspace.labels.",
        ),
        (
            "drift.violations StringContains age",
            "drift.violations is a list, each item of which is an object, and StringContains compares texts: "
            "the condition never holds",
        ),
        ("id IsNullOrUndefined", "the condition never holds: id is always there"),
        ("workspace.labels.env IsNullOrUndefined", "the condition never holds: workspace.labels.env is always there"),
        (
            "eventType StringIn RunStatusChanged",
            "no value of eventType is 'RunStatusChanged'. "
            "The only value is Microsoft.MachineLearningServices.RunStatusChanged.",
        ),
        ("workspace.labels.env StringIn prodd", "no value of workspace.labels.env is 'prodd'. Did you mean prod?"),
        (
            "workspace.labels.env StringBeginsWith x y",
            "no value of workspace.labels.env begins with 'x' or 'y'. The values are dev, prod.",
        ),
        ("workspace.name StringIn churn-prd", "no value of workspace.name is 'churn-prd'. Did you mean churn-prod?"),
        (
            "workspace.labels.env StringNotIn dev prod",
            "'workspace.labels.env StringNotIn dev prod' can never hold",
        ),
    ],
)
def test_a_condition_that_can_never_hold_is_an_error(when: str, message: str, tmp_path: Path) -> None:
    """Tags are texts, labels are those of workspaces.yaml, and the envelope is always there."""
    assert found(tmp_path, when) == ([f"5:11: {message}"], [])


def test_null_is_always_or_never_there_for_types_without_drift(tmp_path: Path) -> None:
    assert found(tmp_path, "drift IsNotNull", "RunCompleted") == (
        ["5:11: the condition never holds: drift is always null"],
        [],
    )
    assert found(tmp_path, "drift IsNullOrUndefined", "RunCompleted") == (
        [],
        ["5:11: the condition always holds: drift is always null. Remove it."],
    )
    assert found(tmp_path, "drift IsNullOrUndefined", "DriftDetected")[0] == [
        "5:11: the condition never holds: drift is always there"
    ]
    for condition in ("drift IsNullOrUndefined", "drift IsNotNull", "drift.monitor IsNullOrUndefined"):
        assert found(tmp_path, condition) == ([], [])


@pytest.mark.parametrize(
    ("when", "message"),
    [
        ("data.runStatus StringIn failde", "no known value of data.runStatus is 'failde'. Did you mean Failed?"),
        (
            "data.runStatus StringIn Failed Cancelled",
            "no known value of data.runStatus is 'Cancelled'. Did you mean Canceled?",
        ),
        (
            "data.runStatus StringNotIn Succeeded zzz",
            "no known value of data.runStatus is 'Succeeded' or 'zzz'. The known values are CancelRequested, Canceled, "
            "Completed, Failed, Finalizing, NotResponding, NotStarted, Paused, Pausing, Preparing, Provisioning, "
            "Queued, Running, Starting, Unapproved, Unknown.",
        ),
        (
            "data.runStatus StringBeginsWith Fial",
            "no known value of data.runStatus begins with 'Fial'. Did you mean Failed?",
        ),
        (
            "data.runType StringIn PipelineRun",
            "no known value of data.runType is 'PipelineRun'. Did you mean azureml.PipelineRun?",
        ),
        (
            "workspace.labels.env StringIn dev prodd",
            "no value of workspace.labels.env is 'prodd'. Did you mean prod?",
        ),
        ("workspace.labels.env StringNotIn prodd", "no value of workspace.labels.env is 'prodd'. Did you mean prod?"),
        ("data.runId IsNotNull", "the condition always holds: data.runId is always there. Remove it."),
    ],
)
def test_a_value_that_is_not_known_to_occur_is_a_warning(when: str, message: str, tmp_path: Path) -> None:
    """The service may send a status or a run type that is new; a condition that always holds does no harm."""
    assert found(tmp_path, when) == ([], [f"5:11: {message}"])


@pytest.mark.parametrize(
    "when",
    [
        "data.runStatus StringIn FAILED notresponding",
        "data.runStatus StringEndsWith ed",
        "data.runType StringIn AZUREML.pipelinerun automl",
        "data.experimentName StringIn anything",
        "data.runTags.a.b.c StringContains x",
        "data.createdBy NumberGreaterThan 1",
        "drift.coefficient NumberGreaterThan 0.1",
        "drift.datasets StringIn churn",
        "workspace.labels.ENV StringIn PROD",
        "workspace.labels.env StringNotIn prod",
        "eventType StringEndsWith changed",
        "data.runTags.owner IsNullOrUndefined",
        "[data.runStatus StringIn Failed Canceled, data.runStatus StringNotIn Canceled]",
        "[drift.datasets StringIn a, drift.datasets StringIn b]",
        "{ any: [data.runStatus StringIn Failed, data.runStatus StringIn Canceled] }",
    ],
)
def test_a_condition_that_can_hold_is_neither(when: str, tmp_path: Path) -> None:
    """A list can satisfy each of two conditions by another of its items."""
    assert found(tmp_path, when) == ([], [])


@pytest.mark.parametrize(
    ("when", "message"),
    [
        (
            "[data.runStatus StringIn Failed, data.RunStatus StringIn Completed]",
            "5:44: 'data.runStatus StringIn Failed' and 'data.RunStatus StringIn Completed' cannot hold together. "
            "Put them under any, to act if one of them holds.",
        ),
        (
            "[{ all: [data.runTags.a StringIn x, { all: [data.runTags.a IsNullOrUndefined] }] }]",
            "5:55: 'data.runTags.a StringIn x' and 'data.runTags.a IsNullOrUndefined' cannot hold together. "
            "Put them under any, to act if one of them holds.",
        ),
        (
            "[data.runTags.a StringIn x, { any: [data.runTags.b StringIn y, data.runTags.a StringIn y] }]",
            "5:74: 'data.runTags.a StringIn x' and 'data.runTags.a StringIn y' cannot hold together. "
            "Put them under any, to act if one of them holds.",
        ),
        (
            "[workspace.labels.env StringNotIn prod, workspace.labels.env StringNotIn dev]",
            "5:51: 'workspace.labels.env StringNotIn prod' and 'workspace.labels.env StringNotIn dev' cannot hold "
            "together. Put them under any, to act if one of them holds.",
        ),
    ],
)
def test_conditions_that_cannot_hold_together_are_an_error_at_the_last_of_them(
    when: str, message: str, tmp_path: Path
) -> None:
    """Those of one list and of the lists around it. The alternatives of `any` need not hold together."""
    assert found(tmp_path, when) == ([message], [])


def test_a_key_may_be_missing_in_some_of_the_types(tmp_path: Path) -> None:
    """Then the condition does not hold for them. But some type must have all keys that are needed."""
    on = "[RunCompleted, ModelRegistered, RunStatusChanged]"
    assert found(tmp_path, "data.runStatus StringIn Failed", on) == ([], [])
    assert found(tmp_path, "[data.runId IsNotNull, data.runStatus StringIn Failed]", on) == ([], [])
    assert found(tmp_path, "[data.modelName IsNotNull, data.runStatus StringNotIn Failed]", on) == ([], [])
    assert found(tmp_path, "[data.modelName IsNotNull, { any: [data.runStatus StringIn Failed] }]", on) == (
        [
            "5:46: no event can satisfy 'data.modelName IsNotNull' and 'data.runStatus StringIn Failed': "
            "each type of event fails one of them"
        ],
        [],
    )
    other = "[data.runStatus StringIn Failed, eventType StringEndsWith Completed]"
    assert found(tmp_path, other, on)[0] == [
        "5:44: no event can satisfy 'data.runStatus StringIn Failed' and 'eventType StringEndsWith Completed': "
        "each type of event fails one of them"
    ]


def test_values_of_labels_that_come_from_settings_are_not_shown(tmp_path: Path) -> None:
    workspaces = WORKSPACES.replace("env: dev", 'env: "${RULES_ENV}"')
    text = rules(
        rule(when="workspace.labels.env StringIn x"), rule(name="b", when='workspace.labels.env StringIn "${RULES_X}"')
    )
    settings = {**SETTINGS, "RULES_ENV": "planted-environment", "RULES_X": "planted-value"}
    found_errors = errors(loaded(tmp_path, settings, workspaces=workspaces, churn=text))
    assert found_errors[0] == "5:11: no value of workspace.labels.env is 'x'. The values are ${RULES_ENV}, prod."
    assert "planted" not in "".join(found_errors)


def test_messages_about_several_conditions_show_them_as_they_are_written(tmp_path: Path) -> None:
    """A condition may come from a setting, whose value must not be shown at another condition either."""
    settings = {**SETTINGS, "RULES_A": "data.runTags.a StringIn planted-value", "RULES_K": "data.modelName IsNotNull"}
    together = rule(when='["${RULES_A}", data.runTags.a StringIn b]')
    types = rule(name="b", on="[ModelRegistered, RunCompleted]", when='["${RULES_K}", data.runId StringIn b]')
    assert errors(loaded(tmp_path, settings, churn=rules(together, types))) == [
        "5:26: '${RULES_A}' and 'data.runTags.a StringIn b' cannot hold together. "
        "Put them under any, to act if one of them holds.",
        "9:26: no event can satisfy '${RULES_K}' and 'data.runId StringIn b': each type of event fails one of them",
    ]


def test_hints_of_many_unknown_keys_take_no_time(tmp_path: Path) -> None:
    """They are looked for where they are shown: for the first errors of a file."""
    many = ", ".join(f"data.runIdd{n} IsNotNull" for n in range(3_000))
    found_errors = errors(loaded(tmp_path, churn=rules(rule(when=f"[{many}]"))))
    assert len(found_errors) == 101
    assert found_errors[0].endswith("Did you mean data.runId?")


@pytest.mark.fuzz
def test_conditions_of_a_hostile_file_are_checked_in_linear_time(tmp_path: Path) -> None:
    """Thousands of conditions, on one key or on many, and of alternatives, are not compared with each other."""
    one = ", ".join(f"data.runTags.a StringNotIn x{n}" for n in range(2_000))
    many = ", ".join(f"data.runTags.a{n} StringIn x" for n in range(2_000))
    loaded_rules = loaded(tmp_path, churn=rules(rule(when=f"[{one}, {many}, {{ any: [{one}] }}]")))
    assert (errors(loaded_rules), warnings(loaded_rules)) == ([], [])


@pytest.mark.parametrize(
    "when",
    [
        "workspace.resource_group StringIn rg-ml-prd",
        "workspace.subscription StringBeginsWith 3333",
        "workspace.id StringEndsWith /churn-staging",
    ],
)
def test_a_part_of_a_workspace_s_id_that_none_has_is_an_error(when: str, tmp_path: Path) -> None:
    """The message shows no id, which may come from a setting."""
    [error] = found(tmp_path, when)[0]
    assert error.startswith(f"5:11: no value of {when.split(maxsplit=1)[0]} ")
    assert "/subscriptions/" not in error


def test_conditions_on_parts_of_an_id_may_hold(tmp_path: Path) -> None:
    for when in ("workspace.id StringEndsWith /CHURN-PROD", "workspace.resource_group StringBeginsWith rg-"):
        assert found(tmp_path, when) == ([], [])
