"""`mlevents azure`: controlling the emulated Azure ML of a running `mlevents start`."""

import json
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlevents.__main__ import main
from tests.kit.started import ROOT, Started

pytestmark = pytest.mark.services

APP = """
import json
import sys
import azure.functions as func

app = func.FunctionApp()


@app.event_grid_trigger(arg_name="event")
def azureml_event(event: str) -> None:
    body = json.loads(event)
    words = "received:", body["eventType"].rpartition(".")[2], body["subject"], body["data"].get("runStatus")
    sys.stdout.write(" ".join(map(str, words)) + "\\n")  # in one piece: calls run in several threads


@app.route("monitor_alert", methods=["POST"], auth_level=func.AuthLevel.FUNCTION)
def monitor_alert(req: func.HttpRequest) -> func.HttpResponse:
    about = req.get_json()["data"]["essentials"]
    words = "received:", about["monitorCondition"], about["alertRule"], about["severity"], about["alertTargetIDs"][0]
    sys.stdout.write(" ".join(words) + "\\n")
    return func.HttpResponse("recorded\\n")
"""


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An app that prints the events that it gets, and whose settings leave Azure ML to the emulator."""
    folder = tmp_path_factory.mktemp("app")
    (folder / "host.json").write_text("{}")
    (folder / "function_app.py").write_text(APP)
    values = json.loads((ROOT / "local.settings.json.example").read_text())["Values"]
    (folder / "local.settings.json").write_text(json.dumps({"IsEncrypted": False, "Values": values}))
    return folder


@pytest.fixture(scope="module")
def started(app: Path) -> Iterator[Started]:
    started = Started("start", "--app", str(app), "--port", "0", "--no-azurite", "--no-mail")
    started.wait_for(r"Azure ML    is emulated at https://localhost:\d+; try `mlevents azure --help`")
    started.wait_for("Ctrl-C")
    yield started
    started.end(signal.SIGINT)
    assert not [note for note in ("azure.json", "app.json") if (app / ".mlevents" / note).exists()]


def azure(app: Path, *arguments: str) -> int:
    return main(["azure", *arguments, "--app", str(app)])


def test_url_of_the_app_is_saved_for_send(started: Started, app: Path) -> None:
    url = json.loads((app / ".mlevents/app.json").read_text())["url"]
    [line] = [line for line in started.lines if "functionName=NAME" in line]
    assert line.split() == [f"{url}/runtime/webhooks/eventgrid?functionName=NAME"]


def test_registering_a_model_raises_an_event(started: Started, app: Path, capsys: pytest.CaptureFixture[str]) -> None:
    workspace = ["--workspace", "churn-prod"]
    assert azure(app, "register-model", "churn", "8", "--tag", "stage=production", "--tag", "a=b=c", *workspace) == 0
    assert capsys.readouterr().out.strip().endswith("/workspaces/churn-prod/models/churn/versions/8")
    started.wait_for("received: ModelRegistered models/churn:8")


def test_blobs_raise_events(started: Started, app: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of the account that the settings name; in a data lake, a blob that is created raises two."""
    assert azure(app, "put-blob", "exports/daily/churn.csv") == 0
    assert capsys.readouterr().out.strip() == "https://churnlanding.blob.core.windows.net/exports/daily/churn.csv"
    started.wait_for("received: BlobCreated /blobServices/default/containers/exports/blobs/daily/churn.csv")
    assert azure(app, "delete-blob", "exports/daily/churn.csv", "--lake", "--account", "churnlanding") == 0
    started.wait_for("received: BlobDeleted /blobServices/default/containers/exports/blobs/daily/churn.csv")
    assert azure(app, "put-blob", "exports") == 1
    assert "is not a container and a path" in capsys.readouterr().out


def test_alerts_are_posted_to_the_app(started: Started, app: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """To the function monitor_alert, over HTTP, as an action group posts them."""
    about = ["churn-5xx", "--endpoint", "churn", "--value", "31", "--threshold", "5", "--severity", "0"]
    assert azure(app, "alert", *about) == 0
    started.wait_for("received: Fired churn-5xx Sev0 .*/onlineendpoints/churn")
    assert azure(app, "alert", *about, "--resolved") == 0
    started.wait_for("received: Resolved churn-5xx Sev0 .*/onlineendpoints/churn")
    assert capsys.readouterr().out.split() == ["recorded"] * 2


def test_drift_and_runs_raise_events(started: Started, app: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert azure(app, "fail-job", "nightly", "--message", "no data") == 0
    assert azure(app, "job-registers", "churn-*", "churn", "--tag", "stage=production") == 0
    assert azure(app, "fail-deployment", "churn-9-*", "--logs", "no module named sklearn") == 0
    assert capsys.readouterr().out.split() == ["done"] * 3
    assert azure(app, "drift", "--signal", "feature_drift") == 0
    assert azure(app, "run", "churn-training", "--tag", "team=churn") == 0
    name = capsys.readouterr().out.split()[1]
    started.wait_for(f"received: RunStatusChanged .*/runs/{name} NotStarted")
    assert azure(app, "state") == 0
    state = json.loads(capsys.readouterr().out)
    assert state["jobs"][name].startswith("churn-training ")
    assert state["endpoints"] == {}
    assert "churn:8" in state["models"]


def test_components_endpoints_and_pipelines_can_be_added(
    started: Started, app: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The duration of jobs can be set, and jobs can be canceled."""
    assert azure(app, "add-component", "retrain", "3", "--input", "rate=number", "--node", "train") == 0
    assert azure(app, "add-batch-endpoint", "churn-batch", "retrain", "--component", "retrain:3") == 0
    assert azure(app, "add-pipeline", "adf-churn", "copy", "--parameter", "mlevents_key=String") == 0
    printed = capsys.readouterr().out
    assert "/components/retrain/versions/3" in printed
    assert "/batchEndpoints/churn-batch" in printed
    assert "/Microsoft.DataFactory/factories/adf-churn/pipelines/copy" in printed
    assert azure(app, "job-takes", "0.1", "--glob", "weekly") == 0
    assert azure(app, "cancel-job", "weekly") == 0
    assert azure(app, "run", "weekly") == 0
    name = capsys.readouterr().out.split()[-1]
    started.wait_for(f"received: RunStatusChanged .*/runs/{name} Canceled")
    assert azure(app, "state") == 0
    state = json.loads(capsys.readouterr().out)
    assert state["batch_endpoints"] == {"churn-batch": "retrain"}
    assert state["factory_runs"] == {}
    assert azure(app, "add-batch-endpoint", "x-batch", "seven", "--model", "none:1") == 1


def test_job_fails_with_a_chosen_error_log_and_metrics(
    started: Started, app: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "log.txt").write_text("epoch 1\nKilled\n")
    options = ["--error", "UserError", "--reason", "OutOfMemory", "--log", str(tmp_path / "log.txt")]
    assert azure(app, "fail-job", "monthly", "--message", "out of memory", "--step", "train", *options) == 0
    assert azure(app, "job-metrics", "monthly", "--metric", "auc=0.91") == 0
    assert azure(app, "requests", "60", "--deployment", "churn-9-*", "--failed", "6") == 0
    assert azure(app, "run", "monthly") == 0
    name = capsys.readouterr().out.split()[-1]
    started.wait_for(f"received: RunStatusChanged .*/runs/{name} Failed")


def test_metric_that_is_no_number_is_an_error(app: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert azure(app, "job-metrics", "monthly", "--metric", "auc=high") == 2
    assert "A value of --metric is a number: could not convert string to float: 'high'" in capsys.readouterr().err


@pytest.mark.parametrize("options", [[], ["--model", "churn:8", "--component", "retrain:3"]])
def test_a_batch_endpoint_deploys_either_a_model_or_a_component(
    app: Path, capsys: pytest.CaptureFixture[str], options: list[str]
) -> None:
    assert azure(app, "add-batch-endpoint", "churn-batch", "retrain", *options) == 2
    assert "either --model or --component" in capsys.readouterr().err


def test_a_refusal_of_the_emulator_is_one_line(started: Started, app: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert azure(app, "register-model", "churn", "a/b") == 1
    assert "The version 'a/b' of models churn is invalid" in capsys.readouterr().out
    assert azure(app, "run", "x", "--workspace", "elsewhere") == 1
    assert "name something that does not exist" in capsys.readouterr().out
    assert started.process.poll() is None


def test_without_a_running_start_the_error_tells_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert azure(tmp_path, "state") == 1
    printed = capsys.readouterr().out
    assert re.search("no `mlevents start` with an emulated Azure ML runs in .*: start it first", printed)


@pytest.mark.parametrize("tag", ["stage", "=production"])
def test_a_tag_without_a_name_or_a_value_is_refused(app: Path, capsys: pytest.CaptureFixture[str], tag: str) -> None:
    assert azure(app, "register-model", "churn", "8", "--tag", tag) == 2
    assert "write NAME=VALUE, like stage=production" in capsys.readouterr().err
