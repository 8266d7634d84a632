"""The transport to storage, which all threads of a worker share."""

import logging
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Barrier, Thread

import pytest
from azure.core.rest import HttpRequest

from dispatch.inbox.transport import CONNECTIONS, PunctualTransport


def test_connections_of_all_threads_are_kept(caplog: pytest.LogCaptureFixture) -> None:
    """urllib3 closes a connection with a warning if its pool is full."""
    together, ports = Barrier(CONNECTIONS), set[int]()

    class Service(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            ports.add(self.client_address[1])
            together.wait(20)
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    class Server(ThreadingHTTPServer):
        request_queue_size = CONNECTIONS

    caplog.set_level(logging.DEBUG)
    with Server(("127.0.0.1", 0), Service) as server, closing(PunctualTransport()) as transport:
        Thread(target=server.serve_forever, daemon=True).start()
        request = HttpRequest("GET", f"http://127.0.0.1:{server.server_port}/")
        with ThreadPoolExecutor(CONNECTIONS) as threads:
            for _ in range(2):
                assert {answer.status_code for answer in threads.map(transport.send, [request] * CONNECTIONS)} == {204}
        server.shutdown()
        transport.close()
    assert len(ports) == CONNECTIONS
    assert not [record.message for record in caplog.records if "pool is full" in record.message]
