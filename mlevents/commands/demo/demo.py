"""``mlevents demo``: the main jobs, as a user would see them; exit code 0 only if all of it is as it should be.

The app runs as `mlevents start` runs it, on free ports, with the rules in samples/rules. First, samples of events are
delivered over HTTP as Event Grid delivers them, and mails come of it. Then
mlevents/commands/demo/azure_ml.py: Azure ML, too, is there.
"""

import json
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
from rich.console import Console as Screen
from rich.markup import escape
from rich.table import Table

from dispatch.app import App
from dispatch.inbox.inbox import Inbox
from dispatch.inbox.keys import ActionId
from dispatch.inbox.rows import ActionRecord, EventRecord, Rejected
from mlevents.app_settings import LocalSettings
from mlevents.commands.demo.azure_ml import Story
from mlevents.console import Console, printable
from mlevents.local.app import LocalApp
from mlevents.local.mailbox import Mail
from mlevents.local.running import FAILURES
from schemas import ModelRegistered

FUNCTION = "azureml_event"
LONGEST = 120.0  # seconds until every action has settled; a second is usual
LINES_SHOWN = 12  # of each mail
WIDTH = 150  # characters, where there is no terminal that has one


@dataclass(frozen=True, slots=True)
class Delivery:
    """What Event Grid delivers, and what should come of it."""

    label: str
    event: Mapping[str, Any]
    actions: Mapping[str, str] = field(default_factory=dict)  # rule -> status
    mails: tuple[str, ...] = ()  # the beginnings of their subjects
    log: str = "event.received"  # what the app says of it


def deliveries(samples: Path) -> Iterator[Delivery]:
    """One event per type, a model monitor's breach, a duplicate, and what is malformed, foreign, or a CloudEvent."""
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


def demo(app: Path) -> int:
    """Run it, print what happened, and say whether all is as it should be; returns an exit code."""
    try:
        return _demo(app)
    except FAILURES as error:
        Console(sys.stdout).problem(str(error), getattr(error, "stack", ""))
        return 1


def _demo(app: Path) -> int:
    began = time.monotonic()
    screen = Screen(highlight=False, width=None if sys.stdout.isatty() else WIDTH)
    example = app / "local.settings.json.example"
    # Given as settings they go before the environment, whose storage account and mail server may be real ones.
    settings = {
        **LocalSettings.read(example).values,
        "MLEVENTS_RULES": "samples/rules",
        "EMAIL_ACS_ENDPOINT": "",
        "MLEVENTS_ARM_ENDPOINT": "",
        "AzureFunctionsJobHost__extensions__queues__maxPollingInterval": "00:00:00.5",  # host.json has five seconds
    }
    screen.print("Starting the function app, Azurite, a mailbox and a stand-in for Azure ML …")
    with LocalApp(app, settings=settings, settings_file=example, azure=True) as local:
        screen.print(f"Listening at {local.url} after {time.monotonic() - began:.1f} s. Delivering:\n")
        todo = list(deliveries(app / "samples"))
        answers = deliver(todo, local, screen)
        inbox = App.from_settings(local.environment, app).inbox
        unsettled = settle(local, inbox)
        histories = [inbox.history.day(day) for day in inbox.history.days()]
        events = {key: event for history in histories for key, event in history.events.items()}
        actions = [action for history in histories for action in history.actions]
        rejected = [one for history in histories for one in history.rejected]
        show_actions(events, actions, rejected, screen)
        show_mails(local.mails, screen)
        wrong = [*answers, *unsettled, *differences(todo, events, actions, local)]
        wrong += Story(local, screen).play()
        wrong += settle(local, inbox)
        histories = [inbox.history.day(day) for day in inbox.history.days()]
        counts = [sum(len(getattr(history, what)) for history in histories) for what in ("events", "actions")]
    for line in wrong:
        screen.print(f"[red]not as it should be:[/] {escape(line)}")
    verdict = "[red]failed" if wrong else "[green]all as it should be"
    screen.print(f"{counts[0]} events, {counts[1]} actions, {verdict}[/], {time.monotonic() - began:.1f} s")
    return 1 if wrong else 0


def deliver(todo: list[Delivery], local: LocalApp, screen: Screen) -> list[str]:
    """As Event Grid does: the handshake, then one event per request. Returns what was answered wrongly."""
    code = {"data": {"validationCode": "5C2A"}, "eventType": "Microsoft.EventGrid.SubscriptionValidationEvent"}
    answer = _post([code], "SubscriptionValidation", local)
    wrong = [] if answer.json() == {"validationResponse": "5C2A"} else [f"the handshake was answered {answer.text!r}"]
    for delivery in todo:
        answer = _post([delivery.event], "Notification", local)
        screen.print(f"  {answer.status_code}  {delivery.label}")
        if answer.status_code != 202:
            wrong.append(f"{delivery.label} was answered {answer.status_code} {answer.text}")
    screen.print()
    return wrong


def settle(local: LocalApp, inbox: Inbox) -> list[str]:
    """Wait until every action has ended. Returns, if they do not, that and what the app has printed."""
    try:
        local.wait(lambda: not any(inbox.backlog.open_actions(day) for day in inbox.history.days()), LONGEST, pause=0.2)
    except TimeoutError:
        return [f"not all actions have ended within {LONGEST:.0f} s", *local.lines]
    return []


def differences(
    todo: list[Delivery],
    events: Mapping[str, EventRecord],
    actions: list[tuple[ActionId, ActionRecord]],
    local: LocalApp,
) -> Iterator[str]:
    """What is not as the deliveries say, in words."""
    ends: dict[str, dict[str, str]] = {event.id: {} for event in events.values()}
    for id, record in actions:
        ends[events[id.event].id][id.rule] = record.status
    taken = [delivery for delivery in todo if delivery.log == "event.received"]
    for delivery in taken:
        found = ends.pop(str(delivery.event["id"]), None)
        if found != delivery.actions:
            yield f"{delivery.label}: {found} instead of {dict(delivery.actions)}"
    if ends:
        yield f"events that should not be there: {ends}"
    said = [record["name"] for record in local.records if record["name"].startswith("event.")]
    if said != [delivery.log for delivery in todo]:
        yield f"the app said {said}"
    subjects = [mail.subject for mail in local.mails]
    for beginning in (beginning for delivery in todo for beginning in delivery.mails):
        match = next((subject for subject in subjects if subject.startswith(beginning)), None)
        if match is None:
            yield f"no mail {beginning!r} arrived"
        else:
            subjects.remove(match)
    if subjects:
        yield f"mails that should not have arrived: {subjects}"


def show_actions(
    events: Mapping[str, EventRecord],
    actions: list[tuple[ActionId, ActionRecord]],
    rejected: list[Rejected],
    screen: Screen,
) -> None:
    """A row per action, and per event that was rejected; the time is from the event's receipt to the end."""
    table = Table("event", "rule", "handler", "outcome", "time", title="What came of them", title_justify="left")
    table.columns[1].no_wrap = table.columns[4].no_wrap = True
    colours = {"succeeded": "green", "skipped": "yellow"}
    for id, record in sorted(actions, key=lambda action: (events[action[0].event].received, action[1].started)):
        event = events[id.event]
        took = (record.timeline[-1].at - event.received).total_seconds()
        colour = colours.get(record.status, "red")
        outcome = f"[{colour}]{record.status}[/] {_short(record.note)}"
        table.add_row(f"{event.event_type} {_short(event.object)}", id.rule, record.handler, outcome, f"{took:.2f} s")
    for one in rejected:
        table.add_row(f"[yellow]rejected[/] {one.kind}", "", "", _short(one.reason, 300), "")
    screen.print(table)


def show_mails(mails: list[Mail], screen: Screen) -> None:
    """The headers and the first lines of what arrived."""
    for mail in mails:
        screen.rule(style="dim")
        headers = {"From": mail.message["From"], "To": mail.message["To"], "Subject": mail.subject}
        for name, value in headers.items():
            screen.print(f"[bold]{name}:[/] {_short(str(value), 200)}")
        for line in mail.text.splitlines()[:LINES_SHOWN]:
            screen.print(f"  {escape(printable(line))}")
    screen.rule(style="dim")


def _post(events: list[Mapping[str, Any]], kind: str, local: LocalApp) -> requests.Response:
    headers = {"aeg-event-type": kind, "Content-Type": "application/json; charset=utf-8"}
    return requests.post(local.url_of(FUNCTION), json=events, headers=headers, timeout=30)


def _malformed(event: Mapping[str, Any]) -> dict[str, Any]:
    data = {name: value for name, value in event["data"].items() if name != "modelName"}
    return {**event, "id": "malformed", "eventTime": "yesterday", "data": data}


def _foreign(event: Mapping[str, Any]) -> dict[str, Any]:
    return {**event, "id": "foreign", "topic": event["topic"].replace("churn-prod", "somebody-elses")}


def _cloud_event(event: Mapping[str, Any]) -> dict[str, Any]:
    names = {"topic": "source", "eventType": "type", "eventTime": "time"}
    kept = {names.get(name, name): value for name, value in event.items() if not name.endswith("Version")}
    return {"specversion": "1.0", **kept}


def _short(text: str, limit: int = 80) -> str:
    return escape(printable(text if len(text) <= limit else text[: limit - 1] + "…"))
