"""An Azure of its own for each test, and the app that deploys to it."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mlevents.local.azure import Azure
from tests.handlers.deploy.site import DEV, PROD, Site

MakeSite = Callable[..., Site]


@pytest.fixture
def azure(monkeypatch: pytest.MonkeyPatch) -> Iterator[Azure]:
    """Two workspaces and a registry; the environment trusts it and has its identity."""
    with Azure(PROD, DEV, registries=["acme"]) as azure:
        for name, value in azure.settings.items():
            monkeypatch.setenv(name, value)
        for name in [name for name in os.environ if name.startswith(("AZURE_CLIENT", "ARM_CLOUD"))]:
            monkeypatch.delenv(name)
        monkeypatch.setenv("AZUREML_CURRENT_CLOUD", "")
        monkeypatch.delenv("AZUREML_CURRENT_CLOUD")  # the client sets it: it is gone again after the test
        yield azure


@pytest.fixture
def make(azure: Azure, tmp_path: Path) -> MakeSite:
    """Makes an app with one rule that deploys; keywords are the rule's settings."""

    def site(*, rule: str = "", **settings: Any) -> Site:
        return Site.of(azure, tmp_path, rule, settings)

    return site
