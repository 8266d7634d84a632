"""`AzureML`: the client of one workspace of Azure Machine Learning."""

import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

from azure.core.exceptions import ResourceNotFoundError

from handlers.azure import cloud
from handlers.azure.arm import Arm
from handlers.azure.credential import credential
from handlers.azure.errors import translated_errors
from handlers.azure.ml.resources import Model, ModelRef
from handlers.azure.transport import ONCE, Transport
from schemas import WorkspaceId

if TYPE_CHECKING:
    from azure.ai.ml import MLClient
    from azure.core.credentials import TokenCredential


class AzureML:
    """One workspace; threads share it. Creating it sends no request.

    Every method raises AzureError of azure-core, RetryLater or GiveUp (handlers/azure/errors.py).
    """

    def __init__(
        self, workspace: WorkspaceId, endpoint: str, credential: "TokenCredential", transport: Transport | None = None
    ) -> None:
        self.workspace = workspace
        self.endpoint = endpoint
        self.credential = credential
        self.transport = transport or Transport()
        self.arm = Arm(endpoint, credential, self.transport)
        self.path = (
            f"/subscriptions/{workspace.subscription}/resourceGroups/{workspace.resource_group}"
            f"/providers/Microsoft.MachineLearningServices/workspaces/{workspace.name}"
        )
        self.services_url = ""  # of the workspace's own services, such as run history; known after the first request
        self._registries: dict[str, MLClient] = {}

    @cached_property
    def client(self) -> "MLClient":
        """azure-ai-ml's client of the workspace. The first in a process takes two or three seconds and 100 MB."""
        workspace = self.workspace
        names = (workspace.subscription, workspace.resource_group, workspace.name)
        return client_class()(self.credential, *names, **self._options)

    def registry(self, name: str) -> "MLClient":
        """azure-ai-ml's client of a registry. Its creation sends a request for the registry's location."""
        if name not in self._registries:
            self._registries[name] = client_class()(self.credential, registry_name=name, **self._options)
        return self._registries[name]

    @property
    def _options(self) -> dict[str, Any]:
        quiet = {"show_progress": False, "enable_telemetry": False}
        return {**cloud.client_options(self.endpoint), **quiet, **ONCE, "transport": self.transport}

    def model(self, ref: ModelRef) -> Model | None:
        """Read a model version; None if it does not exist."""
        with translated_errors():
            client = self.registry(ref.registry) if ref.registry else self.client
            try:
                return _model(client.models.get(ref.name, ref.version), ref)
            except ResourceNotFoundError:
                return None

    def other_versions(self, model: Model) -> Iterator[Model]:
        """The other versions of a model of this workspace, in no order; none if this version is the newest.

        Reads the newest version first: usually it is this one, and the others need not be listed.
        """
        with translated_errors():
            models, ref = self.client.models, model.ref
            from azure.ai.ml.exceptions import ValidationException

            with suppress(
                ValidationException
            ):  # the client's error if it finds none: all are archived, or not listed yet
                if models.get(ref.name, label="latest").version == ref.version:
                    return
            for other in models.list(name=ref.name):
                if (version := str(other.version)) != ref.version:
                    yield _model(other, ModelRef(ref.name, version, workspace=ref.workspace))

    @cached_property
    def location(self) -> str:
        """The region of the workspace. Raises LookupError if the service does not return it."""
        return str((self.arm.get(self.path) or {})["location"])


def connect(workspace: WorkspaceId) -> AzureML:
    """The client of a workspace, with the app's credential; always the same one, which keeps connections and tokens."""
    shared: Any = credential()  # Any: TokenCredential is not hashable to the type checker, and `cache` needs that
    return _connected(workspace, cloud.arm_endpoint(), shared)


@cache
def _connected(workspace: WorkspaceId, endpoint: str, credential: Any) -> AzureML:
    return AzureML(workspace, endpoint, credential)


@cache
def client_class() -> "type[MLClient]":
    """azure-ai-ml's client class. The first call in a process imports azure.ai.ml, and makes it quiet.

    Whatever else imports a part of azure.ai.ml calls this first.
    """
    with warnings.catch_warnings():  # marshmallow raises some hundred of them
        warnings.simplefilter("ignore")
        # A client leaves its cloud in the environment, also for child processes. azure-ai-ml cannot be imported with an
        # unknown one (azure/ai/ml/entities/_credentials.py), such as an emulator's. `client_options` names the cloud.
        os.environ.pop("AZUREML_CURRENT_CLOUD", None)
        from azure.ai.ml import MLClient
    for name, logger in list(logging.Logger.manager.loggerDict.items()):
        if name.startswith("azure.ai.ml") and isinstance(logger, logging.Logger):
            logger.handlers.clear()  # they write to stderr what the app's log has, too
            logger.propagate = True
            # Its activity log reports a missing resource as an error, for example, and it warns of its own classes.
            quiet = "._telemetry" in name or name.endswith("._experimental")
            logger.setLevel(logging.CRITICAL if quiet else logging.WARNING)
    for module in ("_blob_storage_helper", "_gen2_storage_helper"):
        # After an upload they print a colour and an empty line to stderr, whatever `show_progress` is.
        sys.modules[f"azure.ai.ml._artifacts.{module}"].print = _discard  # type: ignore[attr-defined]
    return MLClient


def _discard(*_: Any, **__: Any) -> None:
    """A `print` that prints nothing."""


def _model(found: Any, ref: ModelRef) -> Model:
    created = found.creation_context.created_at if found.creation_context else None
    if isinstance(created, str):
        created = datetime.fromisoformat(created)
    if created and not created.tzinfo:
        created = created.replace(tzinfo=UTC)
    return Model(ref, str(found.type or ""), dict(found.tags or {}), dict(found.properties or {}), created)
