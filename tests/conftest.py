"""What tests of every part share: a storage account on this machine."""

from collections.abc import Iterator

import pytest

from mlevents.local.azurite import Azurite
from mlevents.local.background import Background


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
