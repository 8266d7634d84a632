"""Jobs of Azure ML, started through the real client: what the service is asked for."""

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


def test_a_job_s_yaml_is_submitted_as_it_is(make: MakeSite, azurite: Azurite) -> None:
    """Its local code and environment are uploaded; name, tags and experiment say who started it."""
    site = make(job=JOB)
    site.tell()
    [job] = site.azure.jobs.all
    assert site.end == ("succeeded", f"the job {job['name']} was started in churn-prod")
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
    """What the only step of the only job runs."""
    [node] = site.job["jobs"].values()
    component = site.azure.resource(node["componentId"])
    assert component
    spec: dict[str, Any] = component["properties"]["componentSpec"]
    return spec


def test_what_it_tells_rules_that_follow(make: MakeSite) -> None:
    site = make(job=JOB)
    site.tell()
    [job] = site.azure.jobs.all
    assert site.action.details == {
        "run": job["name"],
        "where": "churn-prod",
        "job": JOB,
        "experiment": "churn-training",
        "link": f"https://ml.azure.com/runs/{job['name']}?wsid={PROD}",
    }


def test_inputs_compute_experiment_and_tags_are_templates(make: MakeSite) -> None:
    site = make(
        rule="on: DriftDetected",
        job=JOB,
        inputs={"learning_rate": "{{ drift.violations[0].value }}", "reason": "{{ drift.signal }}"},
        compute="{{ 'gpu' if drift.monitor else 'cpu' }}-cluster",
        experiment_name="drift of {{ drift.signal }}!",
        tags={"why": "{{ drift.message }}", "team": "monitoring"},
    )
    site.azure.workspaces.add_compute("gpu-cluster")
    site.tell(DRIFT)
    assert site.literals == {"learning_rate": "0.31", "reason": "churn_monitor_data_drift"}
    assert site.job["settings"]["default_compute"] == f"{PROD}/computes/gpu-cluster"
    assert site.job["experimentName"] == "drift-of-churn_monitor_data_drift"
    assert site.job["tags"]["team"] == "monitoring"
    assert site.job["tags"]["why"] == DRIFT.view()["drift"]["message"].strip()


def test_data_of_the_rule_takes_the_place_of_the_file_s(make: MakeSite) -> None:
    """A text is its path; what else the file says of it stands. Or all of it is said."""
    site = make(job=JOB, inputs={"data": "azureml://datastores/lake/paths/{{ data.experimentName }}/"})
    site.tell()
    data = site.job["inputs"]["data"]
    assert data == {
        "jobInputType": "uri_folder",
        "mode": "ReadOnlyMount",
        "uri": "azureml://datastores/lake/paths/churn-training/",
    }


def test_a_registered_data_asset_is_looked_up(make: MakeSite) -> None:
    site = make(job=JOB, inputs={"data": {"type": "uri_folder", "path": "azureml:churn@latest", "mode": "download"}})
    site.azure.assets.add_data("churn", "3")
    site.tell()
    data = site.job["inputs"]["data"]
    assert data == {"jobInputType": "uri_folder", "mode": "Download", "uri": f"{PROD}/data/churn/versions/3"}


def test_an_input_that_comes_out_empty_is_left_as_the_file_has_it(make: MakeSite) -> None:
    site = make(job=JOB, inputs={"reason": "{{ data.runTags.reason | default('') }}"}, compute="{{ '' }}")
    site.tell()
    assert site.literals["reason"] == "manual"
    assert site.job["settings"]["default_compute"] == f"{PROD}/computes/cpu-cluster"


def test_what_a_shell_would_read_does_not_reach_the_command_line(make: MakeSite) -> None:
    """Whoever may tag a run writes texts that end up there. It is said which inputs were changed."""
    site = make(job=JOB, inputs={"reason": "{{ data.runTags.why }}"})
    site.tell(RunCompleted.example(run_id="r", run_tags={"why": 'x"; curl $(id) | sh #\n`y` ${{inputs.data}}'}))
    assert site.literals["reason"] == "x curl id sh y inputs.data"
    assert site.action.details["inputs_changed"] == "reason"


@pytest.mark.parametrize(
    "path", ["../local.settings.json", "/etc/passwd", "azureml:x y", "https://x/$(id)", "file:///x"]
)
def test_an_event_cannot_name_a_local_file(path: str, make: MakeSite) -> None:
    """It would be uploaded to where others can read it."""
    site = make(job=JOB, inputs={"data": "{{ data.runTags.path }}"})
    site.tell(RunCompleted.example(run_id="r", run_tags={"path": path}))
    status, note = site.end
    assert status == "failed"
    assert "the input 'data' should name data in Azure" in note
    assert site.azure.jobs.all == []


def test_a_text_for_a_number_must_be_one(make: MakeSite) -> None:
    site = make(job=JOB, inputs={"learning_rate": "{{ data.runTags.rate }}"})
    site.tell(RunCompleted.example(run_id="r", run_tags={"rate": "fast"}))
    assert site.end == ("failed", "the input 'learning_rate' should be a number, not 'fast'")


def test_tags_beyond_the_service_s_limits_are_cut_ours_first(make: MakeSite) -> None:
    """And it is said which: 50 tags, of 1,000 characters."""
    site = make(job=JOB, tags={f"tag{n:02}": "{{ data.runTags.text }}" for n in range(47)})
    site.tell(RunCompleted.example(id="e1", run_id="r", run_tags={"text": "x" * 2_000}))
    tags = site.job["tags"]
    assert len(tags) == 50
    assert list(tags)[:3] == ["mlevents_rule", "mlevents_event", "mlevents_depth"]
    assert "team" not in tags
    assert len(tags["tag46"]) == 1_000
    assert site.action.details["tags_cut"].startswith("tag00, tag01")
    assert site.azure.jobs.all


def test_a_job_runs_where_the_rule_says(make: MakeSite) -> None:
    """By its name in workspaces.yaml; left out, in the event's workspace."""
    site = make(job=JOB, workspace="churn-dev", compute="dev-cluster")
    site.azure.workspaces.add_compute("dev-cluster", workspace=DEV)
    site.tell()
    [job] = site.azure.jobs.all
    assert job["id"].startswith(f"{DEV}/jobs/")
    assert site.action.details["where"] == "churn-dev"


def test_a_command_job(make: MakeSite, command_job: str) -> None:
    """Not only pipelines."""
    site = make(job=command_job, inputs={"text": "{{ data.experimentName }}"}, compute="cpu-cluster")
    site.tell()
    assert (site.end[0], site.job["jobType"]) == ("succeeded", "Command")
    assert site.literals == {"text": "churn-training"}
    assert site.job["computeId"] == f"{PROD}/computes/cpu-cluster"
    assert site.job["experimentName"] == "retrain"  # the rule's name, where nothing else says


@pytest.fixture
def command_job(tmp_path: Path) -> str:
    """A job file beside the rules."""
    (tmp_path / "rules/jobs").mkdir(parents=True)
    (tmp_path / "rules/jobs/hello.yml").write_text(
        'command: echo "${{inputs.text}}"\ninputs: { text: nothing }\ncompute: azureml:other\n'
        "environment: azureml:azureml://registries/azureml/environments/sklearn-1.5/versions/1\n"
    )
    return "jobs/hello.yml"


PIPELINE = {"nodes": ["prepare", "train"]}


@pytest.mark.parametrize(("kind", "ref"), [(PIPELINE, "azureml:retrain:3"), ({}, "azureml:retrain@latest")])
def test_a_registered_component(kind: dict[str, Any], ref: str, make: MakeSite) -> None:
    """Of a pipeline, or of a step, for which a pipeline is made; a version, or the latest."""
    site = make(job=ref, inputs={"rate": "{{ 1 / 4 }}", "data": "azureml:churn:1"}, compute="cpu-cluster")
    site.azure.assets.add_data("churn", "1")
    for version in ("2", "3"):
        site.azure.assets.add_component("retrain", version, inputs={"rate": "number", "data": "uri_folder"}, **kind)
    site.tell()
    assert site.end[0] == "succeeded", site.end
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
def test_a_component_whose_name_is_no_step_s(name: str, node: str, make: MakeSite) -> None:
    """azure-ai-ml wants a name that Python would take."""
    site = make(job=f"azureml:{name}:1", compute="cpu-cluster")
    site.azure.assets.add_component(name, "1")
    site.tell()
    assert site.end[0] == "succeeded", site.end
    assert [*site.job["jobs"]] == [node]


def test_what_a_component_does_not_tell_of_its_inputs_is_not_held_against_them(make: MakeSite) -> None:
    site = make(job="azureml:retrain:3", inputs={"rate": "1", "deep": True}, compute="cpu-cluster")
    id = site.azure.assets.add_component("retrain", "3", inputs={"rate": "number"})
    with site.azure.state.transaction():
        del site.azure.state.require(id.removeprefix("azureml:")).properties["componentSpec"]["inputs"]
    site.tell()
    assert site.end[0] == "succeeded", site.end
    assert site.literals == {"rate": "1", "deep": "True"}


def test_a_component_of_a_registry(make: MakeSite) -> None:
    site = make(job="azureml://registries/acme/components/retrain/labels/latest", compute="cpu-cluster")
    site.azure.assets.add_component("retrain", "3", inputs={"rate": "number"}, registry="acme")
    site.tell()
    assert site.end[0] == "succeeded", site.end
    reference = "azureml://registries/acme/components/retrain/versions/3"
    assert site.job["jobs"]["retrain"]["componentId"] == reference


def test_a_component_s_inputs_are_checked(make: MakeSite) -> None:
    site = make(job="azureml:retrain:3", inputs={"rat": "1"})
    site.azure.assets.add_component("retrain", "3", inputs={"rate": "number"})
    site.tell()
    assert site.end == ("failed", "the component retrain:3 has no input 'rat'; it has rate")


def test_a_component_that_is_not_there_may_come_yet(make: MakeSite) -> None:
    """For half an hour."""
    site = make(job="azureml:retrain@latest")
    site.tell(ModelRegistered.example())  # which the rule is not for
    site.tell()
    status, note = site.end
    assert status == "failed"
    assert "there is no component retrain@latest in churn-prod" in note
    assert 30 <= site.took.total_seconds() / 60 < 90
    assert json.dumps(site.notes).count("there is no component") > 3


def test_only_events_that_the_rule_is_for(make: MakeSite) -> None:
    site = make(job=JOB)
    site.tell(ModelRegistered.example())
    assert (site.actions, site.azure.calls.all) == ({}, [])
    site.tell(EVENT)
    assert len(site.azure.jobs.all) == 1
