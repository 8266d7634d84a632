"""Online endpoints and deployments whose creation or last change has failed: DeploymentFailed and EndpointFailed.

One list of the endpoints, and one of the deployments of each (learn.microsoft.com/rest/api/azureml, "Online Endpoints",
"Online Deployments"). Only what has failed is remembered. The reason is that of the resource's last operation, read
once for each failure.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from dispatch.watch.memory import MOST, Known, Memory, Step, Wire
from dispatch.watch.scope import Look
from dispatch.watch.seen import event_of, stamp
from handlers.azure.listed import Listed, mapping, text
from handlers.azure.lists import OutOfRequests, segment
from schemas.events.watched.deployments import DeploymentFailed, EndpointFailed

TYPES = (DeploymentFailed, EndpointFailed)
FAILED = "failed"

_FORGET = 3  # consecutive looks in which a resource is missing before it is forgotten: a list can miss one


class _Failed(NamedTuple):
    endpoint: Listed
    deployment: Listed | None  # None: the endpoint itself failed

    @property
    def key(self) -> str:
        return f"{self.endpoint.name}/{self.deployment.name}" if self.deployment else self.endpoint.name

    @property
    def resource(self) -> Listed:
        return self.deployment or self.endpoint


def look_at_deployments(look: Look) -> int:
    """Look at all endpoints once; returns the number of events."""
    memory = Memory.of(look.app, "failed", *look.resource.key)
    known = memory.known()
    failed = {each.key: each for each in _failed(look)}
    is_first = known is None or look.since is None
    new = [] if is_first else [each for each in failed.values() if _is_new(each, known or {})]
    reasons = {each.key: _reason(each.resource, look) for each in new[:MOST]}

    def compare(known: Known | None) -> Step:
        after = {key: [stamp(each.resource.modified), 0] for key, each in failed.items()}
        if known is None or is_first:
            return Step(after)
        unseen = {key: [at, gone + 1] for key, (at, gone) in known.items() if key not in failed and gone + 1 < _FORGET}
        pending = [each for each in failed.values() if _is_new(each, known)]
        events = [_event(each, look, reasons.get(each.key, {})) for each in pending[:MOST]]
        for each in pending[MOST:]:
            del after[each.key]
        return Step({**unseen, **after}, events, more=len(pending) > MOST)

    return memory.observe(compare, look.began)


def _failed(look: Look) -> list[_Failed]:
    found = []
    base = f"{look.path}/onlineEndpoints"
    for body in look.lists.items(base):
        if (endpoint := Listed.of(body)) is None:
            continue
        if EndpointFailed.__name__ in look.types and endpoint.state == FAILED:
            found.append(_Failed(endpoint, None))
        if DeploymentFailed.__name__ in look.types:
            path = f"{base}/{segment(endpoint.name)}/deployments"
            deployments = (Listed.of(inner) for inner in look.lists.items_if_any(path))
            found += [_Failed(endpoint, each) for each in deployments if each and each.state == FAILED]
    return found


def _is_new(failed: _Failed, known: Known) -> bool:
    """Was it not known as failed, or has it been changed since, and failed again?"""
    at = stamp(failed.resource.modified)
    return failed.key not in known or at > known[failed.key][0]


def _reason(resource: Listed, look: Look) -> Mapping[str, Any]:
    """The error of the last operation: its code and message; empty if it is not known any more."""
    if not resource.operation:
        return {}
    try:
        error = mapping(look.lists.at(resource.operation).get("error"))
    except OutOfRequests:
        return {}
    except Exception as problem:  # the failure itself must be reported
        look.log_problem(problem)
        return {}
    return {"errorCode": text(error.get("code")) or None, "errorMessage": text(error.get("message")) or None}


def _event(failed: _Failed, look: Look, reason: Mapping[str, Any]) -> Wire:
    endpoint, deployment = failed
    at = failed.resource.modified
    if deployment is None:
        data = {"endpointName": endpoint.name, **reason, "endpointTags": endpoint.tags}
        kind = text(mapping(endpoint.properties).get("compute"))
        data["computeType"] = "Kubernetes" if kind else "Managed"
        return event_of(EndpointFailed, look.resource, f"endpoints/{endpoint.name}", at, data)
    properties = deployment.properties
    about = {
        "endpointName": endpoint.name,
        "deploymentName": deployment.name,
        "model": text(properties.get("model")) or None,
        "instanceType": text(properties.get("instanceType")) or None,
        **reason,
        "deploymentTags": deployment.tags,
    }
    subject = f"endpoints/{endpoint.name}/deployments/{deployment.name}"
    return event_of(DeploymentFailed, look.resource, subject, at, about)
