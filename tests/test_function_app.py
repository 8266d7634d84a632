"""function_app.py in Microsoft's Python worker, over HTTP, with Azurite and a mail server."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import requests
from azure.core.exceptions import ResourceExistsError
from azure.functions import QueueMessage
from azure.storage.queue import QueueClient

from dispatch.app import App
from dispatch.inbox.inbox import Inbox
from dispatch.inbox.storage_account import Storage
from dispatch.inbox.tables import AzureQueue
from dispatch.settings import CONNECTION, Environment
from function_app import text_of
from mlevents.commands import check
from mlevents.commands.demo import demo
from mlevents.commands.demo.deliveries import deliveries, differences
from mlevents.local.app import LocalApp
from mlevents.local.azurite import Azurite
from schemas import EVENT_TYPES, ModelRegistered, RunStatusChanged

ROOT = Path(__file__).resolve().parent.parent
EXAMPLE = ROOT / "local.settings.json.example"


def names() -> dict[str, str]:
    """Settings that name a table and queues for one test."""
    unique = uuid4().hex[:12]
    return {
        "MLEVENTS_TABLE": f"t{unique}",
        "MLEVENTS_QUEUE": f"actions-{unique}",
        "MLEVENTS_EVENTS_QUEUE": f"events-{unique}",
        "MLEVENTS_RULES": "samples/rules",
    }


@pytest.fixture(scope="module")
def local(azurite: Azurite, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalApp]:
    settings = {CONNECTION: azurite.connection_string, **names()}
    folder = tmp_path_factory.mktemp("local")
    with LocalApp(ROOT, settings=settings, settings_file=EXAMPLE, folder=folder, azure=True) as local:
        yield local


@pytest.fixture
def inbox(local: LocalApp) -> Inbox:
    return App.from_settings(local.environment, ROOT).inbox


def post(local: LocalApp, event: dict[str, Any], function: str = "azureml_event") -> requests.Response:
    """Deliver an event as Event Grid does."""
    headers = {"aeg-event-type": "Notification"}
    return requests.post(local.url_of(function), json=[event], headers=headers, timeout=30)


def settled(local: LocalApp, inbox: Inbox, id: str) -> dict[str, str]:
    """The status of the actions of an event by rule, once all have ended."""

    def ends() -> dict[str, str] | None:
        for day in inbox.history.days():
            history = inbox.history.day(day)
            for key, event in history.events.items():
                actions = [(action, record) for action, record in history.actions if action.event == key]
                if (
                    event.id == id
                    and all(record.ended for _, record in actions)
                    and not inbox.backlog.open_actions(day)
                ):
                    return {action.rule: record.status for action, record in actions}
        return None

    found: dict[str, str] = local.wait(ends)
    return found


def test_the_functions_have_their_documented_names_and_triggers(local: LocalApp) -> None:
    """Renaming a function breaks event subscriptions."""
    listed = requests.get(f"{local.url}/admin/functions", timeout=10).json()
    environment = local.environment
    actions, events = environment["MLEVENTS_QUEUE"], environment["MLEVENTS_EVENTS_QUEUE"]
    grid = {name: {"type": "eventGridTrigger"} for name in ("azureml_event", *SINGLE)}
    queues = {"act": actions, "act_poison": f"{actions}-poison"}
    queues |= {"queued_event": events, "queued_event_poison": f"{events}-poison"}
    found = {f["name"]: f["config"]["bindings"][0] for f in listed}
    assert found.keys() == grid.keys() | queues.keys() | {"sweep", "watch", "web", "monitor_alert"}
    alert = found["monitor_alert"]
    assert (alert["type"], alert["route"], alert["authLevel"]) == ("httpTrigger", "monitor_alert", "FUNCTION")
    assert (found["web"]["type"], found["web"]["route"], found["web"]["authLevel"]) == (
        *("httpTrigger", "web/{*path}"),
        "ANONYMOUS",
    )
    timers = {name: b["schedule"] for name, b in found.items() if b["type"] == "timerTrigger"}
    assert timers == {"sweep": "0 */5 * * * *", "watch": "0 2-59/5 * * * *"}
    assert {name for name, b in found.items() if b["type"] == "eventGridTrigger"} == grid.keys()
    assert {name: b["queueName"] for name, b in found.items() if b["type"] == "queueTrigger"} == queues
    assert {b["connection"] for b in found.values() if b["type"] == "queueTrigger"} == {CONNECTION}


SINGLE = {
    "run_completed": "RunCompleted",
    "run_status_changed": "RunStatusChanged",
    "model_registered": "ModelRegistered",
    "model_deployed": "ModelDeployed",
    "dataset_drift_detected": "DatasetDriftDetected",
}


def test_an_event_leads_to_a_mail(local: LocalApp, inbox: Inbox) -> None:
    """By way of HTTP, the worker, the rules, the table, the queue and SMTP."""
    event = RunStatusChanged.example(id=uuid4().hex, run_id="bold_ant_42")
    response = post(local, event.wire())
    assert (response.status_code, response.text) == (202, "")
    assert settled(local, inbox, event.id) == {
        "mail-failed-runs": "succeeded",
        "log-mail-about-failed-runs": "succeeded",
        "log-everything": "succeeded",
    }
    [mail] = [mail for mail in local.mails if "bold_ant_42" in mail.text]
    assert mail.recipients == ("ml-team@example.com",)
    assert mail.subject == "churn-training failed in churn-prod"
    assert "samples/rules/churn.yaml" in mail.text or "rules/churn.yaml" in mail.text


def test_page_shows_the_event_and_its_actions(local: LocalApp, inbox: Inbox) -> None:
    """Through the local host, as a browser asks for it."""
    event = RunStatusChanged.example(id=uuid4().hex, run_id="tidy_owl_5", eventTime=datetime.now(UTC).isoformat())
    assert post(local, event.wire()).status_code == 202
    settled(local, inbox, event.id)
    base = f"{local.url}/api/web"
    for path in ("", "/events", "/events?status=succeeded&object=tidy_owl_5", "/find?name=tidy_owl_5", "/rules"):
        page = requests.get(base + path, timeout=30)
        assert page.status_code == 200
        assert page.headers["Content-Type"] == "text/html; charset=utf-8"
        assert page.headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert page.headers["Cache-Control"] == "no-store"
        assert "tidy_owl_5" in page.text or path == "/rules"
    [link] = set(
        re.findall(r'href="/api/web/(events/[^"]+)"', requests.get(f"{base}/find?name={event.id}", timeout=30).text)
    )
    shown = requests.get(f"{base}/{link}", timeout=30).text
    assert "mail-failed-runs" in shown
    assert "tidy_owl_5 failed" in shown
    assert requests.get(f"{base}/style.css", timeout=30).headers["Content-Type"] == "text/css; charset=utf-8"
    assert requests.get(f"{base}/nothing", timeout=30).status_code == 404
    assert requests.post(base, timeout=30).status_code == 404


def test_form_of_the_page_replays_an_action(local: LocalApp, inbox: Inbox) -> None:
    """The cookie, the form and the redirection pass the host."""
    event = RunStatusChanged.example(id=uuid4().hex, run_id="tidy_owl_6", eventTime=datetime.now(UTC).isoformat())
    assert post(local, event.wire()).status_code == 202
    settled(local, inbox, event.id)
    base, browser = f"{local.url}/api/web", requests.Session()
    found = browser.get(f"{base}/find?name={event.id}", timeout=30).text
    [path] = set(re.findall(r'href="/api/web/events/([^"]+)"', found))
    question = browser.get(f"{base}/replay", params={"event": path, "rule": "log-everything"}, timeout=30)
    assert "HttpOnly; Path=/; SameSite=Strict" in question.headers["Set-Cookie"]
    form = dict(re.findall(r'<input type="hidden" name="([a-z]+)" value="([^"]*)">', question.text))
    assert browser.post(f"{base}/replay", form, timeout=30).status_code == 403
    done = browser.post(f"{base}/replay", form, headers={"Origin": local.url}, timeout=30)
    assert done.url == f"{base}/events/{path}?done=replayed&count=1"
    assert "To run again: 1 action." in done.text


@pytest.mark.parametrize(("function", "event_class"), SINGLE.items())
def test_each_type_has_its_own_function(local: LocalApp, inbox: Inbox, function: str, event_class: str) -> None:
    event = EVENT_TYPES[f"Microsoft.MachineLearningServices.{event_class}"].example(id=uuid4().hex)
    assert post(local, event.wire(), function).status_code == 202
    assert settled(local, inbox, event.id)["log-everything"] == "succeeded"


def test_an_event_can_be_received_from_a_queue(local: LocalApp, inbox: Inbox) -> None:
    """Event Grid encodes its messages in Base64."""
    event = ModelRegistered.example(id=uuid4().hex)
    storage = Storage.of(Environment(local.environment))
    with storage.queue(local.environment["MLEVENTS_EVENTS_QUEUE"]) as queue:
        AzureQueue(queue).send(json.dumps(event.wire()))
        assert settled(local, inbox, event.id)["log-everything"] == "succeeded"


def test_an_event_in_plain_text_can_be_received_from_a_queue(local: LocalApp, inbox: Inbox) -> None:
    """Storage Explorer and `az storage message put` send messages as they are."""
    event = ModelRegistered.example(id=uuid4().hex)
    name = local.environment["MLEVENTS_EVENTS_QUEUE"]
    with QueueClient.from_connection_string(local.connection_string, name) as queue:
        with suppress(ResourceExistsError):
            queue.create_queue()
        queue.send_message(json.dumps(event.wire(), indent=2, ensure_ascii=False))
        assert settled(local, inbox, event.id)["log-everything"] == "succeeded"


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b'{"id": 1}', '{"id": 1}'),
        (b"eyJpZCI6IDF9", '{"id": 1}'),
        (b"eyJp\r\n ZCI6IDF9\n", '{"id": 1}'),
        ("ä".encode(), "ä"),
        (b"w6Q=", "ä"),
        (b"/w==", "\ufffd"),
        (b"\xff", "\ufffd"),
        (b"eyJpZCI6IDF", "eyJpZCI6IDF"),
        (b"", ""),
    ],
)
def test_queue_messages_are_decoded_whether_they_are_base64_or_not(body: bytes, text: str) -> None:
    assert text_of(QueueMessage(body=body)) == text


def test_the_sweep_can_be_invoked(local: LocalApp) -> None:
    local.invoke("sweep")
    assert [record for record in local.records if record["name"] == "sweep.done"]


def test_the_watch_can_be_invoked(local: LocalApp) -> None:
    local.invoke("watch")
    assert [record for record in local.records if record["name"] == "watch.done"]


def test_a_malformed_event_is_accepted_and_recorded(local: LocalApp, inbox: Inbox) -> None:
    """After a failure, Event Grid would deliver it again for a day."""
    id = uuid4().hex
    malformed = {"id": id, "eventType": "Microsoft.MachineLearningServices.RunCompleted", "data": {}}
    assert post(local, malformed).status_code == 202
    rejected = [r for day in inbox.history.days() for r in inbox.history.day(day).rejected if id in r.raw]
    assert [(r.kind, "data.runId" in r.reason, "topic" in r.reason) for r in rejected] == [("malformed", True, True)]


@pytest.mark.parametrize(
    ("setting", "value", "says"),
    [
        ("AzureFunctionsJobHost__functionTimeout", "soon", "AzureFunctionsJobHost__functionTimeout is 'soon'"),
        (CONNECTION, "@Microsoft.KeyVault(SecretUri=x)", "AzureWebJobsStorage is a Key Vault reference"),
    ],
)
@pytest.mark.services
def test_an_invalid_setting_fails_every_call(setting: str, value: str, says: str, tmp_path: Path) -> None:
    """The functions are indexed nevertheless, so that event subscriptions can be created."""
    code = (
        "import function_app\n"
        "print(len(function_app.app.get_functions()))\n"
        "for _ in range(2):\n"
        "    try:\n"
        "        function_app.receive('{}', function_app.the_app())\n"
        "    except Exception as error:\n"
        "        print(type(error).__name__, error)\n"
    )
    settings = json.loads(EXAMPLE.read_text())["Values"] | {setting: value, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=settings, capture_output=True, text=True, check=True
    )
    functions, *errors = done.stdout.splitlines()
    assert int(functions) == 14
    assert len(errors) == 2
    assert all(error.startswith(f"SettingsError the app setting {says}") for error in errors)


@pytest.mark.soak  # `make demo` itself is part of what continuous integration runs
def test_the_demo_succeeds(capsys: pytest.CaptureFixture[str]) -> None:
    assert demo.demo(ROOT) == 0
    shown = capsys.readouterr().out
    assert "all as expected" in shown
    assert shown.count("  to ml-team@example.com: ") == 7
    assert shown.count("Subject:") == 1


def test_the_demo_lists_differences_from_its_expectations(local: LocalApp) -> None:
    todo = list(deliveries(ROOT / "samples"))
    wrong = list(differences(todo, {}, [], local))
    assert any(line.startswith("a run failed: None instead of") for line in wrong)
    assert any(line.startswith("the app logged") for line in wrong)
    assert any("'churn 8 is registered for production'" in line for line in wrong)


def test_check_prints_what_each_rule_would_do(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLEVENTS_RULES", "samples/rules")
    assert check.check(ROOT) == 0
    shown = capsys.readouterr().out
    assert "mail-failed-runs on RunStatusChanged: mail to ml-team@example.com" in shown
    assert shown.rstrip().endswith("no errors")


def test_check_refuses_templates_that_fail_on_a_sample(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A model may lack the tag, so the rule must require it, or the template have a default."""
    tour = (ROOT / "samples" / "rules" / "workspaces.yaml").read_text()
    (tmp_path / "workspaces.yaml").write_text(tour)
    text = "rules: [{ name: x, on: ModelRegistered, do: log, with: { message: '{{ data.modelTags.mine }}' } }]\n"
    (tmp_path / "team.yaml").write_text(text)
    monkeypatch.setenv("MLEVENTS_RULES", str(tmp_path))
    assert check.check(ROOT) == 1
    assert "x on ModelRegistered: the event has no 'mine' here. Use default('…')" in capsys.readouterr().out


def test_check_prints_every_error(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Its exit code is 1."""
    (tmp_path / "workspaces.yaml").write_text("workspaces: { a: { id: b } }\n")
    (tmp_path / "team.yaml").write_text("rules: [{ name: x, on: RunCompleted, do: emial }]\n")
    monkeypatch.setenv("MLEVENTS_RULES", str(tmp_path))
    assert check.check(ROOT) == 1
    shown = capsys.readouterr().out
    assert "workspaces.yaml:1:" in shown
    assert "Did you mean email?" in shown
    assert "errors" in shown
