"""Machine sizes, their quota, and the lists of both.

Sizes: learn.microsoft.com, "Managed online endpoints SKU list"; a few of each usual family. Usages: the example of
Usages_List in Azure/azure-rest-api-specs, specification/machinelearningservices.
"""

import json
from math import ceil
from typing import NamedTuple

from emulator.http.request import Request
from emulator.http.response import ErrorResponse, Response
from emulator.http.routing import Route
from emulator.ml import versions
from emulator.state.ids import PROVIDER
from emulator.state.state import Body, State

UNLIMITED = 1_000  # the limit, in cores, of a family without a quota


class Size(NamedTuple):
    """A machine size."""

    name: str
    family: str  # as in the names of usages
    cores: int
    memory: float  # GB
    gpus: int = 0


SIZES = {
    size.name.lower(): size
    for size in (
        Size("Standard_DS1_v2", "DSv2", 1, 3.5),
        Size("Standard_DS2_v2", "DSv2", 2, 7),
        Size("Standard_DS3_v2", "DSv2", 4, 14),
        Size("Standard_DS4_v2", "DSv2", 8, 28),
        Size("Standard_DS5_v2", "DSv2", 16, 56),
        Size("Standard_D2a_v4", "DAv4", 2, 8),
        Size("Standard_D4a_v4", "DAv4", 4, 16),
        Size("Standard_D8a_v4", "DAv4", 8, 32),
        Size("Standard_E2s_v3", "ESv3", 2, 16),
        Size("Standard_E4s_v3", "ESv3", 4, 32),
        Size("Standard_E8s_v3", "ESv3", 8, 64),
        Size("Standard_F2s_v2", "FSv2", 2, 4),
        Size("Standard_F4s_v2", "FSv2", 4, 8),
        Size("Standard_F8s_v2", "FSv2", 8, 16),
        Size("Standard_NC4as_T4_v3", "NCASv3_T4", 4, 28, 1),
        Size("Standard_NC6s_v3", "NCSv3", 6, 112, 1),
    )
}


FAMILIES = sorted({size.family for size in SIZES.values()})
TOTAL = "Total Cluster Dedicated Regional vCPUs"


def used(  # noqa: PLR0913 - the last two are keywords that most calls leave out
    state: State, subscription: str, location: str, family: str, *, but: str = "", owner: str = ""
) -> int:
    """The cores of a family in use in a region, by deployments other than `but` and by others.

    With an `owner`, the id of a workspace or a compute, only those inside of it.
    """
    total = _quota(state, family, owner)[1]
    for deployment in state.of_type("workspaces/onlineEndpoints/deployments"):
        if owner and not deployment.id.lower().startswith(f"{owner}/".lower()):
            continue
        here = deployment.id.split("/")[2].lower() == subscription.lower() and deployment.body["location"] == location
        size = SIZES.get(str(deployment.properties.get("instanceType", "")).lower())
        if here and size and size.family == family and deployment.id.lower() != but.lower():
            total += cores(size, deployment.body.get("sku", {}).get("capacity", 1))
    return total


def _quota(state: State, family: str, owner: str = "") -> tuple[int, int]:
    """The limit of a family, and the cores that others use; without a quota of the owner, that of the subscription."""
    limit, others = state.quotas.get(family.lower(), (UNLIMITED, 0))
    return state.quotas.get(f"{owner}/{family}".lower(), (limit, 0)) if owner else (limit, others)


def total(state: State, subscription: str, location: str, but: str = "") -> int:
    """The cores of all families in use in a region."""
    return sum(used(state, subscription, location, family, but=but) for family in FAMILIES)


def total_limit(state: State) -> int:
    """The limit of cores in a region: the quota ``total``, or else the sum over all families."""
    limits = (state.quotas.get(family.lower(), (UNLIMITED, 0))[0] for family in FAMILIES)
    return state.quotas.get("total", (sum(limits), 0))[0]


def cores(size: Size, instances: int) -> int:
    """The cores that a deployment takes of a quota: 20 % more than it runs, for upgrades.

    learn.microsoft.com, "Manage and request quotas and limits", note on instances per deployment.
    """
    return ceil(instances * 1.2) * size.cores


def check(request: Request, body: Body) -> None:
    """Raise an error response (400) for an unknown machine size, or if the quota does not suffice."""
    name = str(body["properties"].get("instanceType") or "")
    if (size := SIZES.get(name.lower())) is None:
        raise _invalid("VmSize", f"The instance type '{name}' is not supported in {body['location']}.")
    subscription, location = request.params["subscription"], str(body["location"])
    limit = request.state.quotas.get(size.family.lower(), (UNLIMITED, 0))[0]
    now = used(request.state, subscription, location, size.family, but=request.id)
    more = cores(size, body["sku"]["capacity"])
    if total(request.state, subscription, location, but=request.id) + more > total_limit(request.state):
        raise _invalid("VmSize", f"Not enough quota available: {TOTAL} of {total_limit(request.state)} are in use.")
    workspace = request.id.partition("/onlineEndpoints/")[0]
    own = used(request.state, subscription, location, size.family, but=request.id, owner=workspace)
    if own + more > (own_limit := _quota(request.state, size.family, workspace)[0]):
        now, limit = own, own_limit
    if now + more > limit:
        raise _invalid(
            "VmSize",
            f"Not enough quota available for {size.name} in SubscriptionId {subscription}. "
            f"Current usage/limit: {now}/{limit}. Additional needed: {more} "
            "Please see troubleshooting guide, available here: https://aka.ms/oe-tsg#error-outofquota",
        )


def _invalid(field: str, problem: str) -> ErrorResponse:
    """An error of the inferencing service, wrapped as Azure ML wraps it."""
    inner = {"error": {"code": "Validation", "message": json.dumps({"errors": {field: [problem]}})}}
    detail = {"code": "InferencingClientCallFailed", "message": json.dumps(inner)}
    return ErrorResponse(400, "BadRequest", "The request is invalid.", details=[detail])


def _usages(request: Request) -> Response:
    subscription, location = request.params["subscription"], request.params["location"]
    limits = {family: request.state.quotas.get(family.lower(), (UNLIMITED, 0))[0] for family in FAMILIES}
    now = {family: used(request.state, subscription, location, family) for family in FAMILIES}
    base = f"/subscriptions/{subscription}/usages"
    found = [_usage(base, "dedicatedCores/usages", TOTAL, sum(now.values()), total_limit(request.state))]
    for family in FAMILIES:
        name = f"Standard {family} Family Cluster Dedicated vCPUs"
        id = name.replace(" ", "_")
        found.append(_usage(f"{base}/{id}", "vmFamily/usages", name, now[family], limits[family]))
        for owner in _owners(request.state, subscription, location):
            type = "workspaces/computes/usages" if "/computes/" in owner else "workspaces/usages"
            current = used(request.state, subscription, location, family, owner=owner)
            limit = _quota(request.state, family, owner)[0]
            found.append(_usage(f"{owner}/usages/{id}", type, name, current, limit))
    return Response(200, {"value": found})


def _owners(state: State, subscription: str, location: str) -> list[str]:
    """The ids of the workspaces of a region, and of the clusters in them."""
    clusters = [r for r in state.of_type("workspaces/computes") if r.properties.get("computeType") == "AmlCompute"]
    ids = [r.id for r in (*state.of_type("workspaces"), *clusters) if r.body.get("location") == location]
    return [id for id in ids if id.split("/")[2].lower() == subscription.lower()]


def _usage(id: str, type: str, name: str, current: int, limit: int) -> Body:
    names = {"value": name, "localizedValue": name}
    values = {"currentValue": current, "limit": limit, "name": names, "unit": "Count"}
    return {"id": id, "type": f"{PROVIDER}/{type}", **values}


def _sizes(_request: Request) -> Response:
    described = [
        {
            "name": size.name,
            "family": f"standard{size.family}Family",
            "vCPUs": size.cores,
            "gpus": size.gpus,
            "memoryGB": size.memory,
            "osVhdSizeMB": 1_047_552,
            "maxResourceVolumeMB": 14_336,
            "lowPriorityCapable": True,
            "premiumIO": True,
            "supportedComputeTypes": ["AmlCompute", "ComputeInstance"],
        }
        for size in SIZES.values()
    ]
    return Response(200, {"value": described})


_AT = f"/subscriptions/{{subscription}}/providers/{PROVIDER}/locations/{{location}}"
ROUTES = (
    Route("GET", f"{_AT}/usages", _usages, versions.WORKSPACE),
    Route("GET", f"{_AT}/vmSizes", _sizes, versions.WORKSPACE),
)
