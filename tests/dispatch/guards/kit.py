"""Events in a given order, and the outcomes of their actions, for the tests of guards."""

from datetime import timedelta
from typing import Any

from mlevents.testing.storage import NOW
from schemas import ModelRegistered, RunStatusChanged
from tests.kit.world import World


def run_event(id: str, status: str, seconds: float, run: str = "r1") -> RunStatusChanged:
    """A change of a run's status, some seconds after `NOW`."""
    time = NOW + timedelta(seconds=seconds)
    return RunStatusChanged.example(id=id, run_id=run, run_status=status, event_time=time.isoformat())


def model_event(id: str, seconds: float, **changes: Any) -> ModelRegistered:
    """The registration of a model, some seconds after `NOW`."""
    return ModelRegistered.example(id=id, event_time=(NOW + timedelta(seconds=seconds)).isoformat(), **changes)


def outcomes(world: World) -> dict[str, str]:
    """The status and the note of the actions, by the id of their event."""
    history = world.history()
    return {history.events[id.event].id: f"{r.status}: {r.note}" for id, r in history.actions}


def acted_on(world: World) -> list[str]:
    """The ids of the events with which the handler was called, in order."""
    return [call.event.id for call in world.calls]
