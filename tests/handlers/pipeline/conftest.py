"""An emulated Azure for each test, and an app that starts pipelines in it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from emulator import Azure
from mlevents.local.azurite import Azurite
from tests.handlers.pipeline.site import DEV, PROD, Site, deploy_pipeline
from tests.kit.emulator import emulated_azure, shared_clock

MakeSite = Callable[..., Site]


@pytest.fixture
def azure(azurite: Azurite, monkeypatch: pytest.MonkeyPatch) -> Iterator[Azure]:
    """An emulated Azure with two workspaces, a registry and a cluster; uploads go to Azurite."""
    with emulated_azure(monkeypatch, PROD, DEV, storage=azurite.connection_string) as azure:
        shared_clock(azure)
        azure.workspaces.add_compute("cpu-cluster")
        yield azure


@pytest.fixture
def make(azure: Azure, tmp_path: Path) -> MakeSite:
    """A function that returns an app with one pipeline rule; its keywords are the settings of the rule."""

    def site(*, rule: str = "", **settings: Any) -> Site:
        return Site.of(azure, tmp_path, rule, settings)

    return site


@pytest.fixture
def batch_endpoint(azure: Azure) -> None:
    """A batch endpoint with a model, which is its default, and a pipeline component."""
    model = azure.models.register("churn", "7")
    azure.endpoints.add("churn", "Batch", default="churn-7")
    azure.endpoints.add_deployment("churn", "churn-7", model)
    deploy_pipeline(azure)
