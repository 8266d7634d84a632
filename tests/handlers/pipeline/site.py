"""The app over storage in memory, with a rule that starts pipelines in the emulated Azure; both share one clock."""

import json
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar, Self

import pytest

from dispatch.act import rearm
from dispatch.inbox.messages import Message
from dispatch.inbox.rows import ActionRecord
from emulator import Azure
from handlers.azure.cloud import arm_endpoint
from handlers.azure.credential import credential
from handlers.azure.data_factory import DataFactory, client
from handlers.azure.ml.workspace import AzureML
from handlers.pipeline.handler import Pipeline
from schemas import Event, RunCompleted, WorkspaceId
from tests.kit.crashing_transport import CrashingTransport
from tests.kit.emulator import shared_clock
from tests.kit.faults import CrashAt
from tests.kit.world import SETTINGS, World

PROD, DEV = SETTINGS["RULES_WS_CHURN_PROD"], SETTINGS["RULES_WS_CHURN_DEV"]
JOB = "samples/rules/jobs/retrain.yml"
FACTORY = f"{PROD.partition('/providers/')[0]}/providers/Microsoft.DataFactory/factories/adf-churn"
SYNAPSE = f"{PROD.partition('/providers/')[0]}/providers/Microsoft.Synapse/workspaces/syn-churn"
# azure-ai-ml uses a feature that marshmallow will remove.
QUIET = pytest.mark.filterwarnings("ignore::marshmallow.warnings.Marshmallow4Warning")


def run_completed(id: str) -> RunCompleted:
    """The event of a run that no rule started."""
    return RunCompleted.example(id=id, run_id="of-a-person", run_tags={}, run_properties={})


EVENT = run_completed("e1")


class CrashingPipeline(Pipeline):
    """The unchanged handler, in a worker that can crash at any of its requests."""

    world: str

    azureml: ClassVar[dict[tuple[str, WorkspaceId], AzureML]] = {}
    factories: ClassVar[dict[str, DataFactory]] = {}
    crashes: ClassVar[dict[str, CrashAt]] = {}
    transports: ClassVar[dict[str, list[CrashingTransport]]] = {}

    def _transport(self) -> CrashingTransport:
        transport = CrashingTransport(self.crashes[self.world])
        self.transports.setdefault(self.world, []).append(transport)
        return transport

    def _azureml(self, workspace: WorkspaceId) -> AzureML:
        key = self.world, workspace
        if key not in self.azureml:
            self.azureml[key] = AzureML(workspace, arm_endpoint(), credential(), self._transport())
        return self.azureml[key]

    def _factory(self) -> DataFactory:
        if self.world not in self.factories:
            self.factories[self.world] = client(self._owner, arm_endpoint(), credential(), self._transport())
        return self.factories[self.world]


@dataclass
class Site:
    """Azure, and the app that starts pipelines in it."""

    azure: Azure
    world: World

    @classmethod
    def of(cls, azure: Azure, folder: Path, rule: str, settings: dict[str, Any], crash: CrashAt | None = None) -> Self:
        """An app with one rule. It matches completed runs, unless `rule` has other keys."""
        do = f"do: {CrashingPipeline.__module__}:CrashingPipeline" if crash else "do: pipeline"
        given = settings | ({"world": "WORLD"} if crash else {})
        lines = ["name: retrain", rule or "on: RunCompleted", do, f"with: {json.dumps(given)}"]
        world = World(
            "rules:\n  - " + "\n    ".join(lines) + "\n", folder, crash or CrashAt(), clock=shared_clock(azure)
        )
        if crash:
            CrashingPipeline.crashes[world.name] = crash
        assert world.loaded.errors == (), world.loaded.errors
        return cls(azure, world)

    def disconnect(self) -> None:
        """Close the connections of the worker, as the end of its process does."""
        for transport in CrashingPipeline.transports.pop(self.world.name, ()):
            transport.disconnect()

    def handle(self, event: Event = EVENT) -> None:
        """Send the app an event, and deliver messages until there are none."""
        self.world.receive(event)
        self.world.run()

    def run_until_ended(self) -> ActionRecord:
        """Deliver messages until the action has ended; an action without a message gets one, as from the sweep."""
        for _ in range(12):
            if self.action.ended:
                break
            self.world.clock.forward(minutes=30)
            versions = {id: record.message_version for id, record in self.world.history().actions}
            for id in self.world.app.inbox.backlog.open_actions("2026-11-22"):
                rearm(str(Message(id, versions[id])), self.world.app)
            self.world.run()
        return self.action

    @property
    def actions(self) -> dict[str, ActionRecord]:
        """By the id of the event."""
        found: dict[str, ActionRecord] = {}
        for day in self.world.app.inbox.history.days():
            history = self.world.history(day)
            found |= {history.events[id.event].id: record for id, record in history.actions}
        return found

    @property
    def action(self) -> ActionRecord:
        """The only action."""
        [action] = self.actions.values()
        return action

    @property
    def outcome(self) -> tuple[str, str]:
        """The status and the note of the only action."""
        return self.action.status, self.action.note

    @property
    def notes(self) -> list[str]:
        """The notes in the timeline of the only action."""
        return [moment.note for moment in self.action.timeline if moment.note]

    @property
    def job(self) -> dict[str, Any]:
        """The properties of the only job."""
        [job] = self.azure.jobs.all
        properties: dict[str, Any] = job["properties"]
        return properties

    @property
    def literals(self) -> dict[str, str]:
        """The literal inputs of the only job."""
        return {name: value["value"] for name, value in self.job["inputs"].items() if "value" in value}

    @property
    def elapsed(self) -> timedelta:
        """The time from the first entry in the action's timeline to the last."""
        moments = self.action.timeline
        return moments[-1].at - moments[0].at


def deploy_pipeline(azure: Azure) -> None:
    """Deploy a pipeline component behind the batch endpoint `churn`."""
    component = azure.assets.add_component("retrain", "3", inputs={"rate": "number"}, nodes=["train"])
    id = azure.endpoints.add_deployment("churn", "retrain", "")
    configuration = {"deploymentConfigurationType": "PipelineComponent", "componentId": {"assetId": component}}
    with azure.state.transaction():
        azure.state.require(id).properties["deploymentConfiguration"] = configuration
