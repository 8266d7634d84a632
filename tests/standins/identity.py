"""The managed-identity endpoint of App Service and Functions, on loopback: real credentials get tokens from it.

learn.microsoft.com, "How to use managed identities for App Service and Azure Functions", section "REST endpoint
reference". Its tokens are JSON Web Tokens of the right form; nobody that checks signatures will take them.
"""

import base64
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


@dataclass
class IdentityEndpoint:
    """What it was asked for, and the app settings that lead to it."""

    url: str = ""
    secret: str = field(default_factory=lambda: uuid4().hex)
    asked: list[dict[str, str]] = field(default_factory=list)

    @property
    def settings(self) -> dict[str, str]:
        """What Azure sets in a function app that has an identity."""
        return {"IDENTITY_ENDPOINT": self.url, "IDENTITY_HEADER": self.secret}


def token(resource: str) -> str:
    """A token for a resource, of the form that Microsoft Entra ID gives."""
    now = int(time.time())
    claims = {
        "aud": resource.rstrip("/"),
        "iss": "https://sts.windows.net/33333333-3333-3333-3333-333333333333/",
        "iat": now,
        "nbf": now - 300,
        "exp": now + 3_600,
    }
    return ".".join(_encoded(part) for part in ({"alg": "RS256", "typ": "JWT"}, claims, {"not": "signed"}))


def _encoded(part: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")


@contextmanager
def identity_endpoint() -> Iterator[IdentityEndpoint]:
    """Runs one."""
    endpoint = IdentityEndpoint()

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            query = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
            if self.headers["X-IDENTITY-HEADER"] != endpoint.secret or query.get("api-version") != "2019-08-01":
                self.send_error(400)
                return
            endpoint.asked.append(query)
            body = {"access_token": token(query["resource"]), "resource": query["resource"], "token_type": "Bearer"}
            text = json.dumps(body | {"expires_on": str(int(time.time()) + 3_600)}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    endpoint.url = f"http://127.0.0.1:{server.server_port}/msi/token"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield endpoint
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
