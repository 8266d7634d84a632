"""What tests of every part share: a storage account on this machine."""

import os
from collections.abc import Iterator

import pytest

from emulator.background import Background
from mlevents.local.azurite import Azurite

MEASURED = "COVERAGE_PROCESS_CONFIG"  # in the environment of processes that coverage is to watch, too
_kept: dict[str, str] = {}


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
