"""The emulated Azure for an app that runs on this machine, unless the settings name another Azure."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from dispatch.settings import CONNECTION, Environment
from handlers.azure.cloud import SETTING
from handlers.azure.data_factory import FACTORY_ID, SYNAPSE_ID
from schemas import ResourceId, WorkspaceId
from schemas.events.blobs import StorageAccountId
from schemas.events.watched.base import RegistryId

if TYPE_CHECKING:
    from emulator import Azure

CERTIFICATES = "certificates"  # a folder beside it
NOTE = "azure.json"  # a file in the folder of Options: the emulator's address, while it runs
SECONDS = 2.0  # of its operations, by default
JOB_SECONDS = 10.0  # of its jobs, by default
POLL_MS = 500  # clients wait so long between two polls
CLUSTER = "cpu-cluster"  # a compute of each workspace
TWICE_EVERY = 10  # every tenth event is delivered twice, as Event Grid may do with any


def is_configured(environment: Mapping[str, str]) -> bool:
    """Do the settings select the emulator, by not naming an Azure Resource Manager?"""
    return not Environment(environment).get(SETTING).strip()


@contextmanager
def emulated_azure(environment: Mapping[str, str], folder: Path | None = None) -> "Iterator[Azure]":
    """A running emulator with the workspaces and factories that the settings name; it uploads to the app's storage.

    `folder` is for its certificates; by default, it is a temporary one.
    """
    from emulator import Azure  # takes a moment

    with Azure(*workspaces(environment), storage=Environment(environment).get(CONNECTION), folder=folder) as azure:
        azure.state.poll_ms = POLL_MS
        azure.operations.set_duration(seconds=SECONDS)
        azure.jobs.set_duration(seconds=JOB_SECONDS)
        for workspace in workspaces(environment) or (None,):
            azure.workspaces.add_compute(CLUSTER, workspace=workspace)
        for registry in registries(environment):
            azure.workspaces.add_registry(registry)
        for factory in factories(environment):
            azure.factories.declare(factory)
        for account in accounts(environment):
            azure.blobs.declare(account)
        yield azure


def factories(environment: Mapping[str, str]) -> tuple[str, ...]:
    """The ids of the data factories and Synapse workspaces in the settings for rules (RULES_…), each once."""
    ids = (value.rstrip("/") for value in _values(environment))
    return tuple({id.casefold(): id for id in ids if FACTORY_ID.fullmatch(id) or SYNAPSE_ID.fullmatch(id)}.values())


def registries(environment: Mapping[str, str]) -> tuple[str, ...]:
    """The ids of the registries in the settings for rules (RULES_…), each once."""
    return _ids(environment, RegistryId)


def workspaces(environment: Mapping[str, str]) -> tuple[str, ...]:
    """The ids of the workspaces in the settings for rules (RULES_…), each once, in the order of the settings' names."""
    return _ids(environment, WorkspaceId)


def accounts(environment: Mapping[str, str]) -> tuple[str, ...]:
    """The ids of the storage accounts in the settings for rules (RULES_…), likewise."""
    return _ids(environment, StorageAccountId)


def _ids(environment: Mapping[str, str], kind: type[ResourceId]) -> tuple[str, ...]:
    found: dict[ResourceId, str] = {}
    for value in _values(environment):
        with suppress(ValueError):
            found.setdefault(kind.parse(value), value.rstrip("/"))
    return tuple(found.values())


def _values(environment: Mapping[str, str]) -> list[str]:
    return [value.strip() for name, value in sorted(environment.items()) if name.upper().startswith("RULES_")]
