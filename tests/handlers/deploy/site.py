"""The app over storage in memory, with a rule that deploys to the emulated Azure through the real azure-ai-ml."""

import json
from collections.abc import Callable
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import pytest

from dispatch.inbox.rows import ActionRecord
from emulator import Azure
from handlers.azure.cloud import arm_endpoint
from handlers.azure.credential import credential
from handlers.azure.ml.names import deployment_name
from handlers.azure.ml.resources import ModelRef
from handlers.azure.ml.workspace import AzureML
from handlers.deploy.handler import Deploy
from mlevents.testing.runs import WorkerDied
from schemas import ModelRegistered, WorkspaceId
from tests.kit.crashing_transport import CrashingTransport
from tests.kit.emulator import shared_clock
from tests.kit.faults import CrashAt
from tests.kit.world import SETTINGS, World

PROD, DEV = SETTINGS["RULES_WS_CHURN_PROD"], SETTINGS["RULES_WS_CHURN_DEV"]
STAGED = "when: [data.modelTags.stage StringIn production]"
QUICK = {"endpoint": "churn", "bake": "1m"}
SHORT_RETRY = f"{STAGED}\n    retry: {{ for: 1m }}"

SEVEN = deployment_name(ModelRef("churn", "7", workspace=PROD))
EIGHT = deployment_name(ModelRef("churn", "8", workspace=PROD))
ENDPOINT = "onlineEndpoints/churn"
PUT_TRAFFIC = f"PUT {ENDPOINT}"  # and the creation of the endpoint
PUT_EIGHT, DELETE_EIGHT = (f"{method} {ENDPOINT}/deployments/{EIGHT}" for method in ("PUT", "DELETE"))
CRASHED = "User container has crashed or terminated."
REQUEST = "samples/churn-request.json"
EXPECTS_ZERO = {"smoke_test": {"request": REQUEST, "expect": "{{ answer == [0] }}"}}
ERRORS = [
    pytest.param(400, "BadRequest", "traffic is under a freeze", id="400"),
    pytest.param(409, "ScopeLocked", "remove the lock and try again", id="409"),
    pytest.param(403, "AuthorizationFailed", "no role", id="403", marks=pytest.mark.soak),
]


class CrashAtWrite(CrashAt):
    """Crashes the worker right after its nth PUT or DELETE."""

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


class CrashingDeploy(Deploy):
    """The unchanged handler, in a worker that can crash at any of its requests."""

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
        """An app with one rule. It matches ``stage=production``, unless `rule` has other keys."""
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
        """Register a model, by default with the tag ``stage=production``, and send its event; return the model's id."""
        tags = tags or {"stage": "production"}
        id = self.azure.models.register(name, version, tags, workspace=workspace)
        self.send(version, name, workspace=workspace, **tags)
        return id

    def send(self, version: str = "7", name: str = "churn", *, workspace: str = PROD, **tags: str) -> None:
        """Send the app an event, whether or not the model exists in Azure."""
        about = {"model_name": name, "model_version": version, "model_tags": tags or {"stage": "production"}}
        self.world.receive(ModelRegistered.example(id=f"{name}-{version}", topic=workspace, **about))

    def run(self, steps: int = 1_000) -> None:
        """Deliver messages until there are none, or at most `steps`. The clock moves to when each is due."""
        with nullcontext() if steps == 1_000 else suppress(AssertionError):
            self.world.run(steps)

    @property
    def actions(self) -> dict[str, ActionRecord]:
        """By the id of the event."""
        found: dict[str, ActionRecord] = {}
        for day in self.world.app.inbox.history.days():
            history = self.world.history(day)
            found |= {history.events[id.event].id: record for id, record in history.actions}
        return found

    def outcome(self, event: str = "churn-7") -> tuple[str, str]:
        """The status and the note with which an action ended."""
        record = self.actions[event]
        return record.status, record.note

    def notes(self, event: str = "churn-7") -> list[str]:
        return [moment.note for moment in self.actions[event].timeline if moment.note]

    def writes(self, *, since: int = 0) -> list[str]:
        """The accepted changes, in order: method and path."""
        calls = [call for call in self.azure.calls.all[since:] if call.method in {"PUT", "DELETE", "PATCH"}]
        return [call.target for call in calls if call.status is None or call.status < 400]

    def traffic(self, endpoint: str = "churn") -> dict[str, int]:
        """The split of the traffic, by model version."""
        shares = self.azure.endpoints.traffic(endpoint)
        return {self.version(endpoint, name): share for name, share in shares.items()}

    def versions(self, endpoint: str = "churn") -> list[str]:
        """The model versions that have a deployment."""
        return sorted(self.version(endpoint, name) for name in self.azure.endpoints.deployments(endpoint))

    def version(self, endpoint: str, deployment: str) -> str:
        model = self.azure.endpoints.deployments(endpoint)[deployment]["properties"]["model"]
        model = model["assetId"] if isinstance(model, dict) else model
        return str(model).rpartition("/")[2]


def deploy_eight(site: Site) -> tuple[str, str]:
    """Register version 8 and deliver all messages; return the outcome."""
    site.register("8")
    site.run()
    return site.outcome("churn-8")


def is_unchanged(site: Site) -> bool:
    """Does version 7 get all traffic, and is its deployment the only one?"""
    return site.traffic() == {"7": 100} and site.versions() == ["7"]


def unhealthy_from(azure: Azure, share: int) -> Callable[[Any], Any]:
    """A scorer whose answers are wrong once version 8 has that share of the traffic."""
    return lambda _: [0] if azure.endpoints.traffic("churn").get(EIGHT, 0) < share else ["nan"]


def hide_endpoint(azure: Azure, when: Callable[[Any], bool], times: int = 1) -> list[str]:
    """After the first call that meets the condition, answer 404 to so many reads of the endpoint.

    The list that is returned then has that call.
    """
    trigger: list[str] = []

    def hide(call: Any) -> None:
        if not trigger and when(call):
            trigger.append(call.target)
            azure.faults.fail(f"GET {ENDPOINT}", status=404, code="ResourceNotFound", times=times)

    azure.calls.after(hide)
    return trigger


def resource_properties(azure: Azure, *below: str) -> dict[str, Any]:
    """The properties of the endpoint, or of a resource below it, to be changed without a request."""
    return azure.state.require("/".join([f"{PROD}/{ENDPOINT}", *below])).properties
