"""The app's queue and timer triggers, as the decorators of its functions configure them."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from functools import partial

from azure.storage.queue.aio import QueueServiceClient

from dispatch.settings import CONNECTION, SettingsError
from mlevents.app_settings import resolve
from mlevents.console import Console
from mlevents.local.host.functions import Function
from mlevents.local.host.host import Host
from mlevents.local.host.host_json import QueueOptions
from mlevents.local.host.payloads import Payload
from mlevents.local.options import INVISIBLE
from mlevents.local.triggers.queue import QueueTrigger
from mlevents.local.triggers.queue_messages import Handling
from mlevents.local.triggers.queue_service import queue_service
from mlevents.local.triggers.timer import TimerTrigger


class Triggers:
    """The queue and timer triggers. If one cannot work, the reason is printed, and the others work."""

    def __init__(
        self,
        host: Host,
        environment: Mapping[str, str],
        disabled: frozenset[str],
        console: Console,
    ) -> None:
        self._host, self._environment, self._disabled, self._console = host, environment, disabled, console
        self._services: dict[str, QueueServiceClient] = {}
        self._queues: list[QueueTrigger] = []
        self._timers: list[TimerTrigger] = []

    def create(self, options: QueueOptions, invisible: timedelta = INVISIBLE) -> None:
        """Create a trigger for each queue and timer function; print which functions and bindings are not served."""
        for function in self._host.functions.values():
            self._create(function, options, invisible)

    def _create(self, function: Function, options: QueueOptions, invisible: timedelta) -> None:
        is_disabled = function.name in self._disabled
        for other in function.other_bindings:
            binding = f"the binding {other['name']} ({other['type']})"
            self._console.problem(f"{function.name}: {binding} is not served: only triggers are")
        try:
            match function.kind:
                case "queuetrigger" if not is_disabled:
                    self._queues.append(self._queue(function, options, invisible))
                case "timertrigger" if not is_disabled:
                    self._timers.append(self._timer(function))
                case "queuetrigger" | "timertrigger" | "eventgridtrigger" | "httptrigger":
                    pass
                case _:
                    raise ValueError(f"{function.trigger['type']} functions are not served")
        except (SettingsError, LookupError, ValueError) as error:
            self._console.problem(f"{function.name} is not triggered: {error}")

    def _queue(self, function: Function, options: QueueOptions, invisible: timedelta) -> QueueTrigger:
        connection = resolve(str(function.trigger.get("connection") or CONNECTION), self._environment)
        name = resolve(str(function.trigger["queueName"]), self._environment).lower()
        if connection not in self._services:
            self._services[connection] = queue_service(self._environment, connection)
        service = self._services[connection]
        handling = Handling(
            name, service, options, self._call(function), self._console, invisible, on_poison=self._wake
        )
        return QueueTrigger(handling)

    def _timer(self, function: Function) -> TimerTrigger:
        expression = resolve(str(function.trigger["schedule"]), self._environment)
        return TimerTrigger(
            expression, self._call(function), run_on_startup=function.trigger.get("runOnStartup") is True
        )

    def _call(self, function: Function) -> Callable[[Payload], Awaitable[object]]:
        return partial(self._host.call, function)

    def _wake(self, name: str) -> None:
        for queue in self._queues:
            if queue.name == name:
                queue.wake()

    def start(self) -> None:
        """Start all triggers."""
        for queue in self._queues:
            queue.start()
        for timer in self._timers:
            timer.start()

    async def stop(self, grace: float) -> None:
        """Stop calling functions; running calls have `grace` seconds to end."""
        await asyncio.gather(*(q.stop(grace) for q in self._queues), *(t.stop(grace) for t in self._timers))

    async def finish(self) -> None:
        """Release the messages and close the clients: after `stop`, when the worker has ended."""
        await asyncio.gather(*(queue.finish() for queue in self._queues))
        for service in self._services.values():
            await service.close()
