"""Online endpoints and deployments whose creation or last change has failed: DeploymentFailed and EndpointFailed.

One list of the endpoints, and one of the deployments of each (learn.microsoft.com/rest/api/azureml, "Online Endpoints",
"Online Deployments"). Only what has failed is remembered. The reason is that of the resource's last operation, read
once for each failure.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from dispatch.watch.memory import MOST, Known, Memory, Step, Wire, as_many_as_fit, bounded
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
    is_first = known is None or look.since is None
    errors: dict[str, Exception] = {}  # by the endpoint whose deployments cannot be listed
    listed = list(_endpoints(look))
    failed = {each.key: each for each in _failed(listed, look, errors)}
    if is_first and errors:
        raise next(iter(errors.values()))
    new = [] if is_first else [each for each in failed.values() if _is_new(each, known or {})]
    reasons = {each.key: _reason(each.resource, look) for each in new[:MOST]}

    def compare(known: Known | None) -> Step:
        after = {key: [stamp(each.resource.modified), 0] for key, each in failed.items()}
        if known is None or is_first:
            return Step(after)
        missing = {key: state for key, state in known.items() if key not in failed}
        unread = {key: state for key, state in missing.items() if key.partition("/")[0] in errors and "/" in key}
        unseen = {key: [at, gone + 1] for key, (at, gone) in missing.items() if gone + 1 < _FORGET} | unread
        pending = [each for each in failed.values() if _is_new(each, known)]
        events = [_event(each, look, reasons.get(each.key, {})) for each in pending[:MOST]]
        events = [*as_many_as_fit([bounded(event, look.log_problem) for event in events])]
        for each in pending[len(events) :]:
            del after[each.key]
        return Step({**unseen, **after}, events, more=len(pending) > len(events))

    raised = memory.observe(compare, look.began)
    for name, error in errors.items():
        if len(errors) == len(listed):
            raise error
        look.log_problem(f"the deployments of endpoint {name} cannot be listed: {error}")
    return raised


def _endpoints(look: Look) -> Iterator[Listed]:
    for body in look.lists.items(f"{look.path}/onlineEndpoints"):
        if endpoint := Listed.of(body):
            yield endpoint


def _failed(endpoints: Iterable[Listed], look: Look, errors: dict[str, Exception]) -> Iterator[_Failed]:
    for endpoint in endpoints:
        if EndpointFailed.__name__ in look.types and endpoint.state == FAILED:
            yield _Failed(endpoint, None)
        if DeploymentFailed.__name__ not in look.types:
            continue
        path = f"{look.path}/onlineEndpoints/{segment(endpoint.name)}/deployments"
        try:
            deployments = [Listed.of(body) for body in look.lists.items_if_any(path)]
        except OutOfRequests:
            raise
        except Exception as error:  # of one endpoint: the others are looked at
            errors[endpoint.name] = error
            continue
        yield from (_Failed(endpoint, each) for each in deployments if each and each.state == FAILED)


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
