"""The event types of Azure ML workspaces, and `parse_event`, which reads events.

The package imports nothing else of this project, nothing of Azure and no Jinja, so it can be used on its own.
"""

from schemas.context import Context
from schemas.drift import Drift, Violation
from schemas.errors import EventError, MalformedEvent, Problem, UnknownEventType
from schemas.events.base import Event, EventData
from schemas.events.dataset_drift_detected import DatasetDriftDetected, DatasetDriftDetectedData
from schemas.events.expected import Expected, ExpectedData
from schemas.events.model_deployed import ModelDeployed, ModelDeployedData, ModelVersion
from schemas.events.model_registered import ModelRegistered, ModelRegisteredData
from schemas.events.registry import EVENT_NAMES, EVENT_TYPES
from schemas.events.run import RunData
from schemas.events.run_completed import RunCompleted, RunCompletedData
from schemas.events.run_status_changed import RunStatusChanged, RunStatusChangedData
from schemas.parse import parse_event
from schemas.resource import ResourceId, WorkspaceId
from schemas.tags import Tags

__all__ = [
    "EVENT_NAMES",
    "EVENT_TYPES",
    "Context",
    "DatasetDriftDetected",
    "DatasetDriftDetectedData",
    "Drift",
    "Event",
    "EventData",
    "EventError",
    "Expected",
    "ExpectedData",
    "MalformedEvent",
    "ModelDeployed",
    "ModelDeployedData",
    "ModelRegistered",
    "ModelRegisteredData",
    "ModelVersion",
    "Problem",
    "ResourceId",
    "RunCompleted",
    "RunCompletedData",
    "RunData",
    "RunStatusChanged",
    "RunStatusChangedData",
    "Tags",
    "UnknownEventType",
    "Violation",
    "WorkspaceId",
    "parse_event",
]
