"""`need`: what a file of the gallery does about which events."""

from collections.abc import Callable, Collection
from dataclasses import dataclass

from schemas import Event, ModelRegistered, RunCompleted, RunStatusChanged
from schemas.examples import MODEL_MONITOR_BREACH
from tests.gallery.services import Services
from tests.handlers.pipeline.site import DEV

Expect = Callable[[Services], None]


@dataclass(frozen=True)
class Need:
    """One file: `expect` fails unless its rules have done what they should about `acts_on`, and nothing else."""

    file: str
    acts_on: tuple[Event, ...]
    not_on: tuple[Event, ...]
    expect: Expect
    prepare: Expect
    dies_after: Collection[int]  # calls of handlers after which a worker may die without a second effect


NEEDS: dict[str, Need] = {}


def need(
    file: str,
    acts_on: tuple[Event, ...],
    not_on: tuple[Event, ...],
    prepare: Expect = lambda _: None,
    dies_after: Collection[int] = (),
) -> Callable[[Expect], Expect]:
    """Declare what a file needs; the decorated function is its `expect`."""

    def declared(expect: Expect) -> Expect:
        NEEDS[file] = Need(file, acts_on, not_on, expect, prepare, dies_after)
        return expect

    return declared


def at(hour: int, day: int = 22) -> str:
    """A time of November 2026."""
    return f"2026-11-{day}T{hour:02}:00:00Z"


def status(id: str, run_status: str = "Failed", **changes: object) -> RunStatusChanged:
    """The status of a run of the pipeline `churn-training` in production."""
    return RunStatusChanged.example(id=id, run_status=run_status, run_id=changes.pop("run_id", id), **changes)


def completed(id: str, experiment: str = "churn-training", **changes: object) -> RunCompleted:
    """The end of a pipeline in production."""
    return RunCompleted.example(id=id, run_id=id, experiment_name=experiment, **changes)


def model(stage: str, version: str = "8", **changes: object) -> ModelRegistered:
    """A version of the model `churn` in production, whose owner is Kim."""
    tags = changes.pop("model_tags", {"stage": stage, "owner": "kim@example.com"})
    return ModelRegistered.example(id=f"{stage}-{version}", model_version=version, model_tags=tags, **changes)


def breach(id: str, time: str) -> RunStatusChanged:
    """The event of a model monitor that has found drift."""
    return RunStatusChanged.example(**{**MODEL_MONITOR_BREACH, "id": id, "event_time": time})


STEP = status("a-step", run_type="azureml.StepRun")
IN_DEV = status("in-dev", topic=DEV)
SUCCESS = status("a-success", "Completed")
CANDIDATE, PRODUCTION = model("candidate"), model("production")
MODEL_IN_DEV = model("production", topic=DEV)
