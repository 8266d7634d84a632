"""The quota check: does the subscription have the cores that a deployment needs?"""

import re
from typing import TYPE_CHECKING, Any

from azure.core.exceptions import HttpResponseError

from handlers.azure.errors import QUOTA_HINT
from handlers.base import GiveUp
from schemas import WorkspaceId

if TYPE_CHECKING:
    from handlers.azure.ml.workspace import AzureML

_OF_SUBSCRIPTION = ("/vmfamily/usages", "/dedicatedcores/usages")  # the ends of types
_ALL = "totalregional"  # as `_family` spells it: the quota of the whole region


def quota_problem(azureml: "AzureML", instance_type: str, instances: int) -> str:
    """Why the quota does not suffice for so many instances; empty if it does, or if that is unknown.

    Azure ML needs a fifth more than the instances for upgrades, but not for all sizes: that is left to the service. So
    is everything that is missing in the responses (learn.microsoft.com/rest/api/azureml, "Usages - List" and "Virtual
    Machine Sizes - List").
    """
    arm, subscription = azureml.arm, azureml.workspace.subscription
    try:
        location = azureml.location
        base = f"/subscriptions/{subscription}/providers/Microsoft.MachineLearningServices/locations/{location}"
        sizes = (arm.get(f"{base}/vmSizes") or {}).get("value", ())
        size = next(s for s in sizes if s["name"].casefold() == instance_type.casefold())
        family, needed = _family(size["family"]), int(size["vCPUs"]) * instances
        usages = [u for u in arm.items(f"{base}/usages") if _concerns(u, azureml.workspace)]
        full = next(u for u in usages if _family(u["name"]["value"]) in {family, _ALL} and _is_exceeded(u, needed))
    except (HttpResponseError, GiveUp, LookupError, TypeError, ValueError, StopIteration):
        return ""
    return (
        f"no quota: {instances} of {instance_type} need {needed} cores, and in {location} {full['currentValue']} "
        f"of the {full['limit']} of {full['name']['value']} are in use; {QUOTA_HINT}"
    )


def _concerns(usage: dict[str, Any], workspace: WorkspaceId) -> bool:
    """Is the quota that of the subscription, or of this workspace?

    The list also has, under the same names, those of other workspaces and of each compute (Azure/azure-rest-api-specs,
    specification/machinelearningservices, the example of Usages_List).
    """
    kind, id = str(usage["type"]).casefold(), str(usage["id"]).casefold()
    return kind.endswith(_OF_SUBSCRIPTION) or id.startswith(f"{workspace}/usages/".casefold())


def _is_exceeded(usage: dict[str, Any], needed: int) -> bool:
    """Is less of a quota left than needed? A negative limit means that there is none."""
    return 0 <= int(usage["limit"]) < int(usage["currentValue"]) + needed


def _family(name: str) -> str:
    """The common part of the service's spellings: standardDSv2Family, Standard DSv2 Family Cluster Dedicated vCPUs."""
    return re.sub(r"[\s_]|family|cluster|dedicated|vcpus", "", name.casefold())
