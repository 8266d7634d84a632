"""What tests of every part share: a storage account on this machine."""

import os
import subprocess
from collections.abc import Iterator

import pytest
from hypothesis import settings

from emulator.background import Background
from mlevents.local.azurite import Azurite

MEASURED = "COVERAGE_PROCESS_CONFIG"  # in the environment of processes that coverage is to watch, too
# The same examples on every run and machine, however busy it is.
settings.register_profile("mlevents", deadline=None, derandomize=True, database=None)
settings.load_profile("mlevents")

SERVICES = {"azurite", "azure"}  # fixtures: an Azurite process; an emulated Azure that listens over HTTPS

_kept: dict[str, str] = {}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that use a service, for `make test-fast` to leave out."""
    for item in items:
        if SERVICES & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.services)


@pytest.fixture(autouse=True)
def no_unmarked_process(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail a test that starts a process and is not marked as one that does."""
    if request.node.get_closest_marker("services") is None:
        monkeypatch.setattr(subprocess, "Popen", _Refused)


class _Refused:
    def __init__(self, command: object, *_: object, **__: object) -> None:
        pytest.fail(f"this test starts {command}: mark it with pytest.mark.services")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """What coverage does not watch in a test it does not watch in the processes either that the test starts."""
    if item.get_closest_marker("no_cover"):
        if MEASURED in os.environ:
            _kept[MEASURED] = os.environ.pop(MEASURED)
    else:
        os.environ.update(_kept)
        _kept.clear()


@pytest.fixture(scope="session")
def azurite() -> Iterator[Azurite]:
    """An Azurite on free ports, in memory, started when the first test asks for it."""
    with Background() as background:
        azurite = background.run(Azurite.start())
        yield azurite
        background.run(azurite.stop())


@pytest.fixture(scope="session")
def azurite_connection(azurite: Azurite) -> str:
    """Its connection string."""
    return azurite.connection_string
