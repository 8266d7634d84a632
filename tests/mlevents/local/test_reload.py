"""`mlevents start` loads an app again when its files change."""

import json
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from threading import Thread

import pytest
import requests

from tests.kit.started import Started, descendants, running, until

pytestmark = pytest.mark.services

APP = """
import os, pathlib, time
import azure.functions as func

app = func.FunctionApp()


@app.event_grid_trigger(arg_name="event")
def received(event: str) -> None:
    print("first version", os.environ.get("MINE"))


@app.event_grid_trigger(arg_name="event")
def waits(event: str) -> None:
    print("waiting")
    while not pathlib.Path("go").exists():
        time.sleep(0.05)
    print("waited")
"""
STORAGE = {"AzureWebJobsStorage": "UseDevelopmentStorage=true"}  # no request is made
WORKSPACES = "workspaces: {}\n"


def write_settings(folder: Path, **values: str) -> None:
    (folder / "local.settings.json").write_text(json.dumps({"IsEncrypted": False, "Values": {**STORAGE, **values}}))


@pytest.fixture
def app(tmp_path: Path) -> Path:
    (tmp_path / "host.json").write_text('{"functionTimeout": "00:05:00"}')
    (tmp_path / "function_app.py").write_text(APP)
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules/workspaces.yaml").write_text(WORKSPACES)
    (tmp_path / "rules/a.yaml").write_text("rules: []\n")
    write_settings(tmp_path)
    return tmp_path


@pytest.fixture
def started(app: Path) -> Iterator[Started]:
    process = Started("start", "--app", str(app), "--port", "0", "--no-azurite", "--no-mail", "--no-azure")
    process.wait_for("Ctrl-C stops everything")
    yield process
    assert process.end(signal.SIGINT) == 0


def send(started: Started, function: str) -> None:
    url = started.wait_for(r"(http://localhost:\d+/\S+functionName=)NAME$")[1] + function
    answer = requests.post(url, json=[{}], headers={"aeg-event-type": "Notification"}, timeout=60)
    assert answer.status_code == 202


def send_until_stopped(started: Started, function: str) -> None:
    with suppress(requests.RequestException, AssertionError):
        send(started, function)


def test_changed_code_is_loaded_and_running_calls_end_first(started: Started, app: Path) -> None:
    call = Thread(target=send, args=(started, "waits"))
    call.start()
    started.wait_for("printed +waiting")
    (app / "function_app.py").write_text(APP.replace("first version", "second version"))
    started.wait_for(r"changed +function_app\.py$")
    started.wait_for("reloaded +the app is as its files are now")
    send(started, "received")
    started.wait_for("printed +second version None")
    assert not any("waited" in line for line in started.lines)
    both = descendants(started.process.pid)
    (app / "go").touch()
    started.wait_for("printed +waited")
    call.join()
    until(lambda: len(running(both)) == 1)  # the old worker has ended


@pytest.mark.soak
def test_ctrl_c_after_a_reload_ends_both_workers(started: Started, app: Path) -> None:
    """Also the old one, whose call still runs."""
    call = Thread(target=send_until_stopped, args=(started, "waits"))
    call.start()
    started.wait_for("printed +waiting")
    (app / "function_app.py").write_text(APP + "\n")
    started.wait_for("reloaded +the app is as its files are now")
    both = descendants(started.process.pid)
    assert len(both) == 2
    assert started.end(signal.SIGINT, 60) == 0
    call.join()
    assert not running(both)
    assert not any("Unclosed" in line or "Traceback" in line for line in started.lines)


@pytest.mark.soak
def test_code_that_cannot_be_loaded_leaves_the_app_as_it_was(started: Started, app: Path) -> None:
    """The reason is printed, with the stack trace. The next change that is valid applies."""
    (app / "function_app.py").write_text(APP + "\nraise LookupError('no such thing')\n")
    started.wait_for(r"problem +the functions cannot be indexed: .*no such thing.*\. The app goes on as it was$")
    send(started, "received")
    started.wait_for("printed +first version None")
    added = "\n\n@app.event_grid_trigger(arg_name='event')\ndef added(event: str) -> None: ...\n"
    (app / "function_app.py").write_text(APP.replace("first version", "third version") + added)
    started.wait_for("reloaded +its functions or their triggers have changed: restart to apply that")
    send(started, "received")
    started.wait_for("printed +third version None")


@pytest.mark.soak
def test_changed_settings_and_rules_apply(started: Started, app: Path) -> None:
    """Errors in rules are printed as at the start; the app handles them itself."""
    write_settings(app, MINE="set")
    started.wait_for(r"changed +local\.settings\.json$")
    started.wait_for("reloaded +the app")
    send(started, "received")
    started.wait_for("printed +first version set")
    (app / "rules/a.yaml").write_text("rules:\n  - { name: a, on: RunCompleted, do: lgo }\n")
    started.wait_for(r"changed +rules/a\.yaml$")
    assert "Did you mean log?" in started.wait_for(r"^rules/a\.yaml:2:.*$")[0]
    (app / "local.settings.json").write_text("{")
    started.wait_for(r"problem +\S+local\.settings\.json, line 1, column 2: .*The app goes on as it was$")
