"""The app over storage in memory, with a rule that deploys through the real azure-ai-ml to the stand-in for Azure."""

import json
from collections.abc import Callable
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

from dispatch.inbox.rows import ActionRecord
from emulator import Azure
from handlers.azure.cloud import arm_endpoint
from handlers.azure.credential import credential
from handlers.azure.ml.workspace import AzureML
from handlers.azure.transport import Transport
from handlers.deploy.handler import Deploy
from schemas import ModelRegistered, WorkspaceId
from tests.kit.emulator import shared_clock
from tests.kit.faults import CrashAt, WorkerDied
from tests.kit.world import SETTINGS, World

PROD, DEV = SETTINGS["RULES_WS_CHURN_PROD"], SETTINGS["RULES_WS_CHURN_DEV"]
STAGED = "when: [data.modelTags.stage StringIn production]"
QUICK = {"endpoint": "churn", "bake": "1m"}


class CrashAtWrite(CrashAt):
    """Crashes the worker right after its nth request that changes something in Azure."""

    def __init__(self, nth: int) -> None:
        super().__init__()
        self.nth = nth

    def around(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*args: Any, **kwargs: Any) -> Any:
            result = call(*args, **kwargs)
            self.calls += bool(args) and getattr(args[0], "method", "") in {"PUT", "DELETE"}
            if self.calls == self.nth:
                self.nth = 0
                raise WorkerDied
            return result

        return counted


class CrashingTransport(Transport):
    """Dies at a request, where the test says."""

    def __init__(self, crash: CrashAt) -> None:
        super().__init__()
        self._mortal = crash

    def _send(self, request: Any, **kwargs: Any) -> Any:
        return self._mortal.around(super()._send)(request, **kwargs)


class CrashingDeploy(Deploy):
    """The handler as it is, in a worker that may die at any of its requests."""

    world: str

    azureml: ClassVar[dict[tuple[str, WorkspaceId], AzureML]] = {}
    crashes: ClassVar[dict[str, CrashAt]] = {}

    def _azureml(self, workspace: WorkspaceId) -> AzureML:
        key = self.world, workspace
        if key not in self.azureml:
            transport = CrashingTransport(self.crashes[self.world])
            self.azureml[key] = AzureML(workspace, arm_endpoint(), credential(), transport)
        return self.azureml[key]


@dataclass
class Site:
    """Azure, and the app that deploys to it."""

    azure: Azure
    world: World

    @classmethod
    def of(cls, azure: Azure, folder: Path, rule: str, settings: dict[str, Any], crash: CrashAt | None = None) -> Self:
        """An app with one rule, which wants ``stage=production`` unless `rule` says what else it has."""
        do = f"do: {CrashingDeploy.__module__}:CrashingDeploy" if crash else "do: deploy"
        given = QUICK | settings | ({"world": "WORLD"} if crash else {})
        given = {name: value for name, value in given.items() if value is not None}
        lines = ["name: deploy-it", "on: ModelRegistered", rule or STAGED, do, f"with: {json.dumps(given)}"]
        world = World(
            "rules:\n  - " + "\n    ".join(lines) + "\n", folder, crash or CrashAt(), clock=shared_clock(azure)
        )
        if crash:
            CrashingDeploy.crashes[world.name] = crash
        assert world.loaded.errors == (), world.loaded.errors
        return cls(azure, world)

    def register(self, version: str = "7", name: str = "churn", *, workspace: str = PROD, **tags: str) -> str:
        """Register a model, tagged ``stage=production`` if nothing else is said, and tell the app; returns its id."""
        tags = tags or {"stage": "production"}
        id = self.azure.models.register(name, version, tags, workspace=workspace)
        self.tell(version, name, workspace=workspace, **tags)
        return id

    def tell(self, version: str = "7", name: str = "churn", *, workspace: str = PROD, **tags: str) -> None:
        """Have the app get an event, whatever there is in Azure."""
        about = {"model_name": name, "model_version": version, "model_tags": tags or {"stage": "production"}}
        self.world.receive(ModelRegistered.example(id=f"{name}-{version}", topic=workspace, **about))

    def run(self, steps: int = 1_000) -> None:
        """Let the app work until there is nothing more to do, or so many messages have been delivered.

        The app's clock moves with them; the stand-in counts looks.
        """
        with nullcontext() if steps == 1_000 else suppress(AssertionError):
            self.world.run(steps)

    @property
    def actions(self) -> dict[str, ActionRecord]:
        """By the event's id."""
        found: dict[str, ActionRecord] = {}
        for day in self.world.app.inbox.history.days():
            history = self.world.history(day)
            found |= {history.events[id.event].id: record for id, record in history.actions}
        return found

    def end(self, event: str = "churn-7") -> tuple[str, str]:
        """How an action ended, and what it said."""
        record = self.actions[event]
        return record.status, record.note

    def notes(self, event: str = "churn-7") -> list[str]:
        return [moment.note for moment in self.actions[event].timeline if moment.note]

    def writes(self, *, since: int = 0) -> list[str]:
        """What was asked to be changed: method and path, in order, as far as it was not refused."""
        calls = [call for call in self.azure.calls.all[since:] if call.method in {"PUT", "DELETE", "PATCH"}]
        return [call.target for call in calls if call.status is None or call.status < 400]

    def traffic(self, endpoint: str = "churn") -> dict[str, int]:
        """Who gets how much, by the model version that they serve."""
        shares = self.azure.endpoints.traffic(endpoint)
        return {self.version(endpoint, name): share for name, share in shares.items()}

    def versions(self, endpoint: str = "churn") -> list[str]:
        """The model versions that have a deployment."""
        return sorted(self.version(endpoint, name) for name in self.azure.endpoints.deployments(endpoint))

    def version(self, endpoint: str, deployment: str) -> str:
        model = self.azure.endpoints.deployments(endpoint)[deployment]["properties"]["model"]
        model = model["assetId"] if isinstance(model, dict) else model
        return str(model).rpartition("/")[2]
