"""Realistic events, one per type and the breach of a model monitor: docs, tests, the demo and samples/ share them."""

from collections.abc import Mapping
from typing import Any

from schemas.wire import WireModel, fold, respelled

_WORKSPACE = (
    "/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/rg-ml-prod"
    "/providers/Microsoft.MachineLearningServices/workspaces/churn-prod"
)
_RUN: Mapping[str, Any] = {
    "experimentId": "7b4c1f52-0d6e-4a83-9c1a-2f8e5d90b6a7",
    "experimentName": "churn-training",
    "runId": "plucky_lime_h3k8wq2v1n",
    "runType": "azureml.PipelineRun",
    "runTags": {
        "team": "churn",
        "stage": "production",
        "owner": "ml-team@example.com",
        "azureml.pipelineComponent": "pipelinerun",
    },
    "runProperties": {"azureml.runsource": "azureml.PipelineRun", "runSource": "SDK", "runType": "Schedule"},
}
_BREACH = (
    "The signal 'churn_monitor_data_drift' has failed due to one or more features violating metric thresholds.\n"
    "The feature names and their corresponding computed metric values violating the threshold are \n"
    """['{"group":"monthly_charges","metric_value":0.31,"metric_name":"NormalizedWassersteinDistance","""
    """"threshold_value":0.1}', '{"group":"contract_type","metric_value":0.17,"metric_name":"JensenShannonDistance","""
    """"threshold_value":0.1}']\n"""
)
# what differs from event to event; `example_of` adds what all have
_EVENTS: Mapping[str, Mapping[str, Any]] = {
    "RunCompleted": {
        "id": "0f6d3b1e-5c2a-5e84-b7d9-41a8c6e2f903",
        "eventTime": "2026-11-22T08:41:07.584103Z",
        "data": _RUN,
    },
    "RunStatusChanged": {
        "id": "c1a7e94d-2f60-5b38-9e15-7d04b8f3a6c2",
        "eventTime": "2026-11-22T09:12:44.723931Z",
        "data": {**_RUN, "runId": "brave_kiwi_t5m0xr7c4d", "runStatus": "Failed"},
    },
    "ModelRegistered": {
        "id": "5e92c0f7-8b41-4d6a-a3c8-90f1d7e4b265",
        "eventTime": "2026-11-22T08:42:30.535005Z",
        "data": {
            "modelName": "churn",
            "modelVersion": "7",
            "modelTags": {"stage": "production", "team": "churn", "endpoint": "churn"},
            "modelProperties": {"auc": "0.871"},
        },
    },
    "ModelDeployed": {
        "id": "e7b30d5c-14a9-4f82-8d61-c5a2f9076be4",
        "eventTime": "2026-11-22T08:55:12.467191Z",
        "data": {
            "serviceName": "churn",
            "serviceComputeType": "AKS",
            "modelIds": "churn:7,churn-features:3",
            "serviceTags": {"stage": "production", "team": "churn"},
            "serviceProperties": {},
        },
    },
    "DatasetDriftDetected": {
        "id": "93c6f8a2-d05e-4b17-9f24-6e8b1c7d3a50",
        "eventTime": "2026-11-22T03:00:21.902817Z",
        "data": {
            "dataDriftId": "4d0a9c1e-73b5-4f2c-8a66-9be1f0c7d215",
            "dataDriftName": "churn-drift",
            "runId": "4d0a9c1e-73b5-4f2c-8a66-9be1f0c7d215_1795316400000",
            "baseDatasetId": "a1e5d7c3-2b84-4d0f-b9a6-63c8e2f01d57",
            "targetDatasetId": "c8f2b6a4-9d13-4e75-8c50-17a4e9b3d682",
            "driftCoefficient": 0.4271,
            "startTime": "2026-11-15T00:00:00Z",
            "endTime": "2026-11-22T00:00:00Z",
        },
    },
}
_SUBJECTS: Mapping[str, str] = {
    "RunCompleted": "experiments/{experimentId}/runs/{runId}",
    "RunStatusChanged": "experiments/{experimentId}/runs/{runId}",
    "ModelRegistered": "models/{modelName}:{modelVersion}",
    "ModelDeployed": "endpoints/{serviceName}",
    "DatasetDriftDetected": "datadrift/{dataDriftId}/run/{runId}",
}

# what makes ``RunStatusChanged.example(**MODEL_MONITOR_BREACH)`` the event of a model monitor that found drift
MODEL_MONITOR_BREACH: Mapping[str, Any] = {
    "id": "b48e1d06-7c93-5f2a-a5d8-3e60c9f7b214",
    "event_time": "2026-11-22T04:18:53.310274Z",
    "experiment_id": "2e9a6d84-51c7-4b3f-8f0d-a7c4e1b95d36",
    "experiment_name": "churn-monitor",
    "run_id": "1f7c2a9e-64d8-4b05-9a3e-c82b6d0f5e17",
    "run_type": "azureml.StepRun",
    "run_tags": {
        "azureml.pipelinerunid": "d5b8f3c0-92e7-4a61-b0d4-6f1e7a3c8295",
        "azureml_modelmonitor_threshold_breached": _BREACH,
    },
    "run_properties": {"azureml.runsource": "azureml.StepRun", "stepType": "SparkStep"},
}


def example_of(
    event_type: str, envelope: tuple[str, ...], data: tuple[str, ...], changes: Mapping[str, Any]
) -> dict[str, Any]:
    """The plain data of an example with `changes` to the fields of its `envelope` and of its `data`, by any spelling.

    Raises TypeError for a name that is neither's.
    """
    fields = (*(name for name in envelope if name != "eventType"), *data)
    if unknown := [name for name in changes if fold(name) not in map(fold, fields)]:
        raise TypeError(f"an example of {event_type} has no {', '.join(unknown)}; it has {', '.join(fields)}")
    given = respelled(changes, fields)
    content = given.pop("data", _EVENTS[event_type]["data"])
    if isinstance(content, WireModel):
        content = content.wire()
    if isinstance(content, Mapping):
        content = respelled(content, data) | {name: given.pop(name) for name in data if name in given}
    return {
        **_EVENTS[event_type],
        "topic": _WORKSPACE,
        "subject": _subject(event_type, content),
        "eventType": f"Microsoft.MachineLearningServices.{event_type}",
        "data": content,
        "dataVersion": "2",
        "metadataVersion": "1",
        **given,
    }


def _subject(event_type: str, data: Any) -> str:
    try:
        return _SUBJECTS[event_type].format_map(data)
    except (KeyError, TypeError, ValueError):
        return ""
