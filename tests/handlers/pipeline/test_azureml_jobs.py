"""Jobs of a job file or a component, submitted through the real azure-ai-ml: what the service receives."""

import json
from pathlib import Path
from typing import Any

import pytest
from azure.storage.blob import BlobServiceClient

from handlers.file_field import APP_FOLDER
from mlevents.local.azurite import Azurite
from schemas import ModelRegistered, RunCompleted, RunStatusChanged
from schemas.examples import MODEL_MONITOR_BREACH
from tests.handlers.pipeline.conftest import MakeSite
from tests.handlers.pipeline.site import DEV, EVENT, JOB, PROD, QUIET, Site

pytestmark = QUIET

DRIFT = RunStatusChanged.example(**MODEL_MONITOR_BREACH)


def puts(site: Site) -> list[str]:
    return [call.target.split("/")[0] for call in site.azure.calls.all if call.method == "PUT"]


def test_job_file_is_submitted_with_lineage_and_uploads(make: MakeSite, azurite: Azurite) -> None:
    """Local code and the environment are uploaded. The name and the tags say which rule started the job."""
    site = make(job=JOB)
    site.handle()
    [job] = site.azure.jobs.all
    assert site.outcome == ("succeeded", f"the job {job['name']} was started in churn-prod")
    assert job["name"].startswith("mle-1-")
    properties = site.job
    assert properties["tags"] == {
        "mlevents_rule": "retrain",
        "mlevents_event": "e1",
        "mlevents_depth": "1",
        "team": "churn",
    }
    assert (properties["experimentName"], properties["displayName"]) == ("churn-training", "retrain churn")
    assert site.literals == {"learning_rate": "0.1", "reason": "manual"}
    assert properties["inputs"]["data"]["uri"] == "azureml://datastores/workspaceblobstore/paths/churn/"
    assert properties["settings"]["default_compute"] == f"{PROD}/computes/cpu-cluster"
    assert puts(site) == ["PUT environments", "PUT codes", "PUT components", "PUT jobs"]
    code = site.azure.resource(step(site)["code"].removeprefix("azureml:"))
    assert code
    with BlobServiceClient.from_connection_string(azurite.connection_string) as storage:
        container = storage.get_container_client(code["properties"]["codeUri"].split("/")[4])
        [blob] = container.list_blobs()
        uploaded = container.download_blob(blob.name).readall()
    assert uploaded == (APP_FOLDER / "samples/rules/jobs/src/train.py").read_bytes()
    [environment] = [
        c.body for c in site.azure.calls.all if c.method == "PUT" and c.target.startswith("PUT environments")
    ]
    assert "python=3.11" in environment["properties"]["condaFile"]


def step(site: Site) -> dict[str, Any]:
    """The component of the only step of the only job."""
    [node] = site.job["jobs"].values()
    component = site.azure.resource(node["componentId"])
    assert component
    spec: dict[str, Any] = component["properties"]["componentSpec"]
    return spec


def test_details_name_the_job_its_experiment_and_its_page(make: MakeSite) -> None:
    site = make(job=JOB)
    site.handle()
    [job] = site.azure.jobs.all
    assert site.action.details == {
        "run": job["name"],
        "where": "churn-prod",
        "job": JOB,
        "experiment": "churn-training",
        "link": f"https://ml.azure.com/runs/{job['name']}?wsid={PROD}",
    }


def test_inputs_compute_experiment_and_tags_are_rendered(make: MakeSite) -> None:
    site = make(
        rule="on: DriftDetected",
        job=JOB,
        inputs={"learning_rate": "{{ drift.violations[0].value }}", "reason": "{{ drift.signal }}"},
        compute="{{ 'gpu' if drift.monitor else 'cpu' }}-cluster",
        experiment_name="drift of {{ drift.signal }}!",
        tags={"why": "{{ drift.message }}", "team": "monitoring"},
    )
    site.azure.workspaces.add_compute("gpu-cluster")
    site.handle(DRIFT)
    assert site.literals == {"learning_rate": "0.31", "reason": "churn_monitor_data_drift"}
    assert site.job["settings"]["default_compute"] == f"{PROD}/computes/gpu-cluster"
    assert site.job["experimentName"] == "drift-of-churn_monitor_data_drift"
    assert site.job["tags"]["team"] == "monitoring"
    assert site.job["tags"]["why"] == DRIFT.view()["drift"]["message"].strip()


def test_path_of_the_rule_replaces_the_path_in_the_file(make: MakeSite) -> None:
    """The other keys of the input keep the file's values."""
    site = make(job=JOB, inputs={"data": "azureml://datastores/lake/paths/{{ data.experimentName }}/"})
    site.handle()
    data = site.job["inputs"]["data"]
    assert data == {
        "jobInputType": "uri_folder",
        "mode": "ReadOnlyMount",
        "uri": "azureml://datastores/lake/paths/churn-training/",
    }


def test_latest_version_of_a_data_asset_is_resolved(make: MakeSite) -> None:
    site = make(job=JOB, inputs={"data": {"type": "uri_folder", "path": "azureml:churn@latest", "mode": "download"}})
    site.azure.assets.add_data("churn", "3")
    site.handle()
    data = site.job["inputs"]["data"]
    assert data == {"jobInputType": "uri_folder", "mode": "Download", "uri": f"{PROD}/data/churn/versions/3"}


def test_empty_input_and_compute_keep_the_file_s_values(make: MakeSite) -> None:
    site = make(job=JOB, inputs={"reason": "{{ data.runTags.reason | default('') }}"}, compute="{{ '' }}")
    site.handle()
    assert site.literals["reason"] == "manual"
    assert site.job["settings"]["default_compute"] == f"{PROD}/computes/cpu-cluster"


def test_shell_characters_of_an_event_do_not_reach_the_command_line(make: MakeSite) -> None:
    """The details name the changed input."""
    site = make(job=JOB, inputs={"reason": "{{ data.runTags.why }}"})
    site.handle(RunCompleted.example(run_id="r", run_tags={"why": 'x"; curl $(id) | sh #\n`y` ${{inputs.data}}'}))
    assert site.literals["reason"] == "x curl id sh y inputs.data"
    assert site.action.details["inputs_changed"] == "reason"


@pytest.mark.parametrize(
    "path", ["../local.settings.json", "/etc/passwd", "azureml:x y", "https://x/$(id)", "file:///x"]
)
def test_event_cannot_name_a_local_file(path: str, make: MakeSite) -> None:
    """azure-ai-ml would upload it to where others can read it."""
    site = make(job=JOB, inputs={"data": "{{ data.runTags.path }}"})
    site.handle(RunCompleted.example(run_id="r", run_tags={"path": path}))
    status, note = site.outcome
    assert status == "failed"
    assert "the input 'data' should name data in Azure" in note
    assert site.azure.jobs.all == []


def test_text_that_is_no_number_fails_the_action(make: MakeSite) -> None:
    site = make(job=JOB, inputs={"learning_rate": "{{ data.runTags.rate }}"})
    site.handle(RunCompleted.example(run_id="r", run_tags={"rate": "fast"}))
    assert site.outcome == ("failed", "the input 'learning_rate' should be a number, not 'fast'")


def test_tags_beyond_the_limits_are_cut_and_named(make: MakeSite) -> None:
    """The app's own tags are kept."""
    site = make(job=JOB, tags={f"tag{n:02}": "{{ data.runTags.text }}" for n in range(47)})
    site.handle(RunCompleted.example(id="e1", run_id="r", run_tags={"text": "x" * 2_000}))
    tags = site.job["tags"]
    assert len(tags) == 50
    assert list(tags)[:3] == ["mlevents_rule", "mlevents_event", "mlevents_depth"]
    assert "team" not in tags
    assert len(tags["tag46"]) == 1_000
    assert site.action.details["tags_cut"].startswith("tag00, tag01")
    assert site.azure.jobs.all


def test_job_runs_in_the_workspace_that_the_rule_names(make: MakeSite) -> None:
    site = make(job=JOB, workspace="churn-dev", compute="dev-cluster")
    site.azure.workspaces.add_compute("dev-cluster", workspace=DEV)
    site.handle()
    [job] = site.azure.jobs.all
    assert job["id"].startswith(f"{DEV}/jobs/")
    assert site.action.details["where"] == "churn-dev"


def test_command_job_is_submitted(make: MakeSite, command_job: str) -> None:
    site = make(job=command_job, inputs={"text": "{{ data.experimentName }}"}, compute="cpu-cluster")
    site.handle()
    assert (site.outcome[0], site.job["jobType"]) == ("succeeded", "Command")
    assert site.literals == {"text": "churn-training"}
    assert site.job["computeId"] == f"{PROD}/computes/cpu-cluster"
    assert site.job["experimentName"] == "retrain"  # the rule's name, by default


@pytest.fixture
def command_job(tmp_path: Path) -> str:
    """A command job, in a file beside the rules."""
    (tmp_path / "rules/jobs").mkdir(parents=True)
    (tmp_path / "rules/jobs/hello.yml").write_text(
        'command: echo "${{inputs.text}}"\ninputs: { text: nothing }\ncompute: azureml:other\n'
        "environment: azureml:azureml://registries/azureml/environments/sklearn-1.5/versions/1\n"
    )
    return "jobs/hello.yml"


PIPELINE = {"nodes": ["prepare", "train"]}


@pytest.mark.parametrize(("kind", "ref"), [(PIPELINE, "azureml:retrain:3"), ({}, "azureml:retrain@latest")])
def test_component_is_submitted(kind: dict[str, Any], ref: str, make: MakeSite) -> None:
    """A pipeline component as it is, any other one as the only step of a pipeline."""
    site = make(job=ref, inputs={"rate": "{{ 1 / 4 }}", "data": "azureml:churn:1"}, compute="cpu-cluster")
    site.azure.assets.add_data("churn", "1")
    for version in ("2", "3"):
        site.azure.assets.add_component("retrain", version, inputs={"rate": "number", "data": "uri_folder"}, **kind)
    site.handle()
    assert site.outcome[0] == "succeeded", site.outcome
    component = f"{PROD}/components/retrain/versions/3"
    job = site.job
    if kind:
        assert job["componentId"] == component
    else:
        assert job["jobs"]["retrain"]["componentId"] == component
        assert job["jobs"]["retrain"]["inputs"]["rate"]["value"] == "${{parent.inputs.rate}}"
    assert site.literals == {"rate": "0.25"}
    assert job["inputs"]["data"] == {"jobInputType": "uri_folder", "uri": f"{PROD}/data/churn/versions/1"}
    assert job["experimentName"] == "retrain"
    assert site.action.details["job"] == "retrain:3"


@pytest.mark.parametrize(("name", "node"), [("3d-retrain", "step_3d_retrain"), ("import", "step_import")])
def test_name_of_a_component_becomes_a_valid_step_name(name: str, node: str, make: MakeSite) -> None:
    """azure-ai-ml requires a Python identifier."""
    site = make(job=f"azureml:{name}:1", compute="cpu-cluster")
    site.azure.assets.add_component(name, "1")
    site.handle()
    assert site.outcome[0] == "succeeded", site.outcome
    assert [*site.job["jobs"]] == [node]


def test_inputs_of_a_component_without_declarations_are_passed_on(make: MakeSite) -> None:
    site = make(job="azureml:retrain:3", inputs={"rate": "1", "deep": True}, compute="cpu-cluster")
    id = site.azure.assets.add_component("retrain", "3", inputs={"rate": "number"})
    with site.azure.state.transaction():
        del site.azure.state.require(id.removeprefix("azureml:")).properties["componentSpec"]["inputs"]
    site.handle()
    assert site.outcome[0] == "succeeded", site.outcome
    assert site.literals == {"rate": "1", "deep": "True"}


def test_component_of_a_registry_is_submitted(make: MakeSite) -> None:
    site = make(job="azureml://registries/acme/components/retrain/labels/latest", compute="cpu-cluster")
    site.azure.assets.add_component("retrain", "3", inputs={"rate": "number"}, registry="acme")
    site.handle()
    assert site.outcome[0] == "succeeded", site.outcome
    reference = "azureml://registries/acme/components/retrain/versions/3"
    assert site.job["jobs"]["retrain"]["componentId"] == reference


def test_undeclared_input_of_a_component_fails_the_action(make: MakeSite) -> None:
    site = make(job="azureml:retrain:3", inputs={"rat": "1"})
    site.azure.assets.add_component("retrain", "3", inputs={"rate": "number"})
    site.handle()
    assert site.outcome == ("failed", "the component retrain:3 has no input 'rat'; it has rate")


def test_missing_component_is_retried_for_half_an_hour(make: MakeSite) -> None:
    site = make(job="azureml:retrain@latest")
    site.handle(ModelRegistered.example())  # matches no rule
    site.handle()
    status, note = site.outcome
    assert status == "failed"
    assert "there is no component retrain@latest in churn-prod" in note
    assert 30 <= site.elapsed.total_seconds() / 60 < 90
    assert json.dumps(site.notes).count("there is no component") > 3


def test_event_of_another_type_starts_no_job(make: MakeSite) -> None:
    site = make(job=JOB)
    site.handle(ModelRegistered.example())
    assert (site.actions, site.azure.calls.all) == ({}, [])
    site.handle(EVENT)
    assert len(site.azure.jobs.all) == 1
