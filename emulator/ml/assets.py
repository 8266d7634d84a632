"""Assets, by name and version, in a workspace or a registry: models, environments, code, data, components."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from emulator.http.request import Request
from emulator.http.response import ErrorResponse, Response
from emulator.http.routing import Plane, Route
from emulator.ml import events, versions
from emulator.state import ids
from emulator.state.ids import REGISTRY_SCOPE, WORKSPACE_SCOPE
from emulator.state.state import Body, Resource, State

FLAVORS: Body = {  # of a model of MLflow, as in its file MLmodel
    "python_function": {"data": {"loader_module": "mlflow.sklearn", "python_version": "3.11.9"}},
    "sklearn": {"data": {"serialization_format": "cloudpickle", "sklearn_version": "1.5.2"}},
}
DATA_PLANE = "/mferp/managementfrontend"  # prefix of a registry's paths on the host from discovery


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of asset."""

    plural: str  # in paths
    singular: str  # in messages
    schema: str  # of a version's body; with "_container", of a container's
    paths: tuple[str, ...]  # properties that cannot change
    versions: frozenset[str]


KINDS = (
    Kind("models", "model", "model", ("modelUri", "modelType"), versions.ASSETS),
    Kind("environments", "environment", "environment", ("image", "condaFile", "build", "osType"), versions.ASSETS),
    Kind("codes", "code", "code", ("codeUri",), versions.ASSETS),
    Kind("data", "data asset", "data", ("dataUri", "dataType"), versions.LATER_ASSETS),
    Kind("components", "component", "component", ("componentSpec",), versions.LATER_ASSETS),
)


def register(state: State, id: str, properties: Body) -> Resource:
    """Create a version, and its container for the first one. A model in a workspace raises ModelRegistered.

    Raises an error response (400) for an invalid name or version.
    """
    (scope, plural, name), version = id.rpartition("/versions/")[0].rsplit("/", 2), ids.name_of(id)
    ids.check_asset(name, version, kind_of(id).singular)
    container_id = f"{scope}/{plural}/{name}"
    if (container := state.find(container_id)) is None:
        container = state.add(container_id, {"properties": {"tags": {}, "properties": {}, "isArchived": False}})
    container.properties["latestVersion"] = version
    container.properties["nextVersion"] = str(int(version) + 1) if version.isdecimal() else version
    defaults: Body = {"tags": {}, "properties": {}, "isArchived": False, "isAnonymous": False}
    if plural == "models":
        defaults["flavors"] = {}  # azure-ai-ml fails to read a model without them
    given = {name: value for name, value in properties.items() if value is not None}
    created = state.add(id, {"properties": {**defaults, **given, "provisioningState": "Succeeded"}})
    if plural == "models" and "/workspaces/" in scope:
        state.raise_event(events.model_registered(state, scope, name, version, created.properties))
    return created


def create(state: State, id: str, properties: Body) -> Resource:
    """Create a version like `register`. Raises an error response (409) if it exists."""
    if state.find(id):
        raise ErrorResponse(409, "Conflict", f"{id} exists already.")
    return register(state, id, properties)


def reference(asset: Resource) -> str:
    """The id by which other resources refer to an asset: of one in a registry, ``azureml://registries/...``."""
    inside = asset.id.partition("/registries/")[2]
    return f"azureml://registries/{inside}" if inside else asset.id


def kind_of(id: str) -> Kind:
    """The kind of asset that an id names."""
    plural = ids.type_of(id).split("/")[2].lower()
    return next(kind for kind in KINDS if kind.plural == plural)


def _get(request: Request) -> Response:
    return Response(200, _as_requested(request, request.state.read(request.id)))


def _as_requested(request: Request, body: Body) -> Body:
    """The body; from a registry's data plane, with an id like ``azureml://registries/...``."""
    if not request.path.lower().startswith(DATA_PLANE):
        return body
    inside = body["id"].partition("/registries/")[2]
    return {**body, "id": f"azureml://registries/{inside}"}


def _containers(request: Request) -> Response:
    return request.page(_listed(request, request.state.children(request.scope, kind_of(request.id).plural)))


def _versions(request: Request) -> Response:
    if (wanted := request.query.get("hash")) is not None:
        return request.page(_hashed(request, wanted))
    found = list(_listed(request, request.state.children(request.id.rpartition("/")[0], "versions")))
    order = request.query.get("$orderby", "createdtime desc").lower()
    if order.endswith("desc"):
        found.reverse()
    answer = request.page(found)
    answer.body["value"] = [_as_requested(request, body) for body in answer.body["value"]]
    return answer


def _listed(request: Request, found: list[Resource]) -> Iterator[Resource]:
    """The assets in a list: no anonymous ones, and archived ones only if the query includes them."""
    view = request.query.get("listviewtype", "ActiveOnly").lower()
    for one in found:
        archived = bool(one.properties.get("isArchived"))
        hidden = (view == "activeonly" and archived) or (view == "archivedonly" and not archived)
        if not hidden and not one.properties.get("isAnonymous"):
            yield one


def _hashed(request: Request, wanted: str) -> Iterator[Resource]:
    """Versions with a hash, under any name: azure-ai-ml searches under a name that it has just generated."""
    for container in request.state.children(request.scope, kind_of(request.id).plural):
        for one in request.state.children(container.id, "versions"):
            if one.properties["properties"].get("hash_sha256") == wanted:
                yield one


def _put(request: Request) -> Response:
    kind = kind_of(request.id)
    name, version = request.params["name"], request.params["version"]
    ids.check_asset(name, version, kind.singular)
    body = request.body(kind.schema)
    if (existing := request.state.find(request.id)) is None:
        return Response(201, register(request.state, request.id, body["properties"]).body)
    new = body["properties"]
    if any(_differs(new.get(path), existing.properties.get(path)) for path in kind.paths):
        raise ErrorResponse(400, "UserError", "Asset paths cannot be updated.")
    changed = {**existing.body, "properties": {**existing.properties, **new}}
    return Response(200, request.state.replace(request.id, changed).body)


def _differs(new: Any, old: Any) -> bool:
    """Whether a property changes. One that was not sent does not; strings ignore case, as ids do."""
    same = new.lower() == old.lower() if isinstance(new, str) and isinstance(old, str) else new == old
    return new is not None and not same


def _put_container(request: Request) -> Response:
    body = request.body(f"{kind_of(request.id).schema}_container")
    ids.check_asset(request.params["name"], "1", kind_of(request.id).singular)
    if (existing := request.state.find(request.id)) is None:
        return Response(
            201, request.state.add(request.id, {"properties": {**body["properties"], "isArchived": False}}).body
        )
    changed = {**existing.body, "properties": {**existing.properties, **body["properties"]}}
    return Response(200, request.state.replace(request.id, changed).body)


def _delete(request: Request) -> Response:
    if request.state.find(request.id) is None:
        return Response(204)
    request.state.remove(request.id)
    return Response(200)


def _routes() -> Iterator[Route]:
    for kind in KINDS:
        for scope, published, plane, prefix in (
            (WORKSPACE_SCOPE, kind.versions, Plane.MANAGEMENT, ""),
            (REGISTRY_SCOPE, versions.REGISTRY, Plane.MANAGEMENT, ""),
            (REGISTRY_SCOPE, versions.DATA_PLANE, Plane.DATA, DATA_PLANE),
        ):
            base = f"{scope}/{kind.plural}"
            one, version = f"{base}/{{name}}", f"{base}/{{name}}/versions/{{version}}"
            yield Route("GET", base, _containers, published, plane, prefix)
            yield Route("GET", one, _get, published, plane, prefix)
            yield Route("PUT", one, _put_container, published, plane, prefix)
            yield Route("GET", f"{one}/versions", _versions, published, plane, prefix)
            yield Route("GET", version, _get, published, plane, prefix)
            yield Route("PUT", version, _put, published, plane, prefix)
            yield Route("DELETE", version, _delete, published, plane, prefix)


ROUTES = tuple(_routes())
