"""Payloads: events as plain data, in both envelopes."""

import json
from typing import Any

WORKSPACE = "/subscriptions/5d1f/resourceGroups/rg-ml/providers/Microsoft.MachineLearningServices/workspaces/churn"
RUN = {"runId": "r1", "runStatus": "Failed"}
MODEL = {"modelName": "churn", "modelVersion": "7"}
SERVICE = {"serviceName": "churn"}
DRIFT = {"dataDriftId": "d1", "dataDriftName": "churn-drift"}
MINIMAL: dict[str, dict[str, Any]] = {
    "RunCompleted": RUN,
    "RunStatusChanged": RUN,
    "ModelRegistered": MODEL,
    "ModelDeployed": SERVICE,
    "DatasetDriftDetected": DRIFT,
}


def event_grid(event_type: str = "RunStatusChanged", data: Any = ..., **envelope: Any) -> dict[str, Any]:
    """An event in Event Grid's schema. Without `data`, it has the required fields of its type only."""
    return {
        "topic": WORKSPACE,
        "subject": "",
        "eventType": f"Microsoft.MachineLearningServices.{event_type}",
        "eventTime": "2026-11-22T09:00:00.1234567Z",
        "id": "e1",
        "data": MINIMAL[event_type] if data is ... else data,
        "dataVersion": "2",
        "metadataVersion": "1",
        **envelope,
    }


def cloud_event(event_type: str = "RunStatusChanged", data: Any = ..., **envelope: Any) -> dict[str, Any]:
    """A CloudEvent. Without `data`, it has the required fields of its type only."""
    return {
        "specversion": "1.0",
        "source": WORKSPACE,
        "type": f"Microsoft.MachineLearningServices.{event_type}",
        "time": "2026-11-22T09:00:00.1234567Z",
        "id": "e1",
        "data": MINIMAL[event_type] if data is ... else data,
        **envelope,
    }


def without(raw: dict[str, Any], *names: str) -> dict[str, Any]:
    """A copy without these fields."""
    return {name: value for name, value in raw.items() if name not in names}


def delivered(raw: Any) -> str:
    """The body of a delivery: a JSON array with one event."""
    return json.dumps([raw])
