"""What can go wrong in a call to storage or in an effect, at places that are counted.

A worker may die before a call or after it. A call may fail without having been applied; or it was applied, and the
answer was lost, which the SDK raises as an error after its own retries.
Or another worker makes the very same commit just before.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import NamedTuple, TypeVar

from dispatch.inbox.errors import Conflict, StorageError, Unavailable
from dispatch.inbox.tables import Queue, Row, Table
from tests.kit.storage import Died

R = TypeVar("R")

ERRORS = (Died, StorageError)  # how a worker's call ends when a fault strikes, or its reader is behind


class Kind(StrEnum):
    """What happens to the call."""

    DIES_BEFORE = "the worker dies before"
    DIES_AFTER = "the worker dies after"
    FAILS = "fails:"
    ANSWER_LOST = "the answer is lost of"
    RIVALRY = "a rival is quicker at"  # a commit only


class Fault(NamedTuple):
    """One thing that goes wrong: at the nth call of all."""

    call: int
    kind: Kind

    def __str__(self) -> str:
        return f"{self.kind} call {self.call}"


class Effect(NamedTuple):
    """What a handler does to the world: the same when the same part of an action is done again."""

    rule: str
    event: str
    key: str
    stage: int


@dataclass
class Faults:
    """Strikes where it is told, and counts: the calls, and the effects that may be repeated because of what struck."""

    faults: Sequence[Fault] = ()
    calls: list[str] = field(default_factory=list)  # what each was: read, commit, send, effect
    effects: list[Effect] = field(default_factory=list)
    excused: Counter[Effect] = field(default_factory=Counter)
    struck: int = 0

    _unrecorded: Effect | None = None  # the effect of the call of a handler that is under way

    def __post_init__(self) -> None:
        self._by_call = {fault.call: fault.kind for fault in self.faults}

    def begin(self) -> None:
        """A worker begins with something: what was under way is not its."""
        self._unrecorded = None

    def effect(self, effect: Effect) -> None:
        """The handler does it. Raises what a fault says."""

        def take_effect() -> None:
            self.effects.append(effect)
            self._unrecorded = effect

        self.call("effect", take_effect)

    def call(self, name: str, call: Callable[[], R]) -> R:
        """Make a call, or what a fault makes of it."""
        self.calls.append(name)
        kind = self._by_call.get(len(self.calls))
        if kind == Kind.DIES_BEFORE:
            raise self._strike(Died())
        if kind == Kind.FAILS:
            raise self._strike(Unavailable("nobody answers"))
        refused: Conflict | None = None
        try:
            result = call()
            if name == "commit":
                self._unrecorded = None
        except Conflict as conflict:
            refused = conflict
        if kind == Kind.DIES_AFTER:
            raise self._strike(Died())
        if kind == Kind.ANSWER_LOST:
            raise self._strike(Unavailable("the answer was lost"))
        if kind == Kind.RIVALRY:
            raise self._strike(Conflict("a rival was quicker"))
        if refused:
            raise refused
        return result

    def _strike(self, error: BaseException) -> BaseException:
        self.struck += 1
        if self._unrecorded:
            self.excused[self._unrecorded] += 1
            self._unrecorded = None
        return error

    def possible(self) -> list[Fault]:
        """A fault of each kind for each call that was made; a read changes nothing: before and after it is the same."""
        kinds = {"read": (Kind.DIES_AFTER, Kind.FAILS), "commit": tuple(Kind)}
        others = tuple(kind for kind in Kind if kind != Kind.RIVALRY)
        return [Fault(n, kind) for n, name in enumerate(self.calls, 1) for kind in kinds.get(name, others)]

    def different(self, after: int = 0) -> list[Fault]:
        """Those of the calls after a number that differ from each other.

        To die before a call is to have died after the one before it, or to have done nothing.
        """
        return [fault for fault in self.possible() if fault.call > after and fault.kind != Kind.DIES_BEFORE]


@dataclass
class FaultyStorage:
    """Passes calls on to a table and a queue, as far as the faults let it."""

    faults: Faults
    inner: Table
    queue: Queue

    def read(self, partition: str, first: str, last: str) -> list[Row]:
        return self.faults.call("read", lambda: self.inner.read(partition, first, last))

    def commit(self, partition: str, *rows: Row, delete: tuple[str | Row, ...] = ()) -> list[str]:
        return self.faults.call("commit", lambda: self.inner.commit(partition, *rows, delete=delete))

    def send(self, message: str, after: timedelta = timedelta()) -> None:
        self.faults.call("send", lambda: self.queue.send(message, after))
