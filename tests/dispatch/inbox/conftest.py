"""A table in memory with Azure's limits, and its inbox."""

import pytest

from dispatch.inbox.inbox import Inbox
from mlevents.testing.storage import AzureLimits, MemoryTable
from tests.kit.world import LEASE


@pytest.fixture
def table() -> AzureLimits:
    return AzureLimits(MemoryTable())


@pytest.fixture
def inbox(table: AzureLimits) -> Inbox:
    return Inbox(table, LEASE)
