"""Read an alert from what an action group posts: the common alert schema, and the older forms.

Sources, all on learn.microsoft.com: "Common alert schema", "Sample alert payloads", "Noncommon alert schema
definitions", and "Webhooks for activity log alerts".
"""

from collections.abc import Callable, Iterable, Mapping

from dispatch.monitor.alert import MonitorAlert, is_time
from dispatch.monitor.conditions import Condition, activity, at, criteria, pairs, search, text_at

_COMMON, _METRIC = "azuremonitorcommonalertschema", "azuremonitormetricalert"
_ACTIVITY, _LOG = "microsoft.insights/activitylogs", "microsoft.insights/logalert"
_RESOLVED = {"resolved", "deactivated"}
_RESOURCE_ID = "_ResourceId"  # a dimension of log alerts: the resource that the results are about


class NoAlert(ValueError):  # noqa: N818 - it says what is so
    """A payload is no alert of Azure Monitor; the message says what is missing."""


def read_alert(payload: Mapping[str, object]) -> MonitorAlert:
    """The alert in a payload. Raises NoAlert."""
    schema = text_at(payload, "schemaId").casefold()
    readers: dict[str, Callable[[object], MonitorAlert]] = {
        _COMMON: _common,
        _METRIC: _metric,
        _ACTIVITY: _activity,
        _LOG: _log,
    }
    if schema in readers:
        found = readers[schema](at(payload, "data"))
    elif schema:
        raise NoAlert(f"the schemaId {schema[:80]!r} is none of Azure Monitor's")
    elif at(payload, "AlertRuleName") is not None:
        found = _log(payload)
    elif at(payload, "context") is not None:
        found = _metric(payload)
    else:
        raise NoAlert("it has no schemaId, as alerts of Azure Monitor have")
    if not found.rule:
        raise NoAlert("it does not name its alert rule")
    if not is_time(found.at):
        raise NoAlert(f"it does not say when its alert {'was resolved' if found.is_resolved else 'fired'}")
    return found


def _common(data: object) -> MonitorAlert:
    essentials, context = at(data, "essentials"), at(data, "alertContext")
    is_activity = at(context, "operationName") is not None
    is_resolved = _is_over(at(essentials, "monitorCondition")) or (is_activity and _is_healthy(context))
    if at(context, "condition") is not None:
        conditions = criteria(at(context, "condition"))
    elif at(context, "SearchQuery") is not None:
        conditions = search(context)
    else:
        conditions = activity(context) if is_activity else ()
    fired, resolved = text_at(essentials, "firedDateTime"), text_at(essentials, "resolvedDateTime")
    rule = text_at(essentials, "alertRule")
    return MonitorAlert(
        id=text_at(essentials, "alertId") or text_at(essentials, "originAlertId") or rule,
        rule=rule,
        is_resolved=is_resolved,
        at=(resolved if is_resolved else "") or fired,
        targets=_targets(at(essentials, "alertTargetIDs"), conditions),
        fired_at=fired,
        resolved_at=resolved,
        severity=text_at(essentials, "severity"),
        signal=text_at(essentials, "signalType"),
        service=text_at(essentials, "monitoringService"),
        description=text_at(essentials, "description"),
        conditions=conditions,
        custom_properties=pairs(at(data, "customProperties"))
        or ({} if is_activity else pairs(at(context, "properties"))),
    )


def _metric(data: object) -> MonitorAlert:
    context = at(data, "context")
    condition = at(context, "condition")
    if condition is not None and at(condition, "allOf") is None:  # that of a classic alert
        condition = {"allOf": [condition], "windowSize": at(condition, "windowSize")}
    conditions, is_resolved, time = criteria(condition), _is_over(at(data, "status")), text_at(context, "timestamp")
    return MonitorAlert(
        id=text_at(context, "id") or text_at(context, "name"),
        rule=text_at(context, "name"),
        is_resolved=is_resolved,
        at=time,
        targets=_targets([at(context, "resourceId")], conditions),
        fired_at="" if is_resolved else time,
        resolved_at=time if is_resolved else "",
        severity=_severity(text_at(context, "severity")),
        signal="Metric",
        description=text_at(context, "description"),
        conditions=conditions,
        custom_properties=pairs(at(data, "properties")),
    )


def _activity(data: object) -> MonitorAlert:
    """An activity log says which operation ran; it does not name the alert rule, so the operation stands for it."""
    log = at(data, "context", "activityLog")
    is_resolved, time = _is_over(at(data, "status")) or _is_healthy(log), text_at(log, "eventTimestamp")
    return MonitorAlert(
        id=text_at(log, "eventDataId") or text_at(log, "correlationId") or text_at(log, "operationName"),
        rule=text_at(log, "operationName"),
        is_resolved=is_resolved,
        at=time,
        targets=_targets([at(log, "resourceId"), at(log, "authorization", "scope")], ()),
        fired_at="" if is_resolved else time,
        resolved_at=time if is_resolved else "",
        signal="Activity Log",
        service=text_at(log, "eventSource"),
        description=text_at(log, "description"),
        conditions=activity(log),
        custom_properties=pairs(at(data, "properties")),
    )


def _log(data: object) -> MonitorAlert:
    conditions, rule = search(data), text_at(data, "AlertRuleName")
    time = text_at(data, "SearchIntervalEndtimeUtc")
    return MonitorAlert(
        id="/".join(filter(None, (text_at(data, "SubscriptionId"), rule))),
        rule=rule,
        is_resolved=False,
        at=time,
        targets=_targets([at(data, "ResourceId")], conditions),
        fired_at=time,
        severity=_severity(text_at(data, "Severity")),
        signal="Log",
        description=text_at(data, "Description"),
        conditions=conditions,
    )


def _is_over(status: object) -> bool:
    return isinstance(status, str) and status.casefold() in _RESOLVED


def _is_healthy(log: object) -> bool:
    """Does an activity log about the health of a resource or a service say that the outage is over?"""
    ends = (text_at(log, "status"), text_at(log, "properties", "stage"))
    return bool(at(log, "properties", "currentHealthStatus") or at(log, "properties", "stage")) and any(
        map(_is_over, ends)
    )


def _severity(number: str) -> str:
    return f"Sev{number}" if number.isascii() and number.isdigit() else number


def _targets(listed: object, conditions: Iterable[Condition]) -> tuple[str, ...]:
    """The ids of the resources, those of the results of a log alert first."""
    own = [each.dimensions[_RESOURCE_ID] for each in conditions if _RESOURCE_ID in each.dimensions]
    given = [each for each in (listed if isinstance(listed, list) else []) if isinstance(each, str)]
    return tuple(dict.fromkeys([*own, *given]))
