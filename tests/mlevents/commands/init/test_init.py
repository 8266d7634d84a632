"""``mlevents init``: the first files, what is added later, and what stays."""

import json
import os
import shutil
import stat
from pathlib import Path

import pytest

from dispatch.rules.loader import load
from mlevents import PROJECT
from mlevents.__main__ import main
from mlevents.app_settings import LocalSettings
from mlevents.commands.init import writing
from mlevents.project.first_files import FIRST_FILES, is_first_file
from tests.mlevents.commands.init.project import DEV, FIRST, LISTED, MAIL, PROD, init, labels, texts, typed


def test_first_files_are_written_and_valid(app: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = ("--workspace", f"{DEV} env=dev", "--workspace", f"{PROD} env=prod", "--label", "team=churn")
    assert init(app, *given, *MAIL, "--sender", "Events <events@example.com>", "--yes") == 0
    assert set(texts(app)) == FIRST
    assert labels(app) == {"churn-dev": {"env": "dev", "team": "churn"}, "churn-prod": {"env": "prod", "team": "churn"}}
    loaded = load(app / "rules", {}, app)
    assert (loaded.warnings, loaded.alerts and loaded.alerts.do) == ((), "email")
    assert loaded.by_name["mail-failed-runs"]
    assert "    dry_run: true" in texts(app)["rules/mail.yaml"]
    example = LocalSettings.read(PROJECT / "local.settings.json.example").values
    assert LocalSettings.load(app).values == {**example, "EMAIL_FROM": "Events <events@example.com>"}
    out = capsys.readouterr().out
    assert all(f"wrote {name}" in out for name in FIRST)


def test_next_commands_work_as_they_are_printed(app: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The event that is sent is of the first workspace, and matches the first rule."""
    assert init(app, "--workspace", f"{DEV} env=dev", *MAIL, "--yes") == 0
    commands = [line.split()[1:] for line in capsys.readouterr().out.splitlines() if line.startswith("  ")]
    assert [command[0] for command in commands] == ["check", "start", "send"]
    assert all(command[-2:] == ["--app", str(app)] for command in commands)
    assert main(commands[0]) == 0
    assert "mail-failed-runs on RunStatusChanged: mail to ann@example.com, bob@example.com: " in capsys.readouterr().out
    assert commands[2][1:3] == ["run_status_changed", f"topic={DEV}"]
    assert main(["test", "--app", str(app)]) == 0


def test_files_that_are_there_are_not_touched(app: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert init(app, "--workspace", DEV, *MAIL, "--yes") == 0
    before = texts(app)
    capsys.readouterr()
    assert init(app, "--workspace", DEV, *MAIL, "--sender", "x@example.com", "--yes") == 0
    assert texts(app) == before
    assert capsys.readouterr().out.splitlines() == [
        "the alerts in rules/workspaces.yaml are left as they are",
        "rules/workspaces.yaml is left as it is: nothing is missing",
        "your rules are left as they are",
        "local.settings.json is left as it is",
    ]
    (app / "local.settings.json").unlink()
    assert init(app, "--yes") == 0
    assert set(texts(app)) == FIRST


def test_workspaces_labels_and_alerts_are_added_and_all_else_stays(
    app: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (app / "rules").mkdir()
    (app / "rules/churn.yaml").write_text("rules: [] # mine\n")
    (app / "local.settings.json").write_text(json.dumps({"IsEncrypted": False, "Values": {"RULES_WS": DEV}}))
    lines = ["# ours", "workspaces:", '  dev:   { id: "${RULES_WS}",   env: dev }   # first', "", "timezone: UTC", ""]
    (app / "rules/workspaces.yaml").write_text("\n".join(lines))
    given = ("--workspace", f"{DEV} env=test team=churn", "--workspace", PROD, "--label", "tier=1", *MAIL)
    assert init(app, *given, "--yes") == 0
    lines[2] = '  dev:   { id: "${RULES_WS}",   env: dev, tier: "1", team: churn }   # first'
    lines[3:3] = ["  churn-prod:", f"    id: {PROD}", '    tier: "1"']
    lines[-1:] = ["alerts: { do: email, with: { to: [ann@example.com, bob@example.com] } }", ""]
    assert texts(app)["rules/workspaces.yaml"].splitlines() == "\n".join(lines).splitlines()
    out = capsys.readouterr().out
    assert "label env of dev is left as it is, and not test" in out
    assert "added to rules/workspaces.yaml: dev tier, dev team, churn-prod, alerts" in out
    assert texts(app)["rules/churn.yaml"] == "rules: [] # mine\n"


def test_two_workspaces_of_a_name_get_the_resource_group(app: Path) -> None:
    other = DEV.replace("/resourceGroups/rg", "/resourceGroups/other")
    assert init(app, "--workspace", DEV, "--workspace", other, *MAIL, "--yes") == 0
    assert list(labels(app)) == ["churn-dev", f"churn-dev-{other.split('/')[4]}"]


def test_unchanged_examples_of_the_project_are_replaced(app: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first_files(app)
    assert main(["check", "--app", str(app)]) == 0
    assert "the rules in rules are examples: `mlevents init` writes yours" in capsys.readouterr().out
    assert init(app, "--workspace", DEV, *MAIL, "--yes") == 0
    assert list(labels(app)) == ["churn-dev"]
    assert set(texts(app)) == {*FIRST, "local.settings.json.example"}
    assert "removed rules/churn.yaml: an example of the project that you had not changed" in capsys.readouterr().out


def test_examples_stay_beside_files_of_the_user(app: Path) -> None:
    first_files(app)
    with (app / "rules/workspaces.yaml").open("a") as file:
        file.write("# mine\n")
    assert init(app, "--workspace", DEV.replace("churn-dev", "more"), *MAIL, "--yes") == 0
    assert is_first_file(app / "rules/churn.yaml", "churn.yaml")
    assert list(labels(app)) == ["churn-dev", "churn-prod", "more"]


def first_files(app: Path) -> None:
    """The examples that a clone of the project has: the samples' workspaces and rules of today's version."""
    (app / "rules").mkdir()
    golden = Path(__file__).parents[2] / "project/golden/rules_0.1"
    for name in FIRST_FILES:
        shutil.copy(golden / name, app / "rules" / name)
    shutil.copy(PROJECT / "local.settings.json.example", app)


def test_files_with_errors_are_not_written(app: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert init(app, "--workspace", f"{DEV} env=a Env=b", *MAIL, "--yes") == 1
    assert "the label 'Env' is the same as 'env'. Case does not matter." in capsys.readouterr().out
    assert texts(app) == {}
    (app / "rules").mkdir()
    (app / "rules/workspaces.yaml").write_text("workspaces: {a: 1}\n")
    assert init(app, "--workspace", DEV, *MAIL, "--yes") == 1
    out = capsys.readouterr().out
    assert out.startswith("rules/workspaces.yaml has errors; fix them first:\nrules/workspaces.yaml:1:17: ")


def test_entry_that_cannot_be_added_is_printed(app: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (app / "rules").mkdir()
    (app / "rules/workspaces.yaml").write_text(f"x: &w\n  a: {{ id: {DEV} }}\n".replace("x: &w", "workspaces:"))
    text = f"workspaces:\n  a: {{ id: {DEV}, about: &b x }}\n  c: {{ id: {PROD}, about: *b }}\n"
    (app / "rules/workspaces.yaml").write_text(text)
    assert init(app, "--workspace", f"{PROD} env=prod", *MAIL, "--yes") == 1
    out = capsys.readouterr().out
    assert "add this yourself:" in out
    assert "workspaces.c: env: prod" in out
    assert texts(app)["rules/workspaces.yaml"] == text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "there is no terminal to ask questions: add --yes, and say everything in options"),
        (("--yes",), "no workspace is given: add --workspace /subscriptions/ID/"),
        (("--yes", "--workspace", DEV), "nobody is mailed about problems: add --alerts ADDRESS"),
        (("--yes", "--workspace", DEV, "--alerts", "ann"), "--alerts: 'ann' is not one mail address"),
        (("--yes", "--workspace", DEV, *MAIL, "--sender", "x"), "--sender: 'x' is not one mail address"),
        (("--yes", "--workspace", "/x"), "'/x' is not a workspace's ARM id: /subscriptions/<id>/"),
        (("--yes", "--workspace", f"{DEV} prod"), "'prod' is no label: write NAME=VALUE, like env=prod"),
        (("--yes", "--workspace", DEV, "--label", "=x"), "'=x' is no label"),
        (("--yes", "--workspaces", "/nowhere"), "/nowhere cannot be read: No such file or directory"),
    ],
)
def test_invalid_arguments(
    app: Path, options: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert init(app, *options) == 2
    assert message in " ".join(capsys.readouterr().err.split())
    assert texts(app) == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"# ours\n{DEV} env=dev\n\n{PROD}  # production\n", ""),
        (json.dumps(LISTED), ""),
        (json.dumps(LISTED[0]), ""),
        (f"{DEV}\nchurn\n", ":2: az lists no workspace 'churn': write the id"),
        ("[1]", "it is not a list of workspaces, as az resource list prints it"),
        ("[", "it is not JSON: "),
        ('[{"id": null}]', "a workspace's ARM id: /subscriptions/<id>"),
    ],
)
def test_workspaces_of_a_file(app: Path, text: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    file = app.parent / "mine.txt"
    file.write_text(text)
    assert init(app, "--workspaces", str(file), *MAIL, "--yes") == (2 if message else 0)
    assert message in " ".join(capsys.readouterr().err.split())
    if not message:
        assert "churn-dev" in labels(app)


def test_interrupted_questions_leave_nothing(app: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-D and Ctrl-C both end the command."""
    assert typed(app, monkeypatch, f"{DEV}\n") == 130
    assert texts(app) == {}


@pytest.mark.parametrize("fails", ["write_bytes", "replace"])
def test_interrupted_writing_leaves_no_file_half_written(
    app: Path, monkeypatch: pytest.MonkeyPatch, fails: str
) -> None:
    assert init(app, "--workspace", DEV, *MAIL, "--yes") == 0
    before = texts(app)
    (app / "local.settings.json").unlink()
    del before["local.settings.json"]

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, fails, interrupt)
    assert init(app, "--workspace", PROD, "--yes") == 130
    assert texts(app) == before


def test_file_that_changes_while_questions_are_asked_is_kept(
    app: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert init(app, "--workspace", DEV, *MAIL, "--yes") == 0
    file = app / "rules/workspaces.yaml"
    with pytest.raises(writing.Changed, match=r"workspaces\.yaml has changed in the meantime; nothing was written"):
        writing.write({file: b"new", app / "other": b"x"}, {file: b"old"})
    assert not (app / "other").exists()
    monkeypatch.setattr("mlevents.commands.init.init.write", lambda *_: writing.write({file: b"new"}, {}))
    assert init(app, "--workspace", PROD, "--yes") == 1
    assert "has changed in the meantime" in capsys.readouterr().out


def test_link_and_permissions_of_a_file_stay(app: Path) -> None:
    assert init(app, "--workspace", DEV, *MAIL, "--yes") == 0
    file, target = app / "rules/workspaces.yaml", app.parent / "elsewhere.yaml"
    file.rename(target)
    target.chmod(0o600)
    file.symlink_to(target)
    assert init(app, "--workspace", PROD, "--yes") == 0
    assert file.is_symlink()
    assert "churn-prod" in target.read_text()
    assert stat.S_IMODE(target.stat().st_mode) == 0o600


def test_folder_that_cannot_be_written_is_named(app: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (app / "rules").write_text("a file")
    assert init(app, "--workspace", DEV, *MAIL, "--yes") == 1
    assert f"cannot write {os.fspath(app)}/rules" in capsys.readouterr().out
