"""Events of runs and models that never came: rebuilt from lists of Azure ML, for the daily reconciliation.

A rebuilt event is an ordinary RunCompleted, RunStatusChanged or ModelRegistered, with ``foundBy: reconciliation``. Its
id is not the one that Azure ML would have given it, so that the real event, if it comes later, is another event.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from dispatch.inbox.shared_state import hashed
from dispatch.watch.memory import Wire
from handlers.azure.listed import Listed, mapping, text, texts, time
from schemas import Event, ModelRegistered, ResourceId, RunCompleted, RunStatusChanged
from schemas.fields import format_time

FOUND_BY = "reconciliation"
_ENDED = ("completed", "failed", "canceled")
_RUN_TYPES = {"pipeline": "azureml.PipelineRun", "automl": "automl", "sweep": "hyperdrive"}  # else a command job


class Expectation(NamedTuple):
    """An event that should be on record: its type, the name that finds it, its JSON, and between which times it was."""

    kind: type[Event]
    name: str
    wire: Wire
    since: datetime | None
    until: datetime | None


def of_job(job: Listed, resource: ResourceId) -> Iterator[Expectation]:
    """The events that a job which has ended should have raised."""
    status = text(job.properties.get("status"))
    if status.casefold() not in _ENDED:
        return
    own = mapping(job.properties.get("properties"))
    end = time(own.get("EndTimeUtc"))
    kind = _RUN_TYPES.get(text(job.properties.get("jobType")).casefold(), "azureml.scriptrun")
    data = {
        "experimentName": text(job.properties.get("experimentName")) or None,
        "runId": job.name,
        "runType": kind,
        "runTags": texts(job.properties.get("tags")),
        "runProperties": texts(own),
    }
    kinds = {RunCompleted: data} if status.casefold() == "completed" else {}
    for each, about in (kinds | {RunStatusChanged: {**data, "runStatus": status}}).items():
        wire = _wire(each, resource, f"runs/{job.name}", end or job.modified, about)
        yield Expectation(each, job.name, wire, end or job.created, end or job.modified)


def of_version(name: str, version: Listed, resource: ResourceId) -> Expectation:
    """The event that a model version should have raised."""
    data = {
        "modelName": name,
        "modelVersion": version.name,
        "modelTags": texts(version.properties.get("tags")),
        "modelProperties": texts(version.properties.get("properties")),
    }
    object, at = f"{name}:{version.name}", version.created
    return Expectation(ModelRegistered, object, _wire(ModelRegistered, resource, f"models/{object}", at, data), at, at)


def _wire(kind: type[Event], resource: ResourceId, subject: str, at: datetime | None, data: Mapping[str, Any]) -> Wire:
    when = format_time(at)
    return {
        "id": hashed(FOUND_BY, kind.__name__, *resource.key, subject, when or "", str(data.get("runStatus", ""))),
        "topic": str(resource),
        "subject": subject,
        "eventType": kind.type_name(),
        **({"eventTime": when} if when else {}),
        "data": {name: value for name, value in data.items() if value is not None},
        "dataVersion": "",
        "metadataVersion": "1",
        "foundBy": FOUND_BY,
    }
