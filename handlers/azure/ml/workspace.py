"""`AzureML`: one workspace of Azure Machine Learning."""

import logging
import os
import re
import warnings
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

from handlers.azure import cloud
from handlers.azure.arm import Arm
from handlers.azure.credential import credential
from handlers.azure.errors import QUOTA_HINT, explained
from handlers.azure.ml.resources import Model, ModelRef
from handlers.azure.transport import ONCE, Transport
from handlers.base import GiveUp
from schemas import WorkspaceId

if TYPE_CHECKING:
    from azure.ai.ml import MLClient
    from azure.core.credentials import TokenCredential

_ALL = "totalregional"  # as `_family` has it: the quota of a region, beside those of families


class AzureML:
    """One workspace. Shared by threads; makes no request before it is asked something.

    Methods raise azure.core's errors, and RetryLater or GiveUp where Azure ML's status does not say what is meant.
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
        self._registries: dict[str, MLClient] = {}

    @cached_property
    def client(self) -> "MLClient":
        """Microsoft's client for the workspace. The first in a process takes two or three seconds and 100 MB."""
        workspace = self.workspace
        names = (workspace.subscription, workspace.resource_group, workspace.name)
        return _client_class()(self.credential, *names, **self._options)

    def registry(self, name: str) -> "MLClient":
        """Microsoft's client for a registry, which must be asked where it is. Raises AzureError."""
        if name not in self._registries:
            self._registries[name] = _client_class()(self.credential, registry_name=name, **self._options)
        return self._registries[name]

    @property
    def _options(self) -> dict[str, Any]:
        quiet = {"show_progress": False, "enable_telemetry": False}
        return {**cloud.client_options(self.endpoint), **quiet, **ONCE, "transport": self.transport}

    def model(self, ref: ModelRef) -> Model | None:
        """A model version as it is now; None if there is none."""
        with explained():
            client = self.registry(ref.registry) if ref.registry else self.client
            try:
                return _model(client.models.get(ref.name, ref.version), ref)
            except ResourceNotFoundError:
                return None

    def other_versions(self, model: Model) -> Iterator[Model]:
        """The other versions of a model of this workspace, in no order; none if this is the newest.

        The newest is asked for first: mostly it is this one, and then there are no others to look through.
        """
        with explained():
            models, ref = self.client.models, model.ref
            from azure.ai.ml.exceptions import ValidationException

            with suppress(ValidationException):  # what the client makes of none, be they archived or not listed yet
                if models.get(ref.name, label="latest").version == ref.version:
                    return
            for other in models.list(name=ref.name):
                if (version := str(other.version)) != ref.version:
                    yield _model(other, ModelRef(ref.name, version, workspace=ref.workspace))

    @cached_property
    def location(self) -> str:
        """The region of the workspace. Raises LookupError if it is not said."""
        return str((self.arm.get(self.path) or {})["location"])

    def quota_problem(self, instance_type: str, instances: int) -> str:
        """Why there is no room for so many machines; empty if there is, or if the service does not tell.

        That it takes a fifth more than it runs, for upgrades, is left to the service: some machines are exempt from it.
        What is not in the answers (learn.microsoft.com/rest/api/azureml, "Usages - List" and "Virtual Machine Sizes -
        List") is no reason: the service says itself what it refuses.
        """
        try:
            location = self.location
            base = f"/subscriptions/{self.workspace.subscription}/providers/Microsoft.MachineLearningServices/locations"
            sizes = (self.arm.get(f"{base}/{location}/vmSizes") or {}).get("value", ())
            size = next(s for s in sizes if s["name"].casefold() == instance_type.casefold())
            family, needed = _family(size["family"]), int(size["vCPUs"]) * instances
            usages = list(self.arm.pages(f"{base}/{location}/usages"))
            full = next(u for u in usages if _family(u["name"]["value"]) in {family, _ALL} and _lacks(u, needed))
        except (HttpResponseError, GiveUp, LookupError, TypeError, ValueError, StopIteration):
            return ""
        return (
            f"no quota: {instances} of {instance_type} need {needed} cores, and in {location} {full['currentValue']} "
            f"of the {full['limit']} of {full['name']['value']} are in use; {QUOTA_HINT}"
        )


def connect(workspace: WorkspaceId) -> AzureML:
    """The gateway to a workspace, by the app's credential; one for each, so that connections and tokens are kept."""
    shared: Any = credential()  # to the type checker, no credential can be a key
    return _connected(workspace, cloud.arm_endpoint(), shared)


@cache
def _connected(workspace: WorkspaceId, endpoint: str, credential: Any) -> AzureML:
    return AzureML(workspace, endpoint, credential)


@cache
def _client_class() -> "type[MLClient]":
    with warnings.catch_warnings():  # marshmallow tells it some hundred times what it will have to change
        warnings.simplefilter("ignore")
        # The cloud that a client used is kept there, for child processes too; one that it does not know, such as a
        # stand-in, keeps it from being imported (azure/ai/ml/entities/_credentials.py). Ours is always named.
        os.environ.pop("AZUREML_CURRENT_CLOUD", None)
        from azure.ai.ml import MLClient
    for name, logger in list(logging.Logger.manager.loggerDict.items()):
        if name.startswith("azure.ai.ml") and isinstance(logger, logging.Logger):
            logger.handlers.clear()  # they print to stderr, past the app's own logging, that an endpoint exists
            logger.propagate = True
            # Its activity log reports as errors what is none: that something is not there, for example.
            logger.setLevel(logging.CRITICAL if "._telemetry" in name else logging.WARNING)
    return MLClient


def _model(found: Any, ref: ModelRef) -> Model:
    created = found.creation_context.created_at if found.creation_context else None
    if isinstance(created, str):
        created = datetime.fromisoformat(created)
    if created and not created.tzinfo:
        created = created.replace(tzinfo=UTC)
    return Model(ref, str(found.type or ""), dict(found.tags or {}), dict(found.properties or {}), created)


def _lacks(usage: dict[str, Any], needed: int) -> bool:
    """Is there not so much left of a quota? Below zero there is no limit."""
    return 0 <= int(usage["limit"]) < int(usage["currentValue"]) + needed


def _family(name: str) -> str:
    """What the service's two spellings have in common: standardDSv2Family, Standard DSv2 Family Cluster Dedicated …"""
    return re.sub(r"[\s_]|family|cluster|dedicated|vcpus", "", name.casefold())
