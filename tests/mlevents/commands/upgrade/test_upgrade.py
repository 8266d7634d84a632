"""``mlevents upgrade --check``: what it finds, with git and without."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from mlevents import PROJECT
from mlevents.__main__ import main

GOLDEN = PROJECT / "tests/mlevents/project/golden/rules_0.1"


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """A small copy of the project."""
    folder = tmp_path / "app"
    shutil.copytree(GOLDEN, folder / "rules")
    for name in ("host.json", "pyproject.toml", "local.settings.json.example"):
        shutil.copy(PROJECT / name, folder)
    (folder / "dispatch").mkdir()
    (folder / "dispatch/act.py").write_text("one\n")
    shutil.copytree(PROJECT / "infra", folder / "infra")
    return folder


def change(app: Path) -> None:
    """What a user does."""
    (app / "acme").mkdir()
    (app / "acme/chat.py").write_text("mine\n")
    (app / "local.settings.json").write_text('{"IsEncrypted": false, "Values": {}}')
    shutil.copy(app / "local.settings.json.example", app / "local.settings.json")
    with (app / "rules/churn.yaml").open("a") as file:
        file.write("# mine\n")
    for name in ("main.bicepparam", "ml-alerts.bicepparam", "generated/roles.bicep"):
        (app / "infra" / name).write_text("// mine\n")


def upgrade(app: Path, capsys: pytest.CaptureFixture[str], *options: str) -> tuple[int, list[str]]:
    code = main(["upgrade", "--check", "--app", str(app), *options])
    streams = capsys.readouterr()
    return code, (streams.out or streams.err).splitlines()


def git(folder: Path, *arguments: str) -> None:
    settings = {"PATH": os.environ["PATH"], "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    settings |= {f"GIT_{who}_{what}": "a@example.com" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    subprocess.run(["git", "-c", "init.defaultBranch=main", *arguments], cwd=folder, env=settings, check=True)


def test_unchanged_project_needs_nothing(app: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Files of the user are no changes, and first lines of version 0.1 work."""
    copy = tmp_path / "copy"
    shutil.copytree(app, copy)
    change(app)
    code, lines = upgrade(app, capsys, "--against", str(copy))
    assert (code, lines[0], lines[-1]) == (
        0, "no file of the project was changed", "2 rules in force in 1 file, no errors",
    )  # fmt: skip
    assert lines[1].startswith("rules/churn.yaml: its first line works; today's is # yaml-language-server: $schema=")
    assert lines[2].startswith("rules/workspaces.yaml: its first line works; ")


def test_changed_and_deleted_files_are_named(app: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(app, copy)
    (copy / "node_modules").mkdir()
    (copy / "node_modules/x.js").write_text("")
    (app / "dispatch/act.py").write_text("two\n")
    (app / "local.settings.json.example").rename(app / "local.settings.json")
    (app / "pyproject.toml").unlink()
    code, lines = upgrade(app, capsys, "--against", str(copy))
    assert code == 1
    assert lines[:2] == [
        "dispatch/act.py: you changed this file of the project",
        "pyproject.toml: you deleted this file of the project",
    ]


@pytest.mark.services
@pytest.mark.parametrize("ref", ["upstream/main", ""])
def test_git_knows_what_was_changed(app: Path, ref: str, capsys: pytest.CaptureFixture[str]) -> None:
    git(app, "init", "-q")
    git(app, "add", "-A")
    git(app, "commit", "-qm", "The project")
    git(app, "update-ref", "refs/remotes/upstream/main", "HEAD")
    change(app)
    git(app, "add", "-A")
    git(app, "commit", "-qm", "Ours")
    options = ("--upstream", ref) if ref else ()
    code, lines = upgrade(app, capsys, *options)
    assert (code, lines[1]) == (0, "no file of the project was changed")
    assert lines[0].startswith("compared with upstream/main at ")
    (app / "dispatch/act.py").unlink()
    (app / "host.json").write_text((app / "host.json").read_text() + "\n")
    code, lines = upgrade(app, capsys, *options)
    assert (code, lines[1:3]) == (1, [
        "dispatch/act.py: you deleted this file of the project", "host.json: you changed this file of the project",
    ])  # fmt: skip


@pytest.mark.services
def test_branch_that_git_does_not_know_is_an_error(app: Path, capsys: pytest.CaptureFixture[str]) -> None:
    git(app, "init", "-q")
    assert upgrade(app, capsys)[0] == 2
    code, lines = upgrade(app, capsys, "--upstream", "v9")
    assert code == 2
    assert "git knows no v9: name it with --upstream REF, or an unchanged copy with --against FOLDER" in " ".join(lines)


def test_folder_that_is_no_copy_and_missing_option_are_errors(
    app: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    code, lines = upgrade(app, capsys, "--against", str(tmp_path))
    assert (code, "it has no pyproject.toml" in " ".join(lines)) == (2, True)
    assert main(["upgrade"]) == 2
    monkeypatch.setenv("PATH", str(tmp_path))
    assert upgrade(app, capsys)[0] == 2  # without git


def test_rules_with_errors_need_a_change(app: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (app / "rules/team.yaml").write_text("rules: [{ name: x }]\n")
    code, lines = upgrade(app, capsys, "--against", str(app))
    assert (code, lines[0]) == (1, "no file of the project was changed")
    assert any(line.strip().startswith("rules/team.yaml:1:") for line in lines)
    (app / "host.json").write_text("[]")
    assert upgrade(app, capsys, "--against", str(app))[0] == 1
