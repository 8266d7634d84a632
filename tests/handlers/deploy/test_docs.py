"""docs/handlers/deploy.md matches the code."""

import re
from datetime import timedelta
from pathlib import Path

import pytest

from dispatch.rules import load
from dispatch.rules.rule import Rules
from handlers.azure.cloud import METADATA, SETTING
from handlers.deploy import limits
from handlers.deploy.handler import INSTANCE_TYPE, Deploy
from handlers.deploy.settings import Batch
from handlers.deploy.steps import steps_of
from handlers.duration import format_duration
from handlers.errors import PROPAGATION
from schemas import ModelRegistered
from tests.kit.world import SETTINGS, WORKSPACES

PAGE = (Path(__file__).resolve().parents[3] / "docs/handlers/deploy.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
SECTIONS = dict(re.findall(r"^##+ (.*)\n((?:(?!##).*\n)*)", PAGE, re.MULTILINE))


@pytest.fixture
def rules(tmp_path: Path) -> Rules:
    """All rules of the page, in one file."""
    (tmp_path / "workspaces.yaml").write_text(WORKSPACES)
    indented = "".join(f"  {line}\n" for block in BLOCKS for line in block.splitlines())
    (tmp_path / "team.yaml").write_text("rules:\n" + indented)
    return load(tmp_path, SETTINGS)


def test_rules_of_the_page_load_and_plan(rules: Rules) -> None:
    assert rules.errors == ()
    assert len(BLOCKS) == 9
    event = ModelRegistered.example(model_name="churn", model_version="7", model_tags={"stage": "production"})
    plans = {name: rule.handler.plan(event) for name, rule in rules.by_name.items() if isinstance(rule.handler, Deploy)}
    assert len(plans) == 9
    assert all(plan.startswith("deploy ") for plan in plans.values()), plans


def test_page_has_every_key_of_a_rule_with_its_default() -> None:
    rows = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \| (.*?) \|", SECTIONS["Settings of a rule"], re.MULTILINE)
    said = {name: default.strip("`") for keys, default in rows for name in re.findall(r"\w+", keys)}
    assert set(said) == set(Deploy.model_fields)
    rule = Deploy.model_validate({"endpoint": "churn"})
    assert said["traffic"] == str(list(rule.traffic))
    assert said["instance_type"] == INSTANCE_TYPE
    assert (said["bake"], said["timeout"]) == (format_duration(rule.bake), format_duration(rule.timeout))
    for name in ("create_endpoint", "public_network_access", "allow_older", "leave_failed", "keep", "instance_count"):
        assert said[name] == str(getattr(rule, name)).lower(), name
    assert (said["auth_mode"], rule.auth_mode) == ("aad_token`, with `compute` `key", None)


def test_page_has_every_key_of_batch_with_its_default() -> None:
    text = SECTIONS["Batch endpoints"]
    for name, value in Batch(compute="c").settings.items():
        assert re.search(rf"`{name}` \(`?{re.escape(str(value))}\b", text), name
    assert "`compute`" in text


def test_page_has_every_step_in_order() -> None:
    names = [
        name
        for row in re.findall(r"^\| (`.*?) \|", SECTIONS["Steps"], re.MULTILINE)
        for name in re.findall(r"\w+", row)
    ]
    steps = steps_of(None)  # type: ignore[arg-type]  # only the names of the steps matter
    assert names == [step.__name__ for step in steps]


def test_page_has_every_limit() -> None:
    rows = re.findall(r"^\| .*? \| (\d+) (second|minute|hour)s? \|", SECTIONS["Times"], re.MULTILINE)
    assert [timedelta(**{f"{unit}s": int(number)}) for number, unit in rows] == [
        limits.MODEL_VISIBLE,
        limits.ENDPOINT_MISSING,
        limits.REFUSAL_SETTLED,
        limits.OUTCOME_KNOWN,
        limits.DEPLOYMENT_VISIBLE,
        limits.READY_TO_SCORE,
        PROPAGATION,
        limits.TRAFFIC_VISIBLE,
        limits.TRAFFIC_SETTLED,
        limits.CONCURRENT_CHANGE,
        limits.UNHEALTHY,
        limits.DELETION,
        limits.TRAFFIC_RESTORED,
        limits.ROLLBACK_DELETION,
    ]


def test_page_names_the_app_settings() -> None:
    for setting in (SETTING, METADATA):
        assert f"| `{setting}` |" in SECTIONS["App settings"]


def test_custom_role_has_the_actions_whose_absence_causes_no_error() -> None:
    for action in (
        "deployments/getLogs/action",
        "listKeys/action",
        "token/action",
        "computes/read",
        "batchEndpoints/*",
    ):
        assert f"{action}`" in SECTIONS["Roles"], action


def test_roles_have_ids() -> None:
    ids = re.findall(r"`([0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12})`", SECTIONS["Roles"])
    assert len(ids) == len(set(ids)) == 5
