"""Resource Manager."""

import pytest

from handlers.azure.arm import is_same_server


@pytest.mark.parametrize(
    ("url", "same"),
    [
        ("https://management.azure.com/x", True),
        ("https://management.azure.com:443/x", True),
        ("HTTPS://Management.Azure.com:443/x", True),
        ("http://management.azure.com:443/x", False),
        ("https://management.azure.com:8443/x", False),
        ("https://management.azure.com.example/x", False),
        ("https://management.azure.com@elsewhere.example/x", False),
        ("https://management.azure.com:x/x", False),
        ("/x", False),
    ],
)
def test_is_same_server_compares_scheme_host_and_port(url: str, same: bool) -> None:
    assert is_same_server(url, "https://management.azure.com") is same
