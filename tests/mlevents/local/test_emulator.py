"""The emulated Azure of a running app: when it starts, and how the worker finds it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from emulator import WORKSPACE, Azure
from handlers.azure.cloud import SETTING
from mlevents.local import emulator
from mlevents.local.app import LocalApp
from mlevents.local.azurite import Azurite
from mlevents.local.emulator import emulated_azure, listed, named, of_kind
from schemas import WorkspaceId
from tests.kit.started import until
from tests.mlevents.conftest import APPS, Notes, Run, settings_of

OTHER = WORKSPACE.replace("churn-prod", "churn-dev")
SETTINGS = {"RULES_WS_B": WORKSPACE, "RULES_WS_A": OTHER, "RULES_X": "x"}

# What a handler does: it gets a token of the app's identity and sends a request, with nothing but the environment.
WORK = """
import sys
from azure.core.pipeline.policies import BearerTokenCredentialPolicy
from azure.core import PipelineClient
from azure.core.rest import HttpRequest
from handlers.azure.credential import credential
import os

endpoint = os.environ["MLEVENTS_ARM_ENDPOINT"]
policy = BearerTokenCredentialPolicy(credential(), endpoint + "/.default")
client = PipelineClient(endpoint, policies=[policy])
answer = client.send_request(HttpRequest("GET", endpoint + sys.argv[1], params={"api-version": "2025-12-01"}))
print(answer.status_code, answer.json()["name"])
"""


def test_the_settings_of_the_worker_lead_to_it(run: Run, notes: Notes) -> None:
    """They have the URL, an identity and a certificate authority. The workspaces are those of the rules' settings."""
    local = run(settings=SETTINGS, azure=True)
    local.invoke("where", json.dumps({"id": "1"}))
    environment = notes("where")[0]["environment"]
    assert {name: environment[name] for name in local.azure.settings} == local.azure.settings
    done = subprocess.run(
        [sys.executable, "-c", WORK, OTHER], env=environment, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.split() == ["200", "churn-dev"]
    assert local.azure.resource(WORKSPACE)


def test_the_factories_of_the_rules_settings_exist() -> None:
    """Pipelines can be added to each by its name."""
    factory = f"{WORKSPACE.partition('/providers/')[0]}2/providers/Microsoft.DataFactory/factories/adf-churn"
    with emulated_azure({**SETTINGS, "RULES_ADF": f"{factory}/", "RULES_SAME": factory}) as azure:
        assert azure.resource(factory)
        assert (
            azure.factories.add_pipeline("adf-churn", "copy", {"mlevents_key": "String"}) == f"{factory}/pipelines/copy"
        )
        assert azure.factories.add_pipeline("other", "copy").startswith(
            WORKSPACE.partition("/providers/")[0] + "/providers/"
        )


def send(azure: Azure, method: str, path: str) -> None:
    body = {"location": "westeurope", "properties": {"authMode": "AADToken"}} if method == "PUT" else None
    requests.request(
        method,
        f"{azure.endpoint}{OTHER}/{path}?api-version=2025-12-01",
        json=body,
        headers={"Authorization": f"Bearer {azure.token(azure.endpoint)}"},
        verify=str(azure.own_ca_file),
        timeout=30,
    )


def test_calls_that_change_something_or_fail_are_printed(run: Run) -> None:
    local = run(settings=SETTINGS, azure=True)
    send(local.azure, "PUT", "onlineEndpoints/churn")
    send(local.azure, "GET", "onlineEndpoints/churn")
    send(local.azure, "GET", "onlineEndpoints/x")
    until(lambda: [line for line in local.lines if "ResourceNotFound" in line])
    assert [line.partition("azure")[2].strip() for line in local.lines if "  azure " in line] == [
        "PUT onlineEndpoints/churn 2025-12-01 → 201 Creating",
        "GET onlineEndpoints/x 2025-12-01 → 404 ResourceNotFound",
    ]


@pytest.mark.parametrize("options", [{"azure": False}, {"settings": {SETTING: "https://localhost:7"}}])
def test_without_it_the_settings_name_the_real_azure(run: Run, options: dict[str, object]) -> None:
    local = run(**{"settings": SETTINGS, "azure": True, **options})
    assert local.environment.get(SETTING) in {None, "https://localhost:7"}
    assert "IDENTITY_HEADER" not in local.environment
    with pytest.raises(LookupError, match="Azure is not emulated"):
        _ = local.azure


def test_emulator_ends_with_the_app(azurite: Azurite, notes: Notes, tmp_path: Path) -> None:
    settings = settings_of(azurite, notes, "nothing-in-it") | SETTINGS
    with LocalApp(APPS / "triggers", settings=settings, folder=tmp_path, azure=True) as local:
        azure = local.azure
    with pytest.raises(requests.ConnectionError):
        requests.get(azure.endpoint, timeout=5)


def test_emulator_is_not_configured_if_the_settings_name_a_cloud() -> None:
    assert emulator.is_configured({SETTING: " "})
    assert not emulator.is_configured({SETTING: "https://management.usgovcloudapi.net"})


def test_workspaces_are_those_of_the_rules_settings() -> None:
    settings = SETTINGS | {"RULES_WS_C": WORKSPACE.upper(), "WS": WORKSPACE + "x"}
    assert of_kind(WorkspaceId, named(settings)) == (OTHER, WORKSPACE)


def test_workspaces_of_the_file_come_first(tmp_path: Path) -> None:
    """So `mlevents azure` acts in a workspace of the user's, whose id is in the file and in no setting."""
    own = WORKSPACE.replace("churn-prod", "own")
    (tmp_path / "rules").mkdir()
    file = tmp_path / "rules/workspaces.yaml"
    file.write_text(f"workspaces: {{ own: {{ id: {own} }}, dev: {{ id: '${{RULES_WS_A}}' }} }}")
    assert listed(tmp_path, SETTINGS) == (own, OTHER)
    with emulated_azure(SETTINGS, app_dir=tmp_path) as azure:
        assert all(azure.resource(each) for each in (own, OTHER, WORKSPACE))
        assert azure.endpoints.add("churn").startswith(f"{own}/")


@pytest.mark.parametrize("text", [None, "workspaces: [", "other: {}", ""])
def test_file_without_workspaces_leaves_those_of_the_settings(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "rules").mkdir()
        (tmp_path / "rules/workspaces.yaml").write_text(text)
    assert listed(tmp_path, SETTINGS) == ()


def test_without_a_workspace_in_the_settings_there_is_one(azurite: Azurite) -> None:
    with emulated_azure({"AzureWebJobsStorage": azurite.connection_string}) as azure:
        assert isinstance(azure, Azure)
        assert azure.resource(WORKSPACE)
        assert azure.state.storage == azurite.connection_string


def test_emulator_is_configured_by_the_example_settings() -> None:
    """`mlevents start` needs no Azure without further set-up."""
    text = (Path(__file__).parents[3] / "local.settings.json.example").read_text(encoding="utf-8")
    assert emulator.is_configured(json.loads(text)["Values"])
