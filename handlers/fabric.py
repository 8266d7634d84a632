"""``do: fabric``: run a pipeline of Microsoft Fabric once, and follow it to its end.

learn.microsoft.com/rest/api/fabric/core/job-scheduler: "Run On Demand Item Job", "Get Item Job Instance", "List Item
Job Instances", "Cancel Item Job Instance"; learn.microsoft.com, "Microsoft Fabric data pipeline public REST API".
"""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from pydantic import Field

from handlers.azure.arm import Arm
from handlers.azure.credential import credential
from handlers.azure.data_factory import DataFactory
from handlers.azure.transport import Transport
from handlers.base import Action, Outcome, shorten
from handlers.launch.data_factory import FactoryTarget
from handlers.launch.handler import LaunchHandler
from handlers.launch.parameters import Parameter, render_parameters
from handlers.launch.run import Run, RunState
from schemas import Event

ENDPOINT = "https://api.fabric.microsoft.com"
_ID = "[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_STATES = {"Completed": RunState.COMPLETED, "Cancelled": RunState.CANCELED}
_STATES |= {"Failed": RunState.FAILED, "Deduped": RunState.FAILED}  # Deduped: another run of the pipeline was under way


class FabricPipeline(DataFactory):
    """A pipeline, with the methods of a factory that has one. `id` is its path."""

    @property
    def path(self) -> str:
        """The path of its runs."""
        return f"{self.id}/jobs/instances"

    def parameters(self, pipeline: str) -> None:
        """Not known: the API does not list what a pipeline declares."""

    def start(self, pipeline: str, parameters: Mapping[str, Any]) -> str | None:
        """Start a run, and return its id; None if Fabric accepted the request, and did not name the run."""
        body = {"executionData": {"parameters": dict(parameters)}} if parameters else {}
        location = self.arm.start(f"{self.id}/jobs/Pipeline/instances", body)
        found = re.search(f"/instances/({_ID})$", location)
        return found[1] if found else None

    def runs(self, pipeline: str, since: datetime, until: datetime) -> Iterator[Run]:
        """The active and the last hundred runs ("List Item Job Instances", Limitations)."""
        return map(_run, self.arm.items(self.path, link="continuationUri"))

    def run(self, id: str) -> Run | None:
        """A run; None if it does not exist, or is not visible yet."""
        found = self.arm.get(f"{self.path}/{id}")
        return _run(found) if found else None

    def cancel(self, id: str) -> None:
        """Request the cancellation of a run."""
        self.arm.post(f"{self.path}/{id}/cancel")

    def link(self, id: str) -> str:
        """The URL of the pipeline's page, which lists its runs."""
        workspace = self.id.split("/")[3]
        return f"https://app.fabric.microsoft.com/groups/{workspace}/pipelines/{self.name}"


class Fabric(LaunchHandler[Event]):
    """Run a pipeline of Fabric, and follow it to the end if the rule says `wait`."""

    workspace_id: str = Field(pattern=f"^{_ID}$")
    pipeline_id: str = Field(pattern=f"^{_ID}$")
    parameters: Mapping[str, Parameter] = Field(default_factory=dict)

    def run(self, event: Event, action: Action) -> Outcome:
        """Take the next step. Raises RetryLater, GiveUp, jinja2.TemplateError, and azure-core's errors."""
        target = FactoryTarget(self._pipeline(), self.pipeline_id, event, action, self.parameters)
        return self.launch(action, target)

    def plan(self, event: Event) -> str:
        """What would be started. Raises jinja2.TemplateError."""
        values = json.dumps(render_parameters(self.parameters, event), ensure_ascii=False)
        return f"start the pipeline {self.pipeline_id} of Fabric with {shorten(values, 300)}{self.planned_wait()}"

    def destination(self, event: Event) -> str:
        """The API: Fabric limits the requests of a user ("Throttling")."""
        return ENDPOINT

    def _pipeline(self) -> FabricPipeline:
        arm = Arm(ENDPOINT, credential(), Transport(), version="")
        return FabricPipeline(arm, f"/v1/workspaces/{self.workspace_id}/items/{self.pipeline_id}")


def _run(found: Mapping[str, Any]) -> Run:
    status, failure = str(found.get("status") or "Unknown"), found.get("failureReason") or {}
    started = found.get("startTimeUtc")
    error = ": ".join(str(failure[name]) for name in ("errorCode", "message") if failure.get(name))
    created = datetime.fromisoformat(started).replace(tzinfo=UTC) if started else None
    return Run(
        str(found["id"]), _STATES.get(status, RunState.UNDER_WAY), status, created=created, error=error or status
    )
