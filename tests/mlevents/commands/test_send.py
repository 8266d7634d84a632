"""`mlevents send`, to an app that runs on this machine."""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mlevents.__main__ import main
from mlevents.cli import UsageError
from mlevents.commands import send as sending
from mlevents.event_files import change_event
from mlevents.local.app import LocalApp
from schemas import RunStatusChanged
from tests.kit.started import ROOT
from tests.kit.world import rule
from tests.mlevents.commands.deployed import Deployed

DATA = {"runStatus": "Running", "runTags": {"a": "1"}}


@pytest.fixture
def running(deployed: Deployed) -> Iterator[LocalApp]:
    """The app of `deployed`, on a free port."""
    deployed.rules(
        rule("mail", when="[data.runTags.owner StringIn alice]"), rule("fails", "give-up", on="RunCompleted")
    )
    (deployed.folder / "function_app.py").write_text((ROOT / "function_app.py").read_text())
    settings = {**deployed.settings, "MLEVENTS_RULES": str(deployed.folder / "rules")}
    with LocalApp(deployed.folder, settings=settings, folder=deployed.folder, grace=0.5, azure=False) as local:
        yield local


def test_sample_is_a_new_event_each_time(deployed: Deployed, running: LocalApp) -> None:
    """With changes; the command waits for its actions."""
    for _ in range(2):
        code, out = deployed.run("send", "run_status_changed", "data.runTags.owner=alice", "--url", running.url)
        assert (code, out.splitlines()[-1].strip()) == (0, "mail: succeeded  done")
    assert len(deployed.ends()) == 1  # one rule, in two events


def test_json_has_the_event_and_its_record(deployed: Deployed, running: LocalApp) -> None:
    code, out = deployed.run("send", "run_completed", "--json", "--url", running.url)
    found = json.loads(out)
    assert code == 1  # its action has failed
    assert found["recorded"]["id"] == found["event"]["id"]
    assert [action["status"] for action in found["recorded"]["actions"]] == ["failed"]


def test_kept_event_is_a_duplicate(deployed: Deployed, running: LocalApp, tmp_path: Path) -> None:
    event = RunStatusChanged.example(id="e1", runTags={"owner": "alice"}).wire()
    (tmp_path / "event.json").write_text(json.dumps([event]))
    for _ in range(2):
        arguments = ["--keep", str(tmp_path / "event.json"), "--url", running.url]
        assert deployed.run("send", *arguments)[0] == 0
    assert [record["name"] for record in running.records if record["name"].startswith("event.")] == [
        "event.received",
        "event.duplicate",
    ]


def test_rejected_event_is_reported(deployed: Deployed, running: LocalApp, monkeypatch: pytest.MonkeyPatch) -> None:
    event = RunStatusChanged.example(id="e1").wire() | {"topic": "/subscriptions/x"}
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(event)))
    code, out = deployed.run("send", "-", "--wait", "0", "--url", running.url)
    assert code == 1
    assert "and has not recorded" in out


def test_app_that_does_not_run_is_reported(deployed: Deployed) -> None:
    code, out = deployed.run("send", "run_completed", "--url", "http://localhost:9")
    assert code == 1
    assert out.endswith("cannot be reached: no connection; is `mlevents start` running?\n")


def test_default_app_is_the_one_that_start_runs(deployed: Deployed) -> None:
    """On whatever port: it saves its URL. Without one, the port is that of `func start`."""
    note = deployed.folder / ".mlevents/app.json"
    note.parent.mkdir()
    for content, port in (("", 7071), ("[]", 7071), ("{}", 7071), (json.dumps({"url": "http://localhost:9"}), 9)):
        note.write_text(content)
        target = sending._target("azureml_event", "", "", "", deployed.folder)
        assert target.startswith(f"http://localhost:{port}/runtime/")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ("data.runStatus=Failed", {"data": {"runStatus": "Failed", "runTags": {"a": "1"}}}),
        ("DATA.RUNSTATUS=Failed", {"data": {"runStatus": "Failed", "runTags": {"a": "1"}}}),
        ("data.runTags.A=x=y", {"data": {"runStatus": "Running", "runTags": {"a": "x=y"}}}),
        ("data.runTags.ml.owner=x", {"data": {"runStatus": "Running", "runTags": {"a": "1", "ml.owner": "x"}}}),
        ("subject=s", {"data": DATA, "subject": "s"}),
        (
            "data.runProperties.b=",
            {"data": {"runStatus": "Running", "runTags": {"a": "1"}, "runProperties": {"b": ""}}},
        ),
    ],
)
def test_changes_follow_the_spelling_of_the_event(changes: str, expected: dict[str, Any]) -> None:
    event = {"data": {"runStatus": "Running", "runTags": {"a": "1"}}}
    key, _, value = changes.partition("=")
    change_event(event, {key: value})
    assert event == expected


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("nonsense",), "there is no file nonsense, and no such sample; samples are alert_fired, "),
        (("run_completed", "data"), "'data' is no change; write KEY=VALUE"),
        (("run_completed", "data..x=1"), "'data..x' is not a key of an event"),
        (("run_completed", "id.x=1"), "'id.x': id is no object of the event"),
        (("run_completed", "--function-app", "app"), "--function-app needs --resource-group, to ask `az` for its key"),
    ],
)
def test_invalid_arguments_are_refused(
    deployed: Deployed, arguments: tuple[str, ...], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["send", "--app", str(deployed.folder), *arguments]) == 2
    assert reason in capsys.readouterr().err


@pytest.mark.services
class TestKey:
    """The key of a deployed app, from the environment or from `az`."""

    def az(self, folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
        (folder / "az").write_text(f"#!/bin/sh\n{script}\n")
        (folder / "az").chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")

    def target(self, folder: Path) -> str:
        return sending._target("azureml_event", "", "app", "rg", folder)

    def test_az_is_asked_for_the_key(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.az(tmp_path, monkeypatch, 'echo "a/b=="; echo "$@" > ' + str(tmp_path / "asked"))
        url = "https://app.azurewebsites.net/runtime/webhooks/eventgrid?functionName=azureml_event&code=a%2Fb%3D%3D"
        assert self.target(tmp_path) == url
        asked = (
            "functionapp keys list --name app --resource-group rg --query systemKeys.eventgrid_extension --output tsv"
        )
        assert (tmp_path / "asked").read_text().strip() == asked

    def test_key_of_the_environment_comes_first(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(sending.KEY, "k")
        assert self.target(tmp_path).endswith("&code=k")

    def test_refusal_of_az_is_reported(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.az(tmp_path, monkeypatch, "echo 'Please run az login' >&2; exit 1")
        with pytest.raises(UsageError, match="`az` does not give the key of app: Please run az login"):
            self.target(tmp_path)

    def test_missing_az_is_reported(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PATH", str(tmp_path))
        with pytest.raises(UsageError, match="`az` is not installed: set MLEVENTS_EVENTGRID_KEY"):
            self.target(tmp_path)

    def test_errors_do_not_show_the_key(self, tmp_path: Path) -> None:
        assert "secret" not in sending._delivered("http://localhost:9/x?functionName=f&code=secret", {})
