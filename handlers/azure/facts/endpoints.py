"""The facts about an endpoint, from Resource Manager (learn.microsoft.com/rest/api/azureml, "Online Endpoints")."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from handlers.azure.facts.parts import Parts
from handlers.azure.facts.reader import NotFound, Reader
from handlers.azure.facts.values import MOST, name, number, object_of, text, texts, whole
from handlers.azure.ml.resources import Deployment, ModelRef, state_of
from schemas.facts import DeploymentFacts, EndpointFacts
from schemas.links import endpoint_link, endpoints_link

ONLINE, BATCH = "onlineEndpoints", "batchEndpoints"


def endpoint_facts(reader: Reader, parts: Parts, id: tuple[str, ...]) -> EndpointFacts:
    """The facts about the online or batch endpoint of a name. Raises NotRead if it cannot be read."""
    endpoint = id[0]
    kind, body = parts.wait(parts.start("the endpoint", lambda: _find(reader, endpoint)))
    path = f"{reader.path}/{kind}/{quote(endpoint, safe='')}/deployments"
    bodies = parts.take(parts.start("the deployments", lambda: list(reader.arm_items(path))), [])
    properties, traffic = object_of(body.get("properties")), traffic_of(body)
    workspace = reader.azureml.workspace
    deployments = [_deployment(each, traffic, str(workspace)) for each in bodies[:MOST]]
    return EndpointFacts(
        name=name(body.get("name")) or endpoint,
        kind="online" if kind == ONLINE else "batch",
        state=_state(properties),
        description=text(properties.get("description")),
        tags=texts(body.get("tags")),
        traffic=traffic,
        deployments=tuple(sorted(deployments, key=lambda each: -(each.traffic or 0))),
        url=endpoint_link(workspace, endpoint) if kind == ONLINE else endpoints_link(workspace),
        missing=tuple(parts.missing),
        transient=parts.transient,
    )


def _find(reader: Reader, endpoint: str) -> tuple[str, Mapping[str, Any]]:
    try:
        return ONLINE, reader.arm(f"{reader.path}/{ONLINE}/{quote(endpoint, safe='')}")
    except NotFound:
        return BATCH, reader.arm(f"{reader.path}/{BATCH}/{quote(endpoint, safe='')}")


def traffic_of(endpoint: Mapping[str, Any]) -> dict[str, float]:
    """Percent of the traffic by deployment, without those that get none; of a batch endpoint, its default has all."""
    properties = object_of(endpoint.get("properties"))
    default = name(object_of(properties.get("defaults")).get("deploymentName"))
    given = {default: 100.0} if default else object_of(properties.get("traffic"))
    found = {str(name(key) or ""): number(share) or 0.0 for key, share in given.items()}
    return {key: share for key, share in list(found.items())[:MOST] if key and 0 < share <= 100}


def model_of(deployment: Mapping[str, Any], workspace: str) -> ModelRef | str | None:
    """The model version that a deployment serves; the text that names it if that has an unknown form."""
    model = object_of(deployment.get("properties")).get("model")
    id = name(object_of(model).get("assetId") or model)
    return (Deployment("", "", id, workspace).ref or id) if id else None


def _state(properties: Mapping[str, Any]) -> str | None:
    return state_of({"provisioningState": name(properties.get("provisioningState"))}) or None


def share_of(deployment: str | None, traffic: Mapping[str, float]) -> float:
    """The percentage of a deployment: its name may be in small letters in the traffic."""
    shares = {key.casefold(): share for key, share in traffic.items()}
    return shares.get((deployment or "").casefold(), 0.0)


def _deployment(body: Mapping[str, Any], traffic: Mapping[str, float], workspace: str) -> DeploymentFacts:
    properties, own = object_of(body.get("properties")), name(body.get("name"))
    model = model_of(body, workspace)
    resources = object_of(properties.get("resources"))
    return DeploymentFacts(
        name=own,
        state=_state(properties),
        traffic=share_of(own, traffic),
        model=str(model) if model else None,
        size=name(properties.get("instanceType")) or name(resources.get("instanceType")),
        instances=whole(object_of(body.get("sku")).get("capacity")) or whole(resources.get("instanceCount")),
    )
