"""The events of jobs, of their steps, of their models, and of drift."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from emulator import WORKSPACE, Azure, ErrorResponse
from emulator.control.jobs import Jobs
from handlers.lineage import Lineage, job_name, lineage_of, rule_code
from schemas import Event, ModelRegistered, RunCompleted, RunStatusChanged, parse_event

KEY = UUID("01234567-89ab-cdef-0123-456789abcdef")


@pytest.fixture(autouse=True)
def _at_once(azure: Azure) -> None:
    azure.jobs.set_duration(seconds=0)


def raised(azure: Azure) -> list[Event]:
    return [parse_event(event) for event in azure.events.all]


def statuses(events: list[Event], run: str) -> list[str]:
    return [
        event.data.run_status if isinstance(event, RunStatusChanged) else "completed"
        for event in events
        if isinstance(event, RunStatusChanged | RunCompleted) and event.data.run_id == run
    ]


def test_each_status_raises_an_event_and_completion_a_second_one(azure: Azure) -> None:
    name = azure.jobs.start("churn-training", steps=("train",), tags={"Team": "churn", "azureml.x": "y"})
    events = raised(azure)
    mine = ["NotStarted", "Preparing", "Running", "Finalizing", "Completed", "completed"]
    assert statuses(events, name) == mine
    step = next(event.object for event in events if event.object != name)
    assert statuses(events, step) == ["NotStarted", "Queued", "Running", "Completed", "completed"]
    first = azure.events.all[0]
    experiment = first["data"]["experimentId"]
    assert first["subject"] == f"experiments/{experiment}/runs/{name}"
    assert first["topic"] == WORKSPACE
    assert next(iter(first["data"])) == "runStatus"
    assert first["data"]["runType"] == "azureml.PipelineRun"
    assert first["data"]["runTags"] == {"team": "churn", "azureml.x": "y", "azureml.pipelineComponent": "pipelinerun"}
    assert len({event["id"] for event in azure.events.all}) == len(azure.events.all)


def test_step_events_have_the_pipeline_but_not_its_tags(azure: Azure) -> None:
    """Only the pipeline's name reveals which rule started it."""
    name = job_name("retrain", 1, KEY)
    azure.jobs.start("churn-training", name=name, steps=("train",), tags={"mlevents_rule": "retrain"})
    step = next(event for event in azure.events.all if event["data"]["runType"] == "azureml.StepRun")
    assert set(step["data"]["runTags"]) == {"azureml.pipeline", "azureml.pipelinerunid", "azureml.nodeid"}
    assert step["data"]["runProperties"]["stepType"] == "PythonScriptStep"
    assert {lineage_of(event) for event in raised(azure)} == {Lineage(rule_code("retrain"), 1)}


@pytest.mark.parametrize(
    ("plan", "end"),
    [(Jobs.fail, ["Finalizing", "Failed"]), (Jobs.cancel, ["CancelRequested", "Canceled"])],
)
def test_failed_or_canceled_job_raises_no_run_completed(
    azure: Azure, plan: Callable[[Jobs, str], None], end: list[str]
) -> None:
    plan(azure.jobs, "churn-*")
    name = azure.jobs.start("churn-training")
    assert statuses(raised(azure), name)[-2:] == end


def test_events_have_the_time_of_the_status_change(azure: Azure) -> None:
    """However late a poll is."""
    azure.jobs.set_duration(seconds=3600)
    azure.jobs.start("churn-training", steps=())
    azure.clock.forward(days=2)
    times = {event.data.run_status: event.event_time for event in raised(azure) if isinstance(event, RunStatusChanged)}
    assert all(times.values())
    took = times["Completed"] - times["NotStarted"]  # type: ignore[operator]  # asserted above
    assert round(took.total_seconds()) == 3600


def test_job_registers_a_planned_model(azure: Azure) -> None:
    """Before it completes, under the next version, with the run in its properties."""
    azure.models.register("churn", "7")
    azure.jobs.register_model("churn-training", "churn", {"stage": "production"}, properties={"AUC": "0.9"})
    name = azure.jobs.start("churn-training")
    azure.jobs.start("another-experiment")
    registered = [event for event in raised(azure) if isinstance(event, ModelRegistered)]
    assert [event.subject for event in registered] == ["models/churn:7", "models/churn:8"]
    assert registered[1].data.model_tags == {"stage": "production"}
    assert registered[1].data.model_properties["auc"] == "0.9"
    model = azure.resource(f"{WORKSPACE}/models/churn/versions/8")
    assert model
    assert model["properties"]["jobName"] == name
    kinds = [type(event).__name__ for event in raised(azure)]
    assert kinds.index("ModelRegistered", 1) < kinds.index("RunCompleted", 1) or kinds[-1] == "RunCompleted"


def test_model_monitor_raises_drift(azure: Azure) -> None:
    """Its comparing step fails with the tag that makes the event DriftDetected; no other event of it is."""
    monitor = azure.jobs.raise_drift("feature_drift", monitor="churn-monitor", features=("tenure", "contract"))
    events = [event for event in raised(azure) if event.drift]
    (breach,) = events
    assert isinstance(breach, RunStatusChanged)
    assert (breach.data.run_status, breach.data.run_type) == ("Failed", "azureml.StepRun")
    assert breach.data.experiment_name == "churn-monitor"
    assert breach.data.run_tags["azureml.pipelinerunid"] == monitor
    assert breach.drift
    assert breach.drift.signal == "feature_drift"
    assert [violation.feature for violation in breach.drift.violations] == ["tenure", "contract"]
    assert azure.jobs.steps(monitor) == {"compute_metrics": "Completed", "evaluate_metrics_threshold": "Failed"}


def test_plans_for_jobs_can_be_cleared(azure: Azure) -> None:
    azure.jobs.fail()
    azure.jobs.register_model("*", "churn")
    azure.jobs.clear()
    azure.jobs.set_duration(seconds=0)
    azure.jobs.start("churn-training")
    assert [job["properties"]["status"] for job in azure.jobs.all] == ["Completed"]
    assert "models" not in str(azure.events.all)
    with pytest.raises(ErrorResponse, match="A job with this name already exists"):
        azure.jobs.start("churn-training", name=azure.jobs.all[0]["name"])


def test_summary_lists_endpoints_models_and_jobs(azure: Azure) -> None:
    model = azure.models.register("churn", "7")
    azure.endpoints.add("churn", traffic={"churn-7": 100, "churn-6": 0})
    azure.endpoints.add_deployment("churn", "churn-7", model)
    name = azure.jobs.start("churn-training")
    assert azure.summary() == {
        "endpoints": {"churn": {"traffic": {"churn-7": 100}, "deployments": {"churn-7": "Succeeded"}}},
        "models": ["churn:7"],
        "batch_endpoints": {},
        "factory_runs": {},
        "jobs": {name: "churn-training Completed"},
    }


def test_listeners_get_each_event_in_order(azure: Azure) -> None:
    received: list[dict[str, Any]] = []
    azure.events.subscribe(received.append)
    azure.jobs.start("churn-training")
    assert received == azure.events.all
