"""Labels of assets become versions in every place that names one, and what azure-ai-ml refuses is one sentence."""

import json
from pathlib import Path
from typing import Any

import pytest

from emulator import Azure
from tests.handlers.pipeline.conftest import MakeSite
from tests.handlers.pipeline.site import PROD, QUIET, Site

pytestmark = QUIET

SWEEP = """
type: sweep
trial: { command: "echo ${{search_space.a}}", environment: azureml:env@latest }
inputs: INPUTS
compute: azureml:cpu-cluster
sampling_algorithm: random
search_space: { a: { type: choice, values: [1, 2] } }
objective: { goal: minimize, primary_metric: loss }
limits: { max_total_trials: 2 }
"""
PIPELINE = """
type: pipeline
settings: { default_compute: azureml:cpu-cluster }
inputs: INPUTS
jobs:
  a: { type: command, component: azureml:prepare@latest }
  b: { type: command, command: echo, environment: azureml:env@latest, inputs: INPUTS }
"""
AUTOML = """
type: automl
task: classification
compute: azureml:cpu-cluster
primary_metric: accuracy
target_column_name: y
training_data: { type: mltable, path: "azureml:data@latest" }
"""
INPUTS = '{ d: { path: "azureml:data@latest" }, m: { type: mlflow_model, path: "azureml:model@latest" } }'
FILES = {
    "command": "command: echo\nenvironment: azureml:env@latest\ncompute: azureml:cpu-cluster\ninputs: INPUTS\n",
    "sweep": SWEEP,
    "pipeline": PIPELINE,
    "automl": AUTOML,
}
LATEST = {"environments": "2", "data": "2", "models": "4", "components": "5"}


@pytest.fixture(autouse=True)
def assets(azure: Azure) -> None:
    """Two versions of each asset."""
    for version in ("1", "2"):
        azure.assets.add_environment("env", version)
        azure.assets.add_data("data", version)
    for version in ("3", "4"):
        azure.models.register("model", version)
        azure.models.register("shared", version, registry="acme")
        azure.assets.add_component("prepare", str(int(version) + 1))


@pytest.fixture
def submit(make: MakeSite, tmp_path: Path) -> Any:
    """A function that handles an event with a rule for a job file."""

    def submit(text: str, **settings: Any) -> Site:
        (tmp_path / "rules/jobs").mkdir(parents=True, exist_ok=True)
        (tmp_path / "rules/jobs/job.yml").write_text(text)
        site = make(job="jobs/job.yml", **settings)
        site.handle()
        return site

    return submit


@pytest.mark.parametrize("kind", FILES)
def test_latest_in_a_job_file_is_the_newest_version(kind: str, submit: Any) -> None:
    """azure-ai-ml resolves it."""
    site = submit(FILES[kind].replace("INPUTS", INPUTS))
    assert site.outcome[0] == "succeeded", site.outcome
    text = json.dumps(site.job)
    for name, asset in (("environments", "env"), ("data", "data"), ("models", "model"), ("components", "prepare")):
        if f"azureml:{asset}@latest" in FILES[kind].replace("INPUTS", INPUTS):
            bodies = text + json.dumps([call.body for call in site.azure.calls.matching("PUT components/*")])
            assert f"/{name}/{asset}/versions/{LATEST[name]}" in bodies
    assert "latest" not in text


@pytest.mark.parametrize(
    ("path", "uri"),
    [
        ("azureml:model@latest", f"{PROD}/models/model/versions/4"),
        ("azureml://registries/acme/models/shared/labels/latest", "azureml://registries/acme/models/shared/versions/4"),
        ("azureml://registries/acme/models/shared/versions/3", "azureml://registries/acme/models/shared/versions/3"),
    ],
)
def test_label_in_an_input_of_the_rule_is_the_newest_version(path: str, uri: str, submit: Any) -> None:
    job = FILES["command"].replace("INPUTS", "{ m: { type: mlflow_model, path: azureml:model:3 } }")
    site = submit(job, inputs={"m": path})
    assert site.outcome[0] == "succeeded", site.outcome
    assert site.job["inputs"]["m"] == {"jobInputType": "mlflow_model", "uri": uri}


STEP = "type: pipeline\njobs:\n  a: { type: command, command: echo, environment: azureml:env:1 }\n"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (STEP, "jobs.a.compute: Compute not set"),
        (f"{STEP}foo: 1\n", "foo: Unknown field"),
        ("command: echo\nenvironment: azureml:env:1\nfoo: 1\n", "foo: Unknown field"),
        ("command: echo ${{inputs.x}}\nenvironment: azureml:env:1\n", "Inputs to job does not contain 'x'"),
        ("command: echo\nenvironment: azureml:none@latest\n", "none"),
        (
            SWEEP.replace("INPUTS", "{}").replace("random", "rndom"),
            "sampling_algorithm: Value 'rndom' passed is",
        ),
    ],
)
def test_refusal_of_azure_ai_ml_is_one_sentence_without_json(text: str, reason: str, submit: Any) -> None:
    status, note = submit(text).outcome
    assert status == "failed"
    assert reason in note
    assert [part for part in ('{"', "{'", '"errors"', "Resolutions", "aka.ms", "\n") if part in note] == []


def test_component_without_a_compute_says_what_to_write(make: MakeSite) -> None:
    site = make(job="azureml:prepare@latest")
    site.handle()
    assert site.outcome == (
        "failed",
        "the component prepare@latest is of type command, which does not say where it runs: name a compute in the rule "
        "(compute: cpu-cluster, or compute: serverless)",
    )
