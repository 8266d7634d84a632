"""What the tests of ``mlevents init`` share."""

import shutil
from pathlib import Path

import pytest

from mlevents import PROJECT


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty app, on a machine without az."""
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    (tmp_path / "bin").mkdir()
    folder = tmp_path / "app"
    folder.mkdir()
    shutil.copy(PROJECT / "host.json", folder)
    return folder
