"""The app's credential: its kind, and that it is shared."""

from uuid import uuid4

import pytest
from azure.identity import DefaultAzureCredential, ManagedIdentityCredential

from emulator.identity.identity import identity_endpoint
from handlers.azure.credential import credential
from tests.handlers.conftest import SetSettings


def test_credential_in_azure_is_the_managed_identity(settings: SetSettings) -> None:
    settings(IDENTITY_ENDPOINT="http://127.0.0.1:1/msi/token", IDENTITY_HEADER="x")
    assert isinstance(credential(), ManagedIdentityCredential)


def test_credential_elsewhere_is_the_default_credential(settings: SetSettings) -> None:
    settings()
    assert isinstance(credential(), DefaultAzureCredential)


@pytest.mark.parametrize("how", ["argument", "setting"])
def test_each_identity_has_one_credential(settings: SetSettings, how: str) -> None:
    """The credential caches tokens."""
    mine = str(uuid4())
    settings(AZURE_CLIENT_ID=mine)
    first = credential(mine if how == "argument" else None)
    assert credential() is first
    assert credential(str(uuid4())) is not first


def test_credential_from_elsewhere_is_not_reused_in_azure(settings: SetSettings) -> None:
    elsewhere = credential()
    settings(IDENTITY_ENDPOINT="http://127.0.0.1:1/msi/token", IDENTITY_HEADER="x")
    assert credential() is not elsewhere


@pytest.mark.services
def test_token_of_a_cold_instance_is_waited_for(settings: SetSettings) -> None:
    """Its identity endpoint answers after some seconds. One request is enough."""
    with identity_endpoint() as identity:
        identity.delay = 3
        settings(**identity.settings)
        assert credential().get_token("https://management.azure.com/.default").token
        assert len(identity.requests) == 1
