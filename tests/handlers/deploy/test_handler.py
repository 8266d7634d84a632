"""The settings of a deploy rule, their errors, and the handler's plan, lock and destination."""

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
DEV = SETTINGS["RULES_WS_CHURN_DEV"]


def deploy(**settings: Any) -> Deploy:
    return Deploy.model_validate({"endpoint": "churn"} | settings, context={WORKSPACES: {"churn-prod": PROD}})


def test_all_settings_of_the_documentation_load() -> None:
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


def test_poll_is_a_duration() -> None:
    assert deploy().poll is None
    assert deploy(poll="1s").poll == timedelta(seconds=1)


def test_plan_describes_a_batch_deployment() -> None:
    rule = deploy(batch={"compute": "cpu-cluster"})
    assert rule.plan(EVENT) == "deploy churn:7 behind the batch endpoint churn of churn-prod as its default"


def test_plan_reports_an_endpoint_that_is_not_allowed() -> None:
    plan = deploy(endpoint="{{ data.modelTags.endpoint }}", allowed_endpoints=["churn"]).plan(EVENT)
    assert plan == "give up: the endpoint 'churn-eu' is not one of allowed_endpoints: churn"


def test_plan_names_the_model_of_the_registry() -> None:
    assert "azureml://registries/acme/models/churn/versions/7" in deploy(
        model="azureml://registries/acme/models/{{ data.modelName }}/versions/{{ data.modelVersion }}"
    ).plan(EVENT)


@pytest.mark.parametrize("pattern", ["churn-*", "churn-??", "churn-[ei]u", "*"])
def test_allowed_endpoints_are_file_name_patterns(pattern: str) -> None:
    plan = deploy(endpoint="{{ data.modelTags.endpoint }}", allowed_endpoints=[pattern]).plan(EVENT)
    assert "endpoint churn-eu" in plan


def test_an_endpoint_named_by_labels_needs_no_allowed_endpoints() -> None:
    """Labels are the owner's text in workspaces.yaml, not the event's."""
    assert deploy(endpoint="{{ workspace.labels.team }}-ep").endpoint
    with pytest.raises(ValidationError, match="allowed_endpoints"):
        deploy(endpoint="{{ workspace.labels.team }}-{{ data.modelName }}")


CODE = {"environment": "azureml:serving:3", "code": "azureml:scoring:1", "scoring_script": "score.py"}
ERRORS: list[tuple[dict[str, Any], str]] = [
    ({"endpoint": "{{ data.modelTags.endpoint }}"}, "list the permitted endpoints in allowed_endpoints"),
    ({"endpoint": "churn", "allowed_endpoints": ["billing"]}, "'churn' is not one of allowed_endpoints: billing"),
    ({"endpoint": "no_underscores"}, "cannot be an endpoint's name"),
    ({"endpoint": "x"}, "cannot be an endpoint's name"),
    ({"traffic": [10, 50]}, "rise to 100"),
    ({"traffic": [50, 10, 100]}, "rise to 100"),
    ({"traffic": [0, 100]}, "rise to 100"),
    ({"traffic": []}, "rise to 100"),
    ({"bake": "10"}, "write 30s, 10m"),
    ({"poll": "0s"}, "write 1s or more"),
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
    ({"batch": {}}, "a batch deployment needs the cluster that its jobs run on: write batch: { compute"),
    ({"batch": {"compute": "c"}, "smoke_test": "samples/churn-request.json"}, "a batch endpoint has no smoke_test"),
    ({"batch": {"compute": "c"}, "traffic": [100]}, "a batch endpoint has no traffic"),
    ({"batch": {"compute": "c"}, "compute": "k8s"}, "a batch endpoint has no compute"),
    ({"endpont": "churn"}, "Extra inputs"),
    ({"model": "azureml://registries/acme/models/churn/labels/latest"}, "a label can stand for another version"),
    ({"model": "azureml:churn:{{ data.modelVersion }}"}, "'azureml:churn:' begins no id of a registry's model: write"),
    ({"model": "azureml://registries/acme/models/churn"}, "is not the id of a model version"),
    ({"timeout": "20m"}, "the timeout 20m ends before all traffic is moved: bake alone takes 20m for 3 shares"),
    ({"bake": "{{ data.modelTags.bake }}"}, "this setting is not a template"),
    ({"model": "azureml:churn@latest"}, "a label can stand for another version"),
    ({**CODE, "environment": "azureml:serving"}, "does not name an environment with its version"),
    ({**CODE, "environment": "azureml:serving@prod"}, "the only label is latest; or write the version"),
    ({**CODE, "code": "azureml:scoring@latest"}, "code assets have no labels; write the version"),
    ({"scoring_script": "{{ data.modelName }}.py"}, "this setting is not a template"),
    ({"allowed_endpoints": ["{% if x %}"]}, "this setting is not a template"),
    ({"batch": {"compute": "{{ data.modelName }}"}}, "this setting is not a template"),
    ({"environment_variables": {"{{ data.modelName }}": "x"}}, "this setting is not a template"),
]


@pytest.mark.parametrize(("settings", "said"), ERRORS, ids=lambda value: str(value)[:40])
def test_invalid_settings_fail_at_load(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError) as error:
        deploy(**settings)
    assert said in str(error.value)


def test_workspace_is_given_by_its_id() -> None:
    assert deploy(workspace=str(PROD)).workspace == PROD
    assert deploy(workspace=PROD).workspace == PROD


def test_default_workspace_is_that_of_the_model() -> None:
    assert deploy().destination(EVENT) == str(EVENT.workspace).casefold()


RULES = """
rules:
  - name: deploy-it
    on: ModelRegistered
    in: churn-prod
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


REGISTRY = "model: 'azureml://registries/acme/models/churn/versions/7'"


@pytest.mark.parametrize(
    ("chosen", "settings", "is_refused"),
    [
        ("", "workspace: churn-prod", True),
        ("in: churn-dev", "workspace: churn-prod", True),
        ("in: [churn-prod, churn-dev]", "workspace: churn-prod", True),
        ("in: churn-prod", "workspace: churn-prod", False),
        ("in: churn-dev", "workspace: churn-dev", False),
        ("in: churn-dev", f"workspace: churn-prod, {REGISTRY}", False),
        ("", REGISTRY, False),
    ],
)
def test_a_model_of_another_workspace_is_an_error_of_the_rule(
    chosen: str, settings: str, is_refused: bool, tmp_path: Path
) -> None:
    """Azure ML knows only the models of the endpoint's own workspace and those of registries."""
    rule = RULES.replace("    in: churn-prod\n", f"    {chosen}\n").replace("workspace: churn-prod", settings)
    errors = [str(error) for error in loaded(tmp_path, rule).errors]
    assert [error.partition(": an endpoint")[0].rpartition(": ")[2] for error in errors] == (
        ["a model of churn-dev cannot be deployed in churn-prod"] if is_refused else []
    )
    assert all(":7:41: " in error and error.endswith(" or choose the workspace by in: churn-prod.") for error in errors)


def test_workspace_is_given_by_its_name_in_workspaces_yaml(tmp_path: Path) -> None:
    rules = loaded(tmp_path)
    assert rules.errors == ()
    handler = rules.by_name["deploy-it"].handler
    assert isinstance(handler, Deploy)
    assert handler.workspace == PROD


def test_unknown_workspace_is_an_error_with_its_position(tmp_path: Path) -> None:
    [error] = loaded(tmp_path, RULES.replace("workspace: churn-prod", "workspace: churn-test")).errors
    assert (error.line, error.column) == (7, 41)
    assert "with.workspace: there is no workspace 'churn-test'" in str(error)


def test_rule_that_names_a_workspace_is_missing_while_workspaces_yaml_is_invalid(tmp_path: Path) -> None:
    """Its actions wait. The invalid file is the only error, and other rules still run."""
    rules = loaded(tmp_path, workspaces="workspaces: { churn-prod: { id: nonsense } }")
    assert {error.file for error in rules.errors} == {f"{tmp_path.name}/workspaces.yaml"}
    assert list(rules.by_name) == ["deploy-here"]


def test_deploy_accepts_no_other_event(tmp_path: Path) -> None:
    [error] = loaded(tmp_path, RULES.replace("ModelRegistered", "RunCompleted", 1)).errors
    assert "ModelRegistered" in str(error)


def test_lock_is_one_endpoint_of_one_workspace() -> None:
    handler = deploy()
    events = [ModelRegistered.example(topic=topic) for topic in (str(PROD), DEV, str(PROD).upper())]
    one, two, three = (handler.lock(event) for event in events)
    assert one is not None
    assert (one == three, one == two) == (True, False)
    assert handler.destination(events[0]) == handler.destination(events[2]) == str(PROD).casefold()
