"""The compute of a run: its name, kind and size."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from handlers.azure.facts.reader import NotFound, Reader
from handlers.azure.facts.values import name, object_of, whole
from schemas.facts import Compute

_SERVERLESS = "serverless"


def compute_of(reader: Reader, run: Mapping[str, Any], details: Mapping[str, Any]) -> Compute:
    """The compute of a run, from run history's details, and where they lack its size, from the workspace.

    The members are those of Compute in azure-ai-ml's _restclient/runhistory, and of AmlCompute in
    learn.microsoft.com/rest/api/azureml, "Compute - Get". Raises NotRead.
    """
    own = object_of(details.get("compute"))
    target = name(own.get("target")) or name(details.get("target")) or name(run.get("target"))
    found = Compute(
        name=target,
        type=name(own.get("targetType")),
        size=name(own.get("vmSize")),
        nodes=whole(own.get("instanceCount")),
    )
    if target and target.casefold() == _SERVERLESS:
        return found.model_copy(update={"name": None, "type": "Serverless"})
    if target is None or (found.size and found.type):
        return found
    try:
        properties = object_of(reader.arm(f"{reader.path}/computes/{quote(target, safe='')}").get("properties"))
    except NotFound:  # a deleted one, or a target that is none of the workspace, such as "local"
        return found
    size = name(object_of(properties.get("properties")).get("vmSize"))
    return found.model_copy(
        update={"type": name(properties.get("computeType")) or found.type, "size": size or found.size}
    )
