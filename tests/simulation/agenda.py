"""Virtual time, and calls that take some of it.

What happens is an entry of the agenda; the clock jumps from one to the next. A *task* is an entry that runs real code,
which believes that it waits: it has a thread of its own, of which at most one in all runs at any moment, so that the
same seed gives the same history. Whoever sleeps lets the others go on until it is his time again.
"""

import heapq
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count
from threading import Lock, Thread, current_thread
from typing import Any

from tests.kit.faults import WorkerDied

START = datetime(2026, 11, 16, tzinfo=UTC)  # a Monday

Call = Callable[[], object]


class Agenda:
    """What happens, and when: in seconds from the start."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.task: Task | None = None  # which runs
        self._entries: list[list[Any]] = []
        self._order = count()
        self._end = 0.0
        self._turn = Lock()
        self._turn.acquire()
        self._idle: list[_Runner] = []
        self._defect: BaseException | None = None

    def now(self) -> datetime:
        """The time."""
        return START + timedelta(seconds=self.seconds)

    def after(self, seconds: float, call: Call) -> list[Any]:
        """Have something happen later. What is returned can be given to `cancel`."""
        entry = [self.seconds + seconds, next(self._order), call]
        heapq.heappush(self._entries, entry)
        return entry

    def cancel(self, entry: list[Any]) -> None:
        """It shall not happen."""
        entry[2] = None

    def begin(self, call: Call, ended: Callable[[BaseException | None], None]) -> "Task":
        """Start a task now; `ended` is told what it raised, if anything."""
        task = Task(self, call, ended)
        task.wakes = self.after(0, task.resume)
        return task

    def sleep(self, seconds: float) -> None:
        """In a task: let that much time pass. Raises WorkerDied if the task is killed meanwhile."""
        task = self.task
        assert task is not None, "only a task sleeps"
        until = self.seconds + seconds
        if until <= self._end and (not self._entries or self._entries[0][0] > until):
            self.seconds = until  # nothing else happens before
        else:
            task.wakes = self.after(seconds, task.resume)
            task.wait()
        while self.seconds < task.frozen_until and not task.killed:
            task.wakes = self.after(task.frozen_until - self.seconds, task.resume)
            task.wait()
        if task.killed:
            raise WorkerDied

    def run(self, seconds: float) -> None:
        """Let so much time pass."""
        self._end = self.seconds + seconds
        while self._entries and self._entries[0][0] <= self._end:
            self.seconds, _, call = heapq.heappop(self._entries)
            if call is not None:
                call()
        self.seconds = self._end

    def close(self) -> None:
        """Kill what has not ended, and end the threads."""
        for _, _, call in sorted(self._entries):
            task = getattr(call, "__self__", None)
            if isinstance(task, Task):
                task.killed = True
                task.resume()
        for runner in self._idle:
            runner.end()


class Task:
    """A call in a thread of its own."""

    def __init__(self, agenda: Agenda, call: Call, ended: Callable[[BaseException | None], None]) -> None:
        self.killed = False
        self.frozen_until = 0.0  # it goes on then, and does not know
        self.about: object = None  # whatever belongs to it
        self.wakes: list[Any] = []
        self._agenda, self._call, self._ended = agenda, call, ended
        self._runner: _Runner | None = None

    def resume(self) -> None:
        """Let it run until it sleeps or ends."""
        agenda = self._agenda
        agenda.task = self
        if self._runner is None:
            self._runner = agenda._idle.pop() if agenda._idle else _Runner(agenda)
            self._runner.task = self
        self._runner.turn.release()
        agenda._turn.acquire()
        agenda.task = None
        if agenda._defect:
            raise agenda._defect

    def wait(self) -> None:
        """In its own thread: let the others run."""
        assert self._runner is not None
        self._agenda._turn.release()
        self._runner.turn.acquire()

    def kill(self) -> None:
        """It dies where it is, now; the one that runs dies when it sleeps next."""
        self.killed = True
        if self._agenda.task is not self:
            self._agenda.cancel(self.wakes)
            self.wakes = self._agenda.after(0, self.resume)

    def run(self) -> None:
        """In its own thread: from the beginning to the end."""
        raised: BaseException | None = None
        try:
            if self.killed:
                raise WorkerDied
            self._call()
        except BaseException as error:  # WorkerDied is one, and whoever waits for the end judges
            raised = error
        self._ended(raised)


class _Runner:
    """A thread that runs one task after the other."""

    def __init__(self, agenda: Agenda) -> None:
        self.turn = Lock()
        self.turn.acquire()
        self.task: Task | None = None
        self._agenda = agenda
        self._thread = Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while True:
            self.turn.acquire()
            if self.task is None:
                return
            try:
                self.task.run()
            except BaseException as defect:  # of the simulation: its thread hands it over
                self._agenda._defect = defect
            self.task = None
            self._agenda._idle.append(self)
            self._agenda._turn.release()

    def end(self) -> None:
        """There will be no more tasks."""
        assert self._thread is not current_thread()
        self.turn.release()
        self._thread.join()
