"""Fixtures for all tests: a storage account on this machine, and rules about processes and coverage."""

import os
import platform
import subprocess
from collections.abc import Generator, Iterator

import pytest
from coverage import Coverage
from hypothesis import settings

from emulator.background import Background
from mlevents.local.azurite import Azurite

MEASURED = "COVERAGE_PROCESS_CONFIG"  # makes coverage measure child processes, too
# The same examples in every run, and no deadline, which would depend on the machine.
settings.register_profile("mlevents", deadline=None, derandomize=True, database=None)
settings.load_profile("mlevents")

# Without a credential, so that what would ask Azure fails at once: no test depends on who is signed in on a machine.
os.environ.setdefault("AZURE_TOKEN_CREDENTIALS", "EnvironmentCredential")

platform.processor()  # starts `uname` and caches its output, before tests that may start no process: the SDKs need it

SERVICES = {"azurite", "https_azurite", "azure"}  # fixtures: an Azurite process; an emulated Azure over HTTPS

# Folders whose tests run code of no package that is measured, or lines that the tests of each handler cover.
UNMEASURED = {"emulator", "gallery"}

_kept: dict[str, str] = {}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that use a service, for `make test-fast` to leave out, and those that measure no coverage."""
    for item in items:
        if SERVICES & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.services)
        if UNMEASURED & set(item.path.relative_to(item.config.rootpath).parts):
            item.add_marker(pytest.mark.no_cover)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say that the browser's tests were left out, where nothing else says so."""
    if "not browser" in str(config.getoption("markexpr")):
        terminalreporter.write_line("The tests in a browser were left out: `make test-browser` runs them.")


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
    """Measure the coverage of child processes in those tests only whose own coverage is measured."""
    if item.get_closest_marker("no_cover"):
        if MEASURED in os.environ:
            _kept[MEASURED] = os.environ.pop(MEASURED)
    else:
        os.environ.update(_kept)
        _kept.clear()


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Measure no coverage in tests with `no_cover`.

    pytest-cov has paused its own measurement. In a process of pytest-xdist two earlier ones then go on: that of each
    child process, and the one that pytest-cov starts before it knows that the process belongs to pytest-xdist.
    """
    stopped = []
    if item.get_closest_marker("no_cover"):
        while measuring := Coverage.current():
            measuring.stop()
            stopped.append(measuring)
    try:
        return (yield)
    finally:
        for measurement in reversed(stopped):
            measurement.start()


@pytest.fixture(scope="session")
def azurite() -> Iterator[Azurite]:
    """An Azurite in memory on free ports; it starts when the first test needs it."""
    with Background() as background:
        azurite = background.run(Azurite.start())
        yield azurite
        background.run(azurite.stop())


@pytest.fixture(scope="session")
def azurite_connection(azurite: Azurite) -> str:
    """Its connection string."""
    return azurite.connection_string
