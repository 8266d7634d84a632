"""An event loop on a thread of its own."""

import asyncio

import pytest

from emulator.background import Background


def test_timeout_cancels_the_coroutine_and_waits_for_its_cleanup() -> None:
    """As at Ctrl-C."""
    log: list[str] = []

    async def slow() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            log.append("cleaned up")

    with Background() as background:
        with pytest.raises(TimeoutError):
            background.run(slow(), timeout=0.05)
        assert log == ["cleaned up"]


def test_exceptions_reach_the_caller() -> None:
    async def fail() -> None:
        raise LookupError("here")

    with Background() as background, pytest.raises(LookupError, match="here"):
        background.run(fail())
