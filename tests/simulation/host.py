"""The Functions host, in virtual time: machines with a worker process each, queue triggers, timeouts, deaths, a timer.

What becomes of a message is as in mlevents/local/triggers/queue_messages.py, which names Microsoft's sources: invisible
for ten minutes while its call runs; deleted when it is done; visible again after `visibilityTimeout` when it failed;
in the poison queue when it failed for the `maxDequeueCount`th time. A call that takes longer than `functionTimeout`
ends its whole worker process, and with it the calls of others. A machine that is gone releases nothing.
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
from tests.kit.faults import WorkerDied
from tests.simulation.agenda import Agenda, Task
from tests.simulation.queues import Message, Queue
from tests.simulation.storage import Weather

# host.json
FUNCTION_TIMEOUT = 300
BATCH_SIZE, NEW_BATCH_THRESHOLD = 8, 4
VISIBILITY_TIMEOUT = 60
MOST_DEQUEUES = 10
LONGEST_POLL = 5.0

INVISIBLE = 600  # while a call runs, which is renewed at half time: no call of ours runs so long
TIMER = 300
SHORTEST_POLL = 0.1
RESTART = (5, 20)  # seconds until a worker process runs again
REPLACED = (30, 120)  # until another machine does

Ended = Callable[[BaseException | None], None]


@dataclass(eq=False)
class Invocation:
    """A call of a function."""

    worker: "Worker"
    task: Task | None = None
    unrecorded: object = None  # the effect that a handler has had, until something is committed
    wish: str | None = None  # the service that wants a pause, until a note is committed
    failed: int = 0  # how often storage had failed when it was told so


@dataclass(eq=False)
class Worker:
    """A process."""

    name: str
    app: App
    running: dict[Invocation, None] = field(default_factory=dict)
    has_host: bool = True  # which releases the messages of calls that have died with the process
    frozen_until: float = 0.0

    def die(self) -> None:
        """All that runs in it dies with it."""
        for invocation in self.running:
            assert invocation.task is not None
            invocation.task.kill()

    def freeze(self, until: float) -> None:
        """Its machine stands still, and goes on as if nothing had been."""
        self.frozen_until = until
        for invocation in self.running:
            assert invocation.task is not None
            invocation.task.frozen_until = until


@dataclass
class FunctionApp:
    """Some machines that run the app, its queues and its timer."""

    agenda: Agenda
    weather: Weather
    chance: random.Random
    actions: Queue
    poison: Queue
    make_app: Callable[[], App]  # as a process that starts now makes it
    size: int = 3
    figures: Counter[str] = field(default_factory=Counter)
    defects: list[str] = field(default_factory=list)
    on_loss: Callable[[object], None] = lambda effect: None  # told of an effect that was not recorded
    on_pause: Callable[[str], None] = lambda service: None  # told of a service that everybody can know to want a pause
    on_deaf: Callable[[str], None] = lambda service: None  # told of one that nobody can, though storage did not fail

    _sweeping: bool = False

    def __post_init__(self) -> None:
        self.machines = [Machine(self, number) for number in range(self.size)]
        self.agenda.after(TIMER, self._timer)

    def deliver(self, raw: str, answer: Callable[[bool], None]) -> None:
        """The endpoint of an event subscription. A machine whose worker is just starting does not answer in time."""
        worker = self.chance.choice(self.machines).at_work()
        if worker is not None:
            self.call(worker, partial(receive, raw, worker.app), lambda error: answer(error is None))

    def deploy(self) -> None:
        """A new version: the machines change to it one after the other, whatever they are at."""
        for number, machine in enumerate(self.machines):
            self.agenda.after(60.0 * number, machine.restart)

    def call(self, worker: Worker, function: Callable[[], None], ended: Ended) -> Invocation:
        """Call a function in a worker process."""
        invocation = Invocation(worker)
        timeout = self.agenda.after(FUNCTION_TIMEOUT, lambda: self._time_out(invocation))

        def over(error: BaseException | None) -> None:
            self.agenda.cancel(timeout)
            worker.running.pop(invocation, None)
            self._judge(error, invocation)
            ended(error)

        invocation.task = self.agenda.begin(function, over)
        invocation.task.about = invocation
        worker.running[invocation] = None
        self.figures["calls"] += 1
        return invocation

    def current(self) -> Invocation:
        """The call that runs."""
        assert self.agenda.task is not None
        invocation = self.agenda.task.about
        assert isinstance(invocation, Invocation)
        return invocation

    def recorded(self, partition: str) -> None:
        """The call that runs has committed something."""
        call = self.current()
        call.unrecorded = None
        if call.wish is not None and partition == "notes":
            self.on_pause(call.wish)
            call.wish = None

    def kill(self, worker: Worker, why: str) -> None:
        """A worker process ends; its machine's host starts another one."""
        for machine in self.machines:
            if machine.worker is worker:
                self.figures[why] += 1
                machine.restart()

    def _judge(self, error: BaseException | None, invocation: Invocation) -> None:
        if error is not None:
            self.figures["calls that died" if isinstance(error, WorkerDied) else "calls that failed"] += 1
        if error is not None and not isinstance(error, WorkerDied | StorageError):
            self.defects.append("".join(traceback.format_exception(error)))
        if invocation.unrecorded is not None:
            self.on_loss(invocation.unrecorded)
            if error is None and not invocation.worker.frozen_until:
                self.defects.append(f"what was done was not recorded: {invocation.unrecorded}")
        if invocation.wish is not None and error is None and invocation.failed == self.weather.failed:
            self.on_deaf(invocation.wish)

    def _time_out(self, invocation: Invocation) -> None:
        frozen = invocation.worker.frozen_until - self.agenda.seconds
        if frozen >= 0:  # the machine that would see it stands still, too
            self.agenda.after(frozen + self.chance.uniform(0, 10), lambda: self._time_out(invocation))
        elif invocation in invocation.worker.running:
            self.kill(invocation.worker, "timeouts")

    def _timer(self) -> None:
        self.agenda.after(TIMER, self._timer)
        workers = [worker for machine in self.machines if (worker := machine.at_work())]
        if self._sweeping or not workers:
            return
        self._sweeping = True
        worker = self.chance.choice(workers)
        self.call(worker, partial(sweep, worker.app), self._swept)

    def _swept(self, error: BaseException | None) -> None:
        self._sweeping = False
        self.figures["sweeps"] += error is None


class Machine:
    """A host with its worker process."""

    def __init__(self, site: FunctionApp, number: int) -> None:
        self.site, self.number = site, number
        self.worker: Worker | None = None
        self._starts = 0
        self._start()
        for queue, function, poison in ((site.actions, act, site.poison), (site.poison, rearm, None)):
            Listener(self, queue, function, poison).poll()

    def restart(self, span: tuple[int, int] = RESTART) -> None:
        """The worker process ends, if there is one, and another one starts after a while."""
        if self.worker is not None:
            self.worker.die()
            self.worker = None
            self.site.agenda.after(self.site.chance.uniform(*span), self._start)

    def at_work(self) -> Worker | None:
        """The worker process, if it runs."""
        worker = self.worker
        return worker if worker and worker.frozen_until <= self.site.agenda.seconds else None

    def stand_still(self, seconds: float) -> None:
        """It is paused, as when it is moved to other hardware."""
        if self.worker is not None:
            self.site.figures["machines frozen"] += 1
            self.worker.freeze(self.site.agenda.seconds + seconds)

    def be_gone(self) -> None:
        """The machine is gone with all that it had; another one takes its place."""
        if self.worker is not None:
            self.site.figures["machines lost"] += 1
            self.worker.has_host = False
            self.restart(REPLACED)

    def _start(self) -> None:
        self._starts += 1
        self.worker = Worker(f"machine {self.number}, process {self._starts}", self.site.make_app())


class Listener:
    """A queue trigger on a machine."""

    def __init__(
        self, machine: Machine, queue: Queue, function: Callable[[str, App], None], poison: Queue | None
    ) -> None:
        self._machine, self._queue, self._function, self._poison = machine, queue, function, poison
        self._site = machine.site
        self._pause = SHORTEST_POLL
        self._worker: Worker | None = None
        self._running = 0  # calls of this worker

    def poll(self) -> None:
        """Read a batch, if there is room, and look again after a while: the longer, the longer nothing was there."""
        worker = self._machine.worker
        if worker is not self._worker:
            self._worker, self._running = worker, 0
        found: list[Message] = []
        ready = self._machine.at_work() is not None and not self._site.weather.queues_away
        if ready and self._running <= NEW_BATCH_THRESHOLD:
            found = self._queue.receive(BATCH_SIZE, INVISIBLE)
        for message in found:
            self._handle(message)
        self._pause = SHORTEST_POLL if found else min(self._pause * 2, LONGEST_POLL)
        self._site.agenda.after(self._pause * self._site.chance.uniform(0.8, 1.2), self.poll)

    def _handle(self, message: Message) -> None:
        worker = self._worker
        assert worker is not None
        receipt = message.dequeued
        self._running += 1

        def ended(error: BaseException | None) -> None:
            if worker is self._worker:
                self._running -= 1
            if worker.has_host and not self._site.weather.queues_away:
                self._dispose(message, receipt, failed=error is not None)

        if message.dequeued > MOST_DEQUEUES:
            self._running -= 1
            self._dispose(message, receipt, failed=True)
        else:
            self._site.call(worker, partial(self._function, message.text, worker.app), ended)

    def _dispose(self, message: Message, receipt: int, *, failed: bool) -> None:
        """Delete, release or bury it. Now and then that fails, too, and it comes again when its time is up."""
        if self._site.chance.random() < self._site.weather.failing:
            self._site.figures["messages not deleted"] += 1
        elif not failed:
            self._queue.delete(message, receipt)
        elif self._poison is None:
            pass
        elif receipt >= MOST_DEQUEUES:
            self._site.figures["poison messages"] += 1
            self._poison.put(message.text)
            self._queue.delete(message, receipt)
        else:
            self._queue.release(message, receipt, VISIBILITY_TIMEOUT)
