"""AlertFired and AlertResolved: an alert of Azure Monitor about a workspace, an endpoint or a deployment.

Azure Monitor sends no events: dispatch/monitor makes them of what an action group posts to the app.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field

from schemas.events.base import Event, EventData, Rows, short_name
from schemas.fields import Number, OptionalText, RequiredText, Text, Time
from schemas.links import endpoint_link, studio_link
from schemas.tags import Tags

_TARGET = (
    "/subscriptions/22222222-2222-2222-2222-222222222222/resourcegroups/rg-ml-prod"
    "/providers/microsoft.machinelearningservices/workspaces/churn-prod/onlineendpoints/churn"
)


class MonitorAlertData(EventData):
    """An alert, and the first of its conditions. `reason` says all of them in words.

    `signal` is what the alert rule watches: Metric, Log, or Activity Log, which the health of resources is part of.
    """

    alert_id: RequiredText
    rule: RequiredText
    severity: OptionalText = None
    signal: OptionalText = None
    service: OptionalText = None
    target: RequiredText
    endpoint: OptionalText = None
    deployment: OptionalText = None
    fired_at: Time = None
    resolved_at: Time = None
    description: OptionalText = None
    reason: Text = ""
    metric: OptionalText = None
    operator: OptionalText = None
    threshold: Number = None
    value: Number = None
    aggregation: OptionalText = None
    window: OptionalText = None
    dimensions: Tags = Field(default_factory=Tags)
    custom_properties: Tags = Field(default_factory=Tags)

    known_texts: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "severity": ("Sev0", "Sev1", "Sev2", "Sev3", "Sev4"),
        "signal": ("Metric", "Log", "Activity Log"),
    }


class MonitorAlert(Event):
    """An alert of Azure Monitor."""

    publisher = "Mlevents"
    from_azure = False
    facts = ("endpoint",)
    data: MonitorAlertData
    done: ClassVar[str]  # what happened to the alert, for headlines

    @property
    def object(self) -> str:
        """The endpoint's name; of an alert about a workspace as a whole, the workspace's."""
        return self.data.endpoint or self.resource.name

    @property
    def object_kind(self) -> str:
        """The alert rule: `latest_only` compares the states of one rule's alerts about the object."""
        return f"Alert {self.data.rule.casefold()}"

    @property
    def names(self) -> tuple[str, ...]:
        """The endpoint or the workspace, the alert rule and the deployment."""
        names = (self.object, self.data.rule, self.data.deployment)
        return tuple(dict.fromkeys(name for name in names if name))

    @property
    def label(self) -> str:
        """The alert rule, what became of it, and where."""
        return f"{short_name(self.data.rule)} {self.done}: {short_name(self.object)}"

    @property
    def about(self) -> str:
        """The alert rule and the endpoint or the workspace, so that mails that it fired and was resolved thread."""
        return f"alert {self.data.rule} about {self._object_in_words}"

    @property
    def headline(self) -> str:
        """The alert rule, what became of it, and where."""
        return f"Alert {short_name(self.data.rule)} {self.done}: {self._object_in_words}"

    @property
    def lead(self) -> tuple[str, ...]:
        """What is above which threshold, and how the rule describes itself."""
        return tuple(filter(None, (self.data.reason, self.data.description)))

    @property
    def rows(self) -> Rows:
        """The severity, the deployment, the dimensions and the alert."""
        data = self.data
        dimensions = ", ".join(f"{name} {value}" for name, value in data.dimensions.items())
        return (
            ("Severity", data.severity),
            ("Deployment", data.deployment),
            ("Dimensions", dimensions or None),
            ("Alert rule", data.rule),
        )

    @property
    def studio_url(self) -> str | None:
        """The link to the endpoint's page, or to the workspace's."""
        return endpoint_link(self.workspace, self.data.endpoint) if self.data.endpoint else studio_link(self.workspace)

    def fact_id(self, name: str) -> tuple[str, ...]:
        """The endpoint's name; empty for an alert about a workspace as a whole."""
        return (self.data.endpoint,) if self.data.endpoint else ()

    @property
    def _object_in_words(self) -> str:
        return f"{'endpoint' if self.data.endpoint else 'workspace'} {short_name(self.object)}"


_DATA: Mapping[str, Any] = {
    "alertId": "/subscriptions/22222222-2222-2222-2222-222222222222/providers/Microsoft.AlertsManagement"
    "/alerts/5d0f3c1a-8e42-4b7d-9a61-c2f7e4d8b039",
    "rule": "churn-5xx",
    "severity": "Sev1",
    "signal": "Metric",
    "service": "Platform",
    "target": _TARGET,
    "endpoint": "churn",
    "firedAt": "2026-11-22T09:30:24.371321Z",
    "description": "The endpoint answers 5xx",
    "reason": "RequestsPerMinute is 31.5, above 5 (Average of 5 minutes)",
    "metric": "RequestsPerMinute",
    "operator": "GreaterThan",
    "threshold": 5,
    "value": 31.5,
    "aggregation": "Average",
    "window": "PT5M",
    "dimensions": {"deployment": "blue", "statusCodeClass": "5xx"},
}


class AlertFired(MonitorAlert):
    """An alert of Azure Monitor fired."""

    done = "fired"
    example_fields: ClassVar[Mapping[str, Any]] = {
        "id": "alert-7c1e5a90b3d84f26a7e0d9c4b8f13265",
        "eventTime": "2026-11-22T09:30:24.371321Z",
        "subject": _TARGET,
        "data": _DATA,
    }

    @property
    def is_bad_news(self) -> bool:
        """It is."""
        return True


class AlertResolved(MonitorAlert):
    """What an alert of Azure Monitor reported is over."""

    done = "resolved"
    example_fields: ClassVar[Mapping[str, Any]] = {
        "id": "alert-e4b02d7f9c6148a5b1f36e8d0a957c42",
        "eventTime": "2026-11-22T09:52:16.224631Z",
        "subject": _TARGET,
        "data": {
            **_DATA,
            "resolvedAt": "2026-11-22T09:52:16.224631Z",
            "reason": "RequestsPerMinute is 0.2, no longer above 5 (Average of 5 minutes)",
            "value": 0.2,
        },
    }
