"""Fixtures for handlers: a certificate authority that clients trust, and an environment without app settings."""

import os
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trustme

SetSettings = Callable[..., None]


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="session")
def server_tls(authority: trustme.CA) -> ssl.SSLContext:
    """The TLS settings of a server whose certificate is for localhost."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    return context


@pytest.fixture
def trusted(authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Make Python's ssl and requests trust the authority."""
    with authority.cert_pem.tempfile(dir=str(tmp_path)) as path:
        monkeypatch.setenv("SSL_CERT_FILE", path)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", path)
        yield


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> SetSettings:
    """A function that sets app settings; the machine's own settings for mail and identities are removed."""
    for name in [name for name in os.environ if name.upper().startswith(("EMAIL_", "IDENTITY_", "AZURE_CLIENT"))]:
        monkeypatch.delenv(name)

    def set_settings(**values: object) -> None:
        for name, value in values.items():
            monkeypatch.setenv(name, str(value))

    return set_settings
