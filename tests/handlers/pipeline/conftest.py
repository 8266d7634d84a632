"""An Azure of its own for each test, and the app that starts pipelines there."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from emulator import Azure
from mlevents.local.azurite import Azurite
from tests.handlers.pipeline.site import DEV, PROD, Site
from tests.kit.emulator import emulated_azure, shared_clock

MakeSite = Callable[..., Site]


@pytest.fixture
def azure(azurite: Azurite, monkeypatch: pytest.MonkeyPatch) -> Iterator[Azure]:
    """Two workspaces, a registry and a cluster; Azurite for uploads. The environment trusts it and has its identity."""
    with emulated_azure(monkeypatch, PROD, DEV, storage=azurite.connection_string) as azure:
        shared_clock(azure)
        azure.workspaces.add_compute("cpu-cluster")
        yield azure


@pytest.fixture
def make(azure: Azure, tmp_path: Path) -> MakeSite:
    """Makes an app with one rule that starts pipelines; keywords are the rule's settings."""

    def site(*, rule: str = "", **settings: Any) -> Site:
        return Site.of(azure, tmp_path, rule, settings)

    return site
