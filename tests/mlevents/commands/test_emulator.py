"""`python -m mlevents azure`: playing with the stand-in of a running `mlevents start`."""

import json
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlevents.__main__ import main
from tests.kit.started import ROOT, Started

APP = """
import json
import azure.functions as func

app = func.FunctionApp()


@app.event_grid_trigger(arg_name="event")
def azureml_event(event: str) -> None:
    body = json.loads(event)
    print("came:", body["eventType"].rpartition(".")[2], body["subject"], body["data"].get("runStatus"))
"""


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An app that prints the events that it gets, with a stand-in for Azure ML by its settings."""
    folder = tmp_path_factory.mktemp("app")
    (folder / "host.json").write_text("{}")
    (folder / "function_app.py").write_text(APP)
    values = json.loads((ROOT / "local.settings.json.example").read_text())["Values"]
    (folder / "local.settings.json").write_text(json.dumps({"IsEncrypted": False, "Values": values}))
    return folder


@pytest.fixture(scope="module")
def started(app: Path) -> Iterator[Started]:
    started = Started("start", "--app", str(app), "--port", "0", "--no-azurite", "--no-mail")
    started.wait_for(r"Azure ML is a stand-in at https://localhost:\d+\. Play with it: python -m mlevents azure --help")
    started.wait_for("Ctrl-C")
    yield started
    started.end(signal.SIGINT)
    assert not (app / ".mlevents/azure.json").exists()


def play(app: Path, *arguments: str) -> int:
    return main(["azure", *arguments, "--app", str(app)])


def test_a_model_that_is_registered_there_comes_as_an_event(
    started: Started, app: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    workspace = ["--workspace", "churn-prod"]
    assert play(app, "register-model", "churn", "8", "--tag", "stage=production", "--tag", "a=b=c", *workspace) == 0
    assert capsys.readouterr().out.strip().endswith("/workspaces/churn-prod/models/churn/versions/8")
    started.wait_for("came: ModelRegistered models/churn:8")


def test_drift_and_runs_come_as_events(started: Started, app: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert play(app, "fail-job", "nightly", "--message", "no data") == 0
    assert play(app, "job-registers", "churn-*", "churn", "--tag", "stage=production") == 0
    assert play(app, "fail-deployment", "churn-9-*", "--logs", "no module named sklearn") == 0
    assert capsys.readouterr().out.split() == ["done"] * 3
    assert play(app, "drift", "--signal", "feature_drift") == 0
    assert play(app, "run", "churn-training", "--tag", "team=churn") == 0
    name = capsys.readouterr().out.split()[1]
    started.wait_for(f"came: RunStatusChanged .*/runs/{name} NotStarted")
    assert play(app, "state") == 0
    state = json.loads(capsys.readouterr().out)
    assert state["jobs"][name].startswith("churn-training ")
    assert state["endpoints"] == {}
    assert "churn:8" in state["models"]


def test_what_pipelines_need_is_put_there(started: Started, app: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A component, a batch endpoint, a data factory; how long jobs take, and that they are canceled."""
    assert play(app, "add-component", "retrain", "3", "--input", "rate=number", "--node", "train") == 0
    assert play(app, "add-batch-endpoint", "churn-batch", "retrain", "--component", "retrain:3") == 0
    assert play(app, "add-pipeline", "adf-churn", "copy", "--parameter", "mlevents_key=String") == 0
    said = capsys.readouterr().out
    assert "/components/retrain/versions/3" in said
    assert "/batchEndpoints/churn-batch" in said
    assert "/Microsoft.DataFactory/factories/adf-churn/pipelines/copy" in said
    assert play(app, "job-takes", "0.1", "--glob", "weekly") == 0
    assert play(app, "cancel-job", "weekly") == 0
    assert play(app, "run", "weekly") == 0
    name = capsys.readouterr().out.split()[-1]
    started.wait_for(f"came: RunStatusChanged .*/runs/{name} Canceled")
    assert play(app, "state") == 0
    state = json.loads(capsys.readouterr().out)
    assert state["batch_endpoints"] == {"churn-batch": "retrain"}
    assert state["factory_runs"] == {}
    assert play(app, "add-batch-endpoint", "x-batch", "seven", "--model", "none:1") == 1


def test_what_the_stand_in_refuses_is_a_line(started: Started, app: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert play(app, "register-model", "churn", "a/b") == 1
    assert "The version 'a/b' of models churn is invalid" in capsys.readouterr().out
    assert play(app, "run", "x", "--workspace", "elsewhere") == 1
    assert "there is no such thing" in capsys.readouterr().out
    assert started.process.poll() is None


def test_without_a_running_start_it_says_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert play(tmp_path, "state") == 1
    said = capsys.readouterr().out
    assert re.search("no `mlevents start` with a stand-in for Azure ML runs in .*: start it first", said)


@pytest.mark.parametrize("tag", ["stage", "=production"])
def test_tags_have_a_name_and_a_value(app: Path, capsys: pytest.CaptureFixture[str], tag: str) -> None:
    with pytest.raises(SystemExit):
        play(app, "register-model", "churn", "8", "--tag", tag)
    assert "write NAME=VALUE, like stage=production" in capsys.readouterr().err
