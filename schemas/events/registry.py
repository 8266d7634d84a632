"""The event types that the app handles, one line each."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from types import MappingProxyType

from schemas.events.base import Event
from schemas.events.blobs import BlobCreated, BlobDeleted
from schemas.events.dataset_drift_detected import DatasetDriftDetected
from schemas.events.expected import Expected
from schemas.events.model_deployed import ModelDeployed
from schemas.events.model_registered import ModelRegistered
from schemas.events.monitor_alerts import AlertFired, AlertResolved
from schemas.events.run_completed import RunCompleted
from schemas.events.run_status_changed import RunStatusChanged
from schemas.events.watched.deployments import DeploymentFailed, EndpointFailed
from schemas.events.watched.job_missed import JobMissed
from schemas.events.watched.models import ModelArchived, ModelRestored, ModelTagged, RegistryModelRegistered
from schemas.resource import ResourceId

DRIFT_DETECTED = "DriftDetected"  # in rules: every event type that can report drift

_TYPES: dict[str, type[Event]] = {
    event.type_name(): event
    for event in (
        RunCompleted,
        RunStatusChanged,
        ModelRegistered,
        ModelDeployed,
        DatasetDriftDetected,
        BlobCreated,
        BlobDeleted,
        DeploymentFailed,
        EndpointFailed,
        ModelTagged,
        ModelArchived,
        ModelRestored,
        RegistryModelRegistered,
        JobMissed,
        Expected,
        AlertFired,
        AlertResolved,
    )
}
_NAMES: dict[str, tuple[type[Event], ...]] = {}
EVENT_TYPES: Mapping[str, type[Event]] = MappingProxyType(_TYPES)  # by Event Grid's name of the type
EVENT_NAMES: Mapping[str, tuple[type[Event], ...]] = MappingProxyType(_NAMES)  # by the names that rules use in `on`


@contextmanager
def registered(event: type[Event]) -> Iterator[None]:
    """Add an event type for the length of a ``with`` block. For tests: the app's event types are the lines above.

    Raises ValueError if the name is registered already.
    """
    name = event.type_name()
    if name in _TYPES:
        raise ValueError(f"the event type {name} is registered already")
    _TYPES[name] = event
    _index_names()
    try:
        yield
    finally:
        del _TYPES[name]
        _index_names()


def find_type(name: str) -> type[Event] | None:
    """The event type of this name, regardless of case; None for an unknown type."""
    return next((event for known, event in EVENT_TYPES.items() if known.lower() == name.lower()), None)


def resource_kinds() -> list[type[ResourceId]]:
    """The kinds of resources that raise one of the event types."""
    kinds = dict.fromkeys(event.resource_id for event in EVENT_TYPES.values())
    return [kind for kind in kinds if kind is not ResourceId]


def resource_ids(key: str) -> list[type[ResourceId]]:
    """The kinds of resources that this key of rules/workspaces.yaml lists: those that raise one of the event types."""
    return [kind for kind in resource_kinds() if kind.listed_under == key]


def parse_resource(text: str, key: str = "workspaces") -> ResourceId:
    """Read the id of a resource that this key of rules/workspaces.yaml lists.

    Raises ValueError, whose message has the expected forms.
    """
    return parse_as(text, resource_ids(key))


def parse_as(text: str, kinds: Sequence[type[ResourceId]]) -> ResourceId:
    """Read the id of a resource of one of these kinds. Raises ValueError, whose message has the expected forms."""
    for kind in kinds:
        with suppress(ValueError):
            return kind.parse(text)
    raise ValueError(", or ".join(kind.expected() for kind in kinds))


def listed_under(text: str) -> str | None:
    """The key of rules/workspaces.yaml under which a resource belongs, by its id; None if it raises no events."""
    with suppress(ValueError):
        return parse_as(text, resource_kinds()).listed_under
    return None


def _index_names() -> None:
    _NAMES.clear()
    _NAMES.update({event.__name__: (event,) for event in EVENT_TYPES.values()})
    _NAMES[DRIFT_DETECTED] = tuple(event for event in EVENT_TYPES.values() if event.reports_drift)


_index_names()
