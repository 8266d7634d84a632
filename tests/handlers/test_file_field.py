"""Files that a rule names, relative to the rules file or to the app's folder."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from dispatch.app import App
from handlers.deploy.handler import Deploy
from handlers.file_field import APP_FOLDER, FileName, path_of
from handlers.pipeline.handler import Pipeline
from mlevents.commands.check import check
from tests.kit.world import SETTINGS, WORKSPACES

JOB = "command: echo hello\nenvironment: azureml:e:1\ncompute: azureml:c\n"
DEPLOY = {"endpoint": "churn", "environment": "azureml:e:1", "scoring_script": "score.py"}


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of another app, whose rules folder contains files for rules."""
    app = tmp_path / "app"
    rules = app / "rules"
    (rules / "jobs/code").mkdir(parents=True)
    (app / "host.json").write_text('{"functionTimeout": "00:05:00"}')
    (rules / "workspaces.yaml").write_text(WORKSPACES)
    (rules / "jobs/retrain.yml").write_text(JOB)
    (rules / "jobs/request.json").write_text("{}")
    for name, value in ({"AzureWebJobsStorage": "UseDevelopmentStorage=true"} | SETTINGS).items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("MLEVENTS_RULES", raising=False)
    return app


def write(rules: Path, do: str, settings: dict[str, Any]) -> None:
    rule = {"name": "r", "on": "ModelRegistered", "do": do, "with": settings}
    (rules / "team.yaml").write_text(json.dumps({"rules": [rule]}))


SPELLINGS = ["rules/jobs/", "jobs/", "../rules/jobs/", "{app}/rules/jobs/"]


@pytest.mark.parametrize("folder", SPELLINGS)
def test_rule_names_a_file_in_any_spelling(folder: str, app: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Relative to the app, to the rules or as a whole, wherever Python finds the app's code."""
    folder = folder.format(app=app)
    write(app / "rules", "pipeline", {"job": f"{folder}retrain.yml"})
    assert check(app) == 0, capsys.readouterr().out
    loaded = App.from_settings({"AzureWebJobsStorage": "UseDevelopmentStorage=true", **SETTINGS}, app).rules
    handler = loaded.by_name["r"].handler
    assert isinstance(handler, Pipeline)
    assert path_of(handler.job) == app / "rules/jobs/retrain.yml"
    write(app / "rules", "deploy", {**DEPLOY, "code": f"{folder}code", "smoke_test": f"{folder}request.json"})
    assert check(app) == 0, capsys.readouterr().out


@pytest.mark.parametrize("folder", ["jobs/", "{rules}/jobs/", "shared/"])
def test_rules_in_another_folder_name_files_beside_them(
    folder: str, app: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """MLEVENTS_RULES names that folder. Such rules can name files in the app's folder, too."""
    rules = (app / "rules").rename(tmp_path / "other")
    (app / "shared").mkdir()
    (app / "shared/retrain.yml").write_text(JOB)
    monkeypatch.setenv("MLEVENTS_RULES", str(rules))
    write(rules, "pipeline", {"job": f"{folder.format(rules=rules)}retrain.yml"})
    assert check(app) == 0, capsys.readouterr().out


def test_file_beside_the_rules_is_preferred(app: Path) -> None:
    (app / "jobs").mkdir()
    (app / "jobs/retrain.yml").write_text(JOB)
    write(app / "rules", "pipeline", {"job": "jobs/retrain.yml"})
    loaded = App.from_settings({"AzureWebJobsStorage": "UseDevelopmentStorage=true", **SETTINGS}, app).rules
    handler = loaded.by_name["r"].handler
    assert isinstance(handler, Pipeline)
    assert path_of(handler.job) == app / "rules/jobs/retrain.yml"


@pytest.mark.parametrize(
    ("do", "settings", "reason"),
    [
        ("pipeline", {"job": "jobs/none.yml"}, "'jobs/none.yml' cannot be read: No such file or directory"),
        ("pipeline", {"job": "../outside.yml"}, "'../outside.yml' is outside of the app's folder"),
        ("deploy", {"endpoint": "churn", "smoke_test": "none.json"}, "'none.json' cannot be read: No such file"),
        ("deploy", {**DEPLOY, "code": "none"}, "there is no folder 'none'"),
    ],
)
def test_missing_file_is_an_error_of_the_rule(
    do: str, settings: dict[str, Any], reason: str, app: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (app.parent / "outside.yml").write_text(JOB)
    write(app / "rules", do, settings)
    assert check(app) == 1
    output = capsys.readouterr().out
    assert reason in output
    if "outside" not in reason:
        assert "name one beside the rules file, or from the app's folder" in output


OUTSIDE = {
    "absolute": "{outside}",
    "dots": "../outside/secret.json",
    "link": "rules/link/secret.json",
    "device": "/dev/zero",
}


@pytest.mark.parametrize("file", OUTSIDE.values(), ids=OUTSIDE)
def test_smoke_test_outside_of_the_app_is_an_error(file: str, app: Path, capsys: pytest.CaptureFixture[str]) -> None:
    outside = app.parent / "outside"
    outside.mkdir()
    (outside / "secret.json").write_text("{}")
    (app / "rules/link").symlink_to(outside)
    write(app / "rules", "deploy", {"endpoint": "churn", "smoke_test": file.format(outside=outside / "secret.json")})
    assert check(app) == 1
    assert "is outside of the app's folder" in capsys.readouterr().out


@pytest.mark.parametrize("folder", ["/", "/etc", "../..", "/proc/self/root/etc", "rules/link"])
def test_code_outside_of_the_app_is_an_error(folder: str, app: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (app / "rules/link").symlink_to("/etc")
    write(app / "rules", "deploy", {**DEPLOY, "code": folder})
    assert check(app) == 1
    assert f"'{folder}' is outside of the app's folder" in capsys.readouterr().out


def test_local_settings_are_never_sent(app: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither as a request, under any name, nor with the folder that contains them."""
    (app / "local.settings.json").write_text('{"IsEncrypted": false, "Values": {}}')
    (app / "rules/request.json").symlink_to(app / "local.settings.json")
    for name in ("local.settings.json", "request.json"):
        write(app / "rules", "deploy", {"endpoint": "churn", "smoke_test": name})
        assert check(app) == 1
        assert f"'{name}' is local.settings.json, whose settings are secret" in capsys.readouterr().out
    write(app / "rules", "deploy", {**DEPLOY, "code": ".."})
    assert check(app) == 1
    assert "'..' contains local.settings.json, whose settings are secret" in capsys.readouterr().out


def test_folder_with_links_out_of_the_app_is_an_error(app: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An upload would follow them. Links within the app are followed, also in circles."""
    code = app / "rules/code"
    (code / "lib").mkdir(parents=True)
    (code / "score.py").touch()
    (code / "lib/back").symlink_to(code)
    write(app / "rules", "deploy", {**DEPLOY, "code": "code"})
    assert check(app) == 0
    (code / "lib/hosts").symlink_to("/etc/hosts")
    assert check(app) == 1
    out = " ".join(capsys.readouterr().out.split())
    assert "the folder 'code' contains the link lib/hosts, which leads out of the app's folder" in out


def test_local_settings_deep_in_a_folder_are_never_sent(app: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (app / "rules/code/deep").mkdir(parents=True)
    (app / "rules/code/deep/local.settings.json").write_text("{}")
    write(app / "rules", "deploy", {**DEPLOY, "code": "code"})
    assert check(app) == 1
    assert "'code' contains local.settings.json" in capsys.readouterr().out


def test_file_that_cannot_be_read_to_an_end_is_an_error(app: Path, capsys: pytest.CaptureFixture[str]) -> None:
    os.mkfifo(app / "rules/pipe.json")
    (app / "rules/large.json").write_text(json.dumps("x" * 1_000_000))
    for name, reason in {"pipe.json": "is not a regular file", "large.json": "is larger than 1,000,000 bytes"}.items():
        write(app / "rules", "deploy", {"endpoint": "churn", "smoke_test": name})
        assert check(app) == 1
        assert f"'{name}' {reason}" in capsys.readouterr().out


def test_names_are_relative_to_the_project_without_a_context() -> None:
    """As for handlers that a test creates."""
    name = "samples/churn-request.json"
    assert FileName.of(name).path == path_of(name) == APP_FOLDER / name
    deploy = Deploy.model_validate({"endpoint": "churn", "smoke_test": name})
    assert deploy.smoke_test
    assert deploy.smoke_test.body() == (APP_FOLDER / name).read_bytes()


@pytest.mark.parametrize("name", ["x" * 5_000, "x/" * 3_000, "\0"])
def test_text_that_no_file_can_have_as_its_name_is_an_error(name: str, app: Path) -> None:
    for do, settings in (("pipeline", {"job": name}), ("deploy", {**DEPLOY, "smoke_test": name})):
        write(app / "rules", do, settings)
        [error] = App.from_settings({"AzureWebJobsStorage": "UseDevelopmentStorage=true", **SETTINGS}, app).rules.errors
        assert "file" in str(error)
        assert len(str(error)) < 1_000
