"""A scheduler in virtual time, and tasks: calls that take some of that time.

The clock jumps from one scheduled call to the next. A task runs real code, which may sleep; it has a thread of its own.
At most one thread runs at any moment, so that the same seed gives the same history. A task that sleeps yields to others
until its time has come.
"""

import heapq
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count
from threading import Lock, Thread, current_thread
from typing import Any

from mlevents.testing.runs import WorkerDied

START = datetime(2026, 11, 16, tzinfo=UTC)  # a Monday

Call = Callable[[], object]


class Scheduler:
    """Calls by their time, in seconds from the start."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.task: Task | None = None  # the running one
        self._entries: list[list[Any]] = []
        self._order = count()
        self._end = 0.0
        self._control = Lock()  # held while a task runs
        self._control.acquire()
        self._idle: list[_Runner] = []
        self._defect: BaseException | None = None

    def now(self) -> datetime:
        """The virtual time."""
        return START + timedelta(seconds=self.seconds)

    def after(self, seconds: float, call: Call) -> list[Any]:
        """Schedule a call, and return its entry, for `cancel`."""
        entry = [self.seconds + seconds, next(self._order), call]
        heapq.heappush(self._entries, entry)
        return entry

    def cancel(self, entry: list[Any]) -> None:
        """Cancel a scheduled call."""
        entry[2] = None

    def start(self, call: Call, ended: Callable[[BaseException | None], None]) -> "Task":
        """Start a task now, and call `ended` with the exception that it has raised, or None."""
        task = Task(self, call, ended)
        task.wakeup = self.after(0, task.resume)
        return task

    def sleep(self, seconds: float) -> None:
        """Within a task, let time pass. Raises WorkerDied if the task is killed meanwhile."""
        task = self.task
        assert task is not None, "only a task sleeps"
        until = self.seconds + seconds
        if until <= self._end and (not self._entries or self._entries[0][0] > until):
            self.seconds = until  # nothing is scheduled before
        else:
            task.wakeup = self.after(seconds, task.resume)
            task.wait()
        while self.seconds < task.frozen_until and not task.killed:
            task.wakeup = self.after(task.frozen_until - self.seconds, task.resume)
            task.wait()
        if task.killed:
            raise WorkerDied

    def run(self, seconds: float) -> None:
        """Make the calls of the next seconds."""
        self._end = self.seconds + seconds
        while self._entries and self._entries[0][0] <= self._end:
            self.seconds, _, call = heapq.heappop(self._entries)
            if call is not None:
                call()
        self.seconds = self._end

    def close(self) -> None:
        """Kill the tasks that have not ended, and end all threads."""
        for _, _, call in sorted(self._entries):
            task = getattr(call, "__self__", None)
            if isinstance(task, Task):
                task.killed = True
                task.resume()
        for runner in self._idle:
            runner.end()


class Task:
    """A call in a thread of its own."""

    def __init__(self, scheduler: Scheduler, call: Call, ended: Callable[[BaseException | None], None]) -> None:
        self.killed = False
        self.frozen_until = 0.0  # seconds; the task does not notice that it was frozen
        self.context: object = None  # for the code that has started the task
        self.wakeup: list[Any] = []  # the scheduler's entry that resumes the task
        self._scheduler, self._call, self._ended = scheduler, call, ended
        self._runner: _Runner | None = None

    def resume(self) -> None:
        """Run the task until it sleeps or ends."""
        scheduler = self._scheduler
        scheduler.task = self
        if self._runner is None:
            self._runner = scheduler._idle.pop() if scheduler._idle else _Runner(scheduler)
            self._runner.task = self
        self._runner.control.release()
        scheduler._control.acquire()
        scheduler.task = None
        if scheduler._defect:
            raise scheduler._defect

    def wait(self) -> None:
        """In the task's thread, yield to the scheduler until the task is resumed."""
        assert self._runner is not None
        self._scheduler._control.release()
        self._runner.control.acquire()

    def kill(self) -> None:
        """Raise WorkerDied in the task: now if it sleeps, or the next time that it sleeps if it runs."""
        self.killed = True
        if self._scheduler.task is not self:
            self._scheduler.cancel(self.wakeup)
            self.wakeup = self._scheduler.after(0, self.resume)

    def run(self) -> None:
        """In the task's thread, make the call and report its end."""
        raised: BaseException | None = None
        try:
            if self.killed:
                raise WorkerDied
            self._call()
        except BaseException as error:  # WorkerDied is one; `ended` classifies it
            raised = error
        self._ended(raised)


class _Runner:
    """A thread that runs tasks, one at a time."""

    def __init__(self, scheduler: Scheduler) -> None:
        self.control = Lock()  # held while the thread waits
        self.control.acquire()
        self.task: Task | None = None
        self._scheduler = scheduler
        self._thread = Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while True:
            self.control.acquire()
            if self.task is None:
                return
            try:
                self.task.run()
            except BaseException as defect:  # of the simulation: the scheduler's thread raises it
                self._scheduler._defect = defect
            self.task = None
            self._scheduler._idle.append(self)
            self._scheduler._control.release()

    def end(self) -> None:
        """End the thread, which has no task."""
        assert self._thread is not current_thread()
        self.control.release()
        self._thread.join()
