"""`mlevents roles`: the roles of an app and its rules, each with its resource."""

import json
from pathlib import Path
from typing import Any

import pytest

from handlers.roles import READER
from mlevents.__main__ import main
from mlevents.commands.roles.bicep import as_bicep
from mlevents.commands.roles.model import Assignment
from tests.infra.checker import check
from tests.infra.published import INFRA
from tests.mlevents.commands.test_commands import RULE, app

__all__ = ["app"]

ID = "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/g/providers"
DEV, PROD = (f"{ID}/Microsoft.MachineLearningServices/workspaces/{name}" for name in ("dev", "prod"))
WORKSPACES = f"""\
workspaces:
  dev: {{ id: {DEV}, env: dev }}
  prod: {{ id: {PROD}, env: prod }}
"""
FACTORY = f"{ID}/Microsoft.DataFactory/factories/my-factory"
SYNAPSE = f"{ID}/Microsoft.Synapse/workspaces/my-synapse"
MODEL = "azureml://registries/shared/models/churn/versions/{{ data.modelVersion }}"
HOST = {"Storage Blob Data Owner", "Storage Queue Data Contributor", "Storage Table Data Contributor"}


def rule(name: str, do: str, settings: str, chosen: str = "{ env: prod }", on: str = "ModelRegistered") -> str:
    return f"  - {{ name: {name}, on: {on}, in: {chosen}, do: {do}, with: {settings} }}\n"


def listed(app: Path, capsys: pytest.CaptureFixture[str], *rules: str, alerts: str = "") -> list[dict[str, Any]]:
    (app / "rules/workspaces.yaml").write_text(WORKSPACES + alerts)
    (app / "rules/a.yaml").write_text("rules:\n" + "".join(rules))
    code = main(["roles", "--app", str(app), "--format", "json"])
    out = capsys.readouterr()
    assert code == 0, out.err
    found: list[dict[str, Any]] = json.loads(out.out)
    return found


def of_rules(found: list[dict[str, Any]]) -> dict[tuple[str, str | None], list[str]]:
    return {(each["role"], each["resource"]): each["rules"] for each in found if each["rules"]}


def test_app_needs_its_storage_and_its_telemetry(app: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = listed(app, capsys, rule("a", "log", "{}", on="DatasetDriftDetected"))
    assert of_rules(found) == {}
    assert {each["role"] for each in found} == HOST | {"Monitoring Metrics Publisher"}
    assert {each["resource"] for each in found} == {"storageId", "applicationInsightsId"}


def test_deployment_needs_the_workspaces_of_its_events_and_its_target(
    app: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = of_rules(
        listed(
            app,
            capsys,
            rule("here", "deploy", "{ endpoint: churn }"),
            rule("there", "deploy", f"{{ endpoint: churn, workspace: {DEV}, model: '{MODEL}' }}"),
        )
    )
    assert found[("AzureML Data Scientist", PROD)] == ["here", "there"]
    assert found[("AzureML Data Scientist", DEV)] == ["there"]
    assert found[("Reader", None)] == ["here", "there"]


def test_rule_without_in_needs_every_workspace(app: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = of_rules(listed(app, capsys, rule("a", "deploy", "{ endpoint: churn }", "{ env: [dev, prod] }")))
    assert {resource for name, resource in found if name == "AzureML Data Scientist"} == {DEV, PROD}


def test_run_of_a_pipeline_needs_what_its_owner_is(app: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = of_rules(
        listed(
            app,
            capsys,
            rule("factory", "pipeline", f"{{ data_factory: {FACTORY}, pipeline: p }}"),
            rule("synapse", "pipeline", f"{{ synapse: {SYNAPSE}, pipeline: p }}"),
            rule("batch", "pipeline", f"{{ batch_endpoint: scores, workspace: {DEV} }}"),
        )
    )
    assert found[("Data Factory Contributor", FACTORY)] == ["factory"]
    assert found[("Synapse Compute Operator", None)] == ["synapse"]
    assert found[("AzureML Data Scientist", DEV)] == ["batch"]
    assert ("AzureML Data Scientist", PROD) not in found
    assert found[("Storage Blob Data Contributor", None)] == ["batch"]


def test_alerts_need_the_role_of_their_handler(app: Path, capsys: pytest.CaptureFixture[str]) -> None:
    alerts = "alerts: { do: email, with: { to: [a@example.com] } }\n"
    found = of_rules(listed(app, capsys, rule("a", "log", "{}", on="ModelDeployed"), alerts=alerts))
    assert found == {("Communication and Email Service Owner", "communicationServiceId"): ["-alerts"]}


def test_rule_that_reads_what_the_service_knows_needs_to_read_the_workspace(
    app: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """For messages of the app's own it is optional; an issue with a text that names no fact needs nothing."""
    late = "  - { name: late, on: RunStatusChanged, in: dev, when: [run.status StringIn Failed], do: log }\n"
    after = "  - { name: after, after: { rules: late }, do: log, with: { message: '{{ run.error.message }}' } }\n"
    found = listed(
        app,
        capsys,
        rule("mail", "email", "{ to: [a@example.com] }"),
        *(late, after),
        rule("text", "log", "{ message: '{{ model.flavor }}' }", on="ModelDeployed"),
        rule("plain", "log", "{ message: '{{ subject }}' }", on="ModelDeployed"),
        rule("drift", "email", "{ to: [a@example.com] }", on="DatasetDriftDetected"),
    )
    assert [(each["resource"], each["rules"], each["optional"]) for each in found if each["role"] == "Reader"] == [
        (PROD, ["mail", "after", "text"], False),
        (DEV, ["late", "after"], False),
    ]


def test_rule_that_waits_needs_to_read_the_status_of_runs_only(app: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of other objects, the record has the state. A rule that follows others may act on runs."""

    def waits(name: str, trigger: str) -> str:
        return f"  - {{ name: {name}, {trigger}, in: prod, still_after: 1h, do: log, with: {{ message: x }} }}\n"

    found = listed(
        app,
        capsys,
        waits("run", "on: RunStatusChanged"),
        waits("model", "on: ModelRegistered"),
        waits("data", "on: DatasetDriftDetected"),
        waits("drift", "on: DriftDetected"),
        waits("follower", "after: { rules: model }"),
        waits("missing", 'expect: { event: RunCompleted, by: "06:30" }'),
    )
    [role] = [each for each in found if each["role"] == "Reader"]
    compared = ["missing", "model"]  # needs it for the daily comparison with the record
    assert (role["resource"], role["rules"], role["optional"]) == (PROD, ["run", "drift", "follower", *compared], True)
    assert role["purpose"] == "still_after: the status of a run"


def test_rule_on_what_raises_no_event_needs_to_read_the_workspace_or_the_registry(
    app: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    registry = f"{ID}/Microsoft.MachineLearningServices/registries/shared"
    registries = f"registries: {{ shared: {{ id: {registry} }} }}\n"
    failed = rule("failed", "log", "{}", on="DeploymentFailed")
    new = rule("new", "log", "{}", chosen="shared", on="RegistryModelRegistered")
    found = listed(app, capsys, failed, new, alerts=registries)
    assert of_rules(found) == {("Reader", PROD): ["failed"], ("Reader", registry): ["new"]}


@pytest.mark.parametrize(
    "key",
    [
        "on: RunCompleted",
        "on: ModelRegistered",
        "on: DriftDetected",
        "expect: { event: RunStatusChanged, by: '06:30' }",
        "on: ModelDeployed, unless: { event: RunCompleted }",
    ],
)
def test_rule_on_runs_or_models_needs_to_list_them_each_day(
    app: Path, capsys: pytest.CaptureFixture[str], key: str
) -> None:
    """Optional: only events that never came are not found without it."""
    [found] = [
        each
        for each in listed(app, capsys, f"  - {{ name: a, in: dev, {key}, do: log }}\n")
        if each["role"] == "Reader" and each["purpose"] == "finds events of runs and models that never came"
    ]
    assert (found["resource"], found["rules"], found["optional"]) == (DEV, ["a"], True)


def test_module_agrees_with_the_published_types(app: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a mail, it has a parameter that it does not read, which the linter is told."""
    listed(app, capsys, rule("a", "deploy", "{ endpoint: churn }"))
    assert main(["roles", "--app", str(app), "--format", "bicep"]) == 0
    text = capsys.readouterr().out
    assert f"{{ scope: '{PROD}', role: 'f6c7c914-8db3-469d-8ca1-694a8f32e121' }}" in text
    assert "// Reader (acdd72a7-3385-48ef-bd42-f606fba81ae7), on the subscription, optional: quota" in text
    (tmp_path / "modules").mkdir()
    (tmp_path / "generated").mkdir()
    (tmp_path / "modules/role.json").write_text((INFRA / "modules/role.json").read_text())
    (tmp_path / "generated/roles.bicep").write_text(text)
    assert check(tmp_path / "generated/roles.bicep") == ["roles.bicep: communicationServiceId is not used"]
    assert "#disable-next-line no-unused-params\nparam communicationServiceId string\n" in text


def test_texts_are_escaped_in_the_module() -> None:
    text = as_bicep([Assignment(READER, DEV + "${a}'b\n", ("rule\n",))])
    assert f"{{ scope: '{DEV}\\${{a}}\\'b\\\\n', role: '{READER.id}' }}\n" in text
    assert "//   for rule\\n\n" in text


def test_text_has_a_block_for_each_role(app: Path, capsys: pytest.CaptureFixture[str]) -> None:
    listed(app, capsys, rule("a", "deploy", "{ endpoint: churn }"))
    assert main(["roles", "--app", str(app)]) == 0
    lines = capsys.readouterr().out.splitlines()
    at = lines.index("AzureML Data Scientist f6c7c914-8db3-469d-8ca1-694a8f32e121")
    assert lines[at + 1 : at + 3] == [f"    on {PROD}: models, endpoints, deployments, logs, scoring", "    for a"]
    assert "Reader acdd72a7-3385-48ef-bd42-f606fba81ae7 (optional)" in lines


def test_nothing_is_printed_for_rules_with_errors(app: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Roles that are missing would be removed from the module."""
    (app / "rules/a.yaml").write_text(RULE.replace("do: log", "do: lgo"))
    assert main(["roles", "--app", str(app), "--format", "bicep"]) == 1
    out = capsys.readouterr()
    assert out.out == ""
    assert "rules/a.yaml:5" in out.err
    (app / "host.json").write_text("{")
    assert main(["roles", "--app", str(app)]) == 1
    assert "host.json" in capsys.readouterr().err
