"""`MonitorAlert`: an alert of Azure Monitor, whatever the schema of its payload, and the events that it becomes."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from dispatch.monitor.conditions import Condition
from schemas import Event
from schemas.envelope import open_envelope
from schemas.events.monitor_alerts import AlertFired, AlertResolved
from schemas.fields import parse_time
from schemas.plain import read_plain

MOST_TARGETS = 50
_TARGET = re.compile(
    r"(/subscriptions/[^/]+/resourcegroups/[^/]+/providers/microsoft\.machinelearningservices/workspaces/[^/]+)"
    r"(?:/(?:onlineendpoints|batchendpoints)/([^/]+)(?:/deployments/([^/]+))?)?(?:/.*)?",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class MonitorAlert:
    """An alert: its rule and state, the ids of the resources that it is about, and its conditions.

    `id` is Azure Monitor's id of the alert, and that of the rule where a payload has no other. `at` is the time of the
    state.
    """

    id: str
    rule: str
    is_resolved: bool
    at: str
    targets: tuple[str, ...]
    fired_at: str = ""
    resolved_at: str = ""
    severity: str = ""
    signal: str = ""
    service: str = ""
    description: str = ""
    conditions: tuple[Condition, ...] = ()
    custom_properties: Mapping[str, str] = field(default_factory=dict)

    def events(self) -> list[Event]:
        """An event for each target that is an Azure ML workspace, or in one. Raises MalformedEvent.

        The id is a hash of the alert, its state and time, and the target: a repeated delivery becomes the same event.
        """
        found: dict[str, Event] = {}
        for target in self.targets[:MOST_TARGETS]:
            match = _TARGET.fullmatch(target.strip().rstrip("/"))
            if match:
                event = self._event(match[0], match[1], match[2] or "", match[3] or "")
                found.setdefault(event.id, event)
        return list(found.values())

    def _event(self, target: str, workspace: str, endpoint: str, deployment: str) -> Event:
        first = next(iter(self.conditions), Condition())
        parts = (self.id, self.rule, str(self.is_resolved), self.at, target, *(each.key for each in self.conditions))
        deployment = deployment or first.dimensions.get("deployment", "") if endpoint else ""
        data = {
            "alertId": self.id,
            "rule": self.rule,
            "severity": self.severity,
            "signal": self.signal,
            "service": self.service,
            "target": target,
            "endpoint": endpoint,
            "deployment": deployment,
            "firedAt": self.fired_at,
            "resolvedAt": self.resolved_at,
            "description": self.description,
            "reason": "; ".join(filter(None, (each.words(is_resolved=self.is_resolved) for each in self.conditions))),
            **first.fields,
            "customProperties": dict(self.custom_properties),
        }
        kind = AlertResolved if self.is_resolved else AlertFired
        raw: dict[str, Any] = {
            "id": f"alert-{sha256(chr(0).join(parts).casefold().encode('utf-8', 'replace')).hexdigest()[:32]}",
            "topic": workspace,
            "subject": target,
            "eventType": kind.type_name(),
            "eventTime": self.at,
            "data": {name: value for name, value in data.items() if value not in ("", None, {})},
            "dataVersion": "1",
            "metadataVersion": "1",
        }
        return kind.read(open_envelope(read_plain(raw)))


def is_time(text: str) -> bool:
    """Is it a time that an event can have?"""
    try:
        return bool(text) and parse_time(text) > datetime(1, 1, 2, tzinfo=UTC)
    except (ValueError, OverflowError):
        return False
