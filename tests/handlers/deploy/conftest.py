"""An emulated Azure for each test, and an app that deploys to it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from emulator import Azure
from handlers.deploy.plan import ACTION_TAG
from tests.handlers.deploy.site import DEV, PROD, SEVEN, Site
from tests.kit.emulator import emulated_azure, shared_clock

MakeSite = Callable[..., Site]


@pytest.fixture
def azure(monkeypatch: pytest.MonkeyPatch) -> Iterator[Azure]:
    """An emulated Azure with two workspaces and a registry."""
    with emulated_azure(monkeypatch, PROD, DEV) as azure:
        shared_clock(azure)
        yield azure


@pytest.fixture
def make(azure: Azure, tmp_path: Path) -> MakeSite:
    """A function that returns an app with one deploy rule; its keywords are the settings of the rule."""

    def site(*, rule: str = "", **settings: Any) -> Site:
        return Site.of(azure, tmp_path, rule, settings)

    return site


@pytest.fixture
def serving(make: MakeSite, azure: Azure) -> MakeSite:
    """As `make`, with an endpoint that already serves version 7."""
    azure.endpoints.add("churn", traffic={SEVEN: 100})
    model = azure.models.register("churn", "7", {"stage": "production"})
    azure.endpoints.add_deployment("churn", SEVEN, model, tags={ACTION_TAG: "of-an-earlier-action"})
    return make
