"""``mlevents init`` with the workspaces that az lists, and on a terminal."""

import json
from pathlib import Path

import pytest

from mlevents.app_settings import LocalSettings
from tests.mlevents.commands.init.project import DEV, LISTED, MAIL, PROD, init, labels, typed

pytestmark = pytest.mark.services  # az


def with_az(app: Path, text: str, error: str = "", code: int = 0) -> None:
    """Install an az that prints this."""
    az = app.parent / "bin/az"
    (app.parent / "az.txt").write_text(text)
    az.write_text(
        f"#!/bin/sh\n/bin/cat {app.parent}/az.txt\n/bin/echo '{error}' >&2\n"
        f'[ "$*" = "resource list --resource-type Microsoft.MachineLearningServices/workspaces --output json" ]'
        " || exit 9\n"
        f"exit {code}\n"
    )
    az.chmod(0o755)


def test_workspaces_that_az_lists_are_taken_by_name_or_all(app: Path) -> None:
    with_az(app, json.dumps(LISTED))
    assert init(app, "--workspace", "Churn-Prod tier=1", *MAIL, "--yes") == 0
    assert labels(app) == {"churn-prod": {"tier": "1"}}
    assert init(app, "--az", "--yes") == 0
    assert labels(app) == {"churn-prod": {"tier": "1"}, "churn-dev": {}}


@pytest.mark.parametrize(
    ("text", "end", "message"),
    [
        ("", ('ERROR: Please run "az login" to setup account.', 1), 'az lists no workspaces: Please run "az login" to'),
        ("", ("", 3), "az lists no workspaces: exit code 3"),
        ("{", ("", 0), "az lists no workspaces: it is not JSON"),
        ("[2]", ("", 0), "az lists no workspaces: it is not a list of workspaces"),
        (None, ("", 0), "az is not installed"),
    ],
)
def test_az_that_lists_nothing_is_an_error(
    app: Path, text: str | None, end: tuple[str, int], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if text is not None:
        with_az(app, text, *end)
    assert init(app, "--az", *MAIL, "--yes") == 1
    assert message in capsys.readouterr().out


def test_az_that_cannot_run_is_an_error(app: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (app.parent / "bin/az").write_text("#!/nowhere\n")
    (app.parent / "bin/az").chmod(0o755)
    assert init(app, "--az", *MAIL, "--yes") == 1
    assert "az does not answer: " in capsys.readouterr().out


def test_two_listed_workspaces_of_a_name_are_told_apart_by_id(app: Path, capsys: pytest.CaptureFixture[str]) -> None:
    twin = {**LISTED[0], "id": DEV.replace("/resourceGroups/", "/resourceGroups/other-")}
    with_az(app, json.dumps([LISTED[0], twin]))
    assert init(app, "--workspace", "churn-dev", *MAIL, "--yes") == 2
    assert "2 workspaces are called 'churn-dev'" in capsys.readouterr().err


def test_terminal_asks_for_all_that_is_needed(
    app: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Numbers choose among what az lists; tags and names suggest labels; invalid answers are asked for again."""
    with_az(app, json.dumps(LISTED))
    answers = ["3", "churn", "2, 1", "", "-", "", "core", "nobody", "ann@example.com", "x", ""]
    assert typed(app, monkeypatch, "\n".join(answers) + "\n") == 0
    assert labels(app) == {"churn-prod": {"env": "production"}, "churn-dev": {"env": "dev", "team": "core"}}
    out = capsys.readouterr().out
    assert "   1  churn-dev  in " in out
    assert "az lists no workspace '3'" in out
    assert "'nobody' is not one mail address" in out
    assert "EMAIL_FROM" in LocalSettings.load(app).values


def test_terminal_asks_for_ids_without_az(
    app: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = [DEV, "-", "", "ann@example.com", "Events <e@example.com>"]
    assert typed(app, monkeypatch, "\n".join(answers) + "\n") == 0
    assert labels(app) == {"churn-dev": {}}
    assert LocalSettings.load(app).values["EMAIL_FROM"] == "Events <e@example.com>"
    assert "az is not installed" in capsys.readouterr().out
    assert typed(app, monkeypatch, "\n") == 0  # nothing more
    with_az(app, "[]")
    assert typed(app, monkeypatch, f"{PROD}\n\n\n") == 0
    assert list(labels(app)) == ["churn-dev", "churn-prod"]
    assert "az account set --subscription NAME chooses another" in capsys.readouterr().out


def test_all_listed_workspaces_are_the_default(app: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_az(app, json.dumps(LISTED))
    assert typed(app, monkeypatch, "\n\n\n\n\n", *MAIL, "--sender", "x@example.com") == 0
    assert labels(app)["churn-prod"] == {"env": "production", "team": "churn"}
