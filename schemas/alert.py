"""`Alert`: the app's own event, which carries an alert about the app or its rules to a handler.

Event Grid cannot deliver it: it is not in the registry, so `parse_event` refuses its type.
"""

from collections.abc import Iterable
from typing import Literal, Self

from schemas.envelope import open_envelope
from schemas.events.base import Event, EventData
from schemas.fields import RequiredText
from schemas.plain import read_plain

Kind = Literal[
    "refused rules",
    "rejected events",
    "rule is gone",
    "unreadable event",
    "failed actions",
    "failing actions",
    "cannot watch",
    "missing events",
]

_TOPIC = (  # an event has the id of a workspace as its topic; this one does not exist
    "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/azureml-events"
    "/providers/Microsoft.MachineLearningServices/workspaces/azureml-events"
)


class AlertData(EventData):
    """The alert: a summary in one line, more lines of details, and lines that say what to do.

    `app` is the name of the function app that raised it, and `rule` the rule that it is about; each may be empty.
    """

    kind: RequiredText
    summary: RequiredText
    details: tuple[str, ...] = ()
    app: str = ""
    rule: str = ""
    to_do: tuple[str, ...] = ()


class Alert(Event):
    """An alert about the app or its rules."""

    publisher = "azureml-events"

    data: AlertData

    @classmethod
    def of(cls, kind: Kind, about: str, summary: str, details: Iterable[str] = (), to_do: Iterable[str] = ()) -> Self:
        """An alert. Alerts of one kind with the same `about` have one id, so they are sent once."""
        data = {"kind": kind, "summary": summary, "details": tuple(details), "toDo": tuple(to_do)}
        event = {"id": f"{kind}: {about}", "topic": _TOPIC, "subject": about, "eventType": cls.type_name()}
        return cls.read(open_envelope({**event, "data": data}))

    def naming(self, app: str, rule: str = "") -> Self:
        """The alert with the name of the app that raises it and of the rule that it is about."""
        return self.model_copy(update={"data": self.data.model_copy(update={"app": app, "rule": rule})})

    @classmethod
    def recorded(cls, raw: str) -> Self:
        """Read an alert from the text in the inbox. Raises MalformedEvent."""
        return cls.read(open_envelope(read_plain(raw)))

    @property
    def object(self) -> str:
        """The kind of the alert."""
        return self.data.kind

    @property
    def about(self) -> str:
        """The rule that the alert is about, or the file or the kind of events."""
        return f"rule {self.data.rule}" if self.data.rule else self.subject

    @property
    def headline(self) -> str:
        """The alert's summary."""
        return self.data.summary

    @property
    def lead(self) -> tuple[str, ...]:
        """The details, line by line."""
        return self.data.details

    @property
    def is_bad_news(self) -> bool:
        """True: every alert reports a problem."""
        return True
