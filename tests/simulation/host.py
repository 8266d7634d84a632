"""The Functions host in virtual time: machines with a worker process each, queue triggers, timeouts, crashes, a timer.

Messages are handled as by mlevents/local/triggers/queue_messages.py, which names Microsoft's sources: a message is
invisible for ten minutes while its call runs; it is deleted when the call succeeds, visible again after
`visibilityTimeout` when it fails, and moved to the poison queue when it fails for the `maxDequeueCount`th time. A call
that takes longer than `functionTimeout` ends its worker process, and with it all calls there. A lost machine releases
none of its messages.
"""

import random
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from dispatch.act import act, rearm
from dispatch.app import App
from dispatch.inbox.errors import StorageError
from dispatch.receive import receive
from dispatch.sweep import sweep
from mlevents.testing.runs import WorkerDied
from tests.simulation.queues import Message, Queue
from tests.simulation.scheduler import Scheduler, Task
from tests.simulation.storage import Network

# Values of host.json, in seconds
FUNCTION_TIMEOUT = 300
BATCH_SIZE, NEW_BATCH_THRESHOLD = 8, 4
VISIBILITY_TIMEOUT = 60
MAX_DEQUEUE_COUNT = 10
MAX_POLLING_INTERVAL = 5.0

INVISIBLE = 600  # while a call runs; the host renews it at half time, but no call runs so long here
TIMER = 300
MIN_POLLING_INTERVAL = 0.1
RESTART = (5, 20)  # seconds until a new worker process runs
REPLACEMENT = (30, 120)  # seconds until another machine runs

Ended = Callable[[BaseException | None], None]


@dataclass(eq=False)
class Invocation:
    """A call of a function."""

    worker: "Worker"
    task: Task | None = None
    unrecorded: object = None  # the effect of a handler, until the next commit
    throttled_by: str | None = None  # the service that has answered 429, until that is recorded
    failed_before: int = 0  # storage calls that had failed when it answered


@dataclass(eq=False)
class Worker:
    """A worker process."""

    name: str
    app: App
    running: dict[Invocation, None] = field(default_factory=dict)
    has_host: bool = True  # a host releases the messages of calls that die with the process
    frozen_until: float = 0.0

    def kill(self) -> None:
        """Kill the process with all calls that run in it."""
        for invocation in self.running:
            assert invocation.task is not None
            invocation.task.kill()

    def freeze(self, until: float) -> None:
        """Suspend all calls that run in the process; they do not notice it."""
        self.frozen_until = until
        for invocation in self.running:
            assert invocation.task is not None
            invocation.task.frozen_until = until


@dataclass
class FunctionApp:
    """Machines that run the app, its queues and its timer."""

    scheduler: Scheduler
    network: Network
    rng: random.Random
    actions: Queue
    poison: Queue
    new_app: Callable[[], App]  # the App of a new process
    size: int = 3
    figures: Counter[str] = field(default_factory=Counter)
    defects: list[str] = field(default_factory=list)
    on_unrecorded_effect: Callable[[object], None] = lambda effect: None
    on_throttle_recorded: Callable[[str], None] = lambda service: None
    on_throttle_unrecorded: Callable[[str], None] = lambda service: None  # though storage did not fail

    _sweeping: bool = False

    def __post_init__(self) -> None:
        self.machines = [Machine(self, number) for number in range(self.size)]
        self.scheduler.after(TIMER, self._timer)

    def deliver(self, raw: str, respond: Callable[[bool], None]) -> None:
        """Receive an event from Event Grid. A machine whose worker is not running does not respond in time."""
        worker = self.rng.choice(self.machines).running_worker()
        if worker is not None:
            self.call(worker, partial(receive, raw, worker.app), lambda error: respond(error is None))

    def deploy(self) -> None:
        """Publish a new version: the machines restart one by one, whether or not calls run there."""
        for number, machine in enumerate(self.machines):
            self.scheduler.after(60.0 * number, machine.restart)

    def call(self, worker: Worker, function: Callable[[], None], ended: Ended) -> Invocation:
        """Call a function in a worker process."""
        invocation = Invocation(worker)
        timeout = self.scheduler.after(FUNCTION_TIMEOUT, lambda: self._time_out(invocation))

        def call_ended(error: BaseException | None) -> None:
            self.scheduler.cancel(timeout)
            worker.running.pop(invocation, None)
            self._check_end(error, invocation)
            ended(error)

        invocation.task = self.scheduler.start(function, call_ended)
        invocation.task.context = invocation
        worker.running[invocation] = None
        self.figures["calls"] += 1
        return invocation

    def current(self) -> Invocation:
        """The invocation whose task runs."""
        assert self.scheduler.task is not None
        invocation = self.scheduler.task.context
        assert isinstance(invocation, Invocation)
        return invocation

    def committed(self, partition: str) -> None:
        """Note that the current invocation has committed rows to a partition."""
        invocation = self.current()
        invocation.unrecorded = None
        if invocation.throttled_by is not None and partition == "notes":
            self.on_throttle_recorded(invocation.throttled_by)
            invocation.throttled_by = None

    def kill(self, worker: Worker, figure: str) -> None:
        """Kill a worker process, and count it under a figure; the host of its machine starts another one."""
        for machine in self.machines:
            if machine.worker is worker:
                self.figures[figure] += 1
                machine.restart()

    def _check_end(self, error: BaseException | None, invocation: Invocation) -> None:
        """Count the error of an invocation, and report what it should have recorded and did not."""
        if error is not None:
            self.figures["calls that died" if isinstance(error, WorkerDied) else "calls that failed"] += 1
        if error is not None and not isinstance(error, WorkerDied | StorageError):
            self.defects.append("".join(traceback.format_exception(error)))
        if invocation.unrecorded is not None:
            self.on_unrecorded_effect(invocation.unrecorded)
            if error is None and not invocation.worker.frozen_until:
                self.defects.append(f"an effect was not recorded: {invocation.unrecorded}")
        if invocation.throttled_by is not None and error is None and invocation.failed_before == self.network.failed:
            self.on_throttle_unrecorded(invocation.throttled_by)

    def _time_out(self, invocation: Invocation) -> None:
        frozen = invocation.worker.frozen_until - self.scheduler.seconds
        if frozen >= 0:  # the host of a frozen machine is frozen, too
            self.scheduler.after(frozen + self.rng.uniform(0, 10), lambda: self._time_out(invocation))
        elif invocation in invocation.worker.running:
            self.kill(invocation.worker, "timeouts")

    def _timer(self) -> None:
        self.scheduler.after(TIMER, self._timer)
        workers = [worker for machine in self.machines if (worker := machine.running_worker())]
        if self._sweeping or not workers:
            return
        self._sweeping = True
        worker = self.rng.choice(workers)
        self.call(worker, partial(sweep, worker.app), self._swept)

    def _swept(self, error: BaseException | None) -> None:
        self._sweeping = False
        self.figures["sweeps"] += error is None


class Machine:
    """A host with its worker process."""

    def __init__(self, function_app: FunctionApp, number: int) -> None:
        self.function_app, self.number = function_app, number
        self.worker: Worker | None = None
        self._starts = 0
        self._start()
        for queue, function, poison in (
            (function_app.actions, act, function_app.poison),
            (function_app.poison, rearm, None),
        ):
            Listener(self, queue, function, poison).poll()

    def restart(self, delay: tuple[int, int] = RESTART) -> None:
        """Kill the worker process, if there is one, and start another one after a random delay in this range."""
        if self.worker is not None:
            self.worker.kill()
            self.worker = None
            self.function_app.scheduler.after(self.function_app.rng.uniform(*delay), self._start)

    def running_worker(self) -> Worker | None:
        """The worker process, if it runs and is not frozen."""
        worker = self.worker
        return worker if worker and worker.frozen_until <= self.function_app.scheduler.seconds else None

    def freeze(self, seconds: float) -> None:
        """Suspend the machine, as a live migration to other hardware does."""
        if self.worker is not None:
            self.function_app.figures["machines frozen"] += 1
            self.worker.freeze(self.function_app.scheduler.seconds + seconds)

    def replace(self) -> None:
        """Lose the machine with its host, and start another one."""
        if self.worker is not None:
            self.function_app.figures["machines lost"] += 1
            self.worker.has_host = False
            self.restart(REPLACEMENT)

    def _start(self) -> None:
        self._starts += 1
        self.worker = Worker(f"machine {self.number}, process {self._starts}", self.function_app.new_app())


class Listener:
    """A queue trigger on a machine."""

    def __init__(
        self, machine: Machine, queue: Queue, function: Callable[[str, App], None], poison: Queue | None
    ) -> None:
        self._machine, self._queue, self._function, self._poison = machine, queue, function, poison
        self._function_app = machine.function_app
        self._interval = MIN_POLLING_INTERVAL
        self._worker: Worker | None = None
        self._running = 0  # calls in this worker

    def poll(self) -> None:
        """Receive a batch, if few calls run, and poll again; the interval doubles while the queue is empty."""
        worker = self._machine.worker
        if worker is not self._worker:
            self._worker, self._running = worker, 0
        found: list[Message] = []
        ready = self._machine.running_worker() is not None and not self._function_app.network.queues_down
        if ready and self._running <= NEW_BATCH_THRESHOLD:
            found = self._queue.receive(BATCH_SIZE, INVISIBLE)
        for message in found:
            self._handle(message)
        self._interval = MIN_POLLING_INTERVAL if found else min(self._interval * 2, MAX_POLLING_INTERVAL)
        self._function_app.scheduler.after(self._interval * self._function_app.rng.uniform(0.8, 1.2), self.poll)

    def _handle(self, message: Message) -> None:
        worker = self._worker
        assert worker is not None
        receipt = message.dequeued
        self._running += 1

        def ended(error: BaseException | None) -> None:
            if worker is self._worker:
                self._running -= 1
            if worker.has_host and not self._function_app.network.queues_down:
                self._settle(message, receipt, failed=error is not None)

        if message.dequeued > MAX_DEQUEUE_COUNT:
            self._running -= 1
            self._settle(message, receipt, failed=True)
        else:
            self._function_app.call(worker, partial(self._function, message.text, worker.app), ended)

    def _settle(self, message: Message, receipt: int, *, failed: bool) -> None:
        """Delete, release or poison a message. If that fails, the message is visible again when its time is over."""
        if self._function_app.rng.random() < self._function_app.network.failing:
            self._function_app.figures["messages not deleted"] += 1
        elif not failed:
            self._queue.delete(message, receipt)
        elif self._poison is None:
            pass
        elif receipt >= MAX_DEQUEUE_COUNT:
            self._function_app.figures["poison messages"] += 1
            self._poison.put(message.text)
            self._queue.delete(message, receipt)
        else:
            self._queue.release(message, receipt, VISIBILITY_TIMEOUT)
