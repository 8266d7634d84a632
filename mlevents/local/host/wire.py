"""The messages between the host and its worker: each is a JSON object after its length in four bytes."""

import json
from asyncio import IncompleteReadError, StreamReader
from struct import Struct
from typing import Any, BinaryIO

_LENGTH = Struct("!I")


def pack(message: dict[str, Any]) -> bytes:
    """One message as bytes. A value that JSON does not know is written as its text."""
    body = json.dumps(message, default=str).encode("ascii")
    return _LENGTH.pack(len(body)) + body


def read(stream: BinaryIO) -> dict[str, Any] | None:
    """Wait for the next message; None when the other side has closed the connection."""
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    body = stream.read(*_LENGTH.unpack(head))
    return _unpack(body) if len(body) == _LENGTH.unpack(head)[0] else None


async def read_async(stream: StreamReader) -> dict[str, Any] | None:
    """As `read`, without blocking the loop."""
    try:
        head = await stream.readexactly(_LENGTH.size)
        return _unpack(await stream.readexactly(*_LENGTH.unpack(head)))
    except (IncompleteReadError, ConnectionError):
        return None


def _unpack(body: bytes) -> dict[str, Any]:
    message = json.loads(body)
    assert isinstance(message, dict)  # noqa: S101 - `pack` writes nothing else
    return message
