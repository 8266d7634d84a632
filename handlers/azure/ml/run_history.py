"""Run history: the status of a run, and why a job failed, which Resource Manager does not return.

Paths and shapes are those of azure-ai-ml, azure/ai/ml/_restclient/runhistory, which `az ml job stream` uses.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import quote

from azure.core.exceptions import AzureError

from handlers.azure.errors import error_text
from handlers.azure.ml.data_plane import DataPlane
from handlers.azure.ml.workspace import AzureML
from handlers.base import GiveUp, RetryLater

_QUERY = {"api-version": "v1.0"}
_STEPS = 3  # failed steps that are reported


def failure_reason(azureml: AzureML, name: str) -> str:
    """The service's messages about a failed job and its steps; empty if there are none, or they cannot be read."""
    texts: list[str] = []
    with suppress(AzureError, GiveUp, RetryLater, LookupError, TypeError, ValueError):
        plane = DataPlane(azureml)
        url = f"{plane.api()}/history/v1.0{azureml.path}/runs/{name}"
        texts.append(_error(plane.get(f"{url}/details", _QUERY)))
        texts += _failed_steps(plane.get(f"{url}/children", _QUERY))
    return "; ".join(dict.fromkeys(text for text in texts if text))


def status_of(azureml: AzureML, name: str) -> str:
    """The status of a run now, as `Running` or `Failed`; empty if the service returns none.

    Raises what the methods of `DataPlane` raise.
    """
    plane = DataPlane(azureml)
    run = plane.get(f"{plane.api()}/history/v1.0{azureml.path}/runs/{quote(name, safe='')}", _QUERY)
    return str(run.get("status") or "")


def _failed_steps(children: Mapping[str, Any]) -> Iterator[str]:
    failed = [run for run in children.get("value") or () if str(run.get("status", "")).casefold() == "failed"]
    for run in failed[:_STEPS]:
        if text := _error(run):
            yield f"{run.get('displayName') or run.get('name') or run.get('runId')}: {text}"


def _error(run: Mapping[str, Any]) -> str:
    error = run.get("error") or {}
    return error_text(error.get("error") or error)
