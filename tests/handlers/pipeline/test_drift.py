"""Drift, in both of its forms, starts a retraining; a monitor that tells of it every day does not do so every day."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from emulator import Azure
from schemas import DatasetDriftDetected, Event, RunStatusChanged
from schemas.examples import MODEL_MONITOR_BREACH
from tests.handlers.pipeline.conftest import MakeSite
from tests.handlers.pipeline.site import FACTORY, PROD, QUIET, Site
from tests.kit.storage import NOW

pytestmark = QUIET

RETRAIN = {"job": "azureml:retrain:3", "compute": "cpu-cluster"}
WEEKLY = "on: DriftDetected\n    at_most: { count: 1, every: 7d, by: drift.monitor }"
DAYS = 21


@pytest.fixture(autouse=True)
def component(azure: Azure) -> None:
    azure.assets.add_component("retrain", "3", inputs={"reason": "string"}, nodes=["train"])


def breach(signal: str, day: int, **changes: Any) -> Event:
    """What a model monitor tells on a day."""
    tags = dict(MODEL_MONITOR_BREACH["run_tags"])
    tag = "azureml_modelmonitor_threshold_breached"
    tags[tag] = tags[tag].replace("churn_monitor_data_drift", signal)
    about = {**MODEL_MONITOR_BREACH, "id": f"{signal}-{day}", "run_id": f"{signal}-{day}", "run_tags": tags, **changes}
    return RunStatusChanged.example(**{**about, "event_time": at(day)})


def dataset_drift(monitor: str, day: int) -> Event:
    """What a dataset monitor, of before, tells on a day."""
    name = f"{monitor}-{day}"
    return DatasetDriftDetected.example(id=name, event_time=at(day), data_drift_name=monitor, run_id=name)


def at(day: int) -> datetime:
    return NOW + timedelta(days=day)


def days_of(site: Site, monitor: str) -> list[int]:
    """On which days a monitor's drift has started a retraining."""
    ended = {event: record.status for event, record in site.actions.items()}
    found = [day for day in range(DAYS) if f"{monitor}-{day}" in ended]
    assert {ended[f"{monitor}-{day}"] for day in found} <= {"succeeded", "skipped"}
    return [day for day in found if ended[f"{monitor}-{day}"] == "succeeded"]


@pytest.mark.parametrize("form", [breach, dataset_drift])
def test_a_monitor_that_tells_of_drift_every_day_retrains_every_week(form: Any, make: MakeSite) -> None:
    site = make(rule=WEEKLY, **RETRAIN)
    for day in range(DAYS):
        site.world.clock.time = at(day)
        site.tell(form("churn_monitor_data_drift", day))
    assert days_of(site, "churn_monitor_data_drift") == [0, 7, 14]
    assert len(site.azure.jobs.all) == 3
    skipped = site.actions["churn_monitor_data_drift-1"].note
    assert skipped.startswith("1 in 7d already for drift.monitor 'churn_monitor_data_drift': ")


@pytest.mark.parametrize("form", [breach, dataset_drift])
def test_another_monitor_has_a_week_of_its_own(form: Any, make: MakeSite) -> None:
    site = make(rule=WEEKLY, **RETRAIN)
    for day in range(9):
        site.world.clock.time = at(day)
        site.tell(form("churn_monitor_data_drift", day))
        if day >= 2:
            site.tell(form("fraud_monitor_data_drift", day))
    assert days_of(site, "churn_monitor_data_drift") == [0, 7]
    assert days_of(site, "fraud_monitor_data_drift") == [2]


def test_all_statuses_of_a_monitor_s_run_are_one_drift(make: MakeSite) -> None:
    """The tag stays on the run: each change of its status tells of it again."""
    site = make(rule=WEEKLY, **RETRAIN)
    for status in ("Finalizing", "Failed"):
        site.tell(breach("m", 0, id=f"m-{status}", run_status=status))
    assert len(site.azure.jobs.all) == 1


BREACH, DRIFT = breach("churn_monitor_data_drift", 0), dataset_drift("churn-drift", 0)


@pytest.mark.parametrize(
    ("when", "event", "holds"),
    [
        ("drift.monitor StringIn churn_monitor_data_drift", BREACH, True),
        ("drift.monitor StringIn churn-drift", DRIFT, True),
        ("drift.monitor StringIn other", DRIFT, False),
        ("drift.signal StringBeginsWith churn_monitor", BREACH, True),
        ("drift.signal IsNotNull", DRIFT, False),
        ("drift.message StringContains monthly_charges", BREACH, True),
        ("drift.coefficient NumberGreaterThan 0.3", DRIFT, True),
        ("drift.coefficient NumberGreaterThan 0.5", DRIFT, False),
        ("drift.coefficient IsNullOrUndefined", BREACH, True),
        ("drift.baseline_dataset IsNotNull", DRIFT, True),
        ("drift.target_dataset StringBeginsWith c8f2b6a4", DRIFT, True),
    ],
)
def test_conditions_see_what_drifted(when: str, event: Event, holds: bool, make: MakeSite) -> None:
    site = make(rule=f"on: DriftDetected\n    when: [{when}]", data_factory=FACTORY, pipeline="copy")
    site.azure.factories.add("adf-churn", {"copy": {}})
    site.tell(event)
    assert len(site.azure.factories.runs("adf-churn")) == holds


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (BREACH, "churn_monitor_data_drift None 2"),
        (DRIFT, "churn-drift 0.4271 0 a1e5d7c3-2b84-4d0f-b9a6-63c8e2f01d57-c8f2b6a4-9d13-4e75-8c50-17a4e9b3d682"),
    ],
)
def test_templates_see_what_drifted(event: Event, said: str, make: MakeSite) -> None:
    text = "{{ drift.monitor }} {{ drift.coefficient }} {{ drift.violations | length }} "
    text += "{{ drift.datasets | join('-') }}"
    site = make(rule="on: DriftDetected", **RETRAIN, inputs={"reason": text}, tags={"said": text})
    site.tell(event)
    assert site.job["tags"]["said"] == said
    assert site.literals == {"reason": said}


def test_a_run_without_a_breach_is_no_drift(make: MakeSite) -> None:
    site = make(rule=WEEKLY, **RETRAIN)
    site.tell(RunStatusChanged.example(id="e1", topic=PROD))
    assert site.actions == {}


def test_drift_as_the_stand_in_raises_it(make: MakeSite) -> None:
    """All events of the monitor's job, of which one step's tell of drift."""
    site = make(rule=WEEKLY, **RETRAIN)
    site.azure.jobs.raise_drift("churn_monitor_data_drift")
    site.world.clock.forward(minutes=5)
    assert site.azure.jobs.all
    for event in site.azure.events.all:
        site.tell(RunStatusChanged.model_validate(event)) if event["eventType"].endswith("RunStatusChanged") else None
    started = [job for job in site.azure.jobs.all if job["name"].startswith("mle-")]
    assert len(started) == 1
