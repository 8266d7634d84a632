"""A fake Azure DevOps for each test, and the handler of a rule that calls it."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from handlers.azure_devops.handler import AzureDevOps
from mlevents.testing.server import RecordingServer
from schemas import RunStatusChanged
from tests.handlers.azure_devops.fake import PAT, PROJECT, FakeAzureDevOps
from tests.kit.calls import Calls

EVENT = RunStatusChanged.example(run_id="brave_kiwi", experiment_name="churn", run_status="Failed")
MakeCalls = Callable[..., Calls]


@pytest.fixture
def fake() -> FakeAzureDevOps:
    """The state of the fake."""
    return FakeAzureDevOps()


@pytest.fixture
def server(fake: FakeAzureDevOps) -> Iterator[RecordingServer]:
    """The server of the fake."""
    with RecordingServer(fake) as server:
        yield server


@pytest.fixture
def calls(server: RecordingServer) -> MakeCalls:
    """A function that returns the calls of an action; its keywords are the settings of the rule."""

    def of(**settings: Any) -> Calls:
        given = {"organization": server.url("/acme"), "project": PROJECT, "allow_private": True, "pat": PAT, **settings}
        return Calls(AzureDevOps.model_validate(given), EVENT)

    return of
