"""The check of an app's rules before it runs."""

from pathlib import Path

import pytest

from mlevents.app_rules import main
from tests.kit.world import ARM

TOPIC = ARM.format("11111111-1111-1111-1111-111111111111", "dev")
WORKSPACES = f"workspaces:\n  churn-dev: {{ id: {TOPIC} }}\n"


@pytest.fixture
def app(tmp_path: Path) -> Path:
    (tmp_path / "host.json").write_text('{"functionTimeout": "00:05:00"}')
    (tmp_path / "local.settings.json").write_text(
        '{"IsEncrypted": false, "Values": {"AzureWebJobsStorage": "UseDevelopmentStorage=true"}}'
    )
    return tmp_path


def write_rules(app: Path, text: str) -> None:
    (app / "rules").mkdir()
    (app / "rules/workspaces.yaml").write_text(WORKSPACES)
    (app / "rules/a.yaml").write_text(text)


def test_app_without_rules_has_no_errors(app: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`mlevents start` runs other function apps, too."""
    assert (main(app), capsys.readouterr().out) == (0, "")


def test_rules_in_force_are_counted(app: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_rules(app, "rules: []\n")
    assert main(app) == 0
    assert "0 rules in force" in capsys.readouterr().out


def test_errors_are_printed(app: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_rules(app, "rules:\n  - { name: a, on: RunCompleted, do: lgo }\n")
    assert main(app) == 1
    assert "Did you mean log?" in capsys.readouterr().out


def test_invalid_settings_are_printed(app: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (app / "local.settings.json").write_text("{")
    assert main(app) == 1
    assert "local.settings.json, line 1, column 2" in capsys.readouterr().out
