"""`Azure`: the stand-in as tests, the demo and `mlevents start` handle it."""

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from emulator.certificates import Authority
from emulator.control import routes as control
from emulator.control.behaviours import Behaviours
from emulator.control.jobcontrol import JobControl
from emulator.control.jobinventory import JobInventory
from emulator.control.jobviews import JobViews
from emulator.event_grid import EventGrid
from emulator.http.calls import Call
from emulator.identity.identity import IdentityEndpoint, identity_endpoint
from emulator.identity.tokens import token
from emulator.ml import endpoints
from emulator.server import Server
from emulator.state.state import Body
from emulator.wire import Request

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

WORKSPACE = (
    "/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/rg-ml-prod"
    "/providers/Microsoft.MachineLearningServices/workspaces/churn-prod"
)


class Azure(JobInventory, Behaviours, JobControl, JobViews):
    """Azure, while in its ``with``.

    `workspaces` are ARM ids; `storage` is the connection string of the storage account for uploads.
    """

    def __init__(self, *workspaces: str, storage: str = "", registries: Sequence[str] = ()) -> None:
        super().__init__(*(workspaces or (WORKSPACE,)))
        self.world.storage = storage
        self._registries = registries
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            folder = Path(stack.enter_context(TemporaryDirectory(prefix="mlevents-azure-")))
            authority = Authority()
            self.ca_file = authority.bundle(folder)  # all that was trusted before, and it
            self.own_ca_file = authority.alone(folder)  # quicker to read, for clients that need nobody else
            self.service.more = control.routes(self)
            self.identity: IdentityEndpoint = stack.enter_context(identity_endpoint())
            stack.enter_context(Server(self.service, authority.server()))
            for id in self._workspaces:
                self.add_workspace(id)
            for name in self._registries:
                self.add_registry(name)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    @property
    def endpoint(self) -> str:
        """Resource Manager's URL: ``https://localhost:PORT``."""
        return self.world.url

    @property
    def settings(self) -> dict[str, str]:
        """The app settings that lead to it, as the package's docstring has them."""
        bundle = str(self.ca_file)
        trust = {"REQUESTS_CA_BUNDLE": bundle, "SSL_CERT_FILE": bundle}
        return {"MLEVENTS_ARM_ENDPOINT": self.endpoint, **self.identity.settings, **trust}

    @property
    def client_options(self) -> dict[str, Any]:
        """What `MLClient` needs to be given to come here; REQUESTS_CA_BUNDLE must be in its environment."""
        metadata = {
            "azure_portal": "https://portal.azure.com/",
            "resource_manager": self.endpoint,
            "active_directory": self.endpoint,
            "aml_resource_id": endpoints.ML,
            "storage_endpoint": "core.windows.net",
            "registry_discovery_endpoint": f"{self.endpoint}/",
        }
        # Under a name of its own: the client remembers the clouds that it was told of for as long as the process lives.
        cloud = {"cloud": f"local at {self.endpoint}", "cloud_metadata": metadata}
        return {**cloud, "show_progress": False, "enable_telemetry": False}

    def token(self, resource: str, **claims: Any) -> str:
        """A token that the identity endpoint would give; claims as for `emulator.identity.tokens.token`."""
        return token(resource, **claims)

    def credential(self) -> "TokenCredential":
        """Gives the tokens that the identity endpoint gives, without asking it."""
        from azure.core.credentials import AccessToken

        class Credential:
            def get_token(self, *scopes: str, **_: Any) -> AccessToken:
                return AccessToken(token(scopes[0].removesuffix("/.default")), int(time.time()) + 3_600)

        return Credential()

    def on_event(self, callback: Callable[[Body], None]) -> None:
        """Have each event told, on the thread that has raised it, and before the answer goes out."""
        self.world.told.append(callback)

    def deliver_to(self, url: str, *, twice_every: int = 0) -> EventGrid:
        """From now on, have Event Grid deliver each event to a URL, until the ``with`` ends. Raises NotValidated.

        Every so-manieth event is delivered twice.
        """
        grid = self._stack.enter_context(EventGrid(url, twice_every=twice_every))
        self.on_event(grid.publish)
        return grid

    def on_call(self, callback: Callable[[Call], None]) -> None:
        """Have each call told before its answer goes out."""
        self.service.after.append(callback)

    def before_call(self, callback: Callable[[Request], None]) -> None:
        """Have each request told before anything is done about it."""
        self.service.before.append(callback)
