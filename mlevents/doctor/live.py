"""The live test: a real event through a real Event Grid to the deployed app, and a real mail.

A scratch resource group gets a custom topic and an event subscription of it to the app's function. A custom topic with
the schema of CloudEvents keeps the `source` that its publisher names, here a workspace, so that the app takes the event
as that workspace's (learn.microsoft.com, "CloudEvents v1.0 schema with Azure Event Grid"). The group is deleted at the
end, whatever happens; a second interruption prints the command that deletes it.

Sources: learn.microsoft.com/rest/api/eventgrid, "Topics - Create Or Update", "- List Shared Access Keys", "Topic Event
Subscriptions - Create Or Update"; "Resource Groups - Delete"; "Post to custom topic".
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import requests

from dispatch.inbox.errors import StorageError
from dispatch.inbox.history.records import StoredEvent, actions_of
from dispatch.inbox.keys import event_key
from handlers.azure.arm import Arm
from handlers.cloud_event import cloud_event
from mlevents.doctor.diagnosis import Diagnoses, Diagnosis, Group
from mlevents.doctor.function_app import FAILURES, FunctionApp, client, describe_failure
from mlevents.doctor.trial import Trial
from mlevents.record import Record
from mlevents.subscriptions.deployment import EVENT_GRID_VERSION
from mlevents.subscriptions.model import FUNCTION

GROUPS_VERSION = "2024-03-01"
TAG = "mlevents-doctor"

_GROUP = Group("live")
_PUBLISH = "2018-01-01"  # the API version of publishing


class _Failed(Exception):  # noqa: N818 - it carries a diagnosis out of a step
    """A step has failed, so that no later one can succeed."""

    def __init__(self, diagnosis: Diagnosis) -> None:
        super().__init__(diagnosis.what)
        self.diagnosis = diagnosis


@dataclass(frozen=True, slots=True)
class Pace:
    """How long a step may take, in seconds, and how it waits between two looks."""

    most: float = 300.0
    pause: float = 2.0
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic

    def until(self, look: Callable[[], Any]) -> Any:
        """What `look` returns, once it is true; None when the time is over."""
        end = self.clock() + self.most
        while not (found := look()):
            if self.clock() >= end:
                return None
            self.sleep(self.pause)
        return found


@dataclass(slots=True)
class Scratch:
    """The resource group of one test, with its topic."""

    subscription: str
    location: str
    name: str = field(default_factory=lambda: f"rg-{TAG}-{uuid4().hex[:8]}")
    groups: Arm = field(default_factory=lambda: client(GROUPS_VERSION))
    grid: Arm = field(default_factory=lambda: client(EVENT_GRID_VERSION))

    @property
    def id(self) -> str:
        """Its ARM id."""
        return f"/subscriptions/{self.subscription}/resourceGroups/{self.name}"

    @property
    def topic(self) -> str:
        """The ARM id of its topic."""
        return f"{self.id}/providers/Microsoft.EventGrid/topics/{self.name}"

    @property
    def command(self) -> str:
        """What deletes it."""
        return f"az group delete --yes --subscription {self.subscription} --name {self.name}"


def run(app: FunctionApp, record: Record, trial: Trial, pace: Pace, emit: Callable[[Diagnosis], None]) -> None:
    """Run the steps one after another, until one fails; then delete what was created. `emit` gets each diagnosis."""
    scratch = Scratch(app.id.split("/")[2], str(app.site.get("location") or "westeurope"))
    try:
        for each in _steps(app, record, trial, pace, scratch):
            emit(each)
    except _Failed as failure:
        emit(failure.diagnosis)
    finally:
        emit(_deleted(scratch, pace) or _GROUP.ok("the scratch resource group is deleted"))


def _steps(app: FunctionApp, record: Record, trial: Trial, pace: Pace, scratch: Scratch) -> Diagnoses:
    groups, grid = scratch.groups, scratch.grid
    with _step("creating a resource group", "your login needs the role Contributor on the app's subscription"):
        groups.put(scratch.id, {"location": scratch.location, "tags": {TAG: "live"}})
    yield _GROUP.ok(f"a scratch resource group is created in {scratch.location}")
    with _step("creating a topic", "register the provider: `az provider register -n Microsoft.EventGrid`"):
        body = {"location": scratch.location, "properties": {"inputSchema": "CloudEventSchemaV1_0"}}
        grid.put(scratch.topic, body)
        topic = _succeeded(grid, scratch.topic, "the topic", pace)
        key = str(grid.post(f"{scratch.topic}/listKeys")["key1"])
    with _step("subscribing the function", f"is the function {FUNCTION} published? Event Grid looks for it"):
        path = f"{scratch.topic}/eventSubscriptions/{TAG}"
        grid.put(path, {"properties": _subscription(app, trial)})
        _succeeded(grid, path, "the event subscription", pace)
    yield _GROUP.ok(f"a topic delivers to the function {FUNCTION}")
    _publish(str(topic["properties"]["endpoint"]), key, trial)
    yield _GROUP.ok(f"Event Grid has accepted an event of the type {type(trial.event).__name__}")
    yield from _followed(record, trial, pace)


def _subscription(app: FunctionApp, trial: Trial) -> dict[str, Any]:
    destination = {
        "endpointType": "AzureFunction",
        "properties": {"resourceId": f"{app.id}/functions/{FUNCTION}", "maxEventsPerBatch": 1},
    }
    return {
        "destination": destination,
        "eventDeliverySchema": "CloudEventSchemaV1_0",
        "filter": {"includedEventTypes": [trial.event.event_type]},
    }


def _succeeded(arm: Arm, path: str, what: str, pace: Pace) -> dict[str, Any]:
    """The resource, once it is created."""

    def look() -> dict[str, Any] | None:
        found = arm.get(path) or {}
        state = str((found.get("properties") or {}).get("provisioningState", ""))
        if state in ("Failed", "Canceled"):
            raise _Failed(_GROUP.error(f"{what} is {state}", path, "look at the activity log of the resource group"))
        return found if state == "Succeeded" else None

    found = pace.until(look)
    if found is None:
        raise _Failed(_GROUP.error(f"{what} is not ready after {pace.most:.0f} s", path, "try again"))
    return dict(found)


def _publish(endpoint: str, key: str, trial: Trial) -> None:
    headers = {"aeg-sas-key": key, "Content-Type": "application/cloudevents-batch+json; charset=utf-8"}
    try:
        answer = requests.post(
            endpoint, params={"api-version": _PUBLISH}, json=[cloud_event(trial.event)], headers=headers, timeout=30
        )
    except requests.RequestException as error:
        raise _Failed(_GROUP.error(f"the topic cannot be reached: {type(error).__name__}")) from None
    if answer.status_code != 200:
        text = f"the topic refused the event: HTTP {answer.status_code}"
        raise _Failed(_GROUP.error(text, to_do="try again; a new topic may need a minute"))


def _followed(record: Record, trial: Trial, pace: Pace) -> Diagnoses:
    """Wait for the event in the record, and for the end of the rule's action."""
    day, key = event_key(trial.event)

    def stored() -> StoredEvent | None:
        return record.app.inbox.history.event(day, key)

    with _step("reading the record", "the role Storage Table Data Reader on the storage account"):
        if pace.until(stored) is None:
            text = f"the event is not on record after {pace.most:.0f} s"
            to_do = "is the app running, and its storage that of its settings? `mlevents doctor --function-app …`"
            raise _Failed(_GROUP.error(text, to_do=f"{to_do}; rejected: `mlevents show {trial.event.id}`"))
        yield _GROUP.ok("the app has recorded the event")

        def ended() -> StoredEvent | None:
            found = stored()
            action = actions_of(found).get(trial.rule.name) if found else None
            return found if action and action.ended else None

        found = pace.until(ended) or stored()
    action = actions_of(found).get(trial.rule.name) if found else None
    where, show = f"rule {trial.rule.name}", f"`mlevents show {trial.event.id}` shows why"
    if action is None:
        yield _GROUP.error("the rule has no action: the app has other rules", where, "publish the rules of this folder")
    elif action.status == "succeeded":
        yield _GROUP.ok("the mail is accepted")
    else:
        yield _GROUP.error(f"the mail is not accepted: the action is {action.status}: {action.note}", where, show)


def _deleted(scratch: Scratch, pace: Pace) -> Diagnosis | None:
    """Delete the group, and wait until it is gone; a diagnosis if that fails, with what to do by oneself."""
    groups = scratch.groups
    try:
        if groups.get(scratch.id) is None:
            return None
        groups.delete(scratch.id)
        if pace.until(lambda: groups.get(scratch.id) is None):
            return None
        text = f"the resource group is not gone after {pace.most:.0f} s; Azure deletes it"
        return _GROUP.warning(text, scratch.name, f"if it stays: `{scratch.command}`")
    except FAILURES as error:
        text = f"the resource group cannot be deleted: {describe_failure(error)}"
        return _GROUP.error(text, scratch.name, f"`{scratch.command}`")
    except KeyboardInterrupt:
        print(f"interrupted: delete the resource group yourself: {scratch.command}")
        raise


@contextmanager
def _step(what: str, to_do: str) -> Iterator[None]:
    try:
        yield
    except (*FAILURES, StorageError) as error:
        text = str(error) if isinstance(error, StorageError) else describe_failure(error)
        raise _Failed(_GROUP.error(f"{what} failed: {text}", to_do=to_do)) from error
