"""A fake GitHub for each test, and the handler of a rule that calls it."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from handlers.github.handler import GitHub
from mlevents.testing.server import RecordingServer
from schemas import RunStatusChanged
from tests.handlers.github.fake import TOKEN, FakeGitHub
from tests.kit.calls import Calls

EVENT = RunStatusChanged.example(run_id="brave_kiwi", experiment_name="churn", run_status="Failed")
MakeCalls = Callable[..., Calls]


@pytest.fixture
def fake() -> FakeGitHub:
    """The state of the fake."""
    return FakeGitHub()


@pytest.fixture
def github(fake: FakeGitHub) -> Iterator[RecordingServer]:
    """The server of the fake."""
    with RecordingServer(fake) as server:
        yield server


@pytest.fixture
def calls(github: RecordingServer) -> MakeCalls:
    """A function that returns the calls of an action; its keywords are the settings of the rule."""

    def of(**settings: Any) -> Calls:
        login = {} if "app" in settings else {"token": TOKEN}
        given = {"repository": "acme/churn", "api": github.url(""), "allow_private": True, **login, **settings}
        return Calls(GitHub.model_validate(given), EVENT)

    return of
