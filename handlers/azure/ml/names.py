"""Names of endpoints and deployments, and which of two versions is the later one."""

import re
from hashlib import sha256

from handlers.azure.ml.resources import ModelRef

# The rule of azure-ai-ml (constants/_endpoint.py, EndpointConfigurations) and of the service.
_NAME = re.compile("[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?")
_SLUG = 23  # characters; with a hyphen and eight digits, 32: the maximum


def check_endpoint_name(name: str, noun: str = "an endpoint") -> str:
    """Return the name if it is valid for an endpoint or a deployment, the `noun`. Raises ValueError if not."""
    if not 3 <= len(name) <= 32 or not _NAME.fullmatch(name):
        raise ValueError(
            f"{name!r} cannot be {noun}'s name: write 3 to 32 letters, digits and hyphens, a letter first, "
            "no hyphen last"
        )
    return name


def deployment_name(model: ModelRef) -> str:
    """The name of the deployment of a model version: always the same, and different from all other versions'.

    It begins with the model's name and version, which may be cut, and ends in eight digits of a hash of the id.
    """
    version = _slug(model.version)[:10]
    name = _slug(model.name)[: _SLUG - len(version) - 1]
    slug = re.sub("-+", "-", f"{name}-{version}").strip("-")
    if not slug[:1].isalpha():
        slug = f"m-{slug}"[:_SLUG].rstrip("-")
    return f"{slug}-{sha256(model.id.casefold().encode()).hexdigest()[:8]}"


def later(version: str, other: str) -> bool | None:
    """Is a version later than another? None if they are not both numbers."""
    if version.isdecimal() and other.isdecimal():
        return int(version) > int(other)
    return False if version == other else None


def _slug(text: str) -> str:
    return re.sub("[^a-z0-9]+", "-", text.lower()).strip("-")
