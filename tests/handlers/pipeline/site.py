"""The app over storage in memory, with a rule that starts pipelines in the stand-in for Azure; one clock for both."""

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
from handlers.azure.arm import Arm
from handlers.azure.cloud import arm_endpoint
from handlers.azure.credential import credential
from handlers.azure.data_factory import VERSION, DataFactory
from handlers.azure.ml.workspace import AzureML
from handlers.pipeline.handler import Pipeline
from schemas import Event, RunCompleted, WorkspaceId
from tests.handlers.deploy.site import CrashingTransport
from tests.kit.emulator import shared_clock
from tests.kit.faults import CrashAt
from tests.kit.world import SETTINGS, World

PROD, DEV = SETTINGS["RULES_WS_CHURN_PROD"], SETTINGS["RULES_WS_CHURN_DEV"]
JOB = "samples/rules/jobs/retrain.yml"
FACTORY = f"{PROD.partition('/providers/')[0]}/providers/Microsoft.DataFactory/factories/adf-churn"
EVENT = RunCompleted.example(id="e1", run_id="of-a-person", run_tags={}, run_properties={})
# What reads a job's YAML still asks marshmallow for what its next version will not have.
QUIET = pytest.mark.filterwarnings("ignore::marshmallow.warnings.Marshmallow4Warning")


class CrashingPipeline(Pipeline):
    """The handler as it is, in a worker that may die at any of its requests."""

    world: str

    azureml: ClassVar[dict[tuple[str, WorkspaceId], AzureML]] = {}
    factories: ClassVar[dict[str, DataFactory]] = {}
    crashes: ClassVar[dict[str, CrashAt]] = {}

    def _azureml(self, workspace: WorkspaceId) -> AzureML:
        key = self.world, workspace
        if key not in self.azureml:
            transport = CrashingTransport(self.crashes[self.world])
            self.azureml[key] = AzureML(workspace, arm_endpoint(), credential(), transport)
        return self.azureml[key]

    def _factory(self) -> DataFactory:
        if self.world not in self.factories:
            transport = CrashingTransport(self.crashes[self.world])
            arm = Arm(arm_endpoint(), credential(), transport, VERSION)
            self.factories[self.world] = DataFactory(arm, self.data_factory)
        return self.factories[self.world]


@dataclass
class Site:
    """Azure, and the app that starts pipelines there."""

    azure: Azure
    world: World

    @classmethod
    def of(cls, azure: Azure, folder: Path, rule: str, settings: dict[str, Any], crash: CrashAt | None = None) -> Self:
        """An app with one rule, on completed runs unless `rule` says what else it has."""
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

    def tell(self, event: Event = EVENT) -> None:
        """Have the app get an event, and work until there is nothing more to do."""
        self.world.receive(event)
        self.world.run()

    def until_ended(self) -> ActionRecord:
        """Work until the action has ended; what has no message gets one, as by the sweep."""
        for _ in range(12):
            if self.action.ended:
                break
            self.world.clock.forward(minutes=30)
            tickets = {id: record.message_version for id, record in self.world.history().actions}
            for id in self.world.app.inbox.backlog.open_actions("2026-11-22"):
                rearm(str(Message(id, tickets[id])), self.world.app)
            self.world.run()
        return self.action

    @property
    def actions(self) -> dict[str, ActionRecord]:
        """By the event's id."""
        found: dict[str, ActionRecord] = {}
        for day in self.world.app.inbox.history.days():
            history = self.world.history(day)
            found |= {history.events[id.event].id: record for id, record in history.actions}
        return found

    @property
    def action(self) -> ActionRecord:
        """The only one."""
        [action] = self.actions.values()
        return action

    @property
    def end(self) -> tuple[str, str]:
        """How the only action ended, and what it said."""
        return self.action.status, self.action.note

    @property
    def notes(self) -> list[str]:
        return [moment.note for moment in self.action.timeline if moment.note]

    @property
    def job(self) -> dict[str, Any]:
        """The properties of the only job."""
        [job] = self.azure.jobs.all
        properties: dict[str, Any] = job["properties"]
        return properties

    @property
    def literals(self) -> dict[str, str]:
        """The inputs of the only job that are no data."""
        return {name: value["value"] for name, value in self.job["inputs"].items() if "value" in value}

    @property
    def took(self) -> timedelta:
        """From the action's first call to its last."""
        moments = self.action.timeline
        return moments[-1].at - moments[0].at
