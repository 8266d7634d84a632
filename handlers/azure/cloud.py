"""The Azure cloud to use: the public one, unless the app setting MLEVENTS_ARM_ENDPOINT names another Resource Manager.

Without that setting, the server of ARM_CLOUD_METADATA_URL is used, the setting from which azure-ai-ml reads
other clouds (its _azure_environments.py).
"""

import os
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

SETTING, METADATA = "MLEVENTS_ARM_ENDPOINT", "ARM_CLOUD_METADATA_URL"

PUBLIC = "https://management.azure.com"
_KNOWN = {  # azure-ai-ml's names for them, in azure/ai/ml/_azure_environments.py
    PUBLIC: "AzureCloud",
    "https://management.usgovcloudapi.net": "AzureUSGovernment",
    "https://management.chinacloudapi.cn": "AzureChinaCloud",
}
_SYNAPSE = {  # learn.microsoft.com, "Azure Synapse Analytics: endpoints", and the suffixes in azure-cli's clouds
    "AzureCloud": "dev.azuresynapse.net",
    "AzureUSGovernment": "dev.azuresynapse.usgovcloudapi.net",
    "AzureChinaCloud": "dev.azuresynapse.azure.cn",
}
_BLOBS = {  # the suffixes in azure-cli's clouds; learn.microsoft.com, "Storage account overview", of DNS zone endpoints
    "AzureCloud": (".blob.core.windows.net", ".blob.storage.azure.net"),
    "AzureUSGovernment": (".blob.core.usgovcloudapi.net",),
    "AzureChinaCloud": (".blob.core.chinacloudapi.cn",),
}
_SCORING = {"AzureUSGovernment": "https://ml.azure.us", "AzureChinaCloud": "https://ml.azure.cn"}


def arm_endpoint(environment: Mapping[str, str] = os.environ) -> str:
    """Resource Manager's URL. Raises ValueError if a setting is not an https URL: tokens are sent there."""
    url = environment.get(SETTING, "").strip().rstrip("/")
    if not url:
        return _from_metadata(environment.get(METADATA, "").strip())
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.hostname or parts.path or parts.query:
        raise ValueError(f"{SETTING} is {url!r}; write Resource Manager's URL, like {PUBLIC}, or leave it unset")
    return url


def _from_metadata(url: str) -> str:
    """The Resource Manager that serves the metadata; the public one for Microsoft's URLs, which describe all clouds."""
    if not url:
        return PUBLIC
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.hostname:
        raise ValueError(f"{METADATA} is {url!r}; write an https URL, set {SETTING}, or leave both unset")
    origin = f"https://{parts.netloc}"
    return PUBLIC if origin.casefold() in _KNOWN else origin


def synapse_resource(endpoint: str) -> str:
    """The resource that a token for pipelines of Synapse is requested for."""
    return f"https://{_SYNAPSE.get(_KNOWN.get(endpoint, ''), _SYNAPSE['AzureCloud'])}"


def synapse_endpoint(endpoint: str, workspace: str) -> str:
    """The URL of a Synapse workspace's pipelines, given its resource id. An emulator serves all of them itself."""
    if endpoint not in _KNOWN:
        return f"{endpoint}/synapse{workspace}"
    return f"https://{workspace.rpartition('/')[2].lower()}.{_SYNAPSE[_KNOWN[endpoint]]}"


def blob_suffixes(endpoint: str) -> tuple[str, ...]:
    """How the hosts of Blob Storage end; none for a Resource Manager that is not Microsoft's."""
    return _BLOBS.get(_KNOWN.get(endpoint, ""), ())


def scoring_resource(endpoint: str) -> str:
    """The resource that a token for an endpoint is requested for."""
    return _SCORING.get(_KNOWN.get(endpoint, ""), "https://ml.azure.com")


def client_options(endpoint: str) -> dict[str, Any]:
    """The options that make MLClient use a Resource Manager.

    They always name the cloud, because MLClient otherwise takes the last client's cloud from os.environ.
    """
    if endpoint in _KNOWN:
        return {"cloud": _KNOWN[endpoint]}
    metadata = {
        "azure_portal": "https://portal.azure.com/",
        "resource_manager": endpoint,
        "active_directory": "https://login.microsoftonline.com/",
        "aml_resource_id": scoring_resource(endpoint),
        "storage_endpoint": "core.windows.net",
        "registry_discovery_endpoint": f"{endpoint}/",
    }
    return {"cloud": f"at {endpoint}", "cloud_metadata": metadata}
