"""How the app finds and trusts the emulator: settings, identity, authorities, cloud metadata."""

import ssl
from typing import TYPE_CHECKING
from urllib.request import Request, urlopen

import certifi
import pytest
import requests
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import ManagedIdentityCredential

from emulator import WORKSPACE, Azure
from emulator.identity.tokens import check
from tests.emulator.conftest import GROUP, NAME, SUBSCRIPTION, Send

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential


def client_ids(azure: Azure) -> list[str | None]:
    return [query.get("client_id") for query in azure.identity.requests]


def test_settings_lead_to_the_emulator(azure: Azure) -> None:
    """Resource Manager, the identity endpoint, and the bundle of authorities."""
    settings = azure.settings
    assert settings["MLEVENTS_ARM_ENDPOINT"] == azure.endpoint
    assert azure.endpoint.startswith("https://localhost:")
    assert set(settings) == {
        "MLEVENTS_ARM_ENDPOINT",
        "IDENTITY_ENDPOINT",
        "IDENTITY_HEADER",
        "REQUESTS_CA_BUNDLE",
        "SSL_CERT_FILE",
    }


def test_bundle_keeps_every_trusted_authority(azure: Azure) -> None:
    """Those of the environment, of certifi and of the emulator, each once."""
    blocks = azure.ca_file.read_text(encoding="utf-8").split("-----BEGIN CERTIFICATE-----\n")[1:]
    assert len(blocks) == len(set(blocks))
    with open(certifi.where(), encoding="utf-8") as file:  # noqa: PTH123 - certifi returns a str
        theirs = file.read().count("-----BEGIN CERTIFICATE-----")
    assert len(blocks) > theirs
    context = ssl.create_default_context(cafile=str(azure.ca_file))
    with urlopen(Request(f"{azure.endpoint}/metadata/endpoints"), context=context, timeout=30) as answer:
        assert answer.status == 200


def test_other_bundles_do_not_trust_the_emulator(azure: Azure) -> None:
    with pytest.raises(requests.exceptions.SSLError):
        requests.get(azure.endpoint, verify=certifi.where(), timeout=30)


@pytest.mark.parametrize("client_id", [None, "55555555-5555-5555-5555-555555555555"])
def test_real_managed_identity_credential_gets_tokens(azure: Azure, send: Send, client_id: str | None) -> None:
    """For Resource Manager, by either URL, and for Azure ML."""
    credential: TokenCredential = ManagedIdentityCredential(client_id=client_id)
    for resource in (azure.endpoint, "https://management.azure.com"):
        assert send("GET", bearer=credential.get_token(f"{resource}/.default").token).status_code == 200
    text = credential.get_token("https://ml.azure.com/.default").token
    check(f"Bearer {text}", frozenset({"https://ml.azure.com"}))
    assert client_ids(azure) == [client_id] * 3


def test_unknown_identity_gets_no_token(azure: Azure) -> None:
    azure.identity.clients = frozenset({"mine"})
    credential = ManagedIdentityCredential(client_id="somebody-elses")
    with pytest.raises(ClientAuthenticationError, match="No User Assigned or Delegated Managed Identity"):
        credential.get_token("https://management.azure.com/.default")


def test_identity_endpoint_requires_its_header(azure: Azure) -> None:
    answer = requests.get(azure.settings["IDENTITY_ENDPOINT"], params={"resource": "x"}, timeout=30)
    assert answer.status_code == 400


def test_client_finds_the_emulator_by_cloud_metadata(azure: Azure, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a private cloud: by ARM_CLOUD_METADATA_URL alone."""
    from azure.ai.ml import MLClient, _azure_environments

    monkeypatch.setattr(_azure_environments, "_environments", {})  # its global table of clouds
    monkeypatch.setenv("AZUREML_CURRENT_CLOUD", "AzureCloud")
    monkeypatch.delenv("AZUREML_CURRENT_CLOUD")
    monkeypatch.setenv("ARM_CLOUD_METADATA_URL", f"{azure.endpoint}/metadata/endpoints?api-version=2019-05-01")
    azure.models.register("churn", "7")
    client = MLClient(azure.credential(), SUBSCRIPTION, GROUP, NAME, enable_telemetry=False)
    assert client.models.get("churn", "7").version == "7"
    monkeypatch.setenv("AZUREML_CURRENT_CLOUD", "")  # monkeypatch undoes it


def test_workspace_discovery_has_the_services(azure: Azure, send: Send) -> None:
    properties = send("GET").json()["properties"]
    path = properties["discoveryUrl"].removeprefix(azure.endpoint)
    assert send("GET", path, version=None).json()["history"] == azure.endpoint


def test_workspaces_computes_and_datastores_are_listed(azure: Azure, send: Send) -> None:
    azure.workspaces.add_compute("cluster")
    listed = send("GET", WORKSPACE.rpartition("/")[0])
    assert [one["name"] for one in listed.json()["value"]] == [NAME]
    assert [one["name"] for one in send("GET", "computes").json()["value"]] == ["cluster"]
    assert send("GET", "computes/cluster").json()["properties"]["computeType"] == "AmlCompute"
    assert [one["name"] for one in send("GET", "datastores", isDefault="true").json()["value"]] == [
        "workspaceblobstore"
    ]
