"""Ports of this machine."""

import socket


class PortTaken(Exception):  # noqa: N818 - says what it is about
    """A port cannot be listened on; says why and what to do."""


def listen(port: int, instead: str) -> socket.socket:
    """A socket that listens on this machine only; port 0 is any free one. Raises PortTaken, advising `instead`."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
        listener.listen()
    except OSError as error:
        listener.close()
        raise PortTaken(f"port {port} cannot be listened on: {error.strerror}; {instead}") from error
    return listener


def free(ports: tuple[int, ...]) -> bool:
    """Can all these ports be listened on now?"""
    try:
        for port in ports:
            listen(port, "").close()
    except PortTaken:
        return False
    return True
