"""RunCompleted: a run completed."""

from collections.abc import Mapping
from typing import Any, ClassVar

from schemas.events.base import short_name
from schemas.events.run import EXAMPLE_RUN, RunData, RunEvent, status_rank


class RunCompletedData(RunData):
    """A run that completed."""


class RunCompleted(RunEvent):
    """A run completed."""

    example_fields: ClassVar[Mapping[str, Any]] = {
        "id": "0f6d3b1e-5c2a-5e84-b7d9-41a8c6e2f903",
        "eventTime": "2026-11-22T08:41:07.584103Z",
        "data": EXAMPLE_RUN,
    }

    data: RunCompletedData

    @property
    def rank(self) -> int:
        """The rank of the status Completed."""
        return status_rank("completed")

    @property
    def headline(self) -> str:
        """The run, and its experiment."""
        return f"Run {short_name(self.data.run_id)} completed{self.in_experiment}"
