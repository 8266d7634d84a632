"""The loop in the background."""

import asyncio

import pytest

from emulator.background import Background


def test_what_takes_too_long_is_cancelled_and_cleans_up() -> None:
    """Before the caller goes on; so it is at Ctrl-C."""
    said: list[str] = []

    async def slow() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            said.append("cleaned up")

    with Background() as background:
        with pytest.raises(TimeoutError):
            background.run(slow(), timeout=0.05)
        assert said == ["cleaned up"]


def test_what_it_raises_is_raised() -> None:
    async def fail() -> None:
        raise LookupError("here")

    with Background() as background, pytest.raises(LookupError, match="here"):
        background.run(fail())
