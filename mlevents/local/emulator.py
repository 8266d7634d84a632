"""Azure, for an app that runs on this machine: the stand-in, unless the settings name another."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from dispatch.settings import CONNECTION, Environment
from handlers.azure.cloud import SETTING
from handlers.azure.data_factory import FACTORY_ID
from schemas import WorkspaceId

if TYPE_CHECKING:
    from emulator import Azure

NOTE = "azure.json"  # in the folder of what is kept between runs: where the stand-in is, while it is
SECONDS = 2.0  # that its operations take, unless it is told otherwise
JOB_SECONDS = 10.0  # that its jobs take, unless it is told otherwise
POLL_MS = 500  # what clients are told to wait between two looks
CLUSTER = "cpu-cluster"  # a compute that each workspace has
TWICE_EVERY = 10  # every so-manieth event is delivered twice, as Event Grid may do with any


def is_meant(environment: Mapping[str, str]) -> bool:
    """Do the settings leave it open where Azure is? Else it is where they say."""
    return not Environment(environment).get(SETTING).strip()


@contextmanager
def standin(environment: Mapping[str, str]) -> "Iterator[Azure]":
    """A running one, with the workspaces that the settings name, and the app's storage account to upload to.

    Importing it takes a moment: hence only here.
    """
    from emulator import Azure

    with Azure(*workspaces(environment), storage=Environment(environment).get(CONNECTION)) as azure:
        azure.state.poll_ms = POLL_MS
        azure.operations.set_duration(seconds=SECONDS)
        azure.jobs.set_duration(seconds=JOB_SECONDS)
        for workspace in workspaces(environment) or (None,):
            azure.workspaces.add_compute(CLUSTER, workspace=workspace)
        for factory in factories(environment):
            azure.factories.declare(factory)
        yield azure


def factories(environment: Mapping[str, str]) -> tuple[str, ...]:
    """The data factories that settings for rules (RULES_...) name, each once."""
    named = (
        value.strip().rstrip("/") for name, value in sorted(environment.items()) if name.upper().startswith("RULES_")
    )
    return tuple({id.casefold(): id for id in named if FACTORY_ID.fullmatch(id)}.values())


def workspaces(environment: Mapping[str, str]) -> tuple[str, ...]:
    """The workspaces that settings for rules (RULES_...) name, each once, in the order of the settings' names."""
    found: dict[WorkspaceId, str] = {}
    for name, value in sorted(environment.items()):
        if name.upper().startswith("RULES_"):
            try:
                found.setdefault(WorkspaceId.parse(value.strip()), value.strip().rstrip("/"))
            except ValueError:
                continue
    return tuple(found.values())
