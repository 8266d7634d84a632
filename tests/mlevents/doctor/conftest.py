import sys
from pathlib import Path

import pytest

from tests.kit.world import SETTINGS
from tests.mlevents.doctor.project import Project


@pytest.fixture
def project(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project without errors. Settings of this machine's environment do not reach it."""
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "path", [*sys.path])
    return Project(tmp_path, capsys)
