"""Resource ids, and the limits of names."""

import re

from emulator.http.response import ErrorResponse

PROVIDER = "Microsoft.MachineLearningServices"
WORKSPACE_SCOPE = (
    f"/subscriptions/{{subscription}}/resourceGroups/{{group}}/providers/{PROVIDER}/workspaces/{{workspace}}"
)
REGISTRY_SCOPE = (
    f"/subscriptions/{{subscription}}/resourceGroups/{{group}}/providers/{PROVIDER}/registries/{{registry}}"
)

# learn.microsoft.com, "Manage and request quotas and limits": begin with a letter, 3 to 32 letters and digits; a note
# adds that single dashes are accepted.
_ENDPOINT = re.compile(r"[a-zA-Z](-?[a-zA-Z0-9])*")
# Azure/bicep-types-az, .../2025-12-01/types.md: `^[a-zA-Z0-9][a-zA-Z0-9\-_]{0,254}$` for assets; models may have dots
# (azure-ai-ml, and learn.microsoft.com, "Register and work with models", show names with them).
_ASSET = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9\-_.]{0,254}")
_VERSION = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9\-_.]{0,254}")
_REGISTRY = re.compile(r"azureml://registries/([^/]+)/(\w+)/([^/]+)/(versions|labels)/([^/]+)", re.IGNORECASE)


def check_endpoint(name: str, what: str) -> None:
    """Raise an error response (400) if the name of an endpoint or deployment is invalid."""
    if not 3 <= len(name) <= 32 or not _ENDPOINT.fullmatch(name):
        raise ErrorResponse(
            400,
            "BadArgument",
            f"The {what} name '{name}' is invalid: it must begin with a letter, have 3 to 32 characters, "
            "and consist of letters, digits and single dashes.",
        )


def check_asset(name: str, version: str, what: str) -> None:
    """Raise an error response (400) if the name or version of an asset is invalid."""
    if not _ASSET.fullmatch(name):
        raise ErrorResponse(
            400,
            "UserError",
            f"The {what} name '{name}' is invalid: it must begin with a letter or a digit, have at most 255 "
            "characters, and consist of letters, digits, '-', '_' and '.'.",
        )
    if not _VERSION.fullmatch(version):
        raise ErrorResponse(
            400,
            "UserError",
            f"The version '{version}' of {what} {name} is invalid: it must have 1 to 255 characters: letters, digits, "
            "'-', '_' and '.'.",
        )


def name_of(id: str) -> str:
    """The last segment of an id."""
    return id.rpartition("/")[2]


def parent_of(id: str) -> str:
    """The id of a resource's parent: without the last two segments."""
    return id.rsplit("/", 2)[0]


def type_of(id: str) -> str:
    """The type in an id, such as ``Microsoft.MachineLearningServices/workspaces/onlineEndpoints``."""
    provider, *segments = id.partition("/providers/")[2].split("/")
    return "/".join([provider, *segments[::2]])


def registry_id(reference: str, registries: dict[str, str]) -> str:
    """The ARM id for ``azureml://registries/NAME/models/M/versions/V``; empty for any other reference."""
    if not (found := _REGISTRY.fullmatch(reference)):
        return ""
    scope = registries.get(found[1].lower())
    return f"{scope}/{found[2]}/{found[3]}/versions/{found[5]}" if scope and found[4].lower() == "versions" else ""
