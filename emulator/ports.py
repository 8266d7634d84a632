"""Ports of this machine."""

import socket


class PortTaken(Exception):  # noqa: N818 - the port's state
    """A port is in use; the message has a hint."""


def listen(port: int, instead: str) -> socket.socket:
    """A listening socket on 127.0.0.1; port 0 is any free one. Raises PortTaken, whose message ends with `instead`."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
        listener.listen()
    except OSError as error:
        listener.close()
        raise PortTaken(f"cannot listen on port {port}: {error.strerror}; {instead}") from error
    return listener


def free(ports: tuple[int, ...]) -> bool:
    """Whether all these ports are free now."""
    try:
        for port in ports:
            listen(port, "").close()
    except PortTaken:
        return False
    return True
