"""`mlevents subscriptions`: its formats, what it refuses, and the comparison with what is deployed."""

import json
import sys
from copy import deepcopy
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError

from mlevents.__main__ import main
from mlevents.subscriptions import live
from mlevents.testing import Answer, RecordingServer, Request
from tests.kit.world import ARM, SETTINGS, WORKSPACES
from tests.mlevents.subscriptions.readers import ARGUMENTS, of_arm, of_bicep

DEV, PROD = SETTINGS["RULES_WS_CHURN_DEV"], SETTINGS["RULES_WS_CHURN_PROD"]
RULES = """
rules:
  - { name: a, on: RunStatusChanged, when: data.runStatus StringIn Failed, do: log, in: churn-dev }
"""
GIVEN = ["--function-app", ARGUMENTS["functionAppId"], "--storage", ARGUMENTS["storageId"]]
FUNCTION: dict[str, Any] = {
    "endpointType": "AzureFunction",
    "properties": {"resourceId": f"{ARGUMENTS['functionAppId']}/functions/azureml_event"},
}
TOPIC = f"{DEV.partition('/providers/')[0]}/providers/Microsoft.EventGrid/systemTopics/mlevents-churn-dev"


class Command:
    """The command over an app in a folder."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self._capsys = folder, capsys

    def __call__(self, *arguments: str) -> tuple[int, str]:
        code = main(["subscriptions", "--app", str(self.folder), *arguments])
        captured = self._capsys.readouterr()
        return code, captured.out + captured.err


@pytest.fixture
def command(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """Two workspaces, and a rule for one of them."""
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules/workspaces.yaml").write_text(WORKSPACES)
    (tmp_path / "rules/a.yaml").write_text(RULES)
    (tmp_path / "host.json").write_text('{"functionTimeout": "00:05:00"}')
    for name, value in {**SETTINGS, "AzureWebJobsStorage": "UseDevelopmentStorage=true"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "path", [*sys.path])
    return Command(tmp_path, capsys)


def test_commands_of_az_are_printed(command: Command) -> None:
    code, text = command()
    assert code == 0
    assert text.count("az eventgrid system-topic event-subscription create") == 1
    assert "# churn-prod needs no subscription: no rule acts on its events" in text
    assert "--advanced-filter" not in text
    assert "--advanced-filter data.runStatus StringIn Failed" in command("--filter")[1]


def test_forms_are_written_to_files(command: Command) -> None:
    assert command("--format", "arm", "--output", str(command.folder / "x.json"))[0] == 0
    assert command("--format", "bicep", "--output", str(command.folder / "infra"))[0] == 0
    files = {
        str(path.relative_to(command.folder / "infra")): path.read_text()
        for path in (command.folder / "infra").rglob("*.bicep")
    }
    assert len(of_bicep(files)) == len(of_arm(json.loads((command.folder / "x.json").read_text()))) == 2


def test_model_is_json(command: Command) -> None:
    code, text = command("--format", "json", "--topic", "churn-dev=mine", "--name", "own", "--via", "queue")
    [found] = json.loads(text)["subscriptions"]
    assert (code, found["topic"], found["name"], found["rules"]) == (0, "mine", "own", ["a"])
    assert command("--json")[1].startswith("{")


def test_what_cannot_be_is_refused(command: Command) -> None:
    assert command("--via", "queue") == (
        1,
        "az cannot create a subscription that uses the identity of a system topic (azure-cli#26910): "
        "use --format bicep or --format arm\n",
    )
    for arguments, text in {
        ("--format", "bicep"): "name their folder with --output",
        ("--topic", "other=x"): "workspaces.yaml has no workspace 'other'",
        ("--storage", "STORAGE"): "'STORAGE' is not an ARM id",
        ("--diff", "missing.json"): "cannot be read",
    }.items():
        code, found = command(*arguments)
        assert (code, text in found) == (2, True), found
    code, text = command("--output", str(command.folder / "rules"))
    assert (code, "cannot be written" in text) == (1, True)


def test_rules_with_errors_are_refused(command: Command) -> None:
    """The filter must follow from all rules."""
    (command.folder / "rules/b.yaml").write_text(RULES.replace("log", "lgo").replace("name: a", "name: b"))
    code, text = command()
    assert (code, "see `mlevents check`" in text) == (1, True)
    (command.folder / "host.json").write_text("{")
    assert command()[0] == 1


def deployed(command: Command) -> dict[str, Any]:
    """The subscription as Resource Manager returns it, once the template was deployed."""
    template = json.loads(command("--format", "arm", *GIVEN)[1])
    found = of_arm(template)[1]
    return {
        "id": f"{TOPIC}/eventSubscriptions/azureml-event",
        "name": "azureml-event",
        "properties": found["properties"],
    }


def compared(command: Command, *found: dict[str, Any], options: tuple[str, ...] = ()) -> list[str]:
    """The kinds of the differences, with their workspaces."""
    file = command.folder / "deployed.json"
    file.write_text(json.dumps(found))
    code, text = command("--diff", str(file), "--json", *GIVEN, *options)
    differences = json.loads(text)
    assert code == (1 if differences else 0)
    return [f"{each['workspace']} {each['kind']}" for each in differences]


def changed(found: dict[str, Any], **properties: Any) -> dict[str, Any]:
    return {**deepcopy(found), "properties": {**found["properties"], **properties}}


def test_deployed_subscription_is_as_needed(command: Command) -> None:
    """As Resource Manager returns it, and as az prints it; alone, in a list, or in a page."""
    found = deployed(command)
    flat = {**found["properties"], "id": found["id"], "name": found["name"], "resourceGroup": "rg"}
    destination = flat["destination"]
    flat["destination"] = {"endpointType": destination["endpointType"], **destination["properties"]}
    dead_letters = flat["deadLetterDestination"]
    flat["deadLetterDestination"] = {"endpointType": "StorageBlob", **dead_letters["properties"]}
    assert compared(command, found) == compared(command, flat) == []
    file = command.folder / "page.json"
    file.write_text(json.dumps({"value": [found]}) + "\n" + json.dumps([flat]))
    assert command("--diff", str(file))[0] == 0
    file.write_text(json.dumps({"value": [found], "nextLink": "https://management.azure.com/x"}))
    assert "its nextLink" in command("--diff", str(file))[1]


@pytest.mark.parametrize(
    ("change", "kinds"),
    [
        ({"filter": {"includedEventTypes": ["Microsoft.MachineLearningServices.RunCompleted"]}}, ["types", "types"]),
        ({"filter": {}}, ["types"]),
        ({"filter": {"includedEventTypes": ["All"], "subjectBeginsWith": "x"}}, ["types", "filter"]),
        ({"deadLetterDestination": None}, ["dead-letters"]),
        ({"retryPolicy": {"maxDeliveryAttempts": 3, "eventTimeToLiveInMinutes": 60}}, ["retry", "retry"]),
        ({"destination": {"endpointType": "WebHook", "properties": {}}}, ["destination"]),
        ({"destination": {**FUNCTION, "properties": {**FUNCTION["properties"], "maxEventsPerBatch": 9}}}, ["batch"]),
    ],
    ids=str,
)
def test_differences_are_found(change: dict[str, Any], kinds: list[str], command: Command) -> None:
    found = changed(deployed(command), **change)
    assert compared(command, found) == [f"churn-dev {kind}" for kind in kinds]


def test_filters_are_compared_without_order_and_case(command: Command) -> None:
    found = deployed(command)
    types = found["properties"]["filter"]["includedEventTypes"]
    one = {"operatorType": "StringIn", "key": "Data.RunStatus", "values": ["FAILED"], "value": None}
    narrow = changed(found, filter={"includedEventTypes": types, "advancedFilters": [one]})
    assert compared(command, narrow) == ["churn-dev filter"]
    assert compared(command, narrow, options=("--filter",)) == ["churn-dev filter"]  # it does not search arrays
    arrays = {"enableAdvancedFilteringOnArrays": True, **narrow["properties"]["filter"]}
    assert compared(command, changed(found, filter=arrays), options=("--filter",)) == []
    assert compared(command, found, options=("--filter",)) == ["churn-dev filter"]


def test_missing_and_extra_subscriptions_are_found(command: Command) -> None:
    found = deployed(command)
    second = {**found, "name": "other", "id": f"{TOPIC}/eventSubscriptions/other"}
    at_workspace = {**found, "id": f"{PROD}/providers/Microsoft.EventGrid/eventSubscriptions/azureml-event"}
    topic = {"id": TOPIC.replace("mlevents-", "own-"), "name": "own", "properties": {"source": DEV}}
    in_own = {**found, "id": f"{topic['id']}/eventSubscriptions/azureml-event"}
    others = changed(second, destination={"endpointType": "EventHub", "properties": {"resourceId": "/x"}})
    assert compared(command) == ["churn-dev missing"]
    assert compared(command, found, second, others) == ["churn-dev extra"]
    assert compared(command, found, at_workspace) == ["churn-prod extra"]
    assert compared(command, topic, in_own) == []
    assert compared(command, in_own) == ["churn-dev missing"]


def test_queue_is_compared(command: Command) -> None:
    found = deployed(command)
    assert compared(command, found, options=("--via", "queue")) == ["churn-dev destination"]
    template = json.loads(command("--format", "arm", "--via", "queue", *GIVEN)[1])
    queued = {**found, "name": "queued-event", "properties": of_arm(template)[-1]["properties"]}
    assert compared(command, queued, options=("--via", "queue")) == []
    plain = queued["properties"].pop("deliveryWithResourceIdentity")
    assert compared(command, changed(queued, destination=plain["destination"]), options=("--via", "queue")) == [
        "churn-dev destination"
    ]
    dead_letters = {"endpointType": "StorageBlob", "properties": {"resourceId": "/x", "blobContainerName": "y"}}
    assert compared(command, changed(found, deadLetterDestination=dead_letters)) == ["churn-dev dead-letters"]


@pytest.mark.parametrize("text", ["{", "5", '{"filter": 1}', '[{"name": "x", "filter": {"subjectBeginsWith": 1}}]'])
def test_what_is_no_subscription_is_reported(text: str, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", StringIO(text))
    code, found = command("--diff", "-")
    assert (code, found.startswith("- cannot be compared: ")) == (1, True)


def test_differences_are_printed_as_lines(command: Command) -> None:
    (command.folder / "none.json").write_text("[]")
    assert command("--diff", str(command.folder / "none.json")) == (
        1,
        "churn-dev  azureml-event  missing: no subscription delivers RunStatusChanged to the app\n"
        "churn-prod needs no subscription: no rule acts on its events\n"
        "1 subscription needed, 1 difference\n",
    )


class Login:
    """A credential for any service."""

    def get_token(self, *_: str, **__: Any) -> AccessToken:
        return AccessToken("token", 2**33)


@pytest.fixture
def login(monkeypatch: pytest.MonkeyPatch) -> None:
    """The user is logged in."""
    monkeypatch.setattr(live, "credential", Login)


def azure(found: dict[str, Any], status: int = 200) -> RecordingServer:
    """A Resource Manager with the system topics of two pages."""
    other = {"id": "/other", "name": "other", "properties": {"source": ARM.format("3", "x")}}
    topic = {"id": TOPIC, "name": "mlevents-churn-dev", "properties": {"source": DEV.upper()}}

    def answer(request: Request) -> Answer:
        assert request.query.get("api-version") == "2025-02-15" or "page" in request.query
        assert request.headers["Authorization"] == "Bearer token"
        if status != 200:
            return Answer(status, {"error": {"code": "AuthorizationFailed", "message": "no"}})
        if "page" in request.query:
            return Answer(200, {"value": [topic]})
        if request.path == f"{DEV[: DEV.index('/resourceGroups')]}/providers/Microsoft.EventGrid/systemTopics":
            return Answer(200, {"value": [other], "nextLink": server.url(f"{request.path}?page=2")})
        in_topic = request.path == f"{TOPIC}/eventSubscriptions"
        return Answer(200, {"value": [found] if in_topic else []})

    server = RecordingServer(answer, https=True)
    return server


def trusted(server: RecordingServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLEVENTS_ARM_ENDPOINT", server.url("").rstrip("/"))
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("login")
def test_azure_is_compared(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    found = deployed(command)
    with azure(found) as server:
        trusted(server, monkeypatch)
        assert command("--diff", "live", *GIVEN) == (
            0,
            "churn-prod needs no subscription: no rule acts on its events\n1 subscription needed, no differences\n",
        )
    paths = [request.path for request in server.requests]
    assert f"{DEV}/providers/Microsoft.EventGrid/eventSubscriptions" in paths
    assert not any(path.startswith("/other") for path in paths)


@pytest.mark.usefixtures("login")
@pytest.mark.parametrize(
    ("status", "hint"), [(403, "needs the role Reader"), (401, "`az login`"), (500, "cannot be read: HTTP 500")]
)
def test_azure_that_refuses_is_reported(
    status: int, hint: str, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    with azure({}, status) as server:
        trusted(server, monkeypatch)
        code, text = command("--diff", "live")
    assert (code, hint in text) == (1, True), text


def test_missing_login_is_reported(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    class NoLogin(Login):
        def get_token(self, *_: str, **__: Any) -> AccessToken:
            raise ClientAuthenticationError("no login")

    monkeypatch.setattr(live, "credential", NoLogin)
    assert command("--diff", "live") == (1, "live cannot be compared: there is no login to Azure: run `az login`\n")
