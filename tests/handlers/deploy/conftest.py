"""An Azure of its own for each test, and the app that deploys to it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from emulator import Azure
from tests.handlers.deploy.site import DEV, PROD, Site
from tests.kit.emulator import emulated_azure, shared_clock

MakeSite = Callable[..., Site]


@pytest.fixture
def azure(monkeypatch: pytest.MonkeyPatch) -> Iterator[Azure]:
    """Two workspaces and a registry."""
    with emulated_azure(monkeypatch, PROD, DEV) as azure:
        shared_clock(azure)
        yield azure


@pytest.fixture
def make(azure: Azure, tmp_path: Path) -> MakeSite:
    """Makes an app with one rule that deploys; keywords are the rule's settings."""

    def site(*, rule: str = "", **settings: Any) -> Site:
        return Site.of(azure, tmp_path, rule, settings)

    return site
