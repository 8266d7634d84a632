"""The emulated Azure for an app that runs on this machine, unless the settings name another Azure."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from dispatch.rules.models import WORKSPACES_FILE
from dispatch.rules.reading.yaml import read
from dispatch.rules.workspaces_file import read_workspaces_file
from dispatch.settings import CONNECTION, Environment
from handlers.azure.cloud import SETTING
from handlers.azure.data_factory import FACTORY_ID, SYNAPSE_ID
from handlers.file_field import FOLDERS
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
def emulated_azure(
    environment: Mapping[str, str], folder: Path | None = None, app_dir: Path | None = None
) -> "Iterator[Azure]":
    """A running emulator with what the app's workspaces.yaml lists, and what the settings name (RULES_…).

    It uploads to the app's storage. `folder` is for its certificates; by default, it is a temporary one.
    """
    from emulator import Azure  # takes a moment

    ids = (*listed(app_dir, environment), *named(environment)) if app_dir else named(environment)
    own = of_kind(WorkspaceId, ids)
    with Azure(*own, storage=Environment(environment).get(CONNECTION), folder=folder) as azure:
        azure.state.poll_ms = POLL_MS
        azure.operations.set_duration(seconds=SECONDS)
        azure.jobs.set_duration(seconds=JOB_SECONDS)
        for workspace in own or (None,):
            azure.workspaces.add_compute(CLUSTER, workspace=workspace)
        for registry in of_kind(RegistryId, ids):
            azure.workspaces.add_registry(registry)
        for factory in factories(ids):
            azure.factories.declare(factory)
        for account in of_kind(StorageAccountId, ids):
            azure.blobs.declare(account)
        yield azure


def listed(app_dir: Path, environment: Mapping[str, str]) -> tuple[str, ...]:
    """The ids in the app's workspaces.yaml, in its order; none if the file is missing or has errors."""
    path = app_dir / Environment(environment).get("MLEVENTS_RULES", "rules") / WORKSPACES_FILE
    if not path.is_file():
        return ()
    file = read(path, path.name, environment)
    file.context[FOLDERS] = (path.parent, app_dir.absolute())
    found, _ = read_workspaces_file(file)
    return tuple(workspace.id.text for workspace in found or ())


def named(environment: Mapping[str, str]) -> tuple[str, ...]:
    """The values of the settings for rules (RULES_…), in the order of their names; some are ids."""
    return tuple(value.strip() for name, value in sorted(environment.items()) if name.upper().startswith("RULES_"))


def factories(values: Iterable[str]) -> tuple[str, ...]:
    """The ids of data factories and Synapse workspaces among the values, each once."""
    ids = (value.rstrip("/") for value in values)
    return tuple({id.casefold(): id for id in ids if FACTORY_ID.fullmatch(id) or SYNAPSE_ID.fullmatch(id)}.values())


def of_kind(kind: type[ResourceId], values: Iterable[str]) -> tuple[str, ...]:
    """The ids of this kind among the values, each once, in their order."""
    found: dict[ResourceId, str] = {}
    for value in values:
        with suppress(ValueError):
            found.setdefault(kind.parse(value), value.rstrip("/"))
    return tuple(found.values())
