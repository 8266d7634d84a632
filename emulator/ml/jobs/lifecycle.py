"""How runs advance: from status to status, by time or by polls, with an event for each.

The order of statuses: JobStatus in types.md of 2025-12-01. The events of a step, with the pipeline's run but none of
its tags: Azure-Samples/azure-machine-learning-pipeline-observability-sample. The error of a pipeline with failed
steps: as in reports of failed pipelines.
"""

from collections.abc import Callable, Sequence
from datetime import timedelta

from emulator.http.response import ErrorResponse
from emulator.ml import assets, events
from emulator.ml.jobs import logs
from emulator.state.job_plan import Ending, JobDuration, Training
from emulator.state.runs import FactoryRun, Run
from emulator.state.state import State

Stage = tuple[float, Callable[[], None]]  # a fraction of the whole duration, and the step to take then
STARTED = 0.2  # the fraction at which a job runs; its steps follow one another from then until 0.9


def names_of(run: Run) -> tuple[str, str, str]:
    """The names that a plan's glob may match."""
    return run.id, run.experiment, run.display_name


def begin(state: State, run: Run, steps: Sequence[Run] = (), ending: Ending | None = None) -> None:
    """Start a job's run and schedule its stages, up to the given ending or the planned one."""
    plan = state.plan.jobs
    ending = ending or plan.ending(names_of(run))
    state.runs[run.key] = run
    run.metrics = plan.metrics_of(names_of(run))
    move(state, run, "NotStarted")
    stages: list[Stage] = [(0.1, lambda: move(state, run, "Preparing")), (STARTED, lambda: move(state, run, "Running"))]
    for number, step in enumerate(steps):
        stages += _step_stages(state, step, number, len(steps), ending)
        if _fails(ending, step, number):
            break
    stages += _end_stages(state, run, steps, ending)
    schedule(state, run, stages, plan.duration(names_of(run)))


def _step_stages(state: State, step: Run, number: int, count: int, ending: Ending | None) -> list[Stage]:
    span = (0.9 - STARTED) / count
    start = STARTED + number * span
    bad = ending if ending and _fails(ending, step, number) else None

    def start_step() -> None:
        state.runs[step.key] = step
        move(state, step, "NotStarted")

    def end_step() -> None:
        if bad:
            step.error = bad.error
            step.tags |= bad.tags
        logs.write(step, bad)
        move(state, step, "Failed" if bad else "Completed")

    return [
        (start + span * 0.1, start_step),
        (start + span * 0.2, lambda: move(state, step, "Queued")),
        (start + span * 0.4, lambda: move(state, step, "Running")),
        (start + span * 0.9, end_step),
    ]


def _fails(ending: Ending | None, step: Run, number: int) -> bool:
    if ending is None or ending.status != "Failed":
        return False
    return step.display_name == ending.step if ending.step else number == 0


def _end_stages(state: State, run: Run, steps: Sequence[Run], ending: Ending | None) -> list[Stage]:
    match ending.status if ending else "":
        case "Failed":
            return [(0.95, lambda: move(state, run, "Finalizing")), (1.0, lambda: fail(state, run, steps, ending))]
        case "Canceled":
            return [(0.95, lambda: move(state, run, "CancelRequested")), (1.0, lambda: cancel(state, run))]
    return [(0.95, lambda: _finalize(state, run, steps)), (1.0, lambda: move(state, run, "Completed"))]


def _finalize(state: State, run: Run, steps: Sequence[Run]) -> None:
    """Register the planned models: the run's own code has ended."""
    if not steps:
        logs.write(run, None)
    for training in state.plan.jobs.trainings_of(names_of(run)):
        register_model(state, run, training)
    move(state, run, "Finalizing")


def fail(state: State, run: Run, steps: Sequence[Run], ending: Ending | None) -> None:
    """End a job as failed. With steps, its error names the failed ones, which have the reasons."""
    failed = [step.display_name for step in steps if step.status == "Failed"]
    run.error = ending.error if ending else None
    if not steps:
        logs.write(run, ending)
    if failed:
        nodes = ", ".join(f"/{name}" for name in failed)
        more = "For more details and logs, please go to the job detail page and check the child jobs."
        run.error = ErrorResponse(400, "UserError", f"Pipeline has failed child jobs. Failed nodes: {nodes}. {more}")
    move(state, run, "Failed")


def cancel(state: State, run: Run) -> None:
    """End a job and its running steps as canceled."""
    for step in children(state, run):
        if not step.finished:
            move(state, step, "Canceled")
    run.stages.clear()
    move(state, run, "Canceled")


def children(state: State, run: Run) -> list[Run]:
    """The started steps of a run, the oldest first."""
    return [other for other in state.runs.values() if other.parent == run.id and other.workspace == run.workspace]


def move(state: State, run: Run, status: str) -> None:
    """Give a run a new status, and raise its event; completion raises a second one."""
    now = state.clock()
    run.status = status
    run.started = run.started or (now if status == "Running" else None)
    run.ended = now if run.finished else None
    if job := state.find(run.key):
        job.properties["status"] = status
        if run.finished:
            job.properties["outputs"] = _found_outputs(run, job.properties.get("outputs") or {})
    state.raise_event(events.run_status_changed(state, run))
    if status == "Completed":
        state.raise_event(events.run_completed(state, run))


def _found_outputs(run: Run, outputs: "dict[str, dict[str, str]]") -> "dict[str, dict[str, str]]":
    """The outputs with their URIs: as requested, or else in the default datastore."""
    base = f"azureml://datastores/workspaceblobstore/paths/azureml/{run.id}"
    found = {name: {"uri": f"{base}/{name}/", **(output or {})} for name, output in outputs.items()}
    run.outputs = {name: output["uri"] for name, output in found.items()}
    return found


def register_model(state: State, run: Run, training: Training) -> str:
    """Register a run's model, with the properties that MLflow writes; returns its id."""
    container = state.find(f"{run.workspace}/models/{training.model}")
    version = training.version or (str(container.properties["nextVersion"]) if container else "1")
    artifacts = f"ExperimentRun/dcid.{run.id}/model"
    body = {
        "modelType": training.type,
        "modelUri": f"azureml://datastores/workspaceartifactstore/paths/{artifacts}",
        "flavors": assets.FLAVORS,
        "jobName": run.id,
        "tags": dict(training.tags),
        "properties": {"azureml.artifactPrefix": artifacts, **training.properties},
    }
    return assets.register(state, f"{run.workspace}/models/{training.model}/versions/{version}", body).id


def schedule(state: State, run: Run | FactoryRun, stages: list[Stage], duration: JobDuration) -> None:
    """Schedule stages by time; without a duration in seconds, the later ones wait for polls or for `finish`."""
    if duration.seconds is None:
        while stages and stages[0][0] <= STARTED:
            stages.pop(0)[1]()
        run.stages, run.polls = [stage for _, stage in stages], -1 if duration.polls is None else duration.polls
        return
    run.stages, run.polls = [stage for _, stage in stages], -1
    began = state.clock()
    for part, _ in stages:
        state.schedule(began + timedelta(seconds=duration.seconds * part), lambda: _next(run))
    if not duration.seconds:
        state.complete_due()


def poll(run: Run | FactoryRun) -> None:
    """Count a poll of a run, which may finish it."""
    if run.polls < 0:
        return
    if run.polls:
        run.polls -= 1
    else:
        finish(run)


def finish(run: Run | FactoryRun) -> None:
    """Take all remaining stages now."""
    while run.stages:
        _next(run)


def _next(run: Run | FactoryRun) -> None:
    if run.stages:  # none if it was canceled or finished meanwhile
        run.stages.pop(0)()
