"""An emulator for each test, the real client for it, and requests without a client."""

import warnings
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest
import requests

from emulator import WORKSPACE, Azure
from mlevents.local.azurite import Azurite
from tests.kit.emulator import emulated_azure

with warnings.catch_warnings():  # azure-ai-ml's schemas use what marshmallow 4 removes
    warnings.simplefilter("ignore")
    import_module("azure.ai.ml")  # later imports do not warn again

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

VERSION = "2025-12-01"
_, _, SUBSCRIPTION, _, GROUP, _, _, _, NAME = WORKSPACE.split("/")

Send = Callable[..., requests.Response]


@pytest.fixture
def azure(azurite: Azurite, monkeypatch: pytest.MonkeyPatch) -> Iterator[Azure]:
    """One workspace, one registry, Azurite for uploads; the environment's variables lead to it."""
    with emulated_azure(monkeypatch, storage=azurite.connection_string) as azure:
        yield azure


@pytest.fixture
def client(azure: Azure, monkeypatch: pytest.MonkeyPatch) -> "MLClient":
    """The real client, unpatched, for the workspace."""
    from azure.ai.ml import MLClient

    monkeypatch.setenv("AZUREML_CURRENT_CLOUD", "")  # the client sets it; monkeypatch undoes that
    return MLClient(azure.credential(), SUBSCRIPTION, GROUP, NAME, **azure.client_options)


@pytest.fixture
def registry(azure: Azure, monkeypatch: pytest.MonkeyPatch) -> "MLClient":
    """The real client, for the registry."""
    from azure.ai.ml import MLClient

    monkeypatch.setenv("AZUREML_CURRENT_CLOUD", "")
    return MLClient(azure.credential(), registry_name="acme", **azure.client_options)


@pytest.fixture
def send(azure: Azure) -> Iterator[Send]:
    """Sends a request to a path below the workspace, or to an absolute path, with a valid token."""
    with requests.Session() as session:

        def send(
            method: str,
            path: str = "",
            body: Any = None,
            *,
            version: str | None = VERSION,
            bearer: str | None = None,
            data: bytes | None = None,
            **query: str,
        ) -> requests.Response:
            where = path if path.startswith("/") else f"{WORKSPACE}/{path}".rstrip("/")
            token = azure.token("https://management.azure.com") if bearer is None else bearer
            return session.request(
                method,
                azure.endpoint + where,
                params={**({"api-version": version} if version else {}), **query},
                json=body,
                data=data,
                headers={"Authorization": f"Bearer {token}"} if token else {},
                verify=str(azure.own_ca_file),
                timeout=30,
            )

        yield send


def refused(answer: requests.Response) -> tuple[int, str, str]:
    """Status, code and message of an error in Resource Manager's envelope."""
    error = answer.json()["error"]
    assert isinstance(error["details"], list)
    return answer.status_code, error["code"], error["message"]
