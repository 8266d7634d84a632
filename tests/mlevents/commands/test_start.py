"""`mlevents start` as a process: it is started, used and stopped."""

import contextlib
import json
import os
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests
from azure.storage.queue import QueueClient

from emulator.state.storage_account import ACCOUNT, KEY
from mlevents.__main__ import main
from tests.kit.started import COMMAND, Started, descendants, running, until

pytestmark = pytest.mark.services
REPEATS = pytest.mark.no_cover  # lines that other tests cover: processes start more quickly without

APP = '''
import json, logging, os, smtplib, time
from email.message import EmailMessage
import azure.functions as func

app = func.FunctionApp()


@app.event_grid_trigger(arg_name="event")
def received(event: str) -> None:
    """Log the event, and mail it."""
    keys = {"name": "event.received", "id": "e1", "type": "T", "workspace": "w", "object": "o", "rules": "r"}
    logging.getLogger("mlevents").info("", extra={"mlevents": keys})
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "app@example.com", "team@example.com", "It came"
    with smtplib.SMTP(os.environ["EMAIL_SMTP_HOST"], int(os.environ["EMAIL_SMTP_PORT"])) as client:
        client.send_message(mail)


@app.event_grid_trigger(arg_name="event")
def prints_its_storage(event: str) -> None:
    print("connection:", os.environ["AzureWebJobsStorage"])


@app.event_grid_trigger(arg_name="event")
def sleeps(event: str) -> None:
    time.sleep(60)


@app.timer_trigger(arg_name="timer", schedule="0 0 0 1 1 *")
def sweep(timer: func.TimerRequest) -> None:
    print("swept")


@app.route("web/{*path}", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
def web(req: func.HttpRequest) -> str:
    return "a page"


@app.queue_trigger(arg_name="message", queue_name="work", connection="AzureWebJobsStorage")
def work(message: func.QueueMessage) -> None:
    print("worked:", message.get_body().decode())
'''
SETTINGS = {
    "AzureWebJobsStorage": "UseDevelopmentStorage=true",
    "EMAIL_SMTP_HOST": "localhost",
    "EMAIL_SMTP_PORT": "1025",
}


@pytest.fixture
def app(tmp_path: Path) -> Path:
    return write_app(tmp_path / "app")


def write_app(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "host.json").write_text('{"extensions": {"queues": {"maxPollingInterval": "00:00:00.2"}}}')
    (folder / "function_app.py").write_text(APP)
    (folder / "local.settings.json").write_text(json.dumps({"IsEncrypted": False, "Values": SETTINGS}))
    return folder


@pytest.fixture
def start(app: Path) -> Iterator[Callable[..., Started]]:
    processes: list[Started] = []

    def begin(*arguments: str, **environment: str) -> Started:
        processes.append(Started("start", "--app", str(app), *arguments, **environment))
        return processes[-1]

    yield begin
    for started in processes:
        started.end(signal.SIGINT)


URL = r"(http://localhost:\d+/runtime/webhooks/eventgrid\?functionName=)NAME"


def test_an_event_is_received_a_mail_arrives_and_ctrl_c_stops_everything(
    start: Callable[..., Started], app: Path
) -> None:
    """URLs, Azurite, queue and mailbox work, and no child process is left."""
    started = start("--port", "0")
    url = started.wait_for(URL)[1] + "received"
    started.wait_for("Ctrl-C stops everything")
    assert f"Mails       are not delivered: each is a numbered file in {app}/.mlevents/mails" in started.lines
    assert "Event Grid  received, prints_its_storage, sleeps" in started.lines
    assert "Queue       work" in started.lines
    started.wait_for("printed +swept")
    answer = requests.post(url, json=[{"id": "1"}], headers={"aeg-event-type": "Notification"}, timeout=30)
    assert answer.status_code == 202
    started.wait_for(r"event +T  o  w → r$")
    started.wait_for(r"mail +0001  'It came'  to team@example\.com$")
    modes = {
        name: (app / ".mlevents" / name).stat().st_mode & 0o777 for name in ("", "mails", "mails/0001-it-came.eml")
    }
    assert modes == {"": 0o700, "mails": 0o700, "mails/0001-it-came.eml": 0o600}
    children = descendants(started.process.pid)
    assert len(children) >= 2
    assert started.end(signal.SIGINT) == 0
    assert not running(children)


def test_errors_in_the_rules_are_reported_before_the_functions(start: Callable[..., Started], app: Path) -> None:
    """They do not stop it: the rules of the other files are in force."""
    (app / "host.json").write_text('{"functionTimeout": "00:05:00"}')
    settings = {"IsEncrypted": False, "Values": {**SETTINGS, "EMAIL_FROM": "app@example.com"}}
    (app / "local.settings.json").write_text(json.dumps(settings))
    (app / "rules").mkdir()
    (app / "rules/workspaces.yaml").write_text("workspaces: {}\n")
    (app / "rules/a.yaml").write_text("rules:\n  - { name: a, on: RunCompleted, do: lgo }\n")
    started = start("--port", "0", "--no-azurite")
    started.wait_for("Ctrl-C stops everything")
    [error] = [number for number, line in enumerate(started.lines) if line.startswith("rules/a.yaml:2:")]
    assert "Did you mean log?" in started.lines[error]
    assert error < started.lines.index("Functions:")


@REPEATS
def test_ctrl_c_ends_it_while_it_starts(start: Callable[..., Started], app: Path) -> None:
    (app / "function_app.py").write_text("import time\nprint('loading')\ntime.sleep(60)\n")
    started = start("--port", "0", "--no-azurite")
    started.wait_for("loading")
    children = descendants(started.process.pid)
    assert children
    assert started.end(signal.SIGINT) == 0
    assert not running(children)


@pytest.mark.soak
def test_a_second_ctrl_c_ends_it_at_once(start: Callable[..., Started], app: Path) -> None:
    """It waits for nothing, and leaves no child process."""
    started = start("--port", "0", "--no-azurite")
    url = started.wait_for(URL)[1] + "sleeps"
    started.wait_for("Ctrl-C")
    children = descendants(started.process.pid)
    with contextlib.suppress(requests.Timeout):
        requests.post(url, json=[{}], headers={"aeg-event-type": "Notification"}, timeout=0.5)
    started.process.send_signal(signal.SIGINT)
    started.wait_for("stopping")
    assert started.end(signal.SIGINT) == 130
    until(lambda: not running(children))


@REPEATS
@pytest.mark.soak
def test_sigkill_leaves_no_child_process(start: Callable[..., Started]) -> None:
    """Worker and Azurite end when the host has ended."""
    started = start("--port", "0")
    started.wait_for("Ctrl-C stops everything")
    children = descendants(started.process.pid)
    assert len(children) >= 2
    assert started.end(signal.SIGKILL) == -signal.SIGKILL
    until(lambda: not running(children))


@REPEATS
def test_sigkill_of_make_ends_everything(app: Path, tmp_path: Path) -> None:
    """`make start` has started it. Other parents, such as a shell, may end before it."""
    makefile = tmp_path / "Makefile"
    makefile.write_text(f"start:\n\t@{' '.join(COMMAND)} start --app {app} --port 0 --no-azurite --no-azure\n")
    started = Started(command=["make", "-f", str(makefile), "start"])
    started.wait_for("Ctrl-C stops everything")
    children = descendants(started.process.pid)
    assert len(children) >= 2
    assert started.end(signal.SIGKILL) == -signal.SIGKILL
    until(lambda: not running(children))


@REPEATS
@pytest.mark.soak
def test_certificates_that_a_killed_app_has_left_are_deleted(start: Callable[..., Started], app: Path) -> None:
    folder = app / ".mlevents" / "certificates"
    started = start("--port", "0", "--no-azurite")
    started.wait_for("Ctrl-C stops everything")
    assert started.end(signal.SIGKILL) == -signal.SIGKILL
    left = {path.read_bytes() for path in folder.iterdir()}
    assert left
    started = start("--port", "0", "--no-azurite")
    started.wait_for("Ctrl-C stops everything")
    assert not left & {path.read_bytes() for path in folder.iterdir()}
    started.end(signal.SIGINT)
    assert not folder.exists()


def storage(started: Started) -> str:
    url = started.wait_for(URL)[1] + "prints_its_storage"
    started.wait_for("Ctrl-C")
    requests.post(url, json=[{}], headers={"aeg-event-type": "Notification"}, timeout=30)
    return started.wait_for("connection: (.*)$")[1]


@REPEATS
@pytest.mark.soak
def test_storage_survives_a_restart(start: Callable[..., Started]) -> None:
    started = start("--port", "0")
    connection = connection_string(storage(started))
    with QueueClient.from_connection_string(connection, "kept") as queue:
        queue.create_queue()
        queue.send_message("still here")
    assert started.end(signal.SIGINT) == 0
    again = start("--port", "0")
    with QueueClient.from_connection_string(connection_string(storage(again)), "kept") as queue:
        assert [message.content for message in queue.peek_messages()] == ["still here"]


def connection_string(text: str) -> str:
    """The connection string, spelled out if it is UseDevelopmentStorage=true."""
    if text != "UseDevelopmentStorage=true":
        return text
    return f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY};QueueEndpoint=http://127.0.0.1:10001/{ACCOUNT}"


@pytest.mark.soak
def test_azurite_uses_other_ports_if_its_usual_ones_are_taken(start: Callable[..., Started]) -> None:
    """The worker gets a connection string with them."""
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with contextlib.suppress(OSError):  # another Azurite has it: as good
            taken.bind(("127.0.0.1", 10001))
            taken.listen()
        text = storage(start("--port", "0"))
    assert "QueueEndpoint=http://127.0.0.1:" in text
    assert ":10001/" not in text


def test_a_second_start_in_the_same_folder_is_refused(
    start: Callable[..., Started], app: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = start("--port", "0", "--no-azurite")
    first.wait_for("Ctrl-C")
    assert main(["start", "--app", str(app), "--port", "0", "--no-azurite"]) == 1
    assert "another `mlevents start` uses" in capsys.readouterr().out


def test_a_taken_port_is_reported(start: Callable[..., Started]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        started = start("--port", str(port), "--no-azurite")
        assert started.end() == 1
    assert any(f"cannot listen on port {port}" in line for line in started.lines)


@pytest.mark.parametrize("port", ["65536", "-1", "http"])
def test_an_invalid_port_is_refused(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["start", f"--port={port}"]) == 2
    assert "is not a port" in capsys.readouterr().err


def test_nothing_is_written_to_a_folder_without_an_app(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["start", "--app", str(tmp_path)]) == 1
    assert "that is not a function app" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


def test_a_read_only_folder_is_reported_in_one_line(app: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (app / ".mlevents").write_text("a file where the folder should be")
    assert main(["start", "--app", str(app), "--port", "0"]) == 1
    [line] = capsys.readouterr().out.splitlines()
    assert f"{app}/.mlevents" in line


def test_the_port_of_local_settings_json_is_used(start: Callable[..., Started], app: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    document = {"IsEncrypted": False, "Values": SETTINGS, "Host": {"LocalHttpPort": port}}
    (app / "local.settings.json").write_text(json.dumps(document))
    started = start("--no-azurite")
    started.wait_for(f"http://localhost:{port}/runtime")
    started.wait_for("Ctrl-C")
    assert started.end(signal.SIGHUP) == 0  # a closed terminal is no failure, nor is SIGTERM: see `verbose`


def test_an_app_that_cannot_be_indexed_is_reported_with_its_stack_trace(
    start: Callable[..., Started], app: Path
) -> None:
    (app / "function_app.py").write_text("import nothing_of_that_name\n")
    started = start("--port", "0", "--no-azurite")
    assert started.end() == 1
    assert any("cannot be indexed" in line and "nothing_of_that_name" in line for line in started.lines)
    assert any("Traceback" in line for line in started.lines)


def test_unreadable_settings_are_reported(start: Callable[..., Started], app: Path) -> None:
    (app / "local.settings.json").write_text('{"IsEncrypted": true}')
    started = start("--port", "0")
    assert started.end() == 1
    assert any("IsEncrypted is not false" in line for line in started.lines)
    assert not any("Traceback" in line for line in started.lines)


@pytest.mark.soak
def test_start_ends_when_azurite_ends(start: Callable[..., Started]) -> None:
    started = start("--port", "0")
    started.wait_for("Ctrl-C")
    listed = subprocess.run(["ps", "-ww", "-A", "-o", "pid=,args="], capture_output=True, text=True, check=True).stdout
    commands = {int(line.split()[0]): line for line in listed.splitlines()}
    azurite = next(pid for pid in descendants(started.process.pid) if "azurite.js" in commands[pid])
    os.kill(azurite, signal.SIGKILL)
    assert started.end() == 1
    assert any("Azurite has ended" in line for line in started.lines)


@pytest.fixture(scope="module")
def verbose(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Started]:
    """One process with --verbose for all tests that only read its output."""
    folder = write_app(tmp_path_factory.mktemp("verbose"))
    environment = {"EMAIL_SMTP_HOST": "smtp.example.com", "AzureWebJobs_work_Disabled": "true"}
    started = Started("start", "--app", str(folder), "--port", "0", "--no-azurite", "--verbose", **environment)
    started.wait_for("Ctrl-C")
    yield started
    assert started.end(signal.SIGTERM) == 0


def test_a_real_mail_server_is_used_and_named(verbose: Started) -> None:
    verbose.wait_for(r"Mails       are really delivered, by smtp\.example\.com")
    verbose.wait_for("EMAIL_SMTP_HOST is as the environment has it")


@pytest.mark.soak
def test_azure_communication_services_is_used_and_named(start: Callable[..., Started], app: Path) -> None:
    """The console must warn that mails are really delivered."""
    values = {"AzureWebJobsStorage": "UseDevelopmentStorage=true", "EMAIL_ACS_ENDPOINT": "https://acs.example.com"}
    (app / "local.settings.json").write_text(json.dumps({"IsEncrypted": False, "Values": values}))
    start("--port", "0", "--no-azurite").wait_for(r"Mails       are really delivered, by https://acs\.example\.com")


@pytest.mark.soak
def test_the_emulated_or_real_azure_ml_is_named(start: Callable[..., Started], app: Path) -> None:
    """With a warning if the mail service is real, for it does not know the emulated identity."""
    values = {"AzureWebJobsStorage": "UseDevelopmentStorage=true", "EMAIL_ACS_ENDPOINT": "https://acs.example.com"}
    (app / "local.settings.json").write_text(json.dumps({"IsEncrypted": False, "Values": values}))
    started = start("--port", "0", "--no-azurite")
    started.wait_for(r"Azure ML    is emulated at https://localhost:\d+; try")
    started.wait_for("set EMAIL_ACS_KEY, or start with --no-azure")
    assert started.end(signal.SIGTERM) == 0
    started = start("--port", "0", "--no-azurite", "--no-azure")
    started.wait_for(r"Azure ML    is the real one, at https://management\.azure\.com$")
    assert started.end(signal.SIGTERM) == 0
    values["MLEVENTS_ARM_ENDPOINT"] = "https://management.usgovcloudapi.net"
    (app / "local.settings.json").write_text(json.dumps({"IsEncrypted": False, "Values": values}))
    start("--port", "0", "--no-azurite").wait_for(r"Azure ML    is the real one, at https://management\.usgov")


def test_address_of_the_page_is_printed(verbose: Started) -> None:
    address = verbose.wait_for(r"^Page        (http://localhost:\d+/api/web)$")[1]
    assert requests.get(address, timeout=30).text == "a page"


def test_disabled_functions_are_marked(verbose: Started) -> None:
    verbose.wait_for("^disabled    work$")


def test_verbose_prints_every_call(verbose: Started) -> None:
    url = verbose.wait_for(URL)[1] + "prints_its_storage"
    requests.post(url, json=[{}], headers={"aeg-event-type": "Notification"}, timeout=30)
    verbose.wait_for(r"called +prints_its_storage  \(\d+ ms\)")
