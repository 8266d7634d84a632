"""An Azure of its own for each test, and the app that starts pipelines there."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mlevents.local.azure import Azure
from mlevents.local.azurite import Azurite
from tests.handlers.pipeline.site import DEV, PROD, Site

MakeSite = Callable[..., Site]


@pytest.fixture
def azure(azurite: Azurite, monkeypatch: pytest.MonkeyPatch) -> Iterator[Azure]:
    """Two workspaces, a registry and a cluster; Azurite for uploads. The environment trusts it and has its identity."""
    with Azure(PROD, DEV, storage=azurite.connection_string, registries=["acme"]) as azure:
        trust_only(azure, monkeypatch)
        azure.add_compute("cpu-cluster")
        yield azure


@pytest.fixture
def make(azure: Azure, tmp_path: Path) -> MakeSite:
    """Makes an app with one rule that starts pipelines; keywords are the rule's settings."""

    def site(*, rule: str = "", **settings: Any) -> Site:
        return Site.of(azure, tmp_path, rule, settings)

    return site


def trust_only(azure: Azure, monkeypatch: pytest.MonkeyPatch) -> None:
    """The app's settings lead to this Azure, and to nothing that the machine has."""
    for name, value in azure.settings.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(azure.own_ca_file))
    for name in [name for name in os.environ if name.startswith(("AZURE_CLIENT", "ARM_CLOUD"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AZUREML_CURRENT_CLOUD", "")
    monkeypatch.delenv("AZUREML_CURRENT_CLOUD")  # the client sets it: it is gone again after the test
