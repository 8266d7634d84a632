"""Azurite and other services over HTTPS, which take tokens of Entra ID."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import jwt
import pytest
import trustme
from azure.core.credentials import AccessToken

from emulator.background import Background
from mlevents.local.azurite import Azurite, Certificate
from mlevents.testing.server import Answer, RecordingServer, Request


class Token:
    """A credential whose tokens have Entra ID's form: Azurite checks form, audience and lifetime."""

    def get_token(self, *scopes: str, **_: object) -> AccessToken:
        """A token for the service of a scope such as ``https://storage.azure.com/.default``."""
        now, [scope] = int(time.time()), scopes
        times = {"iat": now, "nbf": now - 60, "exp": now + 3600}
        claims = {"aud": scope.removesuffix("/.default"), "iss": "https://sts.windows.net/t/", **times}
        return AccessToken(jwt.encode(claims, "k" * 32), now + 3600)


@pytest.fixture
def token(monkeypatch: pytest.MonkeyPatch) -> Token:
    """The app's identity."""
    monkeypatch.setattr("handlers.azure.credential.credential", Token)
    return Token()


@contextmanager
def service(monkeypatch: pytest.MonkeyPatch, answer: Answer | Callable[[Request], Answer]) -> Iterator[RecordingServer]:
    """A server over HTTPS that requests trust."""
    with RecordingServer(answer, https=True) as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        yield server


@pytest.fixture(scope="session")
def entra_account(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    """An Azurite that takes tokens, with a certificate of `authority`."""
    folder = tmp_path_factory.mktemp("certificate")
    cert, key = folder / "cert.pem", folder / "key.pem"
    issued = authority.issue_cert("127.0.0.1")
    cert.write_bytes(b"".join(pem.bytes() for pem in issued.cert_chain_pems))
    key.write_bytes(issued.private_key_pem.bytes())
    with Background() as background:
        azurite = background.run(Azurite.start(certificate=Certificate(Path(cert), Path(key))))
        yield azurite
        background.run(azurite.stop())
