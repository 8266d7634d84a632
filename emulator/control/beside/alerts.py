"""Alerts of Azure Monitor, in the common alert schema, posted as an action group posts them.

Source: learn.microsoft.com, "Sample alert payloads". Ids of targets are in lower case, as Azure Monitor writes them.
An alert that is resolved has the id of the one that fired.
"""

from uuid import uuid4

import requests

from emulator.control.lookup import Lookup
from emulator.http.response import ErrorResponse
from emulator.state.state import Body, State

_TIMEOUT = 30  # seconds


class Alerts:
    """Fires and resolves alerts about workspaces and their endpoints. They need not exist."""

    def __init__(self, state: State, lookup: Lookup) -> None:
        self._state, self._lookup = state, lookup
        self._url = ""
        self._fired: dict[tuple[str, str], tuple[str, str]] = {}  # rule and target -> the id and when it fired
        self.all: list[Body] = []  # the payloads so far

    def deliver_to(self, url: str) -> None:
        """Post alerts to this URL from now on."""
        self._url = url

    def fire(  # noqa: PLR0913 - most are keywords that most calls leave out
        self,
        rule: str,
        *,
        endpoint: str | None = None,
        metric: str | None = None,
        value: float = 1.0,
        threshold: float = 0.0,
        severity: int = 1,
        resolved: bool = False,
        workspace: str | None = None,
    ) -> str:
        """Fire an alert, or resolve it; returns what the receiver has answered.

        Raises an error response if nothing receives alerts, or if it refuses this one.
        """
        scope = self._lookup.scope(workspace)
        target = f"{scope}/onlineEndpoints/{endpoint}" if endpoint else scope
        named = metric or ("RequestsPerMinute" if endpoint else "Failed Runs")
        with self._state.lock:
            now = self._state.clock.text()
            id, fired = self._fired.setdefault((rule, target.lower()), (str(uuid4()), now))
            if resolved:
                del self._fired[rule, target.lower()]
            essentials = {
                "alertId": f"/subscriptions/{scope.split('/')[2]}/providers/Microsoft.AlertsManagement/alerts/{id}",
                "alertRule": rule,
                "severity": f"Sev{severity}",
                "signalType": "Metric",
                "monitorCondition": "Resolved" if resolved else "Fired",
                "monitoringService": "Platform",
                "alertTargetIDs": [target.lower()],
                "firedDateTime": fired,
                **({"resolvedDateTime": now} if resolved else {}),
                "description": "",
                "essentialsVersion": "1.0",
                "alertContextVersion": "1.0",
            }
            payload = _common(essentials, named, value, threshold)
            self.all.append(payload)
        return self._post(payload)

    def _post(self, payload: Body) -> str:
        if not self._url:
            raise ErrorResponse(409, "NoReceiver", "The app has no function monitor_alert.")
        try:
            answer = requests.post(self._url, json=payload, timeout=_TIMEOUT)
        except requests.RequestException as error:
            raise ErrorResponse(502, "NotDelivered", f"The app did not answer: {type(error).__name__}") from error
        if not answer.ok:
            raise ErrorResponse(502, "NotDelivered", f"The app answered {answer.status_code}: {answer.text[:500]}")
        return answer.text.strip()


def _common(essentials: Body, metric: str, value: float, threshold: float) -> Body:
    criterion = {
        "metricName": metric,
        "metricNamespace": "Microsoft.MachineLearningServices/workspaces",
        "operator": "GreaterThan",
        "threshold": f"{threshold:g}",
        "timeAggregation": "Average",
        "dimensions": [],
        "metricValue": value,
    }
    context = {
        "properties": None,
        "conditionType": "SingleResourceMultipleMetricCriteria",
        "condition": {"windowSize": "PT5M", "allOf": [criterion]},
    }
    data = {"essentials": essentials, "alertContext": context, "customProperties": None}
    return {"schemaId": "azureMonitorCommonAlertSchema", "data": data}
