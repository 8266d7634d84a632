"""The scoring URIs of batch endpoints, where a request starts a job, and the lists of those jobs.

learn.microsoft.com, "Create jobs and input data for batch endpoints"; as azure-ai-ml asks (its
_batch_endpoint_operations.py and _batch_deployment_operations.py). A job of a batch endpoint is a pipeline with one
step, and carries nothing of whoever has asked for it, unless the request says so. Not documented: what a second request
with the same name is answered; here it is what a second job of the same name is.
"""

from uuid import uuid4

from emulator.http.routing import Ask, Plane, Route
from emulator.identity.tokens import BadToken, check
from emulator.ml import endpoints, jobs, jobschema
from emulator.ml.assets import DATA_PLANE
from emulator.ml.batch import KIND
from emulator.ml.scoring import HEADER
from emulator.state import ids
from emulator.state.ids import WORKSPACE_SCOPE
from emulator.state.state import Body, Resource, World
from emulator.wire import Answer, Refusal

VERSION = frozenset({"2020-09-01-dataplanepreview"})
_OURS = ("batchEndpoint", "batchDeployment")  # where a job notes, out of sight, what it is of


def _invoke(ask: Ask) -> Answer:
    world = ask.world
    try:
        check(ask.request.headers.get("authorization", ""), frozenset({endpoints.ML}))
    except BadToken as error:
        raise Refusal(401, "Unauthorized", str(error)) from error
    endpoint = _endpoint(world, ask.names["number"], ask.names["endpoint"])
    deployment = _deployment(world, endpoint, ask.request.headers.get(HEADER, ""))
    asked = ask.body(jobschema.BATCH_JOB)["properties"]
    workspace, name = endpoint.id.rsplit("/", 2)[0], asked.get("name") or f"batchjob-{uuid4()}"
    if world.find(f"{workspace}/{jobs.KIND}/{name}"):
        raise jobs.immutable(["inputs"])
    job = jobs.put(world, workspace, name, _properties(asked, endpoint, deployment), nodes=("batchscoring",))
    for what, of in zip(_OURS, (endpoint, deployment), strict=True):
        job.hidden[what] = of.id.lower()
    return Answer(201, _shown(job, deployment), {HEADER: str(deployment.body["name"])})


def _properties(asked: Body, endpoint: Resource, deployment: Resource) -> Body:
    """An experiment can be chosen where a component is deployed ("Configure job properties" on that page)."""
    configuration = deployment.properties.get("deploymentConfiguration") or {}
    component = (configuration.get("componentId") or {}).get("assetId")
    chosen = (asked.get("properties") or {}).get("experimentName") if component else None
    inputs = {name: _as_job_s(value, "jobInputType") for name, value in (asked.get("inputData") or {}).items()}
    outputs = {name: _as_job_s(value, "jobOutputType") for name, value in (asked.get("outputData") or {}).items()}
    return {
        "jobType": "Pipeline",
        "displayName": asked.get("name"),
        "experimentName": chosen or endpoint.body["name"],
        "componentId": component,
        "computeId": deployment.properties.get("compute"),
        "inputs": inputs,
        "outputs": outputs or {"score": {"jobOutputType": "uri_folder"}},
        "tags": asked.get("tags") or {},
        "properties": {"runSource": "BatchEndpoint"},
    }


def _as_job_s(value: Body, kind: str) -> Body:
    """An input or output as jobs have it: ``UriFolder`` is ``uri_folder`` there."""
    names = {name.replace("_", ""): name for name in (*jobschema.ASSETS, "literal")}
    told = {name: str(member) for name, member in value.items() if name in {"uri", "value", "mode"}}
    return {**told, kind: names[str(value[kind]).replace("_", "").lower()]}


def _endpoint(world: World, number: str, name: str) -> Resource:
    for workspace in world.of_type("workspaces"):
        if workspace.properties["workspaceId"] == number and (found := world.find(f"{workspace.id}/{KIND}/{name}")):
            return found
    raise Refusal(404, "NotFound", f"There is no batch endpoint {name}.")


def _deployment(world: World, endpoint: Resource, wanted: str) -> Resource:
    """The one that the header names, else the default one."""
    name = wanted or endpoint.properties["defaults"].get("deploymentName", "")
    if not name:
        raise Refusal(400, "BadArgument", f"The endpoint {endpoint.body['name']} has no default deployment: name one.")
    found = world.find(f"{endpoint.id}/deployments/{name}")
    if found is None or found.state not in {"Succeeded", "Updating"}:
        state = f"is in {found.state} provisioning state" if found else "does not exist"
        raise Refusal(404, "NotFound", f"The deployment {name} of endpoint {endpoint.body['name']} {state}.")
    return found


def _shown(job: Resource, deployment: Resource) -> Body:
    """A job as the data plane tells of it."""
    name, status = job.body["name"], job.properties["status"]
    id = f"{deployment.id}/jobs/{name}"
    return {"id": id, "name": name, "type": ids.type_of(id), "properties": {"name": name, "status": status}}


def _list(ask: Ask) -> Answer:
    world = ask.world
    owner = world.need(ask.id.rpartition("/jobs")[0])
    what = _OURS[1] if "deployment" in ask.names else _OURS[0]
    found = [job for job in world.children(ask.scope, jobs.KIND) if job.hidden.get(what) == owner.id.lower()]
    value = [_shown(job, world.need(job.hidden[_OURS[1]])) for job in reversed(found)]
    return Answer(200, {"value": value, "nextLink": None})


_AT = f"{WORKSPACE_SCOPE}/{KIND}/{{endpoint}}"
ROUTES = (
    Route("POST", "/inference/{number}/{endpoint}/jobs", _invoke, frozenset(), Plane.OWN),
    Route("GET", f"{_AT}/jobs", _list, VERSION, Plane.DATA, DATA_PLANE),
    Route("GET", f"{_AT}/deployments/{{deployment}}/jobs", _list, VERSION, Plane.DATA, DATA_PLANE),
)
