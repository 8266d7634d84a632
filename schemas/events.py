"""The events: one class per type, whichever envelope and spelling an event came in."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Self, cast

from pydantic import PrivateAttr, ValidationError
from pydantic.alias_generators import to_camel

from schemas.context import Context
from schemas.data import (
    DatasetDriftDetectedData,
    EventData,
    ModelDeployedData,
    ModelRegisteredData,
    RunCompletedData,
    RunData,
    RunStatusChangedData,
)
from schemas.drift import Drift, dataset_drift, monitor_breach
from schemas.envelope import Envelope, open_envelope
from schemas.errors import MalformedEvent, Problem, shown
from schemas.examples import example_of
from schemas.fields import TEXT, OptionalVersion, RequiredText, Text, Time, WorkspaceText
from schemas.links import endpoint_link, model_link, run_link
from schemas.plain import read_plain
from schemas.subject import DriftSubject, EndpointSubject, ModelSubject, RunSubject, Subject, parse_subject
from schemas.wire import WireModel
from schemas.workspace import EXPECTED as WORKSPACE
from schemas.workspace import WorkspaceId


class Event(WireModel):
    """One Event Grid event about an Azure ML workspace; always of one of the five classes below.

    `wire` prints it in Event Grid's own schema, whichever envelope it came in; `parse_event` reads the same from that.
    `event_time` is in UTC, or None: CloudEvents may come without. Fields that are not known here are kept, in the
    envelope (`model_extra`) and in the data (``data.model_extra``).
    """

    id: RequiredText
    topic: WorkspaceText
    subject: Text = ""
    event_type: RequiredText
    event_time: Time = None
    data: EventData
    data_version: OptionalVersion = ""
    metadata_version: OptionalVersion = ""

    _context: Context | None = PrivateAttr(default=None)

    @property
    def workspace(self) -> WorkspaceId:
        """The workspace that raised it."""
        return WorkspaceId.parse(self.topic)

    @property
    def object(self) -> str:
        """What it is about, without what changes from event to event: a run's id, a model's name, an endpoint's."""
        raise NotImplementedError

    @property
    def subject_parts(self) -> Subject | None:
        """The ids in the subject; None if it does not have the documented shape."""
        raise NotImplementedError

    @property
    def drift(self) -> Drift | None:
        """The drift that it tells of, in either of the two forms."""
        return None

    @property
    def studio_url(self) -> str | None:
        """The page of its object in the Azure ML studio."""
        raise NotImplementedError

    @property
    def etag(self) -> str | None:
        """The `etag` that it carries, in the envelope or in the data; Azure ML's own events carry none."""
        return self._carried("etag")

    @property
    def sequencer(self) -> str | None:
        """The `sequencer` that it carries, in the envelope or in the data; Azure ML's own events carry none."""
        return self._carried("sequencer")

    def _carried(self, name: str) -> str | None:
        extras = [*(self.model_extra or {}).items(), *(self.data.model_extra or {}).items()]
        return next((value for key, value in extras if key.lower() == name and isinstance(value, str)), None)

    def bind(self, *, workspace: Mapping[str, Any] | None = None, result: Mapping[str, Any] | None = None) -> Self:
        """A copy whose `view` shows its workspace's configured `name` and `labels`, and the result of another rule."""
        known = self._context or Context(self)
        workspace = known.workspace if workspace is None else dict(workspace)
        result = known.result if result is None else dict(result)
        return self.in_context(Context(self, workspace, result))

    def in_context(self, context: Context) -> Self:
        """A copy whose `view` is that of the context."""
        copy = self.model_copy()
        copy._context = context
        return copy

    def view(self) -> dict[str, Any]:
        """The plain data that conditions and templates read (`Context.view`); of an event alone, without labels."""
        return (replace(self._context, event=self) if self._context else Context(self)).view()

    @classmethod
    def read(cls, envelope: Envelope) -> Self:
        """The event in an envelope, as one of this class. Raises MalformedEvent, with every problem."""
        try:
            return cls.model_validate(envelope.event)
        except ValidationError as error:
            raise MalformedEvent(*_problems(error, envelope.names), **envelope.told) from None

    @classmethod
    def example(cls, **changes: Any) -> Self:
        """A realistic event of this type, with changes to fields of the envelope and of the data, by either spelling.

        ``data={...}`` replaces the data; the subject follows the data. Raises TypeError for a name that is no field,
        MalformedEvent for a value that cannot be.
        """
        if cls.__name__ not in EVENT_CLASSES:
            raise TypeError(f"{cls.__name__} is not one of {', '.join(EVENT_CLASSES)}, of which there are examples")
        data = cast("type[EventData]", cls.model_fields["data"].annotation)
        raw = example_of(cls.__name__, cls.wire_names(), data.wire_names(), changes)
        return cls.read(open_envelope(read_plain(raw)))


class _RunEvent(Event):
    data: RunData

    @property
    def object(self) -> str:
        """The run's id."""
        return self.data.run_id

    @property
    def subject_parts(self) -> RunSubject | None:
        """The ids of the experiment and of the run in the subject."""
        return parse_subject(RunSubject, self.subject)

    @property
    def studio_url(self) -> str | None:
        """The page of the run."""
        return run_link(self.workspace, self.data.run_id)


class RunCompleted(_RunEvent):
    """A run completed."""

    data: RunCompletedData


class RunStatusChanged(_RunEvent):
    """A run's status changed. It is also how model monitors tell of drift."""

    data: RunStatusChangedData

    @property
    def drift(self) -> Drift | None:
        """The breach that a model monitor's run carries."""
        return monitor_breach(self.data)


class ModelRegistered(Event):
    """A model version was registered."""

    data: ModelRegisteredData

    @property
    def object(self) -> str:
        """The model's name."""
        return self.data.model_name

    @property
    def subject_parts(self) -> ModelSubject | None:
        """The model's name and version in the subject."""
        return parse_subject(ModelSubject, self.subject)

    @property
    def studio_url(self) -> str | None:
        """The page of the model version."""
        return model_link(self.workspace, self.data.model_name, self.data.model_version)


class ModelDeployed(Event):
    """Models were deployed to an endpoint."""

    data: ModelDeployedData

    @property
    def object(self) -> str:
        """The endpoint's name."""
        return self.data.service_name

    @property
    def subject_parts(self) -> EndpointSubject | None:
        """The endpoint's id in the subject."""
        return parse_subject(EndpointSubject, self.subject)

    @property
    def studio_url(self) -> str | None:
        """The page of the endpoint."""
        return endpoint_link(self.workspace, self.data.service_name)


class DatasetDriftDetected(Event):
    """A dataset monitor found drift: data drift v1, which Azure ML has retired in favour of model monitors."""

    data: DatasetDriftDetectedData

    @property
    def object(self) -> str:
        """The monitor's name, else its id."""
        return self.data.monitor

    @property
    def subject_parts(self) -> DriftSubject | None:
        """The ids of the monitor and of its run in the subject."""
        return parse_subject(DriftSubject, self.subject)

    @property
    def drift(self) -> Drift:
        """The drift that was found."""
        return dataset_drift(self.data)

    @property
    def studio_url(self) -> str | None:
        """The page of the monitor's run; None if the event does not name it."""
        return run_link(self.workspace, self.data.run_id) if self.data.run_id else None


EVENT_CLASSES: Mapping[str, type[Event]] = MappingProxyType(
    {
        cls.__name__: cls
        for cls in (RunCompleted, RunStatusChanged, ModelRegistered, ModelDeployed, DatasetDriftDetected)
    }
)
EVENT_TYPES: Mapping[str, type[Event]] = MappingProxyType(
    {f"Microsoft.MachineLearningServices.{name}": cls for name, cls in EVENT_CLASSES.items()}
)

_MISSING: Mapping[str, str] = {"topic": WORKSPACE, "data": "an object"}


def _problems(error: ValidationError, names: Mapping[str, str]) -> list[Problem]:
    """What pydantic found, in the sender's names."""
    problems = []
    for detail in error.errors():
        top, *rest = (to_camel(str(part)) for part in detail["loc"])  # pydantic names a default by its attribute
        field, found = ".".join([names.get(top, top), *rest]), shown(detail["input"])
        match detail["type"]:
            case "missing":
                problems.append(Problem(field, "nothing", _MISSING.get(field, TEXT)))
            case "model_type":
                problems.append(Problem(field, found, "an object"))
            case _:
                problems.append(Problem(field, found, detail["msg"].removeprefix("Value error, ")))
    return problems
