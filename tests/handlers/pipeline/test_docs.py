"""docs/handlers/pipeline.md agrees with the code."""

import re
from pathlib import Path

import pytest

from dispatch.rules import load
from dispatch.rules.rule import Rules
from emulator import Azure
from handlers.duration import format_duration
from handlers.launch.data_factory import KEY
from handlers.launch.limits import RUN_LISTED
from handlers.lineage import tags
from handlers.pipeline.handler import Pipeline
from handlers.pipeline.tags import MAX_KEY, MAX_TAGS, MAX_VALUE
from schemas import Context, DatasetDriftDetected, Drift, RunCompleted, RunStatusChanged, parse_event
from schemas.examples import MODEL_MONITOR_BREACH
from tests.handlers.pipeline.site import FACTORY
from tests.kit.world import SETTINGS, WORKSPACES

PAGE = (Path(__file__).resolve().parents[3] / "docs/handlers/pipeline.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
SECTIONS = dict(re.findall(r"^##+ (.*)\n((?:(?!##).*\n)*)", PAGE, re.MULTILINE))
KEYS = ("Settings of a rule", "Behind a batch endpoint", "Data Factory and Synapse")


@pytest.fixture
def rules(tmp_path: Path) -> Rules:
    """All rules on the page, in one file. Their job file is the one in samples/."""
    (tmp_path / "workspaces.yaml").write_text(WORKSPACES)
    text = "".join(BLOCKS).replace("rules/jobs/", "samples/rules/jobs/")
    (tmp_path / "team.yaml").write_text("rules:\n" + "".join(f"  {line}\n" for line in text.splitlines()))
    return load(tmp_path, {**SETTINGS, "RULES_DATA_FACTORY": FACTORY})


def test_rules_on_the_page_load_and_plan(rules: Rules) -> None:
    assert rules.errors == ()
    assert len(BLOCKS) == 7
    drift = (RunStatusChanged.example(**MODEL_MONITOR_BREACH), DatasetDriftDetected.example())
    examples = {"DriftDetected": drift, "RunCompleted": (RunCompleted.example(),)}
    labels = {"name": "churn-prod", "labels": {"team": "churn", "env": "prod"}}
    plans = {
        (rule.name, type(event).__name__): rule.handler.plan(Context(event, labels).event_for_handler())
        for rule in rules.by_name.values()
        if isinstance(rule.handler, Pipeline)
        for name in rule.on
        for event in examples[name]
    }
    assert len(plans) == 7
    assert all(plan.startswith("start ") for plan in plans.values()), plans


def test_recipe_retrains_once_a_week_for_each_monitor(rules: Rules) -> None:
    [limit] = [guard for guard in rules.by_name["retrain-on-drift"].guards if hasattr(guard, "limit")]
    assert (limit.limit.count, limit.limit.every.days, limit.limit.by) == (1, 7, "drift.monitor")


def test_rule_for_failed_runs_leaves_out_a_drift(rules: Rules, azure: Azure) -> None:
    """Also the monitor's own run, which fails."""
    azure.jobs.raise_drift("churn_monitor_data_drift")
    azure.clock.forward(minutes=5)
    matched = [
        rule.name for event in map(parse_event, azure.events.all) for rule in rules.matching(rules.context(event))
    ]
    assert matched == ["retrain-on-drift", "copy-and-retrain"]
    failed = RunStatusChanged.example()
    assert [rule.name for rule in rules.matching(rules.context(failed))] == ["mail-failed-runs"]


def test_page_has_every_setting_with_its_default() -> None:
    text = "".join(SECTIONS[name] for name in KEYS)
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \|", text, re.MULTILINE)
    documented = {name: default.strip("`") for name, default in rows}
    assert set(documented) == set(Pipeline.model_fields)
    rule = Pipeline(batch_endpoint="churn")
    assert documented["timeout"] == format_duration(rule.timeout)
    for name in ("wait", "cancel_on_timeout", "at_least_once"):
        assert documented[name] == str(getattr(rule, name)).lower()


def test_page_has_every_key_of_drift() -> None:
    names = re.findall(r"`drift\.(\w+)`", "".join(re.findall(r"^\| `drift.*?\|", PAGE, re.MULTILINE)))
    assert set(names) == set(Drift().view())


def test_page_has_the_numbers_and_names_of_the_code() -> None:
    assert f"at most {MAX_TAGS} tags, names of {MAX_KEY} and values of {MAX_VALUE:,} characters" in PAGE
    assert f"`{KEY}`" in PAGE
    assert all(f"`{name}`" in PAGE for name in tags("r", 1, "e"))
    assert RUN_LISTED.total_seconds() == 120
    assert "two minutes later" in PAGE


def test_roles_have_ids() -> None:
    ids = re.findall(r"`([0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12})`", SECTIONS["Roles"])
    assert len(ids) == len(set(ids)) == 7
