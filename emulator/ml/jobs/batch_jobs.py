"""The scoring URIs of batch endpoints, which start jobs, and the lists of those jobs.

learn.microsoft.com, "Create jobs and input data for batch endpoints"; requests as azure-ai-ml sends them (its
_batch_endpoint_operations.py and _batch_deployment_operations.py). A job of a batch endpoint is a pipeline with one
step; its tags are those of a recorded one (azure.azcollection, azure_rm_mlbatchjob). Not documented: the answer to a
second request with the same name; here it is that to a second job of one name.
"""

from uuid import uuid4

from emulator.http.request import Request
from emulator.http.response import ErrorResponse, Response
from emulator.http.routing import Plane, Route
from emulator.identity.tokens import InvalidToken, check
from emulator.ml.assets import DATA_PLANE
from emulator.ml.endpoints import online
from emulator.ml.endpoints.batch import KIND
from emulator.ml.endpoints.scoring import HEADER
from emulator.ml.jobs import jobs
from emulator.state import ids
from emulator.state.ids import WORKSPACE_SCOPE
from emulator.state.state import Body, Resource, State

VERSION = frozenset({"2020-09-01-dataplanepreview"})
_ASSET_TYPES = ("uri_file", "uri_folder", "mltable", "custom_model", "mlflow_model", "triton_model")
_OWNERS = ("batchEndpoint", "batchDeployment")  # hidden members of a job, with the ids of its endpoint and deployment


def _invoke(request: Request) -> Response:
    state = request.state
    try:
        check(request.headers.get("authorization", ""), frozenset({online.ML}))
    except InvalidToken as error:
        raise ErrorResponse(401, "Unauthorized", str(error)) from error
    endpoint = _endpoint(state, request.params["number"], request.params["endpoint"])
    deployment = _deployment(state, endpoint, request.headers.get(HEADER, ""))
    body = request.body("batch_job")["properties"]
    workspace, name = endpoint.id.rsplit("/", 2)[0], body.get("name") or f"batchjob-{uuid4()}"
    if state.find(f"{workspace}/{jobs.KIND}/{name}"):
        raise jobs.immutable(["inputs"])
    job = jobs.put(state, workspace, name, _properties(body, endpoint, deployment), nodes=("batchscoring",))
    for what, of in zip(_OWNERS, (endpoint, deployment), strict=True):
        job.hidden[what] = of.id.lower()
    return Response(201, _shown(job, deployment), {HEADER: str(deployment.body["name"])})


def _properties(body: Body, endpoint: Resource, deployment: Resource) -> Body:
    """The job's properties. Only a component's job may choose its experiment ("Configure job properties")."""
    configuration = deployment.properties.get("deploymentConfiguration") or {}
    component = (configuration.get("componentId") or {}).get("assetId")
    chosen = (body.get("properties") or {}).get("experimentName") if component else None
    inputs = {name: _translated(value, "jobInputType") for name, value in (body.get("inputData") or {}).items()}
    outputs = {name: _translated(value, "jobOutputType") for name, value in (body.get("outputData") or {}).items()}
    return {
        "jobType": "Pipeline",
        "displayName": body.get("name"),
        "experimentName": chosen or endpoint.body["name"],
        "componentId": component,
        "computeId": deployment.properties.get("compute"),
        "inputs": inputs,
        "outputs": outputs or {"score": {"jobOutputType": "uri_folder"}},
        "tags": {
            **(body.get("tags") or {}),
            "azureml.batchrun": "true",
            "azureml.deploymentname": deployment.body["name"],
            "azureml.jobtype": "azureml.pipelinejob",
        },
        "properties": {"runSource": "BatchEndpoint"},
    }


def _translated(value: Body, kind: str) -> Body:
    """An input or output in the spelling of jobs: ``UriFolder`` becomes ``uri_folder``."""
    names = {name.replace("_", ""): name for name in (*_ASSET_TYPES, "literal")}
    kept = {name: str(member) for name, member in value.items() if name in {"uri", "value", "mode"}}
    return {**kept, kind: names[str(value[kind]).replace("_", "").lower()]}


def _endpoint(state: State, number: str, name: str) -> Resource:
    for workspace in state.of_type("workspaces"):
        if workspace.properties["workspaceId"] == number and (found := state.find(f"{workspace.id}/{KIND}/{name}")):
            return found
    raise ErrorResponse(404, "NotFound", f"The batch endpoint {name} does not exist.")


def _deployment(state: State, endpoint: Resource, wanted: str) -> Resource:
    """The deployment in the header, or else the default one."""
    name = wanted or endpoint.properties["defaults"].get("deploymentName", "")
    if not name:
        raise ErrorResponse(
            400,
            "BadArgument",
            f"The endpoint {endpoint.body['name']} has no default deployment: the request must name one.",
        )
    found = state.find(f"{endpoint.id}/deployments/{name}")
    if found is None or found.state not in {"Succeeded", "Updating"}:
        problem = f"is in {found.state} provisioning state" if found else "does not exist"
        raise ErrorResponse(404, "NotFound", f"The deployment {name} of endpoint {endpoint.body['name']} {problem}.")
    return found


def _shown(job: Resource, deployment: Resource) -> Body:
    """A job as the data plane shows it."""
    name, status = job.body["name"], job.properties["status"]
    id = f"{deployment.id}/jobs/{name}"
    return {"id": id, "name": name, "type": ids.type_of(id), "properties": {"name": name, "status": status}}


def _list(request: Request) -> Response:
    state = request.state
    owner = state.require(request.id.rpartition("/jobs")[0])
    what = _OWNERS[1] if "deployment" in request.params else _OWNERS[0]
    found = [job for job in state.children(request.scope, jobs.KIND) if job.hidden.get(what) == owner.id.lower()]
    value = [_shown(job, state.require(job.hidden[_OWNERS[1]])) for job in reversed(found)]
    return Response(200, {"value": value, "nextLink": None})


_AT = f"{WORKSPACE_SCOPE}/{KIND}/{{endpoint}}"
ROUTES = (
    Route("POST", "/inference/{number}/{endpoint}/jobs", _invoke, frozenset(), Plane.OWN),
    Route("GET", f"{_AT}/jobs", _list, VERSION, Plane.DATA, DATA_PLANE),
    Route("GET", f"{_AT}/deployments/{{deployment}}/jobs", _list, VERSION, Plane.DATA, DATA_PLANE),
)
