"""The settings of `do: pipeline`: which are valid, and which errors are reported when the rules load."""

import json
from pathlib import Path
from typing import Any

import pytest

from handlers.pipeline.handler import Pipeline
from mlevents.findings import Finding
from mlevents.previews import previews
from schemas import EVENT_TYPES, RunCompleted, RunStatusChanged
from schemas.examples import MODEL_MONITOR_BREACH
from tests.handlers.pipeline.site import FACTORY, JOB, SYNAPSE
from tests.kit.world import World

FACTORY_RUN = {"data_factory": FACTORY, "pipeline": "copy"}


def world(folder: Path, settings: dict[str, Any], rule: str = "on: RunCompleted") -> World:
    lines = ["name: retrain", rule, "do: pipeline", f"with: {json.dumps(settings)}"]
    return World("rules:\n  - " + "\n    ".join(lines) + "\n", folder)


@pytest.mark.parametrize(
    "settings",
    [
        {"job": JOB},
        {"job": "azureml:retrain:3", "inputs": {"a": 1, "b": True, "c": 0.5, "d": "{{ data.runId }}"}},
        {"job": "azureml:retrain@latest", "compute": "serverless", "experiment_name": "x", "tags": {"a": "b"}},
        {"job": "azureml://registries/acme/components/retrain/versions/3", "workspace": "churn-dev"},
        {"batch_endpoint": "churn", "inputs": {"data": {"type": "uri_file", "path": "azureml:churn:3"}}},
        {"batch_endpoint": "churn", "deployment": "seven", "at_least_once": True, "experiment_name": "x"},
        FACTORY_RUN | {"parameters": {"a": "{{ data.runId }}", "b": 3}, "at_least_once": True},
        FACTORY_RUN | {"parameters": {"a": ["x", 1, None], "b": {"deep": ["{{ data.runId }}"]}}},
        {"job": JOB, "tags": {"n": 1, "b": True, "f": 0.5}},
        FACTORY_RUN | {"wait": True, "timeout": "4h", "cancel_on_timeout": True},
    ],
)
def test_valid_settings_load(settings: dict[str, Any], tmp_path: Path) -> None:
    assert world(tmp_path, settings).loaded.errors == ()


INVALID: list[tuple[dict[str, Any], str]] = [
    ({}, "name one of job, batch_endpoint, data_factory, synapse"),
    (
        {"job": JOB, "batch_endpoint": "churn"},
        "name one of job, batch_endpoint, data_factory, synapse, not job and batch_endpoint",
    ),
    ({"job": "samples/none.yml"}, "'samples/none.yml' cannot be read: No such file or directory"),
    ({"job": "../main.yml"}, "'../main.yml' is outside of the app's folder"),
    ({"job": "/etc/passwd"}, "'/etc/passwd' is outside of the app's folder"),
    ({"job": "README.md"}, "with.job: README.md:5:1 is not YAML"),
    ({"job": "samples/rules/workspaces.yaml"}, "is no command job: it has no 'command'"),
    (
        {"job": "azureml:retrain"},
        "'azureml:retrain' names no component; write azureml:retrain:3 or azureml:retrain@latest",
    ),
    ({"job": "azureml:retrain@best"}, "the only label is latest"),
    ({"job": JOB, "inputs": {"dta": "x"}}, f"{JOB} has no input 'dta'; it has data, learning_rate, reason"),
    ({"job": JOB, "inputs": {"a b": "x"}}, "'a b' cannot be the name of an input"),
    ({"job": JOB, "inputs": {"data": {"path": "x", "typ": "y"}}}, "typ"),
    ({"job": JOB, "inputs": {"reason": "{{ data."}}, "bad template"),
    ({"job": JOB, "compute": "local"}, "'local' cannot be the name of a compute"),
    ({"job": JOB, "compute": "a/b"}, "'a/b' cannot be the name of a compute"),
    ({"job": JOB, "tags": {"x" * 101: "y"}}, "cannot be the name of a tag: write 1 to 100 characters"),
    (
        {"job": JOB, "tags": {f"t{n}": "y" for n in range(48)}},
        "a job has at most 50 tags, and the app sets 3 of them",
    ),
    ({"job": JOB, "tags": {"mlevents_rule": "y"}}, "'mlevents_rule' is a tag that the app sets"),
    ({"job": JOB, "tags": {"n": [1]}}, "with.tags.n should be a text, not a list"),
    (
        {"job": JOB, "inputs": {"reason": [1]}},
        "with.inputs.reason should be a text, a number, true or false, or data: a mapping with a path, not a list",
    ),
    ({"job": JOB, "inputs": {"data": {"path": 1}}}, "with.inputs.data.path should be a text, not the number 1"),
    (
        FACTORY_RUN | {"parameters": {"a": None}},
        "with.parameters.a should be a text, a number, true or false, a list or a mapping (key: value), not nothing",
    ),
    (FACTORY_RUN | {"parameters": {"a": "{{ x"}}, "with.parameters.a: bad template, line 1: unexpected end"),
    (FACTORY_RUN | {"parameters": {"a": ["{{ x"]}}, "with.parameters.a: bad template, line 1: unexpected end"),
    ({"job": JOB, "at_least_once": True}, "job has no at_least_once: the name of a job is unique"),
    ({"job": JOB, "deployment": "x-y-z"}, "job has no deployment: it is a setting of batch_endpoint"),
    ({"job": JOB, "timeout": "1h"}, "timeout has no effect without wait: true"),
    ({"job": JOB, "wait": True, "poll": "0s"}, "write 1s or more"),
    ({"job": JOB, "workspace": "churn-test"}, "there is no workspace 'churn-test'"),
    ({"batch_endpoint": "c"}, "'c' cannot be an endpoint's name"),
    ({"batch_endpoint": "churn", "deployment": "d1"}, "'d1' cannot be a deployment's name"),
    (
        {"batch_endpoint": "churn", "tags": {"a": "b"}},
        "batch_endpoint has no tags: a request cannot set the tags of the job",
    ),
    ({"data_factory": "adf-churn", "pipeline": "copy"}, "'adf-churn' is not the resource id of a data factory"),
    ({"data_factory": FACTORY}, "data_factory needs a pipeline"),
    ({"data_factory": FACTORY, "pipeline": " "}, "data_factory needs a pipeline: the name of one in the data factory"),
    (
        {"data_factory": FACTORY, "pipeline": "{{ data.runId }}"},
        "the pipeline depends on the event, and anyone who may tag a run writes a part of it: "
        "list the permitted pipelines in allowed_pipelines, like [retrain, copy-*]",
    ),
    ({"data_factory": FACTORY, "pipeline": "a/b"}, "'a/b' cannot be the name of a pipeline"),
    (FACTORY_RUN | {"allowed_pipelines": ["x-*"]}, "the pipeline 'copy' is not one of allowed_pipelines: x-*"),
    (
        {"job": JOB, "inputs": {"data": "azureml:churn@prod"}},
        "the input 'data': 'azureml:churn@prod': the only label is",
    ),
    ({"job": JOB, "inputs": {"data": "azureml:churn"}}, "does not name a data asset with its version: write azureml:"),
    ({"job": JOB, "inputs": {"learning_rate": "fast"}}, "the input 'learning_rate' should be a number, not 'fast'"),
    (
        {"batch_endpoint": "churn", "inputs": {"m": {"type": "mlflow_model", "path": "azureml:m@x"}}},
        "the input 'm': 'azureml:m@x': the only label is latest; or write the version",
    ),
    ({"synapse": SYNAPSE}, "synapse needs a pipeline: the name of one in the Synapse workspace"),
    ({"synapse": "syn-churn", "pipeline": "copy"}, "'syn-churn' is not the resource id of a Synapse workspace"),
    ({"synapse": FACTORY, "pipeline": "copy"}, "Microsoft.Synapse/workspaces/…"),
    ({"synapse": SYNAPSE, "pipeline": "copy", "inputs": {}}, "synapse has no inputs: it is a setting of job"),
    ({"job": JOB, "allowed_pipelines": ["x"]}, "job has no allowed_pipelines: it is a setting of data_factory and syn"),
    ({"batch_endpoint": "{{ data.runId }}"}, "with.batch_endpoint: this setting is not a template"),
    ({"job": "jobs/{{ data.runId }}.yml"}, "with.job: this setting is not a template"),
    (FACTORY_RUN | {"inputs": {"a": "b"}}, "data_factory has no inputs: it is a setting of job and batch_endpoint"),
    (
        FACTORY_RUN | {"workspace": "churn-dev"},
        "data_factory has no workspace: it is a setting of job and batch_endpoint",
    ),
]


@pytest.mark.parametrize(("settings", "message"), INVALID, ids=[message[:40] for _, message in INVALID])
def test_invalid_settings_are_reported_with_their_line(settings: dict[str, Any], message: str, tmp_path: Path) -> None:
    [error] = world(tmp_path, settings).loaded.errors
    assert message in str(error)
    assert str(error).startswith("rules/team.yaml:")
    assert str(error).count(" should be ") <= 1


@pytest.mark.parametrize("event_class", EVENT_TYPES.values())
def test_any_event_can_start_a_job(event_class: Any) -> None:
    assert event_class in Pipeline.accepts() or Pipeline.accepts()[0] in event_class.__mro__
    pipeline = Pipeline(job=JOB, workspace=str(RunStatusChanged.example().workspace))  # blobs are in no workspace
    assert pipeline.plan(event_class.example()).startswith(f"start {JOB} in ")


def test_plan_is_one_line() -> None:
    breach = RunStatusChanged.example(**MODEL_MONITOR_BREACH)
    pipeline = Pipeline.model_validate(
        {"job": JOB, "inputs": {"learning_rate": "0.2", "reason": "{{ drift.message }}"}, "wait": True, "timeout": "4h"}
    )
    plan = pipeline.plan(breach)
    assert plan.startswith(
        f"start {JOB} in churn-prod with learning_rate=0.2, reason=The signal churn_monitor_data_drift"
    )
    assert plan.endswith("…; wait at most 4h for its end")
    assert "\n" not in plan
    batch = Pipeline.model_validate(
        {"batch_endpoint": "churn", "deployment": "seven", "inputs": {"data": {"path": "azureml:{{ data.runId }}:1"}}}
    )
    assert batch.plan(RunCompleted.example(run_id="x")) == (
        "start a job behind the batch endpoint churn, deployment seven in churn-prod with data=azureml:x:1"
    )
    parameters = {"why": "{{ data.runId }}", "full": True, "tables": ["{{ data.runId }}"], "options": {"a": 1}}
    factory = Pipeline.model_validate(FACTORY_RUN | {"parameters": parameters})
    assert factory.plan(RunCompleted.example(run_id="x")) == (
        'start pipeline copy in adf-churn with why=x, full=true, tables=["x"], options={"a": 1}'
    )


def test_check_warns_if_the_example_event_cannot_start_the_job(tmp_path: Path) -> None:
    """Only a warning: the example may be the cause."""
    rules = world(tmp_path, {"job": JOB, "inputs": {"learning_rate": "{{ data.runId }}"}}).loaded
    [finding] = previews(rules)
    assert isinstance(finding, Finding)
    message = "retrain on RunCompleted: the input 'learning_rate' should be a number, not 'plucky_lime_h3k8wq2v1n'"
    assert (finding.severity, finding.message) == ("warning", message)


def test_destination_is_the_workspace_or_the_factory() -> None:
    event = RunCompleted.example()
    assert Pipeline(job=JOB).destination(event) == event.topic.casefold()
    assert Pipeline.model_validate(FACTORY_RUN).destination(event) == FACTORY.casefold()
    assert Pipeline(job=JOB).lock(event) is None
