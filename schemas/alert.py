"""`Alert`: something is wrong with the app or its rules, told as an event, so that a handler can carry it to people.

It is no event of Azure ML: `parse_event` does not know its type, whoever sends it.
"""

from collections.abc import Iterable
from typing import Literal, Self

from schemas.data import EventData
from schemas.envelope import open_envelope
from schemas.events import Event
from schemas.fields import RequiredText
from schemas.plain import read_plain
from schemas.subject import Subject

Kind = Literal["refused rules", "rejected events", "rule is gone", "unreadable event"]

ALERT_TYPE = "azureml-events.Alert"
NOWHERE = (  # where a workspace's id must stand
    "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/azureml-events"
    "/providers/Microsoft.MachineLearningServices/workspaces/azureml-events"
)


class AlertData(EventData):
    """What is wrong: in a line, and in as many more as are needed."""

    kind: RequiredText
    summary: RequiredText
    details: tuple[str, ...] = ()


class Alert(Event):
    """Something is wrong with the app or its rules."""

    data: AlertData

    @classmethod
    def of(cls, kind: Kind, about: str, summary: str, details: Iterable[str] = ()) -> Self:
        """An alert; `about` makes it the same alert as another one of its kind, or a new one."""
        data = {"kind": kind, "summary": summary, "details": tuple(details)}
        event = {"id": f"{kind}: {about}", "topic": NOWHERE, "subject": about, "eventType": ALERT_TYPE, "data": data}
        return cls.read(open_envelope(event))

    @classmethod
    def recorded(cls, raw: str) -> Self:
        """An alert as it was written down. Raises MalformedEvent."""
        return cls.read(open_envelope(read_plain(raw)))

    @property
    def object(self) -> str:
        """The kind of thing that is wrong."""
        return self.data.kind

    @property
    def subject_parts(self) -> Subject | None:
        """None: it is about no object of Azure ML."""
        return None

    @property
    def studio_url(self) -> str | None:
        """None: there is no page of it."""
        return None
