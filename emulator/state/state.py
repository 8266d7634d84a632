"""The state of the emulator: resources, operations, runs, events, plans and the clock."""

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from heapq import heappop, heappush
from itertools import count
from threading import RLock
from typing import Any
from uuid import uuid4

from emulator.http.response import ErrorResponse
from emulator.state import ids
from emulator.state.clock import Clock
from emulator.state.fault_plan import FaultPlan
from emulator.state.runs import FactoryRun, Run

Body = dict[str, Any]

OPERATION = "AzureAsyncOperationUri"  # a property of a resource, its last operation: Azure/azure-cli#30154
STATE = "state"  # in `Resource.hidden`: the provisioning state before a deletion


@dataclass
class Resource:
    """A resource, and what reads of it still show."""

    id: str
    body: Body
    previous: Body | None = None  # the body before the last update
    stale_reads: int = 0  # how many reads still show the previous body
    late_reads: int = 0  # how many reads still do not find it
    hidden: dict[str, str] = field(default_factory=dict)  # what no response shows, such as logs

    @property
    def properties(self) -> Body:
        """The properties in the body."""
        found: Body = self.body.setdefault("properties", {})
        return found

    @property
    def state(self) -> str:
        """The provisioning state; empty without one."""
        return str(self.properties.get("provisioningState", ""))


@dataclass
class Operation:
    """A long-running operation."""

    id: str
    resource: str  # id in lower case
    verb: str  # the provisioning state meanwhile: Creating, Updating, Deleting
    end: Callable[[], None]
    started: datetime
    error: ErrorResponse | None = None  # how it fails; None: it succeeds
    polls: int = 0  # how many more polls find it in progress
    due: datetime | None = None  # when it ends, if not by polls
    status_only: bool = False  # reads of the resource are no polls
    status: str = "InProgress"
    ended: datetime | None = None


class State:
    """Everything that the emulator serves. Hold `lock` to read or change it."""

    def __init__(self) -> None:
        self.lock = RLock()
        self.clock = Clock()
        self.plan = FaultPlan()
        self.url = ""  # of the server
        self.storage = ""  # connection string of the storage account for uploads
        self.poll_ms = 20  # the pause between polls that responses ask for
        self.async_header = True  # responses have Azure-AsyncOperation; else Location alone
        self.page = 100  # items on a page of a list
        self.operations: dict[str, Operation] = {}
        self.registries: dict[str, str] = {}  # ids by name in lower case
        self.quotas: dict[str, tuple[int, int]] = {}  # cores by family in lower case: the limit, and the use by others
        self.events: list[Body] = []
        self.listeners: list[Callable[[Body], None]] = []  # called with each event
        self.runs: dict[str, Run] = {}  # by the id of their job, in lower case
        self.factory_runs: list[FactoryRun] = []  # of Data Factory, the oldest first
        self._resources: dict[str, Resource] = {}
        self._deleted: dict[str, Resource] = {}  # stale reads still find these
        self._unpublished: list[Body] = []
        self._planned: list[tuple[datetime, int, Callable[[], None]]] = []  # a heap
        self._numbers = count()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Hold the lock, and then pass the events that were raised to the listeners."""
        with self.lock:
            yield
            unpublished, self._unpublished = self._unpublished, []
        for event in unpublished:
            for listener in self.listeners:
                listener(event)

    def raise_event(self, event: Body) -> None:
        """Record an event; the end of the transaction publishes it."""
        self.events.append(event)
        self._unpublished.append(event)

    def find(self, id: str) -> Resource | None:
        """A resource by its id, which ignores case; None if it does not exist."""
        return self._resources.get(id.lower())

    def require(self, id: str) -> Resource:
        """A resource by its id. Raises Resource Manager's error response (404) if it does not exist."""
        if found := self.find(id):
            return found
        group = id.split("/")[4] if id.count("/") > 4 else ""
        name = f"{ids.type_of(id)}/{'/'.join(id.partition('/providers/')[2].split('/')[2::2])}"
        text = f"The Resource '{name}' under resource group '{group}' was not found."
        raise ErrorResponse(404, "ResourceNotFound", text)

    def read(self, id: str) -> Body:
        """The answer to a GET, which is stale or missing as planned, and counts as a poll of the resource's operation.

        Raises an error response (404) if it does not exist.
        """
        if self.find(id) is None and (deleted := self._deleted.get(id.lower())) and deleted.stale_reads:
            deleted.stale_reads -= 1
            return copy.deepcopy(deleted.body)
        found = self.require(id)
        if found.late_reads:
            found.late_reads -= 1
            raise ErrorResponse(404, "ResourceNotFound", f"The Resource '{id}' was not found.")
        if (running := self.running(id)) and not running.status_only:
            self.poll(running)
        found = self.require(id)
        if found.stale_reads and found.previous is not None:
            found.stale_reads -= 1
            return copy.deepcopy(found.previous)
        return copy.deepcopy(found.body)

    def listed(self, resource: Resource) -> Body:
        """The resource in a list: stale as in a read, but without counting as a read or poll."""
        stale = resource.stale_reads and resource.previous is not None
        return copy.deepcopy(resource.previous if stale and resource.previous else resource.body)

    def children(self, parent: str, kind: str) -> list[Resource]:
        """The direct children of a resource of one kind, the oldest first."""
        prefix = f"{parent}/{kind}/".lower()
        return [r for id, r in self._resources.items() if id.startswith(prefix) and "/" not in id[len(prefix) :]]

    def all(self) -> list[Resource]:
        """Every resource, the oldest first."""
        return [*self._resources.values()]

    def of_type(self, type: str) -> list[Resource]:
        """Every resource of a type, in all workspaces."""
        return [r for r in self._resources.values() if ids.type_of(r.id).lower() == f"{ids.PROVIDER}/{type}".lower()]

    def add(self, id: str, body: Body) -> Resource:
        """Create a resource, with the members that every resource has; reads may be late as planned."""
        now = self.clock.text()
        by = {"createdBy": "mlevents", "createdByType": "Application", "createdAt": now}
        system = {**by, "lastModifiedAt": now, "lastModifiedBy": "mlevents", "lastModifiedByType": "Application"}
        whole = {"id": id, "name": ids.name_of(id), "type": ids.type_of(id), **_cleaned(body), "systemData": system}
        self._resources[id.lower()] = created = Resource(id, whole, late_reads=self.plan.late_reads(id))
        return created

    def replace(self, id: str, body: Body) -> Resource:
        """Replace a resource's body; reads may be stale as planned. Raises an error response (404) if it is missing."""
        found = self.require(id)
        found.previous, found.stale_reads = found.body, self.plan.stale_reads(id)
        kept = {name: found.body[name] for name in ("id", "name", "type")}
        system = {**found.body["systemData"], "lastModifiedAt": self.clock.text()}
        found.body = {**kept, **_cleaned(body), "systemData": system}
        if operation := (found.previous.get("properties", {}).get("properties") or {}).get(OPERATION):
            found.properties["properties"] = {**(found.properties.get("properties") or {}), OPERATION: operation}
        return found

    def remove(self, id: str) -> None:
        """Delete a resource and its descendants, and cancel their operations; reads may be stale as planned."""
        key = id.lower()
        for found in [found for found in self._resources if found == key or found.startswith(f"{key}/")]:
            deleted = self._deleted[found] = self._resources.pop(found)
            deleted.stale_reads = self.plan.stale_reads(found)
            if state := deleted.hidden.get(STATE):
                deleted.properties["provisioningState"] = state
        for operation in self.operations.values():
            if operation.status == "InProgress" and f"{operation.resource}/".startswith(f"{key}/"):
                operation.status = "Canceled"

    def running(self, id: str) -> Operation | None:
        """The operation in progress on a resource; completes what is due first."""
        self.complete_due()
        key = id.lower()
        return next((o for o in self.operations.values() if o.status == "InProgress" and o.resource == key), None)

    def begin(
        self, id: str, method: str, verb: str, end: Callable[[], None], error: ErrorResponse | None = None
    ) -> Operation:
        """Start an operation on a resource, for as long as planned; `end` is called once, perhaps at once."""
        duration, now = self.plan.duration(method, id), self.clock()
        due = None if duration.seconds is None else now + timedelta(seconds=duration.seconds)
        operation = Operation(
            str(uuid4()), id.lower(), verb, end, now, error, duration.polls, due, duration.status_only
        )
        self.operations[operation.id] = operation
        if due is None and not duration.polls:
            self._complete(operation)
        return operation

    def poll(self, operation: Operation) -> None:
        """Count a poll of an operation, which may complete it."""
        self.complete_due()
        if operation.status != "InProgress" or operation.due is not None:
            return
        if operation.polls:
            operation.polls -= 1
        else:
            self._complete(operation)

    def schedule(self, at: datetime, step: Callable[[], None]) -> None:
        """Call `step` at a time, with the clock at that time."""
        heappush(self._planned, (at, next(self._numbers), step))

    def complete_due(self) -> None:
        """Call the scheduled steps and complete the operations whose time has come."""
        now = self.clock()
        while self._planned and self._planned[0][0] <= now:
            at, _, step = heappop(self._planned)
            with self.clock.at(at):
                step()
        for operation in list(self.operations.values()):
            if operation.status == "InProgress" and operation.due is not None and operation.due <= now:
                self._complete(operation)

    def _complete(self, operation: Operation) -> None:
        operation.status = "Failed" if operation.error else "Succeeded"
        operation.ended = self.clock()
        operation.end()


def _cleaned(body: Body) -> Body:
    """A copy without nulls, and without the members that every resource gets from the service."""
    given = {"id", "name", "type", "systemData"}
    return {name: _without_nulls(value) for name, value in body.items() if name not in given and value is not None}


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nulls(member) for name, member in value.items() if member is not None}
    return copy.deepcopy(value)
