"""What can happen in an Azure ML workspace: the five events, typed, whichever envelope and spelling they came in.

Imports nothing of this project, of Azure or of the templates: it can be used on its own.
"""

from schemas.data import (
    DatasetDriftDetectedData,
    EventData,
    ModelDeployedData,
    ModelRegisteredData,
    ModelVersion,
    RunCompletedData,
    RunData,
    RunStatusChangedData,
)
from schemas.drift import Drift, Violation
from schemas.errors import EventError, MalformedEvent, Problem, UnknownEventType
from schemas.events import (
    EVENT_TYPES,
    DatasetDriftDetected,
    Event,
    ModelDeployed,
    ModelRegistered,
    RunCompleted,
    RunStatusChanged,
)
from schemas.parse import parse_event
from schemas.tags import Tags
from schemas.workspace import WorkspaceId

__all__ = [
    "EVENT_TYPES",
    "DatasetDriftDetected",
    "DatasetDriftDetectedData",
    "Drift",
    "Event",
    "EventData",
    "EventError",
    "MalformedEvent",
    "ModelDeployed",
    "ModelDeployedData",
    "ModelRegistered",
    "ModelRegisteredData",
    "ModelVersion",
    "Problem",
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
