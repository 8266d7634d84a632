"""The real azure-ai-ml client, unpatched, and jobs: submitted, polled, listed, canceled, refused."""

from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.storage.blob import BlobServiceClient

from emulator import WORKSPACE, Azure
from mlevents.local.azurite import Azurite
from tests.emulator.test_client_online import targets

if TYPE_CHECKING:
    from azure.ai.ml import MLClient
    from azure.ai.ml.entities import Job

# azure-ai-ml's reader of job files uses what marshmallow 4 removes.
pytestmark = pytest.mark.filterwarnings("ignore::marshmallow.warnings.Marshmallow4Warning")

PIPELINE = """
type: pipeline
experiment_name: churn-retrain
display_name: retrain
settings: { default_compute: azureml:cluster }
inputs:
  reason: none
jobs:
  prepare:
    type: command
    component: azureml:prepare@latest
    inputs: { reason: "${{parent.inputs.reason}}" }
  train:
    type: command
    command: python train.py --reason ${{inputs.reason}}
    code: src
    environment: { image: acme/train:1, conda_file: { name: train, dependencies: [python=3.11] } }
    inputs: { reason: "${{parent.inputs.reason}}" }
    outputs: { model: { type: uri_folder } }
outputs:
  model: { type: uri_folder }
"""
NAME = "mle-1-0badc0de-0123456789abcdef0123456789abcdef"


@pytest.fixture
def folder(azure: Azure, tmp_path: Path) -> Path:
    """A pipeline's YAML and its code; its compute and component are in the workspace."""
    azure.workspaces.add_compute("cluster")
    azure.assets.add_component("prepare", "2", inputs={"reason": "string"})
    azure.assets.add_component("prepare", "3", inputs={"reason": "string"})
    (tmp_path / "src").mkdir()
    (tmp_path / "src/train.py").write_text("print('trained')\n", encoding="utf-8")
    (tmp_path / "retrain.yaml").write_text(PIPELINE, encoding="utf-8")
    return tmp_path


def pipeline(folder: Path, name: str = NAME, **changes: Any) -> "Job":
    from azure.ai.ml import load_job

    job = load_job(folder / "retrain.yaml")
    for member, value in {"name": name, "tags": {"mlevents_rule": "retrain"}, **changes}.items():
        setattr(job, member, value)
    return job


def error_of(client: "MLClient", run: str) -> str:
    """The job in run history, which the client does not show."""
    found: Any = client.jobs._runs_operations.get_run(run)
    return str(found.error.error.message)


def test_pipeline_is_submitted_with_its_code_environment_and_component(
    azure: Azure, client: "MLClient", folder: Path, azurite: Azurite, capfd: pytest.CaptureFixture[str]
) -> None:
    """Code is uploaded, environment and component are registered, and then one PUT starts the job."""
    made = client.jobs.create_or_update(pipeline(folder))
    capfd.readouterr()  # the client prints warnings about experimental classes
    assert (made.name, made.experiment_name, made.tags) == (NAME, "churn-retrain", {"mlevents_rule": "retrain"})
    assert made.services["Studio"].endpoint.startswith(f"https://ml.azure.com/runs/{NAME}?wsid=")
    assert targets(azure, "PUT *")[-1] == f"PUT jobs/{NAME} 2024-01-01-preview"
    assert [target.split("/")[0] for target in targets(azure, "PUT *")] == [
        "PUT environments",
        "PUT codes",
        "PUT components",
        "PUT jobs",
    ]
    job = azure.jobs.get(NAME)
    assert job
    nodes = job["properties"]["jobs"]
    assert nodes["prepare"]["componentId"] == f"{WORKSPACE}/components/prepare/versions/3"
    component = azure.resource(nodes["train"]["componentId"])
    assert component
    code = azure.resource(component["properties"]["componentSpec"]["code"].removeprefix("azureml:"))
    assert code
    container = urlsplit(code["properties"]["codeUri"]).path.split("/")[2]
    with BlobServiceClient.from_connection_string(azurite.connection_string) as storage:
        assert [blob.name.split("/")[-1] for blob in storage.get_container_client(container).list_blobs()] == [
            "train.py"
        ]


def test_job_takes_time_and_its_steps_run_in_order(azure: Azure, client: "MLClient", folder: Path) -> None:
    azure.jobs.set_duration(seconds=60)
    client.jobs.create_or_update(pipeline(folder))
    polls = []
    for _ in range(21):
        polls.append((client.jobs.get(NAME).status, tuple(azure.jobs.steps(NAME).values())))
        azure.clock.forward(seconds=3)
    statuses = list(dict.fromkeys(status for status, _ in polls))
    assert statuses == ["NotStarted", "Preparing", "Running", "Finalizing", "Completed"]
    steps = list(dict.fromkeys(steps for _, steps in polls))
    assert steps[0] == ()
    assert ("Running",) in steps
    assert ("Completed", "Running") in steps
    assert steps[-1] == ("Completed", "Completed")
    completed = client.jobs.get(NAME)
    assert completed.outputs["model"].path == f"azureml://datastores/workspaceblobstore/paths/azureml/{NAME}/model/"


def test_job_may_end_by_polls_or_by_a_call(azure: Azure, client: "MLClient", folder: Path) -> None:
    """For tests without time."""
    azure.jobs.set_duration(polls=2)
    client.jobs.create_or_update(pipeline(folder))
    assert [client.jobs.get(NAME).status for _ in range(3)] == ["Running", "Running", "Completed"]
    azure.jobs.set_duration()
    name = azure.jobs.start("churn-retrain")
    azure.clock.forward(days=30)
    assert client.jobs.get(name).status == "Running"
    azure.jobs.end(name)
    assert client.jobs.get(name).status == "Completed"


def test_run_history_has_steps_and_streams_to_the_end(
    azure: Azure, client: "MLClient", folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    azure.jobs.set_duration(seconds=0)
    client.jobs.create_or_update(pipeline(folder))
    capfd.readouterr()
    client.jobs.stream(NAME)
    assert f"RunId: {NAME}" in capfd.readouterr().out
    children = {child.display_name: child for child in client.jobs.list(parent_job_name=NAME)}
    assert {name: child.status for name, child in children.items()} == {"prepare": "Completed", "train": "Completed"}
    assert client.jobs.get(children["train"].name).display_name == "train"
    assert targets(azure, "GET runs/*")[0] == f"GET runs/{NAME}/details v1.0"


def test_failed_pipeline_names_the_failed_step_which_has_the_reason(
    azure: Azure, client: "MLClient", folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    from azure.ai.ml.exceptions import JobException

    azure.jobs.set_duration(seconds=0)
    azure.jobs.fail("churn-*", "no such column: tenure", step="train")
    client.jobs.create_or_update(pipeline(folder))
    with pytest.raises(JobException, match=r"Pipeline has failed child jobs\. Failed nodes: /train"):
        client.jobs.stream(NAME)
    capfd.readouterr()
    assert client.jobs.get(NAME).status == "Failed"
    assert azure.jobs.steps(NAME) == {"prepare": "Completed", "train": "Failed"}
    step = next(child for child in client.jobs.list(parent_job_name=NAME) if child.display_name == "train")
    assert error_of(client, step.name) == "no such column: tenure"


def test_job_is_canceled_by_another_client(azure: Azure, client: "MLClient", folder: Path) -> None:
    azure.jobs.set_duration(seconds=0)
    azure.jobs.cancel(times=1)
    client.jobs.create_or_update(pipeline(folder))
    assert client.jobs.get(NAME).status == "Canceled"
    assert azure.jobs.start("churn-retrain")
    assert [job["properties"]["status"] for job in azure.jobs.all] == ["Canceled", "Completed"]


def test_client_cancels_a_job_and_its_steps(azure: Azure, client: "MLClient", folder: Path) -> None:
    azure.jobs.set_duration(seconds=60)
    client.jobs.create_or_update(pipeline(folder))
    azure.clock.forward(seconds=24)
    azure.operations.set_duration(seconds=60, match="POST jobs/*")
    poller = client.jobs.begin_cancel(NAME)
    assert client.jobs.get(NAME).status == "CancelRequested"
    azure.clock.forward(minutes=1)
    poller.result()
    assert client.jobs.get(NAME).status == "Canceled"
    assert azure.jobs.steps(NAME) == {"prepare": "Canceled"}
    azure.clock.forward(hours=1)
    assert client.jobs.get(NAME).status == "Canceled"
    with pytest.raises(HttpResponseError, match="is in the terminal state Canceled"):
        client.jobs.begin_cancel(NAME)


def test_submitting_the_same_job_again_changes_nothing(azure: Azure, client: "MLClient", folder: Path) -> None:
    """Nothing is uploaded or started a second time."""
    azure.jobs.set_duration(seconds=60)
    client.jobs.create_or_update(pipeline(folder))
    again = client.jobs.create_or_update(pipeline(folder, tags={"mlevents_rule": "retrain", "more": "tags"}))
    assert again.tags == {"mlevents_rule": "retrain", "more": "tags"}
    assert len(azure.jobs.all) == 1
    assert [call.status for call in azure.calls.matching("PUT jobs/*")] == [201, 200]
    assert len(azure.calls.matching("POST codes/*/startPendingUpload")) == 1


def test_different_job_of_the_same_name_is_refused(azure: Azure, client: "MLClient", folder: Path) -> None:
    """With the service's message, which lists the members that cannot change."""
    client.jobs.create_or_update(pipeline(folder))
    (folder / "src/train.py").write_text("print('trained in another way')\n", encoding="utf-8")
    with pytest.raises(HttpResponseError, match=r"A job with this name already exists.* Jobs cannot be") as refusal:
        client.jobs.create_or_update(pipeline(folder))
    assert refusal.value.status_code == 400
    assert "JobPropertyImmutable" in str(refusal.value)


def test_client_runs_command_jobs(azure: Azure, client: "MLClient", folder: Path) -> None:
    from azure.ai.ml import Input, command

    azure.assets.add_environment("train", "1")
    azure.assets.add_data("customers", "1")
    azure.jobs.set_duration(seconds=0)
    job = command(
        command="python train.py ${{inputs.data}}",
        code=str(folder / "src"),
        environment="azureml:train:1",
        compute="cluster",
        experiment_name="churn-retrain",
        inputs={"data": Input(type="uri_folder", path="azureml:customers:1")},
    )
    job.name = NAME
    made = client.jobs.create_or_update(job)
    assert made.name == NAME
    assert targets(azure, "PUT jobs/*") == [f"PUT jobs/{NAME} 2025-01-01-preview"]
    properties = azure.calls.matching("PUT jobs/*")[0].body["properties"]
    assert properties["inputs"]["data"]["uri"].endswith("/data/customers/versions/1")
    assert client.jobs.get(NAME).status == "Completed"
    azure.jobs.fail(message="out of memory", code="UserError")
    job.name = "another"
    client.jobs.create_or_update(job)
    assert error_of(client, "another") == "out of memory"


def test_build_contexts_and_local_data_go_to_the_default_datastore(
    azure: Azure, client: "MLClient", folder: Path, azurite: Azurite, capfd: pytest.CaptureFixture[str]
) -> None:
    """With the datastore's credentials, to the host that the client builds from the account name."""
    from azure.ai.ml import Input, command
    from azure.ai.ml.entities import BuildContext, Environment

    for file in ("image/Dockerfile", "data/customers.csv"):
        (folder / file).parent.mkdir()
        (folder / file).write_text("FROM scratch\n", encoding="utf-8")
    job = command(
        command="python train.py ${{inputs.data}}",
        environment=Environment(build=BuildContext(path=str(folder / "image"))),
        compute="cluster",
        inputs={"data": Input(type="uri_folder", path=str(folder / "data"))},
    )
    job.name = NAME
    client.jobs.create_or_update(job)
    capfd.readouterr()
    (put,) = azure.calls.matching("PUT jobs/*")
    uri = put.body["properties"]["inputs"]["data"]["uri"]
    assert uri.startswith("azureml://datastores/workspaceblobstore/paths/LocalUpload/")
    workspace = azure.resource(WORKSPACE)
    assert workspace
    container = f"azureml-blobstore-{workspace['properties']['workspaceId']}"
    with BlobServiceClient.from_connection_string(azurite.connection_string) as storage:
        names = [blob.name.split("/", 2)[2] for blob in storage.get_container_client(container).list_blobs()]
    assert sorted(names) == ["data/customers.csv", "image/Dockerfile"]


def test_jobs_are_listed_newest_first_without_filters_by_status(
    azure: Azure, client: "MLClient", capfd: pytest.CaptureFixture[str]
) -> None:
    azure.jobs.set_duration(seconds=0)
    azure.state.page = 2
    names = [azure.jobs.start("churn-retrain", tags={"n": str(n)}) for n in range(3)]
    assert [job.name for job in client.jobs.list()] == names[::-1]
    assert [job.name for job in client.jobs.list(tag="n=1")] == [names[1]]
    client.jobs.archive(names[0])
    assert [job.name for job in client.jobs.list()] == names[:0:-1]
    assert [job.name for job in client.jobs.list(list_view_type="All")] == names[::-1]
    with pytest.raises(ResourceNotFoundError):
        client.jobs.get("elsewhere")
    capfd.readouterr()


def test_client_reads_components_by_version_and_label(azure: Azure, client: "MLClient") -> None:
    azure.assets.add_component("retrain", "3", nodes=("prepare", "train"))
    azure.assets.add_component("retrain", "4")
    assert client.components.get("retrain", "3").version == "3"
    assert client.components.get("retrain", label="latest").version == "4"


def test_job_can_run_a_registered_pipeline_component(azure: Azure, client: "MLClient") -> None:
    from azure.ai.ml.entities import PipelineJob

    azure.jobs.set_duration(seconds=0)
    component = azure.assets.add_component("retrain", "3", nodes=("prepare", "train"))
    made = client.jobs.create_or_update(PipelineJob(component=component, name=NAME, experiment_name="churn-retrain"))
    assert made.name == NAME
    assert azure.jobs.steps(NAME) == {"prepare": "Completed", "train": "Completed"}
