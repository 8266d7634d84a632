"""The parts that the examples of events share, and the changes that make an example a model monitor's breach."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from schemas.wire import WireModel, fold, respelled

if TYPE_CHECKING:
    from schemas.events.base import Event, EventData

_WORKSPACE = (
    "/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/rg-ml-prod"
    "/providers/Microsoft.MachineLearningServices/workspaces/churn-prod"
)
_BREACH = (
    "The signal 'churn_monitor_data_drift' has failed due to one or more features violating metric thresholds.\n"
    "The feature names and their corresponding computed metric values violating the threshold are \n"
    """['{"group":"monthly_charges","metric_value":0.31,"metric_name":"NormalizedWassersteinDistance","""
    """"threshold_value":0.1}', '{"group":"contract_type","metric_value":0.17,"metric_name":"JensenShannonDistance","""
    """"threshold_value":0.1}']\n"""
)
# ``RunStatusChanged.example(**MODEL_MONITOR_BREACH)`` is the event of a model monitor that found drift.
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


def example_of(event: "type[Event]", changes: Mapping[str, Any]) -> dict[str, Any]:
    """The plain data of an event type's example with `changes` to fields of its envelope and data, in any spelling.

    Raises TypeError for an unknown field, and if the type has no example.
    """
    example, name = event.example_fields, event.__name__
    if not example:
        raise TypeError(f"{name} has no example")
    data = cast("type[EventData]", event.model_fields["data"].annotation).wire_names()
    fields = (*(field for field in event.wire_names() if field != "eventType"), *data)
    if unknown := [field for field in changes if fold(field) not in map(fold, fields)]:
        raise TypeError(f"an example of {name} has no {', '.join(unknown)}; it has {', '.join(fields)}")
    given = respelled(changes, fields)
    content = given.pop("data", example["data"])
    if isinstance(content, WireModel):
        content = content.wire()
    if isinstance(content, Mapping):
        content = respelled(content, data) | {name: given.pop(name) for name in data if name in given}
    subject = _subject(event.example_subject, content)
    shared = {"topic": _WORKSPACE, "subject": subject, "dataVersion": "2", "metadataVersion": "1"}
    return {**shared, "eventType": event.type_name(), **example, "data": content, **given}


def _subject(form: str, data: Any) -> str:
    try:
        return form.format_map(data)
    except (KeyError, TypeError, ValueError):
        return ""
