"""Connections to SMTP servers within limits: on the whole conversation, and on the length of a reply.

smtplib's timeout is that of one read, and smtplib keeps all lines of a reply. A server that sends a byte now and then,
or lines without end, would keep a worker busy until the host kills it.
"""

import smtplib
import socket
from time import monotonic
from typing import Any

MAX_SECONDS = 120.0  # of a conversation, in which a server may delay each of some 60 replies
MAX_REPLY = 65_536  # bytes; a reply to EHLO, the longest, has about a thousand
_CHUNK = 16_384  # bytes that are sent or received at once


class _Replies:
    """The replies on a socket, as smtplib reads them. Raises OSError beyond a limit."""

    def __init__(self, connection: socket.socket, timeout: float, deadline: float) -> None:
        self._connection, self._timeout, self._deadline = connection, timeout, deadline
        self._buffer = b""
        self.left = MAX_REPLY  # bytes that the current reply may still have

    def readline(self, limit: int) -> bytes:
        """The next line; what there is of it, if the server closes the connection."""
        while b"\n" not in self._buffer and len(self._buffer) < min(limit, self.left + 1):
            self._connection.settimeout(_remaining(self._timeout, self._deadline))
            received = self._connection.recv(_CHUNK)
            if not received:
                break
            self._buffer += received
        end = self._buffer.find(b"\n") + 1 or len(self._buffer)
        line, self._buffer = self._buffer[:end], self._buffer[end:]
        self.left -= len(line)
        if len(line) >= limit or self.left < 0:
            raise OSError("the server's reply is too long")
        return line

    def close(self) -> None:
        """Nothing: smtplib closes the socket."""


class Connection(smtplib.SMTP):
    """A connection without encryption, or with STARTTLS."""

    def __init__(self, host: str, port: int, timeout: float, **more: Any) -> None:
        self._deadline = monotonic() + MAX_SECONDS
        super().__init__(host, port, timeout=timeout, **more)

    def getreply(self) -> tuple[int, bytes]:
        """Read a reply."""
        if self.file is None and self.sock is not None:
            self.file = _Replies(self.sock, self.timeout, self._deadline)
        if isinstance(self.file, _Replies):
            self.file.left = MAX_REPLY
        return super().getreply()

    def send(self, s: Any) -> None:
        """Send a command, or a message in chunks: the timeout of a TLS connection is that of a chunk."""
        data = s.encode(self.command_encoding) if isinstance(s, str) else s
        for start in range(0, len(data), _CHUNK):
            if self.sock is not None:
                self.sock.settimeout(_remaining(self.timeout, self._deadline))
            super().send(data[start : start + _CHUNK])


class TlsConnection(Connection, smtplib.SMTP_SSL):
    """A connection that is encrypted from the beginning."""


def _remaining(timeout: float, deadline: float) -> float:
    """The seconds that the next step may take. Raises TimeoutError after the deadline."""
    left = deadline - monotonic()
    if left <= 0:
        raise TimeoutError(f"the conversation timed out after {MAX_SECONDS:.0f} seconds")
    return min(timeout, left)
