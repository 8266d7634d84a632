import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from emulator import Azure
from tests.kit.emulator import emulated_azure
from tests.kit.world import SETTINGS
from tests.mlevents.commands.deployed import Deployed
from tests.mlevents.doctor.project import Project


@pytest.fixture
def project(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project without errors. Settings of this machine's environment do not reach it."""
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "path", [*sys.path])
    return Project(tmp_path, capsys)


@pytest.fixture
def deployed(tmp_path: Path, azurite_connection: str, capsys: pytest.CaptureFixture[str]) -> Deployed:
    """An app without rules, over tables and queues of its own."""
    return Deployed(tmp_path, azurite_connection, capsys)


@pytest.fixture
def azure(monkeypatch: pytest.MonkeyPatch) -> Iterator[Azure]:
    """An Azure with the two workspaces."""
    with emulated_azure(monkeypatch, *SETTINGS.values()) as azure:
        yield azure
