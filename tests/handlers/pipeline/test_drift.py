"""Both forms of drift start a retraining, at most once a week for each monitor."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from emulator import Azure
from mlevents.testing.storage import NOW
from schemas import DatasetDriftDetected, Event, RunStatusChanged
from schemas.examples import MODEL_MONITOR_BREACH
from tests.handlers.pipeline.conftest import MakeSite
from tests.handlers.pipeline.site import FACTORY, PROD, QUIET, Site

pytestmark = QUIET

RETRAIN = {"job": "azureml:retrain:3", "compute": "cpu-cluster"}
WEEKLY = "on: DriftDetected\n    at_most: { count: 1, every: 7d, by: drift.monitor }"
DAYS = 21


@pytest.fixture(autouse=True)
def component(azure: Azure) -> None:
    azure.assets.add_component("retrain", "3", inputs={"reason": "string"}, nodes=["train"])


def breach(signal: str, day: int, **changes: Any) -> Event:
    """The event of a model monitor on a day."""
    tags = dict(MODEL_MONITOR_BREACH["run_tags"])
    tag = "azureml_modelmonitor_threshold_breached"
    tags[tag] = tags[tag].replace("churn_monitor_data_drift", signal)
    about = {**MODEL_MONITOR_BREACH, "id": f"{signal}-{day}", "run_id": f"{signal}-{day}", "run_tags": tags, **changes}
    return RunStatusChanged.example(**{**about, "event_time": at(day)})


def dataset_drift(monitor: str, day: int) -> Event:
    """The event of a dataset monitor on a day."""
    name = f"{monitor}-{day}"
    return DatasetDriftDetected.example(id=name, event_time=at(day), data_drift_name=monitor, run_id=name)


def at(day: int) -> datetime:
    return NOW + timedelta(days=day)


def days_of(site: Site, monitor: str) -> list[int]:
    """The days on which the drift of a monitor started a retraining."""
    ended = {event: record.status for event, record in site.actions.items()}
    found = [day for day in range(DAYS) if f"{monitor}-{day}" in ended]
    assert {ended[f"{monitor}-{day}"] for day in found} <= {"succeeded", "skipped"}
    return [day for day in found if ended[f"{monitor}-{day}"] == "succeeded"]


@pytest.mark.parametrize("form", [breach, dataset_drift])
def test_daily_drift_starts_one_retraining_a_week(form: Any, make: MakeSite) -> None:
    site = make(rule=WEEKLY, **RETRAIN)
    for day in range(DAYS):
        site.world.clock.time = at(day)
        site.handle(form("churn_monitor_data_drift", day))
    assert days_of(site, "churn_monitor_data_drift") == [0, 7, 14]
    assert len(site.azure.jobs.all) == 3
    skipped = site.actions["churn_monitor_data_drift-1"].note
    assert skipped.startswith("1 in 7d already for drift.monitor 'churn_monitor_data_drift': ")


@pytest.mark.parametrize("form", [breach, dataset_drift])
def test_each_monitor_has_its_own_limit(form: Any, make: MakeSite) -> None:
    site = make(rule=WEEKLY, **RETRAIN)
    for day in range(9):
        site.world.clock.time = at(day)
        site.handle(form("churn_monitor_data_drift", day))
        if day >= 2:
            site.handle(form("fraud_monitor_data_drift", day))
    assert days_of(site, "churn_monitor_data_drift") == [0, 7]
    assert days_of(site, "fraud_monitor_data_drift") == [2]


def test_statuses_of_one_monitor_run_count_as_one_drift(make: MakeSite) -> None:
    """Each change of status repeats the tag of the run."""
    site = make(rule=WEEKLY, **RETRAIN)
    for status in ("Finalizing", "Failed"):
        site.handle(breach("m", 0, id=f"m-{status}", run_status=status))
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
def test_conditions_can_use_drift(when: str, event: Event, holds: bool, make: MakeSite) -> None:
    site = make(rule=f"on: DriftDetected\n    when: [{when}]", data_factory=FACTORY, pipeline="copy")
    site.azure.factories.add("adf-churn", {"copy": {}})
    site.handle(event)
    assert len(site.azure.factories.runs("adf-churn")) == holds


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (BREACH, "churn_monitor_data_drift None 2"),
        (DRIFT, "churn-drift 0.4271 0 a1e5d7c3-2b84-4d0f-b9a6-63c8e2f01d57-c8f2b6a4-9d13-4e75-8c50-17a4e9b3d682"),
    ],
)
def test_templates_can_use_drift(event: Event, text: str, make: MakeSite) -> None:
    template = "{{ drift.monitor }} {{ drift.coefficient }} {{ drift.violations | length }} "
    template += "{{ drift.datasets | join('-') }}"
    site = make(rule="on: DriftDetected", **RETRAIN, inputs={"reason": template}, tags={"drift": template})
    site.handle(event)
    assert site.job["tags"]["drift"] == text
    assert site.literals == {"reason": text}


def test_run_without_a_breach_is_no_drift(make: MakeSite) -> None:
    site = make(rule=WEEKLY, **RETRAIN)
    site.handle(RunStatusChanged.example(id="e1", topic=PROD))
    assert site.actions == {}


def test_drift_events_of_the_emulator_start_one_job(make: MakeSite) -> None:
    """The monitor's job sends many events, of which those of one step report drift."""
    site = make(rule=WEEKLY, **RETRAIN)
    site.azure.jobs.raise_drift("churn_monitor_data_drift")
    site.world.clock.forward(minutes=5)
    assert site.azure.jobs.all
    for event in site.azure.events.all:
        site.handle(RunStatusChanged.model_validate(event)) if event["eventType"].endswith("RunStatusChanged") else None
    started = [job for job in site.azure.jobs.all if job["name"].startswith("mle-")]
    assert len(started) == 1
