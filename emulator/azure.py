"""`Azure`: the emulator as tests, the demo and `mlevents start` use it."""

import copy
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from emulator.certificates import Authority
from emulator.control import commands
from emulator.control.assets import Assets
from emulator.control.beside.alerts import Alerts
from emulator.control.beside.blobs import Blobs
from emulator.control.beside.factories import Factories
from emulator.control.calls import Calls
from emulator.control.clock import ClockControl
from emulator.control.endpoints import Endpoints
from emulator.control.events import Events
from emulator.control.faults import Faults
from emulator.control.jobs import Jobs
from emulator.control.lookup import Lookup
from emulator.control.models import Models
from emulator.control.operations import Operations
from emulator.control.scoring import Scoring
from emulator.control.workspaces import Workspaces
from emulator.identity.identity import IdentityEndpoint, identity_endpoint
from emulator.identity.tokens import token
from emulator.ml.endpoints import online
from emulator.server import Server
from emulator.service import Service
from emulator.state.state import Body, Resource, State

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

WORKSPACE = (
    "/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/rg-ml-prod"
    "/providers/Microsoft.MachineLearningServices/workspaces/churn-prod"
)


class Azure:
    """Azure, within a ``with`` block.

    `workspaces` are ARM ids; methods that take a `workspace`, by name or id, default to the first. `storage` is the
    connection string of the storage account for uploads. `folder` is for certificates: what an emulator that was killed
    has left there is deleted. By default, it is a temporary one.
    """

    def __init__(
        self, *workspaces: str, storage: str = "", registries: Sequence[str] = (), folder: Path | None = None
    ) -> None:
        self._folder = folder
        self._ids, self._registries, self._stack = workspaces or (WORKSPACE,), registries, ExitStack()
        self.state = State()
        self.state.storage = storage
        self.service = Service(self.state)
        lookup = Lookup(self.state, self._ids[0])
        self.workspaces = Workspaces(self.state, lookup)
        self.models = Models(self.state, lookup)
        self.assets = Assets(self.state, lookup)
        self.endpoints = Endpoints(self.state, lookup)
        self.operations = Operations(self.state)
        self.jobs = Jobs(self.state, lookup)
        self.factories = Factories(self.state, lookup)
        self.alerts = Alerts(self.state, lookup)
        self.blobs = Blobs(self.state, lookup)
        self.events = Events(self.state, self._stack)
        self.calls = Calls(self.service)
        self.scoring = Scoring(self.state, self.calls)
        self.faults = Faults(self.state, lookup, self.scoring)
        self.clock = ClockControl(self.state)

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self._stack.close()
            raise
        return self

    def _start(self) -> None:
        folder = self._certificates()
        authority = Authority()
        self.ca_file = authority.bundle(folder)  # all authorities that are trusted without it, and this one
        self.own_ca_file = authority.alone(folder)  # quicker to read, for clients of the emulator only
        self.identity: IdentityEndpoint = self._stack.enter_context(identity_endpoint())
        self._stack.enter_context(Server(self.service, authority.server(), commands.routes(self._commands())))
        for id in self._ids:
            self.workspaces.add(id)
        for name in self._registries:
            self.workspaces.add_registry(name)

    def _certificates(self) -> Path:
        """An empty folder that is deleted at the end."""
        if self._folder is None:
            return Path(self._stack.enter_context(TemporaryDirectory(prefix="mlevents-azure-")))
        rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(mode=0o700, parents=True)
        self._stack.callback(rmtree, self._folder, ignore_errors=True)
        return self._folder

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    @property
    def endpoint(self) -> str:
        """Resource Manager's URL: ``https://localhost:PORT``."""
        return self.state.url

    @property
    def settings(self) -> dict[str, str]:
        """The app settings that direct the app to the emulator: see the package's docstring."""
        bundle = str(self.ca_file)
        trust = {"REQUESTS_CA_BUNDLE": bundle, "SSL_CERT_FILE": bundle}
        return {"MLEVENTS_ARM_ENDPOINT": self.endpoint, **self.identity.settings, **trust}

    @property
    def client_options(self) -> dict[str, Any]:
        """Options that point `MLClient` here; REQUESTS_CA_BUNDLE must be in its environment."""
        metadata = {
            "azure_portal": "https://portal.azure.com/",
            "resource_manager": self.endpoint,
            "active_directory": self.endpoint,
            "aml_resource_id": online.ML,
            "storage_endpoint": "core.windows.net",
            "registry_discovery_endpoint": f"{self.endpoint}/",
        }
        # A different name for each emulator: the client keeps clouds in a global table.
        cloud = {"cloud": f"local at {self.endpoint}", "cloud_metadata": metadata}
        return {**cloud, "show_progress": False, "enable_telemetry": False}

    def token(self, resource: str, **claims: Any) -> str:
        """A token as from the identity endpoint; for claims see `emulator.identity.tokens.token`."""
        return token(resource, **claims)

    def credential(self) -> "TokenCredential":
        """A credential with tokens as from the identity endpoint, without a request."""
        from azure.core.credentials import AccessToken

        class Credential:
            def get_token(self, *scopes: str, **_: Any) -> AccessToken:
                return AccessToken(token(scopes[0].removesuffix("/.default")), int(time.time()) + 3_600)

        return Credential()

    def _commands(self) -> dict[str, Callable[..., Any]]:
        return {
            "register_model": self.models.register,
            "tag_model": self.models.tag,
            "archive_model": self.models.archive,
            "restore_model": self.models.restore,
            "add_schedule": self.workspaces.add_schedule,
            "raise_drift": self.jobs.raise_drift,
            "start_job": self.jobs.start,
            "fail_job": self.jobs.fail,
            "job_metrics": self.jobs.log_metrics,
            "job_registers": self.jobs.register_model,
            "cancel_job": self.jobs.cancel,
            "job_takes": self.jobs.set_duration,
            "add_component": self.assets.add_component,
            "add_pipeline": self.factories.add_pipeline,
            "fire_alert": self.alerts.fire,
            "put_blob": self.blobs.put,
            "delete_blob": self.blobs.delete,
            "add_batch_endpoint": self.endpoints.add_batch,
            "set_requests": self.endpoints.set_requests,
            "fail_deployment": self.faults.fail_deployment,
            "state": self.summary,
        }

    def resource(self, id: str) -> Body | None:
        """The current body of a resource; None if it does not exist."""
        with self.state.lock:
            found = self.state.find(id)
            return copy.deepcopy(found.body) if found else None

    def summary(self) -> Body:
        """Endpoints with their traffic and deployments, models, jobs and factory runs, in short."""
        with self.state.transaction():
            self.state.complete_due()
            online, batch = (self.state.of_type(f"workspaces/{kind}") for kind in ("onlineEndpoints", "batchEndpoints"))
            models = [model.id.partition("/models/")[2] for model in self.state.of_type("workspaces/models/versions")]
            jobs = {job.body["name"]: job.properties for job in self.state.of_type("workspaces/jobs")}
            return {
                "endpoints": {one.body["name"]: self._endpoint_summary(one) for one in online},
                "batch_endpoints": {
                    one.body["name"]: one.properties["defaults"].get("deploymentName", "") for one in batch
                },
                "models": [model.replace("/versions/", ":") for model in models],
                "jobs": {name: f"{job['experimentName']} {job['status']}" for name, job in jobs.items()},
                "factory_runs": {run.id: f"{run.pipeline} {run.status}" for run in self.state.factory_runs},
            }

    def _endpoint_summary(self, endpoint: Resource) -> Body:
        deployments = {one.body["name"]: one.state for one in self.state.children(endpoint.id, "deployments")}
        shares = {name: share for name, share in endpoint.properties["traffic"].items() if share}
        return {"traffic": shares, "deployments": deployments}
