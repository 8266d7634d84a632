"""Fixtures: an emulated Azure with two workspaces."""

from collections.abc import Iterator

import pytest

from emulator import Azure
from tests.handlers.deploy.site import DEV, PROD
from tests.kit.emulator import emulated_azure


@pytest.fixture
def azure(monkeypatch: pytest.MonkeyPatch) -> Iterator[Azure]:
    """An emulator with two workspaces and a registry."""
    with emulated_azure(monkeypatch, PROD, DEV) as azure:
        yield azure
