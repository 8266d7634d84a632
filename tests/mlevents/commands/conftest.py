"""What the tests of commands share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from emulator import Azure
from tests.handlers.deploy.site import DEV, PROD
from tests.kit.emulator import emulated_azure
from tests.mlevents.commands.deployed import Deployed


@pytest.fixture
def azure(monkeypatch: pytest.MonkeyPatch) -> Iterator[Azure]:
    """Two workspaces and a registry."""
    with emulated_azure(monkeypatch, PROD, DEV) as azure:
        yield azure


@pytest.fixture
def deployed(tmp_path: Path, azurite_connection: str, capsys: pytest.CaptureFixture[str]) -> Deployed:
    """An app without rules, over tables and queues of its own."""
    return Deployed(tmp_path, azurite_connection, capsys)
