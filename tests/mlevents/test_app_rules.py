"""The check of an app's rules before it runs."""

import re
from pathlib import Path

import pytest

from handlers.email.settings import EmailSettings
from mlevents import PROJECT
from mlevents.app_rules import main, of_settings
from mlevents.known_settings import APP, MAIL
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


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("MLEVENTS_RETENTON", "MLEVENTS_RETENTION"),
        ("mlevents_rule", "MLEVENTS_RULES"),
        ("EMAIL_SMPT_HOST", "EMAIL_SMTP_HOST"),
        ("EMAIL_SMTP_USER", "EMAIL_SMTP_USERNAME"),
        ("EMAIL_SENDER", ""),
        ("MLEVENTS_RULES", ""),
        ("email_from", ""),
        ("RULES_EMAIL_FROM", ""),
        ("MLEVENTS_OF_SOMEBODY_ELSE", ""),
    ],
)
def test_a_misspelt_setting_is_a_warning(name: str, meant: str) -> None:
    expected = [f"the app reads no setting {name}. Did you mean {meant}?"] if meant else []
    assert [finding.text for finding in of_settings({name: "x", "HOME": "/root"})] == expected


def test_the_settings_that_are_known_are_those_that_the_app_reads() -> None:
    folders = [PROJECT / name for name in ("dispatch", "handlers", "schemas", "web")]
    sources = [PROJECT / "function_app.py", *(path for folder in folders for path in Path(folder).rglob("*.py"))]
    read = {name for path in sources for name in re.findall(r"MLEVENTS_[A-Z_]+[A-Z]", path.read_text())}
    assert read == APP.keys() - {"MLEVENTS_EVENTGRID_KEY"}  # of `mlevents send`


def test_the_settings_for_mail_that_are_known_are_those_of_the_handler() -> None:
    fields = EmailSettings.model_fields.items()
    assert MAIL.keys() == {str(field.validation_alias or f"EMAIL_{name.upper()}") for name, field in fields}
