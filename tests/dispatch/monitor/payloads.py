"""Payloads of alerts in every form that Azure Monitor documents, about an Azure ML workspace and its endpoints.

The forms are those of "Sample alert payloads" and "Noncommon alert schema definitions" on learn.microsoft.com.
"""

from typing import Any

SUBSCRIPTION = "/subscriptions/22222222-2222-2222-2222-222222222222"
WORKSPACE = (  # Azure Monitor writes ids of targets in lower case
    f"{SUBSCRIPTION}/resourcegroups/rg-ml-prod/providers/microsoft.machinelearningservices/workspaces/churn-prod"
)
ENDPOINT = f"{WORKSPACE}/onlineendpoints/churn"
DEPLOYMENT = f"{ENDPOINT}/deployments/blue"
LOGS = f"{SUBSCRIPTION}/resourcegroups/rg-ml-prod/providers/microsoft.operationalinsights/workspaces/log-ml"
FIRED, RESOLVED = "2026-11-22T09:30:24.3713213Z", "2026-11-22T09:52:16.2246313Z"
ID = f"{SUBSCRIPTION}/providers/Microsoft.AlertsManagement/alerts/5d0f3c1a-8e42-4b7d-9a61-c2f7e4d8b039"


def common(context: dict[str, Any], *targets: str, **essentials: Any) -> dict[str, Any]:
    """An alert in the common schema."""
    given = {
        "alertId": ID,
        "alertRule": "churn-alert",
        "severity": "Sev1",
        "signalType": "Metric",
        "monitorCondition": "Fired",
        "monitoringService": "Platform",
        "alertTargetIDs": list(targets or (WORKSPACE,)),
        "configurationItems": ["churn-prod"],
        "originAlertId": "22222222_rg-ml-prod_microsoft.insights_metricAlerts_churn-alert_-117781227",
        "firedDateTime": FIRED,
        "description": "Look at the endpoint",
        "essentialsVersion": "1.0",
        "alertContextVersion": "1.0",
    }
    data = {"essentials": given | essentials, "alertContext": context, "customProperties": {"team": "churn"}}
    return {"schemaId": "azureMonitorCommonAlertSchema", "data": data}


def metric(name: str, value: float, threshold: str = "0", **more: Any) -> dict[str, Any]:
    """The context of a metric alert."""
    criterion = {
        "metricName": name,
        "metricNamespace": "Microsoft.MachineLearningServices/workspaces",
        "operator": "GreaterThan",
        "threshold": threshold,
        "timeAggregation": "Total",
        "dimensions": [],
        "metricValue": value,
        "webTestName": None,
    }
    condition = {
        "windowSize": "PT1H",
        "allOf": [criterion | more],
        "windowStartTime": "2026-11-22T08:27:03.064Z",
        "windowEndTime": "2026-11-22T09:27:03.064Z",
    }
    return {"properties": None, "conditionType": "SingleResourceMultipleMetricCriteria", "condition": condition}


DIMENSIONS = [{"name": "deployment", "value": "blue"}, {"name": "statusCodeClass", "value": "5xx"}]
DYNAMIC = {
    "alertSensitivity": "Low",
    "failingPeriods": {"numberOfEvaluationPeriods": 4, "minFailingPeriodsToAlert": 4},
    "ignoreDataBefore": None,
}
LOG_V2 = {
    "properties": {"runbook": "churn"},
    "conditionType": "LogQueryCriteria",
    "condition": {
        "windowSize": "PT10M",
        "allOf": [
            {
                "searchQuery": "AmlOnlineEndpointTrafficLog | where ResponseCode startswith '5'",
                "metricMeasureColumn": None,
                "targetResourceTypes": "['Microsoft.MachineLearningServices/workspaces']",
                "operator": "GreaterThan",
                "threshold": "3",
                "timeAggregation": "Count",
                "dimensions": [
                    {"name": "_ResourceId", "value": ENDPOINT},
                    {"name": "XMSClientRequestId", "value": "a"},
                ],
                "metricValue": 12.0,
                "failingPeriods": {"numberOfEvaluationPeriods": 1, "minFailingPeriodsToAlert": 1},
                "linkToSearchResultsUI": "https://portal.azure.com#@t/blade/LogsBlade",
            }
        ],
        "windowStartTime": "2026-11-22T09:17:03Z",
        "windowEndTime": "2026-11-22T09:27:03Z",
    },
}
LOG_V1 = {
    "SearchQuery": "AmlComputeJobEvent\n| where EventType == 'JobFailed'",
    "SearchIntervalStartTimeUtc": "11/22/2026 9:15:24 AM",
    "SearchIntervalEndtimeUtc": "11/22/2026 9:30:24 AM",
    "ResultCount": 2,
    "SeverityDescription": "Warning",
    "WorkspaceId": "a0a0a0a0-bbbb-cccc-dddd-e1e1e1e1e1e1",
    "SearchIntervalDurationMin": "15",
    "SearchIntervalInMinutes": "15",
    "Threshold": 0,
    "Operator": "Greater Than",
    "Dimensions": [{"name": "_ResourceId", "value": WORKSPACE}],
    "SearchResults": {"tables": [{"name": "PrimaryResult", "columns": [], "rows": [["x", None]]}]},
    "IncludedSearchResults": "True",
    "AlertType": "Number of results",
}
ADMINISTRATIVE = {
    "authorization": {
        "action": "Microsoft.MachineLearningServices/workspaces/onlineEndpoints/delete",
        "scope": ENDPOINT,
    },
    "channels": "Operation",
    "claims": '{"name":"Alice Example","upn":"alice@example.com"}',
    "caller": "alice@example.com",
    "correlationId": "aaaa0000-bb11-2222-33cc-444444dddddd",
    "eventSource": "Administrative",
    "eventTimestamp": "2026-11-22T09:30:20.2917159+00:00",
    "eventDataId": "bbbbcccc-1111-dddd-2222-eeee3333ffff",
    "level": "Informational",
    "operationName": "Microsoft.MachineLearningServices/workspaces/onlineEndpoints/delete",
    "status": "Succeeded",
    "subStatus": "",
}
RESOURCE_HEALTH = {
    "channels": "Admin, Operation",
    "eventSource": "ResourceHealth",
    "eventTimestamp": "2026-11-22T09:30:20.074+00:00",
    "eventDataId": "cccc",
    "level": "Critical",
    "operationName": "Microsoft.Resourcehealth/healthevent/Activated/action",
    "properties": {
        "title": "Unavailable",
        "currentHealthStatus": "Unavailable",
        "previousHealthStatus": "Available",
        "type": "Downtime",
        "cause": "PlatformInitiated",
    },
    "status": "Active",
}
SERVICE_HEALTH = {
    "channels": 1,
    "eventSource": 2,
    "eventTimestamp": "2026-11-22T09:30:19.0312699+00:00",
    "level": 3,
    "operationName": "Microsoft.ServiceHealth/incident/action",
    "properties": {
        "title": "Azure Machine Learning - West Europe - Investigating",
        "service": "Azure Machine Learning",
        "region": "West Europe",
        "communication": "<p>…</p>",
        "trackingId": "ABC1-DEF",
        "stage": "Active",
    },
    "status": "Active",
}


def older_metric(status: str = "Activated", **context: Any) -> dict[str, Any]:
    """A metric alert outside of the common schema."""
    condition = metric("Failed Runs", 4.0)["condition"]
    given = {
        "timestamp": FIRED,
        "id": f"{SUBSCRIPTION}/resourceGroups/rg-ml-prod/providers/microsoft.insights/metricAlerts/failed-runs",
        "name": "failed-runs",
        "description": "",
        "conditionType": "SingleResourceMultipleMetricCriteria",
        "severity": "3",
        "condition": {name: condition[name] for name in ("windowSize", "allOf")},
        "resourceName": "churn-prod",
        "resourceType": "Microsoft.MachineLearningServices/workspaces",
        "resourceId": WORKSPACE,
        "portalLink": f"https://portal.azure.com/#resource{WORKSPACE}",
    }
    data = {"version": "2.0", "properties": {"team": "churn"}, "status": status, "context": given | context}
    return {"schemaId": "AzureMonitorMetricAlert", "data": data}


def older_activity(log: dict[str, Any], **more: Any) -> dict[str, Any]:
    """An activity log alert outside of the common schema."""
    data = {
        "status": "Activated",
        "context": {"activityLog": {**log, "resourceId": ENDPOINT, **more}},
        "properties": {},
    }
    return {"schemaId": "Microsoft.Insights/activityLogs", "data": data}


CLASSIC = {
    "status": "Resolved",
    "context": {
        "timestamp": RESOLVED,
        "id": f"{SUBSCRIPTION}/resourceGroups/rg-ml-prod/providers/microsoft.insights/alertrules/failed-runs",
        "name": "failed-runs",
        "conditionType": "Metric",
        "condition": {
            "metricName": "Failed Runs",
            "metricUnit": "Count",
            "metricValue": "0",
            "threshold": "3",
            "windowSize": "5",
            "timeAggregation": "Total",
            "operator": "GreaterThanOrEqual",
        },
        "resourceId": WORKSPACE,
    },
    "properties": {},
}
OLDER_LOG = {
    "SubscriptionId": "22222222-2222-2222-2222-222222222222",
    "AlertRuleName": "failed-jobs",
    "SearchQuery": "AmlComputeJobEvent | where EventType == 'JobFailed'",
    "SearchIntervalStartTimeUtc": "2026-11-22T09:15:24Z",
    "SearchIntervalEndtimeUtc": "2026-11-22T09:30:24Z",
    "AlertThresholdOperator": "Greater Than",
    "AlertThresholdValue": 0,
    "ResultCount": 2,
    "SearchIntervalInSeconds": 900,
    "Description": "Jobs fail",
    "Severity": "3",
    "SearchResult": {"tables": []},
    "WorkspaceId": "a0a0a0a0-bbbb-cccc-dddd-e1e1e1e1e1e1",
    "ResourceId": WORKSPACE,
    "AlertType": "Number of results",
    "Dimensions": [],
}
HTTP_5XX = metric("RequestsPerMinute", 31.5, "5", dimensions=DIMENSIONS, timeAggregation="Average")
BY_NAME: dict[str, dict[str, Any]] = {
    "metric": common(metric("Failed Runs", 4.0)),
    "metric resolved": common(metric("Failed Runs", 0.0), monitorCondition="Resolved", resolvedDateTime=RESOLVED),
    "metric with dimensions": common(HTTP_5XX, ENDPOINT),
    "dynamic metric": common(metric("RequestLatency_P95", 2310.55, "812.4", **DYNAMIC), DEPLOYMENT),
    "log v2": common(LOG_V2, LOGS, signalType="Log", monitoringService="Log Alerts V2"),
    "log v1": common(LOG_V1, LOGS, signalType="Log", monitoringService="Log Analytics"),
    "administrative": common(ADMINISTRATIVE, ENDPOINT, signalType="Activity Log"),
    "resource health": common(RESOURCE_HEALTH, signalType="Activity Log", monitoringService="Resource Health"),
    "resource health resolved": common(
        RESOURCE_HEALTH | {"status": "Resolved"}, signalType="Activity Log", monitoringService="Resource Health"
    ),
    "service health": common(SERVICE_HEALTH, signalType="Activity Log", monitoringService="ServiceHealth"),
    "older metric": older_metric(),
    "older metric resolved": older_metric("Deactivated", timestamp=RESOLVED),
    "classic metric resolved": CLASSIC,
    "older log": {"schemaId": "Microsoft.Insights/LogAlert", "data": OLDER_LOG},
    "older log without schema": OLDER_LOG,
    "older activity": older_activity(ADMINISTRATIVE),
    "older resource health resolved": older_activity(RESOURCE_HEALTH | {"status": "Resolved"}),
}
