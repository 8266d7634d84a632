"""Errors in the CLI's files are found as the rules load, without network, each at its line and column."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from handlers.azure.ml.workspace import client_class
from handlers.deploy.files.definition import Kind
from handlers.deploy.handler import Deploy
from handlers.file_field import FOLDERS
from schemas import ModelRegistered

EVENT = ModelRegistered.example(model_name="churn", model_version="7")


def deploy(folder: Path, text: str, key: str = "deployment", **settings: Any) -> Deploy:
    """A rule with a file ``d/f.yml`` of this text."""
    (folder / "d").mkdir(exist_ok=True)
    (folder / "d/f.yml").write_text(text, encoding="utf-8")
    given = {"endpoint": "churn", key: "d/f.yml"} | settings
    return Deploy.model_validate(given, context={FOLDERS: (folder,)})


def error(folder: Path, text: str, key: str = "deployment", **settings: Any) -> str:
    with pytest.raises(ValidationError) as raised:
        deploy(folder, text, key, **settings)
    return "; ".join(str(each["msg"]) for each in raised.value.errors())


DEPLOYMENTS = [
    ("liveness_prob: {period: 10}", "d/f.yml:1:1: unknown key 'liveness_prob'. Did you mean liveness_probe?"),
    (
        "liveness_probe:\n  periods: 10",
        "d/f.yml:2:3: unknown key 'periods' in liveness_probe. Did you mean period?",
    ),
    ("zzz: 1", "unknown key 'zzz'. The keys are $schema, id, name"),
    ("liveness_probe:\n  period: ten", "d/f.yml:2:11: liveness_probe.period should be a whole number, not 'ten'"),
    ("liveness_probe: 10", "d/f.yml:1:17: liveness_probe should be a mapping (key: value), not 10"),
    ("instance_count: true", "instance_count should be a whole number, not True"),
    ("instance_count: 0", "d/f.yml:1:17: instance_count should be 1 or more, not 0"),
    ("instance_type: 3", "instance_type should be a text, not 3: put it in quotes"),
    ("instance_type: 2026-01-01", "instance_type should be a text, not the date 2026-01-01: put it in quotes"),
    ("app_insights_enabled: maybe", "app_insights_enabled should be true or false, not 'maybe'"),
    ("tags:", "d/f.yml:1:1: tags has no value"),
    ("tags: {a: [1]}", "tags.a should be a text, a number, true or false, not [1]"),
    ("environment_variables: {1: a}", "YAML reads a key of environment_variables as 1: put it in quotes"),
    (
        "egress_public_network_access: disable",
        "should be enabled or disabled, not 'disable'. Did you mean disabled?",
    ),
    ("scale_settings: {min_instances: 1}", "scale_settings needs 'type'"),
    (
        "scale_settings: {type: target_utilization}",
        "d/f.yml:1:24: a managed deployment takes only scale_settings of type default",
    ),
    ("data_collector: {collections: {x: {enabled: 'on'}}}", "collections.x.enabled should be true or false, not 'on'"),
    ("data_collector: {sampling_rate: 2}", "d/f.yml:1:33: sampling_rate should be from 0 to 1, not 2"),
    ("data_collector: {sampling_rate: nan}", "data_collector.sampling_rate should be a number, not 'nan'"),
    ("data_collector: {request_logging: {capture_headers: x}}", "capture_headers should be a list, not 'x'"),
    ("environment: serving", "environment: 'serving' does not name an environment with its version"),
    ("environment: azureml:serving@prod", "the only label is latest"),
    ("environment: [a]", "environment should be a text, not ['a']"),
    ("environment: {name: e}", "d/f.yml:1:1: an environment needs either an image or a build"),
    (
        "environment:\n  image: x\n  inference_config:\n    scoring_route: {port: 1, path: /}",
        "d/f.yml:3:3: environment.inference_config needs 'liveness_route'",
    ),
    ("environment: {build: {path: nowhere}}", "d/f.yml:1:29: environment.build.path: there is no folder 'nowhere'"),
    ("environment: {image: x, conda_file: c.yml}", "environment.conda_file: 'c.yml' cannot be read"),
    ("code_configuration: {code: ../code}", "code_configuration needs both code and scoring_script"),
    (
        "code_configuration: {code: ../nowhere, scoring_script: s.py}",
        "d/f.yml:1:28: code_configuration.code: there is no folder '../nowhere'; names in d/f.yml begin at its folder",
    ),
    ("code_configuration: {code: ../code, scoring_script: s.py}", "there is no s.py in the folder ../code"),
    (
        "code_configuration: {code: ../code, scoring_script: ../d/f.yml}",
        "there is no ../d/f.yml in the folder ../code",
    ),
    (f"instance_count: {'9' * 400}", "instance_count should be a whole number"),
    ("code_configuration: {code: azureml:c@latest, scoring_script: s.py}", "code assets have no labels"),
    ("code_configuration: {code: ../.., scoring_script: s.py}", "'../..' is outside of the app's folder"),
    ("description: '{{ data.modelName }}'", "d/f.yml:1:14: description is not a template"),
    ("data_collector: {request_logging: {capture_headers: ['{% x %}']}}", "capture_headers[0] is not a template"),
    ("environment_variables: {'{{ a }}': b}", "environment_variables.{{ a }} is not a template"),
    ("properties: {'{{ a }}': b}", "properties.{{ a }} is not a template"),
    (
        "environment_variables:\n  A: '{{ data.'",
        "d/f.yml:2:6: environment_variables.A: bad template, line 1",
    ),
    (
        "compute: c\ntype: pipeline\ncomponent: azureml:c:1\nsettings: {default_compute: c}",
        "d/f.yml:2:7: a deployment of type pipeline has a component and no model",
    ),
    (
        "$schema: https://azuremlschemas.azureedge.net/latest/managedOnlineEndpoint.schema.json\nauth_mode: key",
        "d/f.yml:1:10: managedOnlineEndpoint is no deployment; a rule names the file of an endpoint as 'endpoint_file'",
    ),
    (
        "$schema: https://azuremlschemas.azureedge.net/latest/pipelineJob.schema.json\njobs: {}",
        "d/f.yml:1:10: pipelineJob is no deployment; a rule with do: pipeline names the file of a job as 'job'",
    ),
    ("type: model\nsettings: {mini_batch_sise: 1}", "unknown key 'mini_batch_sise' in settings. Did you mean"),
    (
        "compute: c\nresources: {instance_count: 1}\nsettings: {instance_count: 2}",
        "d/f.yml:3:28: settings.instance_count cannot be combined with resources",
    ),
    (
        "compute: c\noutput_action: summary_only\noutput_file_name: a.csv",
        "d/f.yml:3:19: output_file_name has no use with output_action: summary_only",
    ),
    ("mini_batch_size: 5", "a batch deployment needs the cluster that its jobs run on"),
    ("endpoint_name: fraud", "d/f.yml:1:16: endpoint_name is 'fraud', but the rule deploys behind 'churn'"),
    ("type: kubernetes", "is of a Kubernetes online endpoint, but the rule is for a managed online one: name its"),
    ("a: [", "d/f.yml:1:"),
    ("- a", "should contain a mapping"),
    ("", "should contain a mapping"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "said"), DEPLOYMENTS, ids=lambda value: str(value)[:40])
def test_error_in_a_deployment_names_its_position(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "code/score.py").touch()
    assert said in error(tmp_path, text)


ENDPOINTS = [
    ("auth_mod: key", "d/f.yml:1:1: unknown key 'auth_mod'. Did you mean auth_mode?"),
    ("auth_mode: password", "auth_mode should be aad_token or key or aml_token, not 'password'"),
    ("traffic: {blue: 100}", "d/f.yml:1:1: traffic: the roll-out decides which deployment gets requests; remove it"),
    ("defaults: {deployment_name: blue}", "defaults: the roll-out decides which deployment gets requests"),
    ("compute: azureml:k8s\nauth_mode: aad_token", "d/f.yml:2:12: an endpoint on Kubernetes takes no Entra tokens"),
    ("identity: {type: system}", "identity.type should be system_assigned or user_assigned or none, not 'system'"),
    (
        "identity:\n  type: user_assigned\n  user_assigned_identities: [{resource_id: a}, {resource_id: b}]",
        "d/f.yml:3:29: an endpoint takes only one user-assigned identity",
    ),
    ("public_network_access: true", "public_network_access should be enabled or disabled, not True"),
    ("name: fraud", "d/f.yml:1:7: name is 'fraud', but the rule deploys behind 'churn'"),
    ("description: '{{ x }}'", "description is not a template"),
    (
        "$schema: https://x/kubernetesOnlineDeployment.schema.json",
        "kubernetesOnlineDeployment is no endpoint; a rule names the file of a deployment as 'deployment'",
    ),
    ("$schema: https://x/batchEndpoint.schema.json", "is of a batch endpoint, but the rule is for a managed online"),
]


@pytest.mark.parametrize(("text", "said"), ENDPOINTS, ids=lambda value: str(value)[:40])
def test_error_in_an_endpoint_names_its_position(tmp_path: Path, text: str, said: str) -> None:
    assert said in error(tmp_path, text, "endpoint_file")


def test_batch_endpoint_takes_entra_tokens_only(tmp_path: Path) -> None:
    text = error(tmp_path, "auth_mode: key", "endpoint_file", batch={"compute": "c"})
    assert "d/f.yml:1:12: a batch endpoint takes Entra tokens only: write aad_token" in text


def test_errors_of_all_kinds_are_reported_together(tmp_path: Path) -> None:
    text = error(tmp_path, "instance_count: two\ndescription: '{{ x }}'\nenvironment_variables: {A: '{{'}")
    for position in ("d/f.yml:1:17", "d/f.yml:2:14", "d/f.yml:3:28"):
        assert position in text


def test_many_errors_are_counted(tmp_path: Path) -> None:
    text = error(tmp_path, "".join(f"zz{n}: 1\n" for n in range(9)))
    assert "d/f.yml:1:1" in text
    assert "d/f.yml:5:1" in text
    assert text.endswith("; and 4 more")


def test_code_of_the_rule_needs_its_script(tmp_path: Path) -> None:
    assert "code is missing" in error(tmp_path, "name: a", scoring_script="s.py")


def test_rule_and_batch_file_must_fit(tmp_path: Path) -> None:
    text = "$schema: https://x/batchDeployment.schema.json\ncompute: c"
    assert "a batch endpoint has no traffic" in error(tmp_path, text, traffic=[100])
    assert "a batch endpoint has no compute" in error(tmp_path, text, compute="k8s")


def test_file_that_does_not_tell_is_of_the_rules_kind(tmp_path: Path) -> None:
    for settings, kind in (
        ({}, Kind.MANAGED),
        ({"compute": "k8s"}, Kind.KUBERNETES),
        ({"batch": {"compute": "c"}}, Kind.BATCH),
    ):
        read = deploy(tmp_path, "tags: {a: b}", **settings).deployment_definition
        assert read
        assert read.kind is kind


def test_plan_names_the_files_and_what_has_no_effect_in_them(tmp_path: Path) -> None:
    rule = deploy(
        tmp_path, "name: blue\nendpoint_name: churn\nmodel: azureml:churn:3\ntags: {v: '{{ data.modelVersion }}'}"
    )
    assert rule.plan(EVENT).endswith(
        "10m apart, as d/f.yml says (whose name, endpoint_name, model have no effect: the rule decides)"
    )
    (tmp_path / "d/e.yml").write_text("auth_mode: key")
    rule = deploy(tmp_path, "model: azureml:churn:3", endpoint_file="d/e.yml")
    assert rule.plan(EVENT).endswith("as d/f.yml and d/e.yml say (whose model has no effect: the rule decides)")


def test_templated_endpoint_may_have_any_name_in_the_file(tmp_path: Path) -> None:
    rule = deploy(tmp_path, "endpoint_name: fraud", endpoint="{{ data.modelName }}", allowed_endpoints=["churn"])
    assert "endpoint churn" in rule.plan(EVENT)


def test_own_container_needs_no_code(tmp_path: Path) -> None:
    rule = deploy(tmp_path, "environment: {image: x}")
    assert rule.has_environment
    assert rule.named_environment == ""
    assert deploy(tmp_path, "environment: azureml:e@latest").named_environment == "azureml:e@latest"


def test_azure_ai_ml_accepts_what_is_accepted_here(tmp_path: Path) -> None:
    """`mlevents check` loads the file as azure-ai-ml does; what it rejects has its line."""
    client_class()
    rule = deploy(tmp_path, "environment_variables: {A: b}\nliveness_probe: {period: '10'}")
    assert list(rule.findings()) == []
    file = rule.deployment_definition
    assert file
    object.__setattr__(file.definition, "text", "tags: {}\nliveness_probe: {period: x}\n")
    [finding] = rule.findings()
    assert (finding.file, "liveness_probe.period" in finding.message) == ("d/f.yml", True)


@pytest.mark.services
def test_rules_with_files_load_without_azure_ai_ml(tmp_path: Path) -> None:
    """A worker reads the files at each cold start."""
    (tmp_path / "d").mkdir()
    (tmp_path / "d/f.yml").write_text("tags: {a: b}")
    code = (
        "import sys; from pathlib import Path; from handlers.deploy.handler import Deploy\n"
        f"folders = (Path({str(tmp_path)!r}),)\n"
        "rule = {'endpoint': 'churn', 'deployment': 'd/f.yml', 'endpoint_file': 'd/f.yml'}\n"
        "Deploy.model_validate(rule, context={'folders': folders})\n"
        "print([name for name in sys.modules if name.startswith(('azure.ai', 'marshmallow'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
