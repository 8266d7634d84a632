"""`Parts`: reads the parts of facts at the same time, until a deadline. A part that fails does not fail the others.

Every read runs on a thread of its own, and the caller waits for it until the deadline. So nothing can hold up the
action longer than that: no slow answer, no name that is resolved slowly, no token that is requested in vain. Threads
that are given up end by themselves, because their requests have timeouts.
"""

import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from threading import Thread
from typing import Generic, TypeVar

T = TypeVar("T")


class NotRead(Exception):  # noqa: N818 - an answer of a service, not a bug
    """Something could not be read. `transient`: the same request may succeed later."""

    def __init__(self, reason: str, *, transient: bool = True) -> None:
        super().__init__(reason)
        self.transient = transient


@dataclass(frozen=True, slots=True)
class Deadline:
    """A moment by the clock of `time.monotonic`, and how many seconds it was away at the start."""

    within: float
    end: float

    @classmethod
    def after(cls, within: float) -> "Deadline":
        """The moment so many seconds from now."""
        return cls(within, time.monotonic() + within)

    @property
    def left(self) -> float:
        """The seconds that are left; 0 if it has passed."""
        return max(self.end - time.monotonic(), 0)

    def passed(self) -> NotRead:
        """The error for what is not read by then."""
        return NotRead(f"no answer within {self.within:g} s")


@dataclass(frozen=True, slots=True)
class Part(Generic[T]):
    """A part that is being read, and its name in messages."""

    noun: str
    future: "Future[T]"


class Parts:
    """The parts of one object. `missing` has those that could not be read, and why."""

    def __init__(self, deadline: Deadline) -> None:
        self.deadline = deadline
        self.missing: list[str] = []
        self.transient = False  # may a later request read what is missing?

    def start(self, noun: str, read: Callable[[], T]) -> Part[T]:
        """Start to read a part."""
        future: Future[T] = Future()
        thread = Thread(target=_run, args=(future, read), name=f"facts: {noun}", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:  # there are too many threads
            future.set_exception(NotRead(str(error)))
        return Part(noun, future)

    def wait(self, part: Part[T]) -> T:
        """What a part has. Raises NotRead."""
        try:
            return part.future.result(self.deadline.left)
        except TimeoutError:
            raise self.deadline.passed() from None
        except NotRead:
            raise
        except Exception as error:
            raise NotRead(f"{type(error).__name__}: {error}") from error

    def take(self, part: Part[T], default: T) -> T:
        """What a part has; the default if it cannot be read, which `missing` then says."""
        try:
            return self.wait(part)
        except NotRead as error:
            self.missing.append(f"{part.noun}: {error}")
            self.transient = self.transient or error.transient
            return default


def _run(future: "Future[T]", read: Callable[[], T]) -> None:
    try:
        future.set_result(read())
    except Exception as error:
        future.set_exception(error)
