"""The step of a pipeline that failed first, with its error."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from handlers.azure.facts.parts import NotRead
from handlers.azure.facts.reader import Reader
from handlers.azure.facts.values import moment, name

HISTORY = {"api-version": "v1.0"}  # azure-ai-ml, _restclient/runhistory

_DEPTH = 5  # pipelines within pipelines
_ORDER = ("endTimeUtc", "startTimeUtc", "createdUtc")


@dataclass(frozen=True, slots=True)
class RunBody:
    """A run as run history has it: the run itself, and its details, which have its error, its logs and its compute."""

    id: str
    run: Mapping[str, Any] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)


def path_of(reader: Reader, id: str) -> str:
    """The path of a run below each of the workspace's services."""
    return f"{reader.path}/runs/{quote(id, safe='')}"


def failed_step(reader: Reader, id: str) -> Mapping[str, Any] | None:
    """The run of the step that failed first; within a pipeline in the pipeline, of its step. None if none has failed.

    Raises NotRead if the steps of the run itself cannot be read.
    """
    found = deeper = _first_failed(reader, id)
    for _ in range(_DEPTH):
        if deeper is None:
            break
        found = deeper
        try:
            deeper = _first_failed(reader, str(found["runId"]))
        except NotRead:
            break
    return found


def _first_failed(reader: Reader, id: str) -> Mapping[str, Any] | None:
    """The child of a run that failed first; a filter as in azureml-core's _restclient/_odata keeps the list short."""
    query = {**HISTORY, "$filter": "status eq 'Failed'"}
    children = reader.service_items(f"/history/v1.0{path_of(reader, id)}/children", query)
    failed = [run for run in children if str(run.get("status")).casefold() == "failed" and name(run.get("runId"))]
    return min(failed, key=_time_of, default=None)


def _time_of(run: Mapping[str, Any]) -> float:
    found = next((time for member in _ORDER if (time := moment(run.get(member)))), None)
    return found.timestamp() if found else float("inf")
