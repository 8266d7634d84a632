"""What the tests of `mlevents test` share."""

from pathlib import Path

import pytest

from tests.mlevents.commands.rule_tests.project import Project


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Project:
    """A project, which is the current folder."""
    monkeypatch.chdir(tmp_path)
    return Project(tmp_path, capsys)
