"""Requests that a page of another site can make a browser on this machine send."""

import json

import pytest
import requests

from tests.mlevents.local.triggers.conftest import Served, event


@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
@pytest.mark.parametrize("path", ["/", "/admin/functions", "/admin/functions/single", "/admin/host/status", "webhook"])
@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "localhost", "localhost:1", "localhost.evil.example:{port}", ""]
)
def test_a_request_for_another_host_is_refused(served: Served, method: str, path: str, host: str) -> None:
    """A page whose name resolves to 127.0.0.1 sends its own name."""
    port = served.local.url.rsplit(":", 1)[1]
    url = served.local.url_of("single") if path == "webhook" else served.local.url + path
    headers = {"Host": host.format(port=port), "aeg-event-type": "Notification", "Content-Type": "application/json"}
    answer = requests.request(method, url, json=[sent := event()], headers=headers, timeout=30)
    assert answer.status_code == 403
    assert answer.text.startswith(f"this host serves http://localhost:{port} only; the request's Host is '{host[:4]}")
    assert sent["id"] not in served.ids()


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "", "http://localhost", "https://localhost:{port}"])
def test_a_request_of_another_site_s_page_is_refused(served: Served, origin: str) -> None:
    port = served.local.url.rsplit(":", 1)[1]
    headers = {"Origin": origin.format(port=port)}
    posted = requests.post(
        f"{served.local.url}/admin/functions/single", json={"input": json.dumps(event())}, headers=headers, timeout=30
    )
    delivered = requests.post(
        served.local.url_of("single"),
        json=[event()],
        headers={**headers, "aeg-event-type": "Notification"},
        timeout=30,
    )
    for answer in (posted, delivered):
        assert answer.status_code == 403
        assert answer.text.startswith("this host refuses requests of other sites' pages; the request's Origin is '")


@pytest.mark.parametrize("name", ["localhost", "LOCALHOST", "127.0.0.1", "[::1]"])
def test_a_request_of_this_machine_is_accepted(served: Served, name: str) -> None:
    """With curl's default content type, too: no page can send the header aeg-event-type without a preflight."""
    own = f"{name}:{served.local.url.rsplit(':', 1)[1]}"
    headers = {
        "Host": own,
        "Origin": f"http://{own}",
        "aeg-event-type": "Notification",
        "Content-Type": "application/x-www-form-urlencoded",
    }
    answer = requests.post(served.local.url_of("single"), json.dumps([event()]), headers=headers, timeout=30)
    assert answer.status_code == 202


def test_a_preflight_gets_no_permission(served: Served) -> None:
    """Otherwise a page could send Event Grid's header."""
    headers = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "aeg-event-type"}
    answer = requests.options(served.local.url_of("single"), headers=headers, timeout=30)
    assert not [name for name in answer.headers if name.lower().startswith("access-control-")]
