"""Stub: just enough of the event models for the sketches."""

from datetime import UTC, datetime
from typing import Any, Self

from pydantic import BaseModel, ConfigDict


class Event(BaseModel):
    """One Event Grid event, whichever envelope it came in."""

    model_config = ConfigDict(frozen=True)

    id: str
    topic: str
    subject: str
    event_type: str
    event_time: datetime
    data: dict[str, Any]

    def wire(self) -> dict[str, Any]:
        """Plain data, spelled as on the wire (`eventType`, `data.runStatus`): what `when:` and templates both see."""
        return {
            "id": self.id,
            "topic": self.topic,
            "subject": self.subject,
            "eventType": self.event_type,
            "eventTime": self.event_time.isoformat(),
            "data": self.data,
        }

    def view(self) -> dict[str, Any]:
        return self.wire()

    @classmethod
    def example(cls, **changes: Any) -> Self:
        """A realistic event of this type."""
        return cls.model_validate(
            {
                "id": "2a1c9d",
                "topic": "/subscriptions/s/resourceGroups/rg/providers/Microsoft.MachineLearningServices/workspaces/ws",
                "subject": "experiments/e1/runs/r1",
                "event_type": f"Microsoft.MachineLearningServices.{cls.__name__}",
                "event_time": datetime(2026, 11, 22, 9, 0, tzinfo=UTC),
                "data": {"runId": "r1", "runStatus": "Failed", "runTags": {"owner": "amira", "items": "3"}},
            }
            | changes
        )


class RunStatusChanged(Event):
    """A run's status changed."""


class ModelRegistered(Event):
    """A model version was registered."""
