"""Faults at numbered calls to storage and effects of handlers: crashes of a worker, failures of storage, conflicts.

A worker crashes before a call or after it. Storage is unavailable and does not apply a call, or it applies the call and
the response is lost; the app gets Unavailable for both, after the SDK's own retries. Another worker commits the same
rows just before, which is a conflict. tests/kit/faulty_proxy.py injects faults below the SDKs.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from functools import partial
from typing import Any, NamedTuple, TypeAlias, TypeVar

from dispatch.inbox.errors import Conflict, StorageError, Unavailable
from dispatch.inbox.shared_state import PARTITION
from dispatch.inbox.tables import Queue, Row, Table
from mlevents.testing.runs import WorkerDied

R = TypeVar("R")


ERRORS = (WorkerDied, StorageError)  # what a fault or a stale read may raise from a call in a worker


class FaultKind(StrEnum):
    """What happens to a call."""

    CRASH_BEFORE = "the worker crashes before"
    CRASH_AFTER = "the worker crashes after"
    UNAVAILABLE = "storage is unavailable for"
    RESPONSE_LOST = "the response is lost of"
    CONFLICT = "another worker commits before"  # commits only


class Fault(NamedTuple):
    """A fault at the nth of all calls."""

    call: int
    kind: FaultKind

    def __str__(self) -> str:
        return f"{self.kind} call {self.call}"


class Effect(NamedTuple):
    """An effect of a handler outside the app; equal to another one if the same step of the action was repeated."""

    rule: str
    event: str
    key: str
    step: int
    events: tuple[str, ...] = ()  # the ids of all events of a window


@dataclass
class Faults:
    """Injects faults, and counts the calls and those effects that a fault allows to be repeated."""

    faults: Sequence[Fault] = ()
    calls: list[str] = field(default_factory=list)  # read, commit, send or effect
    effects: list[Effect] = field(default_factory=list)
    repeatable: Counter[Effect] = field(default_factory=Counter)
    injected: int = 0

    _unrecorded: Effect | None = None  # the effect of the current call of a handler

    def __post_init__(self) -> None:
        self._by_call = {fault.call: fault.kind for fault in self.faults}

    def begin(self) -> None:
        """Begin an invocation: a fault in it does not allow effects of earlier invocations to be repeated."""
        self._unrecorded = None

    def effect(self, effect: Effect) -> None:
        """Record an effect of a handler, or raise the error of a fault."""

        def take_effect() -> None:
            self.effects.append(effect)
            self._unrecorded = effect

        self.call("effect", take_effect)

    def call(self, name: str, call: Callable[[], R], *, records: bool = True) -> R:
        """Make a call, with the fault for its number, if there is one; does it record the effect of the handler?"""
        self.calls.append(name)
        kind = self._by_call.get(len(self.calls))
        if kind == FaultKind.CRASH_BEFORE:
            raise self._inject(WorkerDied())
        if kind == FaultKind.UNAVAILABLE:
            raise self._inject(Unavailable("no route to storage"))
        conflict: Conflict | None = None
        try:
            result = call()
            if name == "commit" and records:
                self._unrecorded = None
        except Conflict as error:
            conflict = error
        if kind == FaultKind.CRASH_AFTER:
            raise self._inject(WorkerDied())
        if kind == FaultKind.RESPONSE_LOST:
            raise self._inject(Unavailable("the response was lost"))
        if kind == FaultKind.CONFLICT:
            raise self._inject(Conflict("another worker has committed before"))
        if conflict:
            raise conflict
        return result

    def _inject(self, error: BaseException) -> BaseException:
        self.injected += 1
        if self._unrecorded:
            self.repeatable[self._unrecorded] += 1
            self._unrecorded = None
        return error

    def possible(self) -> list[Fault]:
        """A fault of each kind at each call so far. A read changes nothing: a crash before it equals one after it."""
        all_but_conflict = tuple(kind for kind in FaultKind if kind != FaultKind.CONFLICT)
        kinds = {"read": (FaultKind.CRASH_AFTER, FaultKind.UNAVAILABLE), "commit": tuple(FaultKind)}
        return [Fault(n, kind) for n, name in enumerate(self.calls, 1) for kind in kinds.get(name, all_but_conflict)]

    def distinct(self, after: int = 0) -> list[Fault]:
        """The possible faults after a number of calls, without equivalent ones.

        A crash before a call is equivalent to one after the previous call, or to one before the first.
        """
        return [fault for fault in self.possible() if fault.call > after and fault.kind != FaultKind.CRASH_BEFORE]


@dataclass
class FaultyStorage:
    """A table and a queue with faults."""

    faults: Faults
    inner: Table
    queue: Queue

    def read(self, partition: str, first: str, last: str, limit: int | None = None) -> list[Row]:
        return self.faults.call("read", lambda: self.inner.read(partition, first, last, limit))

    def commit(self, partition: str, *rows: Row, delete: tuple[str | Row, ...] = ()) -> list[str]:
        commit = partial(self.inner.commit, partition, *rows, delete=delete)
        return self.faults.call("commit", commit, records=partition != PARTITION)  # of shared state

    def send(self, message: str, after: timedelta = timedelta()) -> None:
        self.faults.call("send", lambda: self.queue.send(message, after))


CrashPoint: TypeAlias = tuple[int, str]  # the number of a call, and "before" or "after" it


class CrashAt:
    """Counts calls while it is `armed`, and crashes the worker at each of these points."""

    def __init__(self, *points: CrashPoint) -> None:
        self.points = set(points)
        self.calls = 0
        self.armed = True

    def around(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """Wrap a call, so that it is counted and crashes at the points."""

        def counted(*args: Any, **kwargs: Any) -> Any:
            if not self.armed:
                return call(*args, **kwargs)
            self.calls += 1
            number = self.calls
            if (number, "before") in self.points:
                raise WorkerDied
            result = call(*args, **kwargs)
            if (number, "after") in self.points:
                raise WorkerDied
            return result

        return counted

    def table(self, table: Table) -> Table:
        return _Calls(self.around(table.read), self.around(table.commit), _unsupported)

    def queue(self, queue: Queue) -> Queue:
        return _Calls(_unsupported, _unsupported, self.around(queue.send))


@dataclass
class _Calls:
    read: Callable[..., list[Row]]
    commit: Callable[..., list[str]]
    send: Callable[..., None]


def _unsupported(*_: Any) -> Any:
    raise AssertionError("this double does not have this call")
