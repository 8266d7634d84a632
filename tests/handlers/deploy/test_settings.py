"""What a rule may say under ``with:``, what is a mistake, and what ``mlevents check`` shows of it."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from dispatch.rules import load
from dispatch.rules.rule import Rules
from handlers.deploy.handler import Deploy
from handlers.workspace_field import WORKSPACES
from schemas import ModelRegistered, WorkspaceId
from tests.kit.world import SETTINGS
from tests.kit.world import WORKSPACES as WORKSPACES_YAML

EVENT = ModelRegistered.example(model_name="churn", model_version="7", model_tags={"endpoint": "churn-eu"})
PROD = WorkspaceId.parse(SETTINGS["RULES_WS_CHURN_PROD"])


def deploy(**settings: Any) -> Deploy:
    return Deploy.model_validate({"endpoint": "churn"} | settings, context={WORKSPACES: {"churn-prod": PROD}})


def test_all_of_the_settings_together() -> None:
    """As in the documentation."""
    rule = deploy(
        endpoint="{{ data.modelTags.endpoint | default('churn') }}",
        allowed_endpoints=["churn", "churn-*"],
        workspace="churn-prod",
        create_endpoint=True,
        instance_type="Standard_DS3_v2",
        instance_count=1,
        traffic=[10, 50, 100],
        bake="10m",
        smoke_test="samples/churn-request.json",
        keep=1,
        timeout="4h",
    )
    assert rule.workspace == PROD
    assert (rule.bake, rule.timeout) == (timedelta(minutes=10), timedelta(hours=4))
    assert rule.plan(EVENT) == (
        "deploy churn:7 behind the endpoint churn-eu of churn-prod with 10, 50, 100 % of the traffic, 10m apart"
    )


def test_how_often_to_look_can_be_said() -> None:
    assert deploy().poll is None
    assert deploy(poll="1s").poll == timedelta(seconds=1)


def test_the_plan_for_a_batch_endpoint() -> None:
    rule = deploy(batch={"compute": "cpu-cluster"})
    assert rule.plan(EVENT) == "deploy churn:7 behind the batch endpoint churn of churn-prod as its default"


def test_the_plan_shows_that_an_endpoint_is_not_allowed() -> None:
    plan = deploy(endpoint="{{ data.modelTags.endpoint }}", allowed_endpoints=["churn"]).plan(EVENT)
    assert plan == "give up: the endpoint 'churn-eu' is not one of allowed_endpoints: churn"


def test_the_plan_names_the_registry_s_model() -> None:
    assert "azureml://registries/acme/models/churn/versions/7" in deploy(
        model="azureml://registries/acme/models/{{ data.modelName }}/versions/{{ data.modelVersion }}"
    ).plan(EVENT)


@pytest.mark.parametrize("pattern", ["churn-*", "churn-??", "churn-[ei]u", "*"])
def test_patterns_are_those_of_files(pattern: str) -> None:
    plan = deploy(endpoint="{{ data.modelTags.endpoint }}", allowed_endpoints=[pattern]).plan(EVENT)
    assert "endpoint churn-eu" in plan


MISTAKES: list[tuple[dict[str, Any], str]] = [
    ({"endpoint": "{{ data.modelTags.endpoint }}"}, "list the permitted endpoints in allowed_endpoints"),
    ({"endpoint": "churn", "allowed_endpoints": ["billing"]}, "'churn' is not one of allowed_endpoints: billing"),
    ({"endpoint": "no_underscores"}, "cannot be an endpoint's name"),
    ({"endpoint": "x"}, "cannot be an endpoint's name"),
    ({"traffic": [10, 50]}, "rise to 100"),
    ({"traffic": [50, 10, 100]}, "rise to 100"),
    ({"traffic": [0, 100]}, "rise to 100"),
    ({"traffic": []}, "rise to 100"),
    ({"bake": "10"}, "write 30s, 10m"),
    ({"smoke_test": "samples/nowhere.json"}, "cannot be read"),
    ({"smoke_test": "samples/README.md"}, "is not JSON"),
    ({"smoke_test": {"request": "samples/churn-request.json", "expect": "{{ answer"}}, "bad template"),
    ({"code": "nowhere", "environment": "azureml:e:1", "scoring_script": "score.py"}, "there is no folder 'nowhere'"),
    ({"code": "azureml:code:1", "scoring_script": "score.py"}, "environment is missing"),
    ({"environment": "azureml:e:1"}, "code is missing"),
    ({"instance_count": 0}, "greater than or equal to 1"),
    ({"instance_count": "1"}, "valid integer"),
    ({"create_endpoint": "no"}, "valid boolean"),
    ({"auth_mode": "password"}, "'aad_token', 'key' or 'aml_token'"),
    ({"compute": "k8s", "auth_mode": "aad_token"}, "takes no Entra tokens: write auth_mode: key, or aml_token"),
    ({"workspace": "churn-test"}, "there is no workspace 'churn-test' in rules/workspaces.yaml, which has churn-prod"),
    ({"workspace": "/subscriptions/x"}, "a workspace's ARM id"),
    ({"workspace": 7}, "the name of a workspace"),
    ({"batch": {}}, "Field required"),
    ({"batch": {"compute": "c"}, "smoke_test": "samples/churn-request.json"}, "a batch endpoint has no smoke_test"),
    ({"batch": {"compute": "c"}, "traffic": [100]}, "a batch endpoint has no traffic"),
    ({"batch": {"compute": "c"}, "compute": "k8s"}, "a batch endpoint has no compute"),
    ({"endpont": "churn"}, "Extra inputs"),
]


@pytest.mark.parametrize(("settings", "said"), MISTAKES, ids=lambda value: str(value)[:40])
def test_mistakes_are_found_when_the_rules_load(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError) as error:
        deploy(**settings)
    assert said in str(error.value)


def test_a_workspace_may_be_given_by_its_id() -> None:
    assert deploy(workspace=str(PROD)).workspace == PROD
    assert deploy(workspace=PROD).workspace == PROD


def test_without_a_workspace_the_model_s_own_is_meant() -> None:
    assert deploy().destination(EVENT) == str(EVENT.workspace).casefold()


RULES = """
rules:
  - name: deploy-it
    on: ModelRegistered
    do: deploy
    with: { endpoint: churn, workspace: churn-prod }
  - name: deploy-here
    on: ModelRegistered
    do: deploy
    with: { endpoint: churn }
"""


def loaded(folder: Path, rules: str = RULES, workspaces: str = WORKSPACES_YAML) -> Rules:
    (folder / "workspaces.yaml").write_text(workspaces)
    (folder / "churn.yaml").write_text(rules)
    return load(folder, SETTINGS)


def test_a_rule_names_a_workspace_as_workspaces_yaml_does(tmp_path: Path) -> None:
    rules = loaded(tmp_path)
    assert rules.errors == ()
    handler = rules.by_name["deploy-it"].handler
    assert isinstance(handler, Deploy)
    assert handler.workspace == PROD


def test_a_workspace_that_is_not_there_is_a_mistake_in_the_rule_s_line(tmp_path: Path) -> None:
    [mistake] = loaded(tmp_path, RULES.replace("churn-prod", "churn-test")).errors
    assert (mistake.line, mistake.column) == (6, 41)
    assert "with.workspace: there is no workspace 'churn-test'" in str(mistake)


def test_while_workspaces_yaml_is_refused_what_names_one_is_not_there(tmp_path: Path) -> None:
    """Its actions wait until it is mended; that is the only mistake that is told, and other rules go on."""
    rules = loaded(tmp_path, workspaces="workspaces: { churn-prod: { id: nonsense } }")
    assert {mistake.file for mistake in rules.errors} == {f"{tmp_path.name}/workspaces.yaml"}
    assert list(rules.by_name) == ["deploy-here"]


def test_deploy_cannot_carry_alerts_and_takes_no_other_event(tmp_path: Path) -> None:
    [mistake] = loaded(tmp_path, RULES.replace("ModelRegistered", "RunCompleted", 1)).errors
    assert "ModelRegistered" in str(mistake)
