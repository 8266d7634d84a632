"""The host prints calls of functions that fail."""

import asyncio
from pathlib import Path

import pytest

from mlevents.console import Console
from mlevents.local.host.functions import CallFailed, Function
from mlevents.local.host.host import Host
from mlevents.local.host.payloads import Payload, manual


class FailingHost(Host):
    """Every call fails with this message."""

    message = ""

    async def _call(self, function: Function, payload: Payload) -> None:
        raise CallFailed(self.message, "Traceback (most recent call last):\n  File ...")


def printed(message: str, *, verbose: bool = False) -> list[str]:
    async def call() -> list[str]:
        console = Console(verbose=verbose)
        host, function = FailingHost(Path(), console), Function("act", "1", {"type": "queueTrigger"})
        host.message = message
        with pytest.raises(CallFailed):
            await host.call(function, manual(function, ""))
        return [line[21:] for line in console.lines]

    return asyncio.run(call())


@pytest.mark.parametrize(
    "message", ["Unavailable: storage does not answer", "SettingsError: the app setting EMAIL_FROM is not set"]
)
def test_an_error_whose_sentence_says_it_all_is_one_line(message: str) -> None:
    """With --verbose, it has its stack trace."""
    assert printed(message) == [f"act failed: {message}"]
    assert len(printed(message, verbose=True)) == 3


def test_any_other_error_has_its_stack_trace() -> None:
    assert len(printed("LookupError: a")) == 3
