"""A temporary certificate authority, and bundles that trust it."""

import os
import re
import ssl
from pathlib import Path

import certifi
import trustme

_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----")
_NAMES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")  # variables that name a bundle


class Authority:
    """Issues the certificate of localhost. Its key stays in memory."""

    def __init__(self) -> None:
        self._authority = trustme.CA()

    def server(self, *names: str) -> ssl.SSLContext:
        """A server's TLS context, with a certificate for localhost and these names."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._authority.issue_cert("localhost", "127.0.0.1", *names).configure_cert(context)
        return context

    def alone(self, folder: Path) -> Path:
        """Write a bundle with this authority only."""
        file = folder / "authority.pem"
        file.write_bytes(self._authority.cert_pem.bytes())
        return file

    def bundle(self, folder: Path) -> Path:
        """Write a bundle with this authority and those of the environment, the system and certifi."""
        found = [os.environ.get(name, "") for name in _NAMES]
        system = ssl.get_default_verify_paths().cafile or ""
        files = {Path(name).resolve() for name in (*found, system, certifi.where()) if name and Path(name).is_file()}
        # Without duplicates: most authorities are in several files, and every TLS context parses the whole bundle.
        others = {block for file in files for block in _PEM.findall(file.read_bytes())}
        bundle = folder / "authorities.pem"
        bundle.write_bytes(b"\n".join([self._authority.cert_pem.bytes(), *sorted(others)]))
        return bundle
