"""What there is: resources by id, operations under way, what was raised, and the time."""

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

from emulator.state import ids
from emulator.state.clock import Clock
from emulator.state.runs import FactoryRun, Run
from emulator.state.script import Script
from emulator.wire import Refusal

Body = dict[str, Any]

OPERATION = "AzureAsyncOperationUri"  # among a resource's properties, its last operation: Azure/azure-cli#30154
STATE = "state"  # among what it hides: its provisioning state before it was to be deleted


@dataclass
class Resource:
    """A resource as it is, and what reads of it still show."""

    id: str
    body: Body
    before: Body | None = None  # as it was before the last update
    stale: int = 0  # so many reads still show that
    missed: int = 0  # so many reads still find nothing
    hidden: dict[str, str] = field(default_factory=dict)  # what it does not show: logs, what its keys are made from

    @property
    def properties(self) -> Body:
        """The body's."""
        found: Body = self.body.setdefault("properties", {})
        return found

    @property
    def state(self) -> str:
        """Its provisioning state; empty if it has none."""
        return str(self.properties.get("provisioningState", ""))


@dataclass
class Operation:
    """A long-running operation."""

    id: str
    resource: str
    verb: str  # the provisioning state meanwhile: Creating, Updating, Deleting
    end: Callable[[], None]
    began: datetime
    error: Refusal | None = None  # how it ends, if not well
    polls: int = 0  # so many more looks find it in progress
    due: datetime | None = None  # or this is when it ends
    asked: bool = False  # looks at its resource do not count
    status: str = "InProgress"
    ended: datetime | None = None


class World:
    """Everything. Whoever reads or changes it holds `lock`."""

    def __init__(self) -> None:
        self.lock = RLock()
        self.clock = Clock()
        self.script = Script()
        self.url = ""  # where it listens
        self.storage = ""  # connection string of the storage account for uploads
        self.poll_ms = 20  # what clients are told to wait between two looks
        self.async_header = True  # do operations have a URL of their own, or but the Location of what comes of them?
        self.page = 100  # items of a list at a time
        self.operations: dict[str, Operation] = {}
        self.registries: dict[str, str] = {}  # name in lower case -> id
        self.quotas: dict[str, tuple[int, int]] = {}  # family in lower case -> limit and what others use, in cores
        self.events: list[Body] = []
        self.told: list[Callable[[Body], None]] = []  # of events
        self.runs: dict[str, Run] = {}  # by the id of their job, in lower case
        self.factory_runs: list[FactoryRun] = []  # of Data Factory, in the order in which they began
        self._resources: dict[str, Resource] = {}
        self._ghosts: dict[str, Resource] = {}  # what is gone, and some reads still find
        self._untold: list[Body] = []
        self._planned: list[tuple[datetime, int, Callable[[], None]]] = []  # a heap
        self._numbers = count()

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Holds the lock; what was raised meanwhile is told once it is free again."""
        with self.lock:
            yield
            untold, self._untold = self._untold, []
        for event in untold:
            for listener in self.told:
                listener(event)

    def raise_event(self, event: Body) -> None:
        """Note an event, to be told at the end of `changing`."""
        self.events.append(event)
        self._untold.append(event)

    def find(self, id: str) -> Resource | None:
        """A resource, without regard to case."""
        return self._resources.get(id.lower())

    def need(self, id: str) -> Resource:
        """A resource. Raises Refusal, as Resource Manager does, if there is none."""
        if found := self.find(id):
            return found
        group = id.split("/")[4] if id.count("/") > 4 else ""
        name = f"{ids.type_of(id)}/{'/'.join(id.partition('/providers/')[2].split('/')[2::2])}"
        raise Refusal(404, "ResourceNotFound", f"The Resource '{name}' under resource group '{group}' was not found.")

    def read(self, id: str) -> Body:
        """What a GET answers: that counts as a look at its operation, and may find it as it was. Raises Refusal."""
        if self.find(id) is None and (ghost := self._ghosts.get(id.lower())) and ghost.stale:
            ghost.stale -= 1
            return copy.deepcopy(ghost.body)
        found = self.need(id)
        if found.missed:
            found.missed -= 1
            raise Refusal(404, "ResourceNotFound", f"The Resource '{id}' was not found.")
        if (running := self.running(id)) and not running.asked:
            self.look(running)
        found = self.need(id)
        if found.stale and found.before is not None:
            found.stale -= 1
            return copy.deepcopy(found.before)
        return copy.deepcopy(found.body)

    def listed(self, resource: Resource) -> Body:
        """What a list shows of a resource: as it was, if reads still find it so. That is no look at it."""
        return copy.deepcopy(resource.before if resource.stale and resource.before is not None else resource.body)

    def children(self, parent: str, kind: str) -> list[Resource]:
        """What is directly in a resource, of one kind, in the order in which it came."""
        prefix = f"{parent}/{kind}/".lower()
        return [r for id, r in self._resources.items() if id.startswith(prefix) and "/" not in id[len(prefix) :]]

    def of_type(self, type: str) -> list[Resource]:
        """All of a type, anywhere."""
        return [r for r in self._resources.values() if ids.type_of(r.id).lower() == f"{ids.PROVIDER}/{type}".lower()]

    def add(self, id: str, body: Body) -> Resource:
        """A new resource, with what every resource has; reads may not find it yet."""
        now = self.clock.text()
        by = {"createdBy": "mlevents", "createdByType": "Application", "createdAt": now}
        system = {**by, "lastModifiedAt": now, "lastModifiedBy": "mlevents", "lastModifiedByType": "Application"}
        whole = {"id": id, "name": ids.name_of(id), "type": ids.type_of(id), **_cleaned(body), "systemData": system}
        self._resources[id.lower()] = made = Resource(id, whole, missed=self.script.late_reads(id))
        return made

    def replace(self, id: str, body: Body) -> Resource:
        """A resource that is there gets another body; reads may still show the one before. Raises Refusal."""
        found = self.need(id)
        found.before, found.stale = found.body, self.script.stale_reads(id)
        kept = {name: found.body[name] for name in ("id", "name", "type")}
        system = {**found.body["systemData"], "lastModifiedAt": self.clock.text()}
        found.body = {**kept, **_cleaned(body), "systemData": system}
        if operation := (found.before.get("properties", {}).get("properties") or {}).get(OPERATION):
            found.properties["properties"] = {**(found.properties.get("properties") or {}), OPERATION: operation}
        return found

    def remove(self, id: str) -> None:
        """A resource and all that is in it; reads may still find them."""
        key = id.lower()
        for there in [there for there in self._resources if there == key or there.startswith(f"{key}/")]:
            gone = self._ghosts[there] = self._resources.pop(there)
            gone.stale = self.script.stale_reads(there)
            if state := gone.hidden.get(STATE):
                gone.properties["provisioningState"] = state
        for operation in self.operations.values():
            if operation.status == "InProgress" and f"{operation.resource}/".startswith(f"{key}/"):
                operation.status = "Canceled"  # there is nothing left to work on

    def running(self, id: str) -> Operation | None:
        """The operation that is under way on a resource; what is due has ended."""
        self.settle_due()
        key = id.lower()
        return next((o for o in self.operations.values() if o.status == "InProgress" and o.resource == key), None)

    def begin(
        self, id: str, method: str, verb: str, end: Callable[[], None], error: Refusal | None = None
    ) -> Operation:
        """Start an operation on a resource; `end` is called, once, when it ends. It may have ended at once."""
        pace, now = self.script.pace(method, id), self.clock()
        due = None if pace.seconds is None else now + timedelta(seconds=pace.seconds)
        begun = Operation(str(uuid4()), id.lower(), verb, end, now, error, pace.polls, due, pace.asked)
        self.operations[begun.id] = begun
        if due is None and not pace.polls:
            self._settle(begun)
        return begun

    def look(self, operation: Operation) -> None:
        """A client looks whether an operation has ended."""
        self.settle_due()
        if operation.status != "InProgress" or operation.due is not None:
            return
        if operation.polls:
            operation.polls -= 1
        else:
            self._settle(operation)

    def later(self, at: datetime, step: Callable[[], None]) -> None:
        """Have something done at that time, as if it were then."""
        heappush(self._planned, (at, next(self._numbers), step))

    def settle_due(self) -> None:
        """Do what is planned, and end what takes time, as far as its time has come."""
        now = self.clock()
        while self._planned and self._planned[0][0] <= now:
            at, _, step = heappop(self._planned)
            with self.clock.at(at):
                step()
        for operation in list(self.operations.values()):
            if operation.status == "InProgress" and operation.due is not None and operation.due <= now:
                self._settle(operation)

    def _settle(self, operation: Operation) -> None:
        operation.status = "Failed" if operation.error else "Succeeded"
        operation.ended = self.clock()
        operation.end()


def _cleaned(body: Body) -> Body:
    """A copy without what every resource is given, and without what is null."""
    given = {"id", "name", "type", "systemData"}
    return {name: _without_nulls(value) for name, value in body.items() if name not in given and value is not None}


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nulls(member) for name, member in value.items() if member is not None}
    return copy.deepcopy(value)
