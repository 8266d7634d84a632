"""Resource Manager."""

import pytest
from azure.core.rest import HttpRequest

from handlers.azure.arm import is_same_server
from handlers.azure.transport import Transport
from handlers.base import GiveUp


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


@pytest.mark.parametrize("path", ["models/../versions/1", "models/.", "models/%2E%2e/versions/1", "models/.%2E?x=1"])
def test_path_with_dots_as_a_segment_is_not_requested(path: str) -> None:
    """Clients remove such segments: the path would be that of another resource."""
    request = HttpRequest("GET", f"https://management.azure.com/workspaces/w/{path}")
    with pytest.raises(GiveUp, match="a name that consists of dots cannot be part of a path"):
        Transport().send(request)
