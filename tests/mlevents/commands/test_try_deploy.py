"""`mlevents try-deploy`, with which a user watches a rule work in their own Azure."""

import json
from pathlib import Path

import pytest

from emulator import Azure
from mlevents.__main__ import main
from tests.kit.world import SETTINGS, WORKSPACES

RULES = """
rules:
  - name: deploy-it
    on: ModelRegistered
    in: { env: prod }
    when: [data.modelTags.stage StringIn production]
    do: deploy
    with: { endpoint: churn, bake: 1m }
  - name: log-it
    on: ModelRegistered
    do: log
"""


@pytest.fixture
def app(tmp_path: Path, azure: Azure, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An app's folder. After the test, the environment is as before."""
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "workspaces.yaml").write_text(WORKSPACES)
    (tmp_path / "rules" / "churn.yaml").write_text(RULES)
    (tmp_path / "local.settings.json").write_text(json.dumps({"IsEncrypted": False, "Values": SETTINGS}))
    for name in (*SETTINGS, "AZURE_FUNCTIONS_ENVIRONMENT"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    return tmp_path


def run(app: Path, *arguments: str) -> tuple[int, list[float]]:
    """The exit code, and the pauses between steps in seconds, which take no time here."""
    pauses: list[float] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mlevents.commands.try_deploy.sleep", pauses.append)
        return main(["try-deploy", *arguments, "--app", str(app)]), pauses


def test_without_yes_the_plan_is_printed_and_nothing_is_changed(
    app: Path, azure: Azure, capsys: pytest.CaptureFixture[str]
) -> None:
    azure.models.register("churn", "7", {"stage": "production"})
    assert run(app, "deploy-it", "churn:7") == (0, [])
    out = capsys.readouterr().out
    assert "deploy churn:7 behind the endpoint churn of churn-prod" in out
    assert "Add --yes" in out
    assert not [call for call in azure.calls.all if call.method != "GET"]


def test_with_yes_the_model_is_deployed_step_by_step(
    app: Path, azure: Azure, capsys: pytest.CaptureFixture[str]
) -> None:
    azure.models.register("churn", "7", {"stage": "production"})
    azure.faults.fail("PUT *", status=500)
    code, pauses = run(app, "deploy-it", "churn:7", "--workspace", "churn-prod", "--yes")
    out = capsys.readouterr().out
    assert code == 0
    assert sum(azure.endpoints.traffic("churn").values()) == 100
    assert max(pauses) == 30
    assert " HTTP 500" in out
    assert "succeeded: churn:7 serves churn" in out.splitlines()[-1]


def test_a_failed_deployment_is_reported(app: Path, azure: Azure, capsys: pytest.CaptureFixture[str]) -> None:
    azure.models.register("churn", "7", {"stage": "production"}, type="custom_model")
    assert run(app, "deploy-it", "churn:7", "--yes")[0] == 1
    assert "failed: churn:7 is of type custom_model" in capsys.readouterr().out


def test_a_model_that_the_rule_does_not_match_is_not_deployed(
    app: Path, azure: Azure, capsys: pytest.CaptureFixture[str]
) -> None:
    azure.models.register("churn", "7", {"stage": "trial"})
    assert run(app, "deploy-it", "churn:7", "--yes")[0] == 1
    assert "the rule does not match this model" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing", "churn:7"], "no rule 'nothing' deploys; these do: deploy-it"),
        (["log-it", "churn:7"], "no rule 'log-it' deploys"),
        (["deploy-it", "churn:7", "--workspace", "churn-dev"], "add --workspace with one of these: churn-prod"),
        (["deploy-it", "churn"], "write name:version"),
        (["deploy-it", "churn:8"], "there is no model churn:8"),
    ],
)
def test_an_invalid_argument_is_reported(
    app: Path, azure: Azure, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert run(app, *arguments)[0] == 2
    assert message in capsys.readouterr().err
