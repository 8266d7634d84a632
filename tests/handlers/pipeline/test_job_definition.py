"""Job files: what is an error when the rules load. tests/handlers/pipeline/test_azureml_jobs.py submits them."""

import re
from pathlib import Path

import pytest

from handlers.azure.ml.cli.cli_yaml import CliYaml
from handlers.azure.ml.components import Component, ComponentRef
from handlers.base import GiveUp
from handlers.pipeline.job_definition import JobOverrides, component_job
from schemas import RunCompleted
from tests.handlers.pipeline.site import PROD
from tests.handlers.pipeline.test_handler import world

INVALID: list[tuple[str, str]] = [
    ("a: 1\ntype: import", "job.txt:2 is a job of type 'import'; it must be one of pipeline, command"),
    ("type: pipeline\nsettings: { default_compute: azureml:local }", "has compute: local"),
    ("command: x\ncompute: local", "has compute: local"),
    ("type: pipeline", "is no pipeline job: it has no 'jobs' and no 'component'"),
    ("- a list", "job.txt should contain a mapping (key: value)"),
    ("a: [", "is not YAML"),
    ("command: x\na: &a [*a]", "job.txt:2:4 is not YAML: an anchor contains an alias of itself"),
    ("command: x\ninputs: { d: 2026-02-31 }", "job.txt:2:14 is not YAML: day is out of range"),
    (f"command: x\na: {'[' * 60}{']' * 60}", "is not YAML"),
    ("command: x\n" + "".join(f"a{n}: &a{n} [{f'*a{n - 1}' if n else 1}]\n" for n in range(60)), "more than 40 levels"),
    (f"command: x\nlist: [{'a, ' * 20_000}]", "too many nodes"),
    (f"command: {'x' * 300_000}", "is larger than 262,144 bytes"),
    ("type: [pipeline]", "type should be a text"),
    ("command: x\ncompute: [local]", "compute should be a text"),
    ("type: pipeline\nsettings: { default_compute: { a: b } }", "settings.default_compute should be a text"),
    ("command: x\ntags: { x: [1] }", "tags.x should be a text"),
    ("command: x\nexperiment_name: [1]", "experiment_name should be a text"),
    ("command: x\ntags: { v: '{{ data.modelName }}' }", "job.txt:2: a job file is not a template"),
    ("command: 'echo {{object}}'", "job.txt:1: a job file is not a template"),
    ("command: x\ninputs: { d: { type: [1] } }", "inputs.d.type should be a text"),
]
BOMB = "a0: &a0 [lol, lol]\n" + "".join(f"a{n}: &a{n} [{f'*a{n - 1}, ' * 9}]\n" for n in range(1, 10))


@pytest.mark.parametrize(("text", "message"), INVALID, ids=[message for _, message in INVALID])
def test_invalid_job_file_is_reported(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules/job.txt").write_text(text)
    [error] = world(tmp_path, {"job": "job.txt"}).loaded.errors
    assert message in str(error)


@pytest.mark.parametrize("use", ["tags: { x: *a9 }", "type: *a9", "compute: *a9", "inputs: { d: { type: *a9 } }"])
def test_expansion_of_aliases_is_limited(use: str, tmp_path: Path) -> None:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules/job.txt").write_text(f"{BOMB}command: echo\n{use}\n")
    [error] = world(tmp_path, {"job": "job.txt"}).loaded.errors
    assert " is not YAML: too many nodes" in str(error)


def test_job_file_is_parsed_again_only_after_a_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loads: list[bytes] = []
    parse = CliYaml.parse

    def counted(data: bytes, name: str) -> CliYaml:
        loads.append(data)
        return parse(data, name)

    monkeypatch.setattr(CliYaml, "parse", counted)
    (tmp_path / "rules").mkdir()
    file = tmp_path / "rules/job.txt"
    for text in ("command: one", "command: two"):
        file.write_text(text)
        loaded = world(tmp_path, {"job": "job.txt"}).loaded
        assert loaded.errors == ()
        loaded.by_name["retrain"].handler.plan(RunCompleted.example())
    assert loads == [b"command: one", b"command: two"]


def test_symbolic_link_out_of_the_app_s_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "rules/jobs").mkdir(parents=True)
    (tmp_path / "outside.yml").write_text("command: x")
    (tmp_path / "rules/jobs/job.yml").symlink_to(tmp_path / "outside.yml")
    [error] = world(tmp_path, {"job": "jobs/job.yml"}).loaded.errors
    assert "is outside of the app's folder" in str(error)


VALUES = [
    ("2026-01-01", 'job.txt:4: YAML reads a date, which an input cannot be; put it in quotes: "2026-01-01"'),
    ("2026-01-01 10:00:00", 'put it in quotes: "2026-01-01 10:00:00"'),
    ("", "job.txt:4: the input has no value"),
    ("[1]", "job.txt:4: the input is a list"),
    ("!!set {a}", "job.txt:4: the input is a list"),
    (".inf", "job.txt:4: YAML reads inf, which is no number for an input"),
    ("{ type: uri_folder, path: ../data }", "job.txt:4: there is no '../data' beside the job file"),
    ("{ path: data.csv }", "job.txt:4: there is no 'data.csv' beside the job file"),
]


@pytest.mark.parametrize(("value", "message"), VALUES)
def test_input_that_azure_ai_ml_refuses_is_an_error_with_its_line(value: str, message: str, tmp_path: Path) -> None:
    """Unless the rule has another value for it."""
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules/job.txt").write_text(f"command: x\ninputs:\n  a: 1\n  d: {value}\n")
    [error] = world(tmp_path, {"job": "job.txt"}).loaded.errors
    assert message in str(error)
    data = {"path": "azureml:churn:1"} if "path" in value else "{{ eventTime }}"
    assert world(tmp_path, {"job": "job.txt", "inputs": {"d": data}}).loaded.errors == ()


def test_name_of_an_input_that_yaml_reads_as_another_value_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules/job.txt").write_text("command: x\ninputs:\n  on: 1\n")
    [error] = world(tmp_path, {"job": "job.txt"}).loaded.errors
    assert "job.txt:2: YAML reads the name of an input as True; put it in quotes" in str(error)


CODE = [
    ("command: x\ncode: src", "job.txt:2: there is no 'src' beside the job file"),
    ("command: x\ncode: empty", "job.txt:2: the folder 'empty' is empty"),
    ("command: x\ncode: ../..", "job.txt:2: '../..' is outside of the app's folder"),
    ("command: x\ncode: secret", "job.txt:2: the folder 'secret' contains local.settings.json"),
    ("command: x\ncode: secret/local.settings.json", "is local.settings.json, whose settings are secret"),
    ("type: pipeline\njobs:\n  a: { command: x, code: src }", "job.txt:3: there is no 'src'"),
    ("type: pipeline\njobs:\n  a:\n    type: sweep\n    trial: { code: src }", "job.txt:5: there is no 'src'"),
    ("type: pipeline\njobs:\n  a:\n    type: parallel\n    task:\n      code: ./src", "job.txt:6: there is no './src'"),
]


LOCAL = [
    "type: pipeline\njobs: { a: { command: x, inputs: { a: { path: OUT } } } }",
    "type: pipeline\njobs: { a: { command: x, inputs: { a: { path: 'file://OUT' } } } }",
    "environment: { image: x, conda_file: OUT }",
    "environment: OUT",
    "environment: { build: { path: OUTSIDE } }",
    "type: spark\nentry: { file: x.py }\npy_files: [OUT]",
    "type: spark\nentry: { file: x.py }\narchives: [OUTSIDE]",
    "type: automl\ntask: classification\ntraining_data: { type: mltable, path: OUTSIDE }",
    "type: automl\ntask: classification\ntest_data: OUT",
    "type: pipeline\njobs: { a: { component: OUT } }",
    "type: pipeline\njobs: { a: { component: 'file:OUT' } }",
    "type: pipeline\njobs: { a: OUT }",
    "type: pipeline\ncomponent: OUT",
    "type: sweep\ntrial: OUT",
    "environment: { build: { path: link } }",
]


@pytest.mark.parametrize("text", LOCAL)
def test_job_file_names_nothing_outside_of_the_app(text: str, tmp_path: Path) -> None:
    """Azure-ai-ml would upload it, or read it. Only the beginning of a name says whether it is local."""
    (tmp_path / "app/rules").mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/secret.yml").write_text("command: x")
    (tmp_path / "app/rules/link").symlink_to(tmp_path / "outside")
    for outside in ("../../outside", str(tmp_path / "outside")):
        text_ = text.replace("OUTSIDE", outside).replace("OUT", f"{outside}/secret.yml")
        (tmp_path / "app/rules/job.txt").write_text(f"command: x\n{text_}\n")
        [error] = world(tmp_path / "app", {"job": "job.txt"}).loaded.errors
        assert re.search(r"job\.txt:[2-4]: '\S+' is outside of the app's folder", str(error))


@pytest.mark.parametrize(
    "text",
    [
        "environment_variables: { path: /usr/bin, files: /etc }",
        "tags: { path: /etc/passwd }",
        "outputs: { a: { path: 'azureml://datastores/d/paths/x' } }",
        "inputs: { a: { path: 'azureml:churn:1' }, b: { path: 'https://a.example/x' } }",
        "environment: azureml:e:1",
        "environment: { image: x, inference_config: { liveness_route: { port: 1, path: / } } }",
    ],
)
def test_text_that_is_no_local_path_may_look_like_one(text: str, tmp_path: Path) -> None:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules/job.txt").write_text(f"command: x\n{text}\n")
    assert world(tmp_path, {"job": "job.txt"}).loaded.errors == ()


@pytest.mark.parametrize(("text", "message"), CODE)
def test_code_that_cannot_be_uploaded_is_an_error_with_its_line(text: str, message: str, tmp_path: Path) -> None:
    for folder in ("rules/empty", "rules/secret"):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
    (tmp_path / "rules/secret/local.settings.json").write_text("{}")
    (tmp_path / "rules/job.txt").write_text(text)
    [error] = world(tmp_path, {"job": "job.txt"}).loaded.errors
    assert message in str(error)


@pytest.mark.parametrize("code", ["src", "src/train.py", "azureml:code:1", "git+https://example.com/x", "[a]"])
def test_other_code_is_left_to_azure_ai_ml(code: str, tmp_path: Path) -> None:
    (tmp_path / "rules/src").mkdir(parents=True)
    (tmp_path / "rules/src/train.py").touch()
    (tmp_path / "rules/job.txt").write_text(f"command: x\ncode: {code}\njobs: [1]\ntrial: [1]\n")
    assert world(tmp_path, {"job": "job.txt"}).loaded.errors == ()


REFERENCES = [
    ("environment: azureml:env@prod", "job.txt:2: 'azureml:env@prod': the only label is latest; or write the version"),
    ("environment: azureml:env", "job.txt:2: 'azureml:env' does not name an environment with its version"),
    ("jobs: { a: { component: azureml:c@prod } }", "job.txt:2: 'azureml:c@prod': the only label is latest"),
    ("jobs:\n  a:\n    inputs: { d: { path: azureml:d@x } }", "job.txt:4: 'azureml:d@x': the only label is latest"),
    ("jobs: [{ inputs: { d: { path: azureml:d } } }]", "'azureml:d' does not name a data asset with its version"),
    ("training_data: { path: azureml:d@prod }", "job.txt:2: 'azureml:d@prod': the only label is latest"),
    ("inputs: { d: { path: azureml:d@prod } }", "job.txt:2: 'azureml:d@prod': the only label is latest"),
    ("inputs: { d: { path: azureml:d, type: mlflow_model } }", "'azureml:d' does not name a model with its version"),
    ("inputs: { d: { path: azureml://registries/a/data/d/labels/x } }", "the only label is latest"),
]


@pytest.mark.parametrize(("text", "message"), REFERENCES)
def test_reference_that_cannot_be_resolved_is_an_error_with_its_line(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules/job.txt").write_text(f"command: x\n{text}\n")
    [error] = world(tmp_path, {"job": "job.txt"}).loaded.errors
    assert message in str(error)


@pytest.mark.parametrize(
    "text",
    [
        "environment: azureml:env@latest",
        "environment: azureml:azureml://registries/azureml/environments/sklearn-1.5/versions/1",
        "inputs: { d: { path: azureml:azureml://datastores/x/paths/y } }",
        "environment: azureml:AzureML-sklearn",
        "environment: azureml://registries/azureml/environments/sklearn/labels/latest",
        "inputs: { d: { path: azureml://datastores/models/paths/models/x/versions/3 } }",
        "inputs: { d: { path: azureml://jobs/x/outputs/artifacts/paths/model/, type: custom_model } }",
        f"inputs: {{ d: {{ path: 'azureml:{PROD}/models/m/versions/3', type: uri_folder }} }}",
        "description: azureml:x@y",
    ],
)
def test_other_references_are_left_to_azure_ai_ml(text: str, tmp_path: Path) -> None:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules/job.txt").write_text(f"command: x\n{text}\n")
    assert world(tmp_path, {"job": "job.txt"}).loaded.errors == ()


def test_step_of_a_component_needs_a_compute() -> None:
    component = Component("azureml:retrain:3", "3", "command")
    with pytest.raises(GiveUp, match=r"the component retrain:3 is of type command, .*name a compute in the rule"):
        component_job(component, ComponentRef("retrain", "3"), JobOverrides("n", {}, "e"))
    pipeline = Component("azureml:retrain:3", "3", "pipeline")
    assert component_job(pipeline, ComponentRef("retrain", "3"), JobOverrides("n", {}, "e"))
