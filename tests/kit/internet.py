"""`internet`: hosts of the internet that lead to servers of this machine, so that tests send what users' rules send."""

import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

_HTTPS = 443


@contextmanager
def internet(ports: Mapping[str, int]) -> Iterator[None]:
    """Let each of these hosts resolve to a public address, and connections to its port 443 to a port of this machine.

    Names that are not listed, beside those of this machine, do not resolve. Nothing leaves the machine.
    """
    addresses = {host: f"20.0.0.{number}" for number, host in enumerate(ports, 1)}
    targets = {(addresses[host], _HTTPS): ("127.0.0.1", port) for host, port in ports.items()}
    known = {*targets, *addresses.values(), "localhost", "127.0.0.1", "::1", "", None}
    resolve, connect = socket.getaddrinfo, socket.socket.connect

    def resolved(host: Any, *args: Any, **options: Any) -> Any:
        address = addresses.get(host, host)
        if address not in known:
            raise socket.gaierror(socket.EAI_NONAME, f"{host} is not in this test's internet")
        return resolve(address, *args, **options)

    def connected(self: socket.socket, address: Any) -> Any:
        return connect(self, targets.get(address, address))

    with patch.object(socket, "getaddrinfo", resolved), patch.object(socket.socket, "connect", connected):
        yield
