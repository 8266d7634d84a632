"""Jobs of a workspace. A PUT creates and starts one.

Only some members of an existing job may change; for the others, the error is as in MicrosoftDocs/azure-docs#122250 and
Azure/azure-sdk-for-python#47389. Limits of tags: learn.microsoft.com, "Manage and increase quotas and limits
for resources with Azure Machine Learning", section on runs.
"""

import copy
import json
import re
from collections.abc import Iterator, Sequence
from uuid import NAMESPACE_URL, uuid5

from emulator.http.request import Request
from emulator.http.response import ErrorResponse, Response
from emulator.http.routing import at_workspace
from emulator.ml import versions
from emulator.ml.endpoints.deployments import find_asset
from emulator.ml.jobs import lifecycle
from emulator.ml.operations import started
from emulator.state import ids
from emulator.state.job_plan import Ending
from emulator.state.runs import Run
from emulator.state.state import Body, Resource, State

KIND = "jobs"
PIPELINE, STEP = "azureml.PipelineRun", "azureml.StepRun"
RUN_TYPES = {"Pipeline": PIPELINE, "Sweep": "azureml.sweep", "AutoML": "automl"}  # any other: azureml.commandjob
DEFAULTS: Body = {"tags": {}, "properties": {}, "experimentName": "Default", "isArchived": False}
# The members of an existing job that may change; for any other the service answers JobPropertyImmutable.
CHANGEABLE = frozenset({"description", "tags", "displayName", "properties", "isArchived"})
MOST_TAGS, LONGEST_KEY, LONGEST_VALUE = 50, 100, 1_000

_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9\-_]{0,254}")  # types.md; and at most 256 characters ("quotas and limits")


def put(  # noqa: PLR0913 - the last two are keywords that most calls leave out
    state: State,
    workspace: str,
    name: str,
    properties: Body,
    *,
    ending: Ending | None = None,
    nodes: Sequence[str] = (),
) -> Resource:
    """Create and start a job, which ends as given or as planned. `nodes` are the steps of one that names none.

    The service adds status and services, and a display name and an experiment unless they are given. Raises an error
    response (400) for an invalid name, too many or too long tags, and references to missing resources.
    """
    _check_name(name)
    _check_tags(properties.get("tags") or {})
    given = {member: value for member, value in copy.deepcopy(properties).items() if value is not None}
    whole = {**DEFAULTS, "displayName": name, **given}
    _check_references(state, workspace, whole)
    whole["services"] = {**_services(workspace, name), **(given.get("services") or {})}
    job = state.add(f"{workspace}/{KIND}/{name}", {"properties": {**whole, "status": "NotStarted"}})
    job.hidden["requested"] = json.dumps(properties)
    run = _run_of(state, workspace, name, job.properties)
    lifecycle.begin(state, run, steps_of(state, run, job.properties, nodes), ending)
    return job


def _run_of(state: State, workspace: str, name: str, properties: Body) -> Run:
    kind = RUN_TYPES.get(properties["jobType"], "azureml.commandjob")
    own = {"azureml.runsource": kind, "runSource": "MFE", "runType": "HTTP"} if kind == PIPELINE else {}
    marks = {"azureml.pipelineComponent": "pipelinerun"} if kind == PIPELINE else {}
    return Run(
        id=name,
        workspace=workspace,
        experiment=properties["experimentName"],
        type=kind,
        created=state.clock(),
        display_name=properties["displayName"],
        description=properties.get("description", ""),
        target=ids.name_of(properties.get("computeId", "")),
        tags={**properties["tags"], **marks},
        properties={**own, **properties["properties"]},
        inputs={n: str(i.get("uri", i.get("value", ""))) for n, i in (properties.get("inputs") or {}).items() if i},
    )


def steps_of(state: State, run: Run, properties: Body, nodes: Sequence[str] = ()) -> list[Run]:
    """The runs of a pipeline's steps: its own nodes, or else those of its component, or else `nodes`."""
    if run.type != PIPELINE:
        return []
    names = properties.get("jobs") or _nodes_of(state, properties.get("componentId", "")) or nodes
    return [step(state, run, name) for name in names]


def _nodes_of(state: State, component: str) -> list[str]:
    if (found := find_asset(state, component)) is None:
        return []
    return list((found.properties.get("componentSpec") or {}).get("jobs") or [ids.name_of(ids.parent_of(component))])


def step(state: State, run: Run, name: str) -> Run:
    """The run of one step, which refers to its pipeline's run but has none of its tags."""
    number = str(uuid5(NAMESPACE_URL, f"{run.key} {name}"))
    node = number[:8]
    return Run(
        id=number,
        workspace=run.workspace,
        experiment=run.experiment,
        type=STEP,
        created=state.clock(),
        display_name=name,
        target=run.target,
        parent=run.id,
        tags={
            "azureml.pipeline": str(uuid5(NAMESPACE_URL, run.key)),
            "azureml.pipelinerunid": run.id,
            "azureml.nodeid": node,
        },
        properties={
            "azureml.runsource": STEP,
            "azureml.nodeid": node,
            "ContentSnapshotId": str(uuid5(NAMESPACE_URL, name)),
            "StepType": "PythonScriptStep",
            "ComputeTargetType": "AmlCompute",
        },
    )


def _services(workspace: str, name: str) -> Body:
    studio = f"https://ml.azure.com/runs/{name}?wsid={workspace.lower()}"
    tracking = f"azureml://westeurope.api.azureml.ms/mlflow/v1.0{workspace}"
    return {
        "Tracking": {"jobServiceType": "Tracking", "endpoint": tracking},
        "Studio": {"jobServiceType": "Studio", "endpoint": studio},
    }


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise _user_error(
            f"The job name '{name}' is invalid: it must begin with a letter or a digit, have at most 255 characters, "
            "and consist of letters, digits, '-' and '_'."
        )


def _check_tags(tags: Body) -> None:
    if len(tags) > MOST_TAGS:
        raise _user_error(f"The job has {len(tags)} tags; a run can have {MOST_TAGS}.")
    for name, value in tags.items():
        if len(name) > LONGEST_KEY or len(value) > LONGEST_VALUE:
            raise _user_error(
                f"The tag '{name[:LONGEST_KEY]}' is too long: names have at most {LONGEST_KEY} characters, and values "
                f"{LONGEST_VALUE}."
            )


def _check_references(state: State, workspace: str, properties: Body) -> None:
    nodes = (properties.get("jobs") or {}).values()
    for body in (properties, *(node for node in nodes if isinstance(node, dict))):
        for member in ("componentId", "environmentId", "codeId"):
            reference = body.get(member)
            if reference and not _exists(state, reference):
                raise _user_error(f"The {member} '{reference}' does not exist, or is not the id of an asset's version.")
        for compute in (body.get("computeId"), (body.get("settings") or {}).get("default_compute")):
            serverless = compute and ids.name_of(compute).lower() == "serverless"  # azure-ai-ml sends an id for it
            if compute and not serverless and state.find(_compute_id(workspace, compute)) is None:
                raise _user_error(f"The compute target '{ids.name_of(compute)}' was not found in the workspace.")


def _exists(state: State, reference: str) -> bool:
    """Whether an asset exists. Any curated asset of the registry azureml does."""
    return "/registries/azureml/" in reference.lower() or find_asset(state, reference) is not None


def _compute_id(workspace: str, compute: str) -> str:
    return compute if compute.startswith("/") else f"{workspace}/computes/{compute}"


def _user_error(problem: str) -> ErrorResponse:
    return ErrorResponse(400, "UserError", problem)


def _put(request: Request) -> Response:
    requested = request.body("job")["properties"]
    state = request.state
    if (existing := state.find(request.id)) is None:
        return Response(201, put(state, request.scope, request.params["job"], requested).body)
    if changed := _differences(json.loads(existing.hidden["requested"]), requested):
        raise immutable(changed)
    update(state, existing, {name: value for name, value in requested.items() if name in CHANGEABLE})
    return Response(200, existing.body)


def _differences(before: Body, now: Body) -> list[str]:
    names = sorted({*before, *now} - CHANGEABLE - {"status", "services"})
    return [name for name in names if (before.get(name) or None) != (now.get(name) or None)]


def immutable(changed: list[str]) -> ErrorResponse:
    """The error response to a PUT that would change these members of an existing job."""
    names = ",  ".join(name[0].upper() + name[1:] for name in changed)
    inner = {"code": "Immutable", "innerError": {"code": "JobPropertyImmutable", "innerError": None}}
    return ErrorResponse(
        400,
        "UserError",
        "A job with this name already exists. If you are trying to create a new job, use a different name. If you are "
        f"trying to update an existing job, the existing job's {names} cannot be changed. Only description, tags, "
        "displayName, properties, and isArchived can be updated.",
        more={"additionalInfo": [{"type": "InnerError", "info": {"value": inner}}]},
    )


def update(state: State, job: Resource, changes: Body) -> None:
    """Change a job. Tags are added or replaced, never removed (Azure/azure-sdk-for-python#30671)."""
    run = state.runs[job.id.lower()]
    _check_tags({**run.tags, **(changes.get("tags") or {})})
    for name in ("tags", "properties"):
        job.properties[name] = {**job.properties[name], **(changes.get(name) or {})}
    run.tags |= changes.get("tags") or {}
    run.properties |= changes.get("properties") or {}
    for name in ("description", "displayName", "isArchived"):
        if changes.get(name) is not None:
            job.properties[name] = changes[name]
    run.hidden = job.properties["isArchived"]
    run.display_name, run.description = job.properties["displayName"], job.properties.get("description", "")


def _get(request: Request) -> Response:
    """A job, as a poll. A step has no properties here, only in run history (azure-ai-ml's job.py)."""
    run = request.state.runs.get(request.id.lower())
    if run and run.parent:
        return Response(200, {"id": request.id, "name": run.id, "type": ids.type_of(request.id), "properties": None})
    if run:
        lifecycle.poll(run)
    return Response(200, request.state.read(request.id))


def _list(request: Request) -> Response:
    return request.page(reversed(list(_listed(request))))


def _listed(request: Request) -> Iterator[Resource]:
    """The jobs in a list, the oldest first. The service filters by neither status nor time."""
    query = request.query
    view, kind, tag = (query.get(name, "").lower() for name in ("listviewtype", "jobtype", "tag"))
    for job in request.state.children(request.scope, KIND):
        archived = bool(job.properties["isArchived"])
        tags = [f"{name}={value}".lower() for name, value in job.properties["tags"].items()]
        tags += [name.lower() for name in job.properties["tags"]]
        if (view in {"", "activeonly"} and archived) or (view == "archivedonly" and not archived):
            continue
        if (kind and job.properties["jobType"].lower() != kind) or (tag and tag not in tags):
            continue
        yield job


def _cancel(request: Request) -> Response:
    """Request cancelation. The error for a finished job is not documented; handlers must not rely on it."""
    state = request.state
    state.require(request.id)
    run = state.runs[request.id.lower()]
    if run.finished:
        raise _user_error(f"The job {run.id} is in the terminal state {run.status} and cannot be canceled.")
    if running := state.running(request.id):
        return started(request, running, KIND, 202)
    run.stages.clear()
    lifecycle.move(state, run, "CancelRequested")
    return started(
        request, state.begin(request.id, "POST", "Canceling", lambda: lifecycle.cancel(state, run)), KIND, 202
    )


def _delete(request: Request) -> Response:
    state, id = request.state, request.id
    if state.find(id) is None:
        return Response(204)
    if not state.runs[id.lower()].finished:
        raise _user_error(f"The job {request.params['job']} has not ended, and cannot be deleted.")
    return started(request, state.begin(id, "DELETE", "Deleting", lambda: state.remove(id)), KIND, 202)


ROUTES = (
    *at_workspace(KIND, versions.ASSETS, {"GET": _list}),
    *at_workspace(f"{KIND}/{{job}}", versions.ASSETS, {"GET": _get, "PUT": _put, "DELETE": _delete}),
    *at_workspace(f"{KIND}/{{job}}", versions.ASSETS, {"POST": _cancel}, action="cancel"),
)
