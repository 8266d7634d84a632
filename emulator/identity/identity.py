"""The managed-identity endpoint of App Service and Functions, for azure-identity's credentials.

learn.microsoft.com, "How to use managed identities for App Service and Azure Functions", section "REST endpoint
reference".
"""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

from emulator.identity.tokens import token

_UNKNOWN = "No User Assigned or Delegated Managed Identity found for specified ClientId/ResourceId/PrincipalId."


@dataclass
class IdentityEndpoint:
    """The endpoint: its requests, and the app settings that lead to it."""

    url: str = ""
    secret: str = field(default_factory=lambda: uuid4().hex)
    requests: list[dict[str, str]] = field(default_factory=list)
    clients: frozenset[str] | None = None  # client ids of user-assigned identities; None: any
    delay: float = 0  # seconds before each response, as on a cold instance

    @property
    def settings(self) -> dict[str, str]:
        """The settings that Azure adds to a function app with an identity."""
        return {"IDENTITY_ENDPOINT": self.url, "IDENTITY_HEADER": self.secret}

    def answer(self, query: dict[str, str], secret: str | None) -> tuple[int, dict[str, Any]]:
        """The status and body of the response."""
        if secret != self.secret or query.get("api-version") != "2019-08-01" or not query.get("resource"):
            return 400, {"statusCode": 400, "message": "the header, the api-version or the resource is invalid"}
        self.requests.append(query)
        time.sleep(self.delay)
        client = query.get("client_id")
        if client and self.clients is not None and client not in self.clients:
            return 400, {"statusCode": 400, "message": _UNKNOWN}
        resource, expires = query["resource"], str(int(time.time()) + 3_600)
        found = {"access_token": token(resource), "resource": resource, "token_type": "Bearer", "expires_on": expires}
        return 200, found | ({"client_id": client} if client else {})


@contextmanager
def identity_endpoint() -> Iterator[IdentityEndpoint]:
    """Run an endpoint within the ``with`` block."""
    endpoint = IdentityEndpoint()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            query = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
            status, body = endpoint.answer(query, self.headers["X-IDENTITY-HEADER"])
            text = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    endpoint.url = f"http://127.0.0.1:{server.server_port}/msi/token"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, name="identity-endpoint")
    thread.start()
    try:
        yield endpoint
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
