"""The facts about a run, from run history.

Paths and members are those of azure-ai-ml, azure/ai/ml/_restclient/runhistory (Run, RunDetails), which `az ml job
stream` uses.
"""

import re
from collections.abc import Mapping
from typing import Any

from handlers.azure.facts.computes import compute_of
from handlers.azure.facts.logs import log_file, log_tail
from handlers.azure.facts.metrics import Metrics, last_metrics
from handlers.azure.facts.parts import Part, Parts
from handlers.azure.facts.reader import Reader
from handlers.azure.facts.run_errors import run_error
from handlers.azure.facts.steps import HISTORY, RunBody, failed_step, path_of
from handlers.azure.facts.values import between, name, object_of, seconds, text, time
from schemas import WorkspaceId
from schemas.facts import Compute, ParentRun, RunError, RunFacts, Step
from schemas.links import run_link

_TYPES = {  # run types in recorded runs, and their words in the studio
    "azureml.pipelinerun": "pipeline",
    "azureml.steprun": "step",
    "azureml.reusedsteprun": "step",
    "azureml.commandjob": "command",
    "azureml.scriptrun": "command",
    "azureml.sweep": "sweep",
    "hyperdrive": "sweep",
}
_HAVE_STEPS = frozenset({"pipeline", "sweep", "automl"})
_SCRIPT = re.compile(r"(?:[^/\\]*[/\\])*([^/\\]+)")
_NOTHING: Mapping[str, Any] = {}


def run_facts(reader: Reader, parts: Parts, id: tuple[str, ...]) -> RunFacts:
    """The facts about the run with an id. Raises NotRead if neither the run nor its details can be read."""
    path = path_of(reader, id[0])
    run_part = parts.start("the run", lambda: reader.service(f"/history/v1.0{path}", HISTORY))
    details_part = _details(reader, parts, id[0], "the details")
    metrics_part = parts.start("the metrics", lambda: last_metrics(reader, path))
    run = parts.take(run_part, _NOTHING)
    body = RunBody(id[0], run, parts.take(details_part, _NOTHING) if run else parts.wait(details_part))
    facts = _own(reader, body)
    step = _step(reader, parts, facts)
    return _with_parts(reader, parts, facts, body, step).model_copy(
        update={"metrics": parts.take(metrics_part, Metrics()), **_ending(parts)}
    )


def _details(reader: Reader, parts: Parts, id: str, noun: str) -> Part[Mapping[str, Any]]:
    return parts.start(noun, lambda: reader.service(f"/history/v1.0{path_of(reader, id)}/details", HISTORY))


def _step(reader: Reader, parts: Parts, facts: RunFacts) -> RunBody | None:
    """The step that failed, of a run that has steps."""
    if facts.type not in _HAVE_STEPS or str(facts.status).casefold() != "failed":
        return None
    found = parts.take(parts.start("the failed step", lambda: failed_step(reader, str(facts.id))), None)
    if found is None:
        return None
    id = str(found["runId"])
    return RunBody(id, found, parts.take(_details(reader, parts, id, "the details of the failed step"), _NOTHING))


def _ending(parts: Parts) -> dict[str, Any]:
    return {"missing": tuple(parts.missing), "transient": parts.transient}


def _with_parts(reader: Reader, parts: Parts, facts: RunFacts, body: RunBody, step: RunBody | None) -> RunFacts:
    """The facts with what other requests have: the log and the compute of the failed step, or else of the run."""
    failed = step or body
    log = log_file(failed.details)
    log_part = parts.start("the log", lambda: log_tail(reader, log[1]) if log else None)
    compute_part = parts.start("the compute", lambda: compute_of(reader, failed.run, failed.details))
    parent = name(body.run.get("parentRunId")) or name(body.details.get("parentRunId"))
    parent_part = parts.start("the parent run", lambda: _parent(reader, parent))
    workspace = reader.azureml.workspace
    changes: dict[str, Any] = {
        "log_tail": parts.take(log_part, None),
        "log_file": name(log[0]) if log else None,
        "compute": parts.take(compute_part, Compute()),
        "parent": parts.take(parent_part, _nameless(workspace, parent)),
    }
    if step:
        own = run_error(step.details)
        error = own if own.message else run_error(step.run)
        changes["error"] = error if error != RunError() else facts.error
        changes["failing_step"] = Step(id=step.id, name=_shown_name(step), url=run_link(workspace, step.id))
    return facts.model_copy(update=changes)


def _own(reader: Reader, body: RunBody) -> RunFacts:
    """The facts that the run itself and its details have."""
    both = {**body.run, **{key: value for key, value in body.details.items() if value is not None}}
    created_by = object_of(both.get("createdBy"))
    error = run_error(body.details)
    return RunFacts(
        id=body.id,
        display_name=_shown_name(body),
        status=name(both.get("status")),
        experiment=name(both.get("experimentName")),
        description=text(both.get("description")),
        type=_type(both),
        error=error if error != RunError() else run_error(body.run),
        owner=name(created_by.get("userName")) or name(created_by.get("upn")),
        started=time(both.get("startTimeUtc")),
        ended=time(both.get("endTimeUtc")),
        duration=_duration(both),
        url=run_link(reader.azureml.workspace, body.id),
        notebook=_notebook(both),
    )


def _shown_name(body: RunBody) -> str | None:
    found = (name(source.get(member)) for source in (body.run, body.details) for member in ("displayName", "name"))
    return next((each for each in found if each), None)


def _type(run: Mapping[str, Any]) -> str | None:
    own = name(run.get("runType")) or name(object_of(run.get("properties")).get("azureml.runsource"))
    return _TYPES.get(own.casefold(), own) if own else None


def _duration(run: Mapping[str, Any]) -> float | None:
    """The time on the compute; else from start to end; else what the service reports."""
    found = (seconds(run.get("computeDuration")), between(run.get("startTimeUtc"), run.get("endTimeUtc")))
    return next((each for each in (*found, seconds(run.get("duration"))) if each is not None), None)


def _notebook(run: Mapping[str, Any]) -> str | None:
    """The file that submitted the run: of the SDK's first version its script, of MLflow the source in its tags."""
    source = name(run.get("scriptName")) or name(object_of(run.get("tags")).get("mlflow.source.name"))
    found = _SCRIPT.fullmatch(source) if source else None
    return found[1] if found else None


def _parent(reader: Reader, id: str | None) -> ParentRun:
    if not id:
        return ParentRun()
    found = reader.service(f"/history/v1.0{path_of(reader, id)}", HISTORY)
    nameless = _nameless(reader.azureml.workspace, id)
    return nameless.model_copy(update={"name": _shown_name(RunBody(id, found)) or id})


def _nameless(workspace: WorkspaceId, id: str | None) -> ParentRun:
    return ParentRun(id=id, name=id, url=run_link(workspace, id)) if id else ParentRun()
