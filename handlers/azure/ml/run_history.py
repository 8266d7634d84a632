"""Run history: why a run failed, which Resource Manager does not tell.

Paths and shapes: azure-ai-ml, azure/ai/ml/_restclient/runhistory, by which `az ml job stream` tells it.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from azure.core.exceptions import AzureError

from handlers.azure.errors import error_text
from handlers.azure.ml.data_plane import DataPlane
from handlers.azure.ml.workspace import AzureML
from handlers.base import GiveUp, RetryLater

_QUERY = {"api-version": "v1.0"}
_STEPS = 3  # failed steps that are told of


def why(azureml: AzureML, name: str) -> str:
    """What went wrong with a job and with its steps, in the service's words; empty if it does not say."""
    texts: list[str] = []
    with suppress(AzureError, GiveUp, RetryLater, LookupError, TypeError, ValueError):
        plane = DataPlane(azureml)
        url = f"{plane.api()}/history/v1.0{azureml.path}/runs/{name}"
        texts.append(_error(plane.get(f"{url}/details", _QUERY)))
        texts += _failed_steps(plane.get(f"{url}/children", _QUERY))
    return "; ".join(dict.fromkeys(text for text in texts if text))


def _failed_steps(children: Mapping[str, Any]) -> Iterator[str]:
    failed = [run for run in children.get("value") or () if str(run.get("status", "")).casefold() == "failed"]
    for run in failed[:_STEPS]:
        if text := _error(run):
            yield f"{run.get('displayName') or run.get('name') or run.get('runId')}: {text}"


def _error(run: Mapping[str, Any]) -> str:
    error = run.get("error") or {}
    return error_text(error.get("error") or error)
