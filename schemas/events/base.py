"""`Event` and `EventData`: the base classes of all event types. Each type has a file here and a line in registry.py."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeAlias

from pydantic import PrivateAttr, ValidationError, field_validator
from pydantic_core import CoreSchema

from schemas.drift import Drift
from schemas.envelope import Envelope, open_envelope
from schemas.errors import MalformedEvent, problems_of
from schemas.examples import example_of
from schemas.fields import OptionalVersion, RequiredText, Text, Time
from schemas.plain import read_plain
from schemas.resource import ResourceId, WorkspaceId
from schemas.tags import Tags
from schemas.time_zone import time_zone
from schemas.wire import WireModel

if TYPE_CHECKING:
    from schemas.facts import Facts

Rows: TypeAlias = tuple[tuple[str, Any], ...]

ADDED = ("workspace", "drift", "studio_url", "object", "result")  # what a view has beside the members of the event
FACT_NAMES = ("run", "model", "endpoint")  # what a service can know about objects: `schemas.facts.FACTS`
NAME_LIMIT = 80  # characters of a name in a headline, so that what happened stays in it
DEFAULT_ZONE = "UTC"  # of a workspace without ``timezone``


def short_name(name: str) -> str:
    """A name for a headline: a longer one without its middle, because its ends tell it from others."""
    half = NAME_LIMIT // 2
    return name if len(name) <= NAME_LIMIT else f"{name[: half - 1]}…{name[-half:]}"


@dataclass(slots=True)
class _Known:
    """What an event that a handler receives knows: its workspace, the result that its rule follows, and its facts."""

    workspace: Mapping[str, Any] | None = None
    result: Mapping[str, Any] | None = None
    facts: "Callable[[str], Facts] | None" = None
    events: tuple[Mapping[str, Any], ...] | None = None  # the views of all events for which the action is carried out
    # The fields of the event and its view, from the first call of `view`. A changed copy of the event has other fields.
    viewed: tuple[dict[str, Any], dict[str, Any]] | None = field(default=None, compare=False, repr=False)


class EventData(WireModel):
    """The data of an event."""

    # Schemas of fields that have a field validator, which must accept what they accept (schemas/canonical.py).
    canonical_fields: ClassVar[Mapping[str, CoreSchema]] = {}
    # For the checks of rules: texts that the service is known to send, by JSON name of the field, and the names of
    # fields that it may send beside those below.
    known_texts: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    more_names: ClassVar[tuple[str, ...]] = ()


class Event(WireModel):
    """One Event Grid event. Each event type is a subclass, whose class variables and properties describe it.

    `wire` prints it in Event Grid's own schema, whichever envelope it arrived in; `parse_event` reads that back to an
    equal event. `event_time` is in UTC; None if a CloudEvent has no time. Unknown fields are kept: those of the
    envelope in `model_extra`, those of the data in ``data.model_extra``.
    """

    publisher: ClassVar[str] = "Microsoft.MachineLearningServices"
    resource_id: ClassVar[type[ResourceId]] = WorkspaceId  # how to read `topic`
    from_azure: ClassVar[bool] = True  # does Event Grid deliver it, by an event subscription? Else the app raises it
    reports_drift: ClassVar[bool] = False  # can `drift` be other than None?
    own_members: ClassVar[tuple[str, ...]] = ()  # properties that views have beside `ADDED`: each a NamedTuple, or None
    # Key and operator of a condition on these -> of a weaker one on what Event Grid sees, with its value as {}.
    published_as: ClassVar[Mapping[tuple[str, str], tuple[str, str, str]]] = {}
    facts: ClassVar[tuple[str, ...]] = ()  # of `FACT_NAMES`: what the service knows about the objects
    example_fields: ClassVar[Mapping[str, Any]] = {}  # of `example`: id, eventTime, data, and other changes
    example_subject: ClassVar[str] = ""  # a format string over the data of the example

    id: RequiredText
    topic: str
    subject: Text = ""
    event_type: RequiredText
    event_time: Time = None
    data: EventData
    data_version: OptionalVersion = ""
    metadata_version: OptionalVersion = ""

    _known: _Known | None = PrivateAttr(default=None)

    @field_validator("topic", mode="before")
    @classmethod
    def _is_resource(cls, topic: Any) -> str:
        return cls.resource_id.parse(topic if isinstance(topic, str) else "").text

    @classmethod
    def type_name(cls) -> str:
        """The event type as Event Grid spells it: ``Microsoft.MachineLearningServices.RunCompleted``."""
        return f"{cls.publisher}.{cls.__name__}"

    @property
    def resource(self) -> ResourceId:
        """The resource that raised the event."""
        return self.resource_id.parse(self.topic)

    @property
    def workspace(self) -> WorkspaceId:
        """The workspace that raised the event. Raises ValueError if another kind of resource did."""
        return WorkspaceId.parse(self.topic)

    @property
    def object(self) -> str:
        """The name of the event's object, equal for all events about it: a run's id, a model's or endpoint's name."""
        raise NotImplementedError

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the object by which people look for the event, `object` first."""
        return (self.object,)

    @property
    def label(self) -> str:
        """The object with what the event reports of it, for lists: ``brave_kiwi Failed``, ``churn:7``."""
        return self.object

    @property
    def object_kind(self) -> str:
        """The kind of the object, which with `object` and `topic` identifies it for ``latest_only``."""
        return type(self).__name__

    @property
    def about(self) -> str:
        """What the event is about, in words: ``run plucky_lime``, ``model churn:7``. Mails about it form a thread."""
        return self.object

    @property
    def rank(self) -> int:
        """The position of the event in its object's life cycle, which ``latest_only`` compares before the time."""
        return 0

    @property
    def subject_parts(self) -> tuple[str, ...] | None:
        """The ids in the subject; None if it does not have the documented form."""
        return None

    @property
    def drift(self) -> Drift | None:
        """The drift that the event reports."""
        return None

    @property
    def studio_url(self) -> str | None:
        """The link to the object's page; None if it has no page."""
        return None

    @property
    def headline(self) -> str:
        """What happened, in a few words: the headline of a mail. A mail about drift has its own."""
        return f"{self.event_type.rpartition('.')[2]} {self.object}"

    @property
    def lead(self) -> tuple[str, ...]:
        """The lines under the headline of a mail: why it happened, or with which result."""
        return ()

    @property
    def rows(self) -> Rows:
        """Names and values that describe the object in a mail. A row whose value is None is left out."""
        return ()

    @property
    def is_bad_news(self) -> bool:
        """Does the event report a failure or drift?"""
        return self.drift is not None

    @property
    def tags(self) -> Tags:
        """The object's tags."""
        return Tags()

    @property
    def properties(self) -> Tags:
        """The object's properties."""
        return Tags()

    @property
    def chosen_names(self) -> tuple[str, ...]:
        """Names that the creator of the object chose: lineage reads them, as it reads tags and properties."""
        return ()

    def fact_id(self, name: str) -> tuple[str, ...]:
        """What identifies the object of one of `facts`: a run's id, a model's name and version, an endpoint's name.

        Empty if this event names no such object.
        """
        raise NotImplementedError(f"{type(self).__name__} does not say which {name} its events are about")

    @property
    def etag(self) -> str | None:
        """The event's `etag`, from the envelope or the data; events of Azure ML have none."""
        return self._extra("etag")

    @property
    def sequencer(self) -> str | None:
        """The event's `sequencer`, from the envelope or the data; events of Azure ML have none."""
        return self._extra("sequencer")

    @property
    def time_zone(self) -> tzinfo:
        """The time zone for people who read about the event: the ``timezone`` of its workspace, by default UTC.

        Like the rest of `view`, it is known in events that a handler receives; in others it is UTC.
        """
        workspace = self._known.workspace if self._known else None
        return time_zone((workspace or {}).get("timezone", DEFAULT_ZONE))

    def _extra(self, name: str) -> str | None:
        extras = [*(self.model_extra or {}).items(), *(self.data.model_extra or {}).items()]
        return next((value for key, value in extras if key.lower() == name and isinstance(value, str)), None)

    def view(self) -> dict[str, Any]:
        """The plain data that conditions and templates read, without `facts`: see `view_with`.

        An event that a handler receives knows its workspace and the result that its rule follows; others know neither.
        It keeps the view: do not change what is in it.
        """
        known = self._known
        if known is None:
            return self.view_with(None, None)
        if known.viewed is None or known.viewed[0] is not self.__dict__:
            events = {} if known.events is None else {"events": [*known.events]}
            known.viewed = self.__dict__, self.view_with(known.workspace, known.result) | events
        return dict(known.viewed[1])

    def fact(self, name: str) -> "Facts":
        """One of `facts`, read at the first call: by the app, in events that handlers receive; others are empty."""
        if self._known and self._known.facts:
            return self._known.facts(name)
        from schemas.facts import FACTS  # its models take time to import, and few events need them

        return FACTS[name]()

    def added(self, name: str) -> Any:
        """A member of `view` that the app adds (`ADDED` and ``events``), without building the others."""
        known = self._known or _Known()
        return known.events if name == "events" else self._added(name, known.workspace, known.result)

    def view_with(self, workspace: Mapping[str, Any] | None, result: Mapping[str, Any] | None) -> dict[str, Any]:
        """The plain data that conditions and templates read: the event's `wire`, and what the app adds.

        Added are those of `ADDED`, `result` only if there is one, and `own_members`; what the service knows (`fact`) is
        read apart. A field of the event with one of these names, in any case, is left out: a sender must not be able to
        forge what the app adds.
        """
        added = {name: self._added(name, workspace, result) for name in (*ADDED, *self.own_members)}
        reserved = {*added, *self.facts, "events"}
        view = {name: value for name, value in self.wire().items() if name.lower() not in reserved} | added
        if result is None:
            del view["result"]
        return view

    def view_of(
        self, name: str, workspace: Mapping[str, Any] | None, result: Mapping[str, Any] | None
    ) -> dict[str, Any]:
        """The part of `view_with` that has the member `name`: see `schemas.context.Context.view_of`."""
        if name == "data":
            return {"data": self.data.wire()}
        if name in ADDED:
            return {} if name == "result" and result is None else {name: self._added(name, workspace, result)}
        own = {name: self._added(name, workspace, result) for name in self.own_members}
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True, exclude={"data"}) | own

    def _added(self, name: str, workspace: Mapping[str, Any] | None, result: Mapping[str, Any] | None) -> Any:
        """The value of a member that the app adds to the view."""
        match name:
            case "workspace":
                id = self.resource
                place = {"id": str(id), "resource_group": id.resource_group, "subscription": id.subscription}
                return {"name": id.name, "labels": {}, "timezone": DEFAULT_ZONE, **(workspace or {}), **place}
            case "drift":
                return drift.view() if (drift := self.drift) else None
            case "studio_url":
                return self.studio_url or ""
            case "object":
                return self.object
            case "result":
                return result
        own = getattr(self, name)
        return None if own is None else own._asdict()

    def for_handler(
        self,
        workspace: Mapping[str, Any] | None,
        result: Mapping[str, Any] | None,
        facts: "Callable[[str], Facts] | None" = None,
        events: tuple[Mapping[str, Any], ...] | None = None,
    ) -> Self:
        """A copy that knows the `name`, `labels` and `timezone` of its workspace, this result, facts and `events`."""
        copy = self.model_copy()
        copy._known = _Known(workspace, result, facts, events)
        return copy

    @classmethod
    def read(cls, envelope: Envelope) -> Self:
        """Validate the event in an envelope. Raises MalformedEvent, which lists every problem."""
        try:
            return cls.model_validate(envelope.event)
        except ValidationError as error:
            problems = problems_of(error, envelope.names, {"topic": cls.resource_id.expected(), "data": "an object"})
            raise MalformedEvent(*problems, **envelope.summary) from None

    @classmethod
    def example(cls, **changes: Any) -> Self:
        """A realistic event of this type. `changes` replace fields of the envelope and of the data, in any spelling.

        ``data={...}`` replaces the data as a whole; the subject follows the data. Raises TypeError for an unknown
        field, and MalformedEvent for an invalid value.
        """
        return cls.read(open_envelope(read_plain(example_of(cls, changes))))
