"""The sample events that the demo delivers, and the check of their effects."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from dispatch.inbox.keys import ActionId
from dispatch.inbox.rows import ActionRecord, EventRecord
from mlevents.console import Console
from mlevents.local.app import LocalApp
from schemas import ModelRegistered

FUNCTION = "azureml_event"


@dataclass(frozen=True, slots=True)
class Delivery:
    """An event as Event Grid delivers it, and its expected effects."""

    label: str
    event: Mapping[str, Any]
    actions: Mapping[str, str] = field(default_factory=dict)  # rule -> status
    mails: tuple[str, ...] = ()  # the beginnings of their subjects
    log: str = "event.received"  # the name of the app's log record


def deliveries(samples: Path) -> Iterator[Delivery]:
    """One event per type, a model monitor's breach, a duplicate, and a malformed, a foreign and a CloudEvent."""
    logged, mailed = {"log-everything": "succeeded"}, "succeeded"
    failed = {"mail-failed-runs": mailed, "log-mail-about-failed-runs": "succeeded", **logged}
    deployed = {"mail-deployments": mailed, "mail-everybody-about-deployments": "skipped", **logged}
    registered = {"mail-owner-of-production-model": mailed, **logged}
    completed, drift = {"mail-completed-training": mailed, **logged}, {"mail-drift": mailed, **logged}

    def sample(name: str) -> dict[str, Any]:
        [event] = json.loads((samples / f"{name}.json").read_text(encoding="utf-8"))
        return dict(event)

    model = sample("model_registered")
    yield Delivery("a run failed", sample("run_status_changed"), failed, ("churn-training failed in churn-prod",))
    yield Delivery("a run completed", sample("run_completed"), completed, ("[churn-prod] Run ",))
    yield Delivery("a model was registered", model, registered, ("churn 7 is registered for production",))
    yield Delivery("a model was deployed", sample("model_deployed"), deployed, ("[churn-prod] Models churn:7",))
    yield Delivery("data drifted (dataset monitor)", sample("dataset_drift_detected"), drift, ("[churn-prod] Drift",))
    yield Delivery("data drifted (model monitor)", sample("model_monitor_breach"), drift, ("[churn-prod] Drift",))
    yield Delivery("the failed run, delivered again", sample("run_status_changed"), log="event.duplicate")
    yield Delivery("a malformed event", _malformed(model), log="event.rejected")
    yield Delivery("an event of a foreign workspace", _foreign(model), log="event.rejected")
    cloud_event = _cloud_event(ModelRegistered.example(id="cloud-event", model_version="8").wire())
    yield Delivery("a CloudEvent", cloud_event, registered, ("churn 8 is registered for production",))


def deliver(todo: list[Delivery], local: LocalApp, console: Console) -> list[str]:
    """Deliver as Event Grid does: the handshake, then one event per request. Returns a line per unexpected answer."""
    code = {"data": {"validationCode": "5C2A"}, "eventType": "Microsoft.EventGrid.SubscriptionValidationEvent"}
    answer = _post([code], "SubscriptionValidation", local)
    errors = [] if answer.json() == {"validationResponse": "5C2A"} else [f"the handshake was answered {answer.text!r}"]
    for delivery in todo:
        answer = _post([delivery.event], "Notification", local)
        console.print(f"  {answer.status_code}  {delivery.label}")
        if answer.status_code != 202:
            errors.append(f"{delivery.label} was answered {answer.status_code} {answer.text}")
    console.print()
    return errors


def differences(
    todo: list[Delivery],
    events: Mapping[str, EventRecord],
    actions: list[tuple[ActionId, ActionRecord]],
    local: LocalApp,
) -> Iterator[str]:
    """A line for each effect that is not as the deliveries expect it: actions, log records and mails."""
    ends: dict[str, dict[str, str]] = {event.id: {} for event in events.values()}
    for id, record in actions:
        ends[events[id.event].id][id.rule] = record.status
    for delivery in todo:
        if delivery.log == "event.received":
            found = ends.pop(str(delivery.event["id"]), None)
            if found != delivery.actions:
                yield f"{delivery.label}: {found} instead of {dict(delivery.actions)}"
    if ends:
        yield f"unexpected events: {ends}"
    logged = [record["name"] for record in local.records if record["name"].startswith("event.")]
    if logged != [delivery.log for delivery in todo]:
        yield f"the app logged {logged}"
    subjects = [mail.subject for mail in local.mails]
    for beginning in (beginning for delivery in todo for beginning in delivery.mails):
        match = next((subject for subject in subjects if subject.startswith(beginning)), None)
        if match is None:
            yield f"no mail {beginning!r} arrived"
        else:
            subjects.remove(match)
    if subjects:
        yield f"unexpected mails: {subjects}"


def _post(events: list[Mapping[str, Any]], kind: str, local: LocalApp) -> requests.Response:
    headers = {"aeg-event-type": kind, "Content-Type": "application/json; charset=utf-8"}
    return requests.post(local.url_of(FUNCTION), json=events, headers=headers, timeout=30)


def _malformed(event: Mapping[str, Any]) -> dict[str, Any]:
    data = {name: value for name, value in event["data"].items() if name != "modelName"}
    return {**event, "id": "malformed", "eventTime": "yesterday", "data": data}


def _foreign(event: Mapping[str, Any]) -> dict[str, Any]:
    return {**event, "id": "foreign", "topic": event["topic"].replace("churn-prod", "foreign")}


def _cloud_event(event: Mapping[str, Any]) -> dict[str, Any]:
    names = {"topic": "source", "eventType": "type", "eventTime": "time"}
    kept = {names.get(name, name): value for name, value in event.items() if not name.endswith("Version")}
    return {"specversion": "1.0", **kept}
