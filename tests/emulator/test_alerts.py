"""Alerts of Azure Monitor: the emulator posts what the app reads."""

import json

import pytest

from dispatch.monitor.reading import read_alert
from emulator import Azure, ErrorResponse
from mlevents.testing import Answer, RecordingServer, Request


def test_an_alert_fires_and_is_resolved(azure: Azure) -> None:
    """With one id; the app reads both as it reads those of Azure Monitor."""
    with RecordingServer(Answer(200, b"recorded\n")) as server:
        azure.alerts.deliver_to(server.url("/api/monitor_alert"))
        assert azure.alerts.fire("churn-5xx", endpoint="churn", value=31, threshold=5) == "recorded"
        azure.clock.forward(minutes=9)
        azure.alerts.fire("churn-5xx", endpoint="churn", value=0, threshold=5, resolved=True)
        azure.alerts.fire("failed-runs")
    fired, resolved, other = [read_alert(json.loads(request.body)) for request in server.requests]
    assert (fired.id == resolved.id, fired.id == other.id) == (True, False)
    assert (fired.is_resolved, resolved.is_resolved) == (False, True)
    [event] = resolved.events()
    assert event.view()["data"]["reason"] == "RequestsPerMinute is 0, no longer above 5 (Average of 5 minutes)"
    assert event.view()["data"]["firedAt"] == fired.events()[0].view()["data"]["firedAt"]
    assert other.events()[0].object == "churn-prod"


def test_an_alert_that_is_not_received_is_an_error(azure: Azure) -> None:
    with pytest.raises(ErrorResponse, match="no function monitor_alert"):
        azure.alerts.fire("a")
    azure.alerts.deliver_to("http://127.0.0.1:1/api/monitor_alert")
    with pytest.raises(ErrorResponse, match="did not answer"):
        azure.alerts.fire("a")

    def refuse(_: Request) -> Answer:
        return Answer(400, b"no")

    with RecordingServer(refuse) as server:
        azure.alerts.deliver_to(server.url())
        with pytest.raises(ErrorResponse, match="answered 400: no"):
            azure.alerts.fire("a")
