"""The output of child processes."""

import asyncio
from collections.abc import AsyncIterator


async def lines(stream: asyncio.StreamReader) -> AsyncIterator[str]:
    """The lines that a process prints. Bytes that are not UTF-8 are escaped; a very long line comes in pieces."""
    while True:
        try:
            line = await stream.readuntil()
        except asyncio.IncompleteReadError as end:
            line = end.partial
        except asyncio.LimitOverrunError as error:
            line = await stream.read(error.consumed)
        if not line:
            return
        yield line.decode(errors="backslashreplace").rstrip("\r\n")
