"""Event Grid: delivers events to one URL, at least once, in any order.

learn.microsoft.com, "Event Grid message delivery and retry" and "Webhook event delivery": one event per
request, 30 seconds for a response, the retry schedule, and the statuses that are not retried.
"""

import asyncio
from collections.abc import Sequence
from threading import Lock
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

import aiohttp

from emulator.background import Background
from emulator.state.state import Body

PAUSES = (10.0, 30.0, 60.0, 300.0, 600.0, 1_800.0, 3_600.0)  # seconds between attempts
TIMEOUT = aiohttp.ClientTimeout(total=30)
NOT_RETRIED = frozenset({400, 403, 413})
LEAST = {401: 300.0, 404: 300.0, 408: 120.0, 503: 30.0}  # seconds to wait at least after this status


class NotValidated(Exception):  # noqa: N818 - the result of a handshake
    """The URL did not answer the handshake, and gets no events; the message has its response."""


class EventGrid:
    """A subscription of one URL to all events, within a ``with`` block.

    Every `twice_every`th event is delivered twice, as Event Grid may deliver any; 0: none is.
    """

    def __init__(self, url: str, *, twice_every: int = 0, pauses: Sequence[float] = PAUSES) -> None:
        self.url = url
        self.delivered: list[Body] = []
        self.undelivered: list[tuple[Body, str]] = []  # with the reason
        self._twice_every, self._pauses = twice_every, pauses
        self._background, self._open, self._lock = Background(), False, Lock()
        self._count = 0
        self._tasks: set[asyncio.Task[None]] = set()

    def __enter__(self) -> Self:
        """Subscribe. Raises NotValidated."""
        self._background.__enter__()
        try:
            self._background.run(self._subscribe())
        except BaseException:
            self._background.__exit__(None, None, None)
            raise
        self._open = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._open = False
        self._background.run(self._stop())
        self._background.__exit__(None, None, None)

    @property
    def idle(self) -> bool:
        """Whether no delivery is pending."""
        return not self._tasks

    def publish(self, event: Body) -> None:
        """Start to deliver an event, from any thread. Does nothing after the ``with`` block."""
        with self._lock:
            if self._open:
                self._background.run(self._accept(event))

    async def _subscribe(self) -> None:
        self._client = aiohttp.ClientSession(timeout=TIMEOUT)
        code = str(uuid4())
        event = {
            "id": str(uuid4()),
            "topic": "",
            "subject": "",
            "eventType": "Microsoft.EventGrid.SubscriptionValidationEvent",
            "data": {"validationCode": code},
            "dataVersion": "2",
        }
        try:
            status, answer = await self._post(event, "SubscriptionValidation", 1)
        except (aiohttp.ClientError, TimeoutError) as error:
            status, answer = 0, f"{type(error).__name__}: {error}"
        if answer != {"validationResponse": code}:
            await self._client.close()
            raise NotValidated(f"{self.url} did not answer the handshake of Event Grid: {status} {answer}")

    async def _stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        await self._client.close()

    async def _accept(self, event: Body) -> None:
        self._count += 1
        again = bool(self._twice_every) and self._count % self._twice_every == 0
        for _ in range(2 if again else 1):
            task = asyncio.create_task(self._deliver(event))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _deliver(self, event: Body) -> None:
        for attempt, pause in enumerate((*self._pauses, 0.0), 1):
            try:
                status, answer = await self._post(event, "Notification", attempt)
            except (aiohttp.ClientError, TimeoutError) as error:
                status, answer = 0, f"{type(error).__name__}: {error}"
            if 200 <= status <= 204:
                self.delivered.append(event)
                return
            if status in NOT_RETRIED:
                break
            await asyncio.sleep(max(pause, LEAST.get(status, 0.0)) if pause else 0.0)
        self.undelivered.append((event, f"{status} {answer}"))

    async def _post(self, event: Body, kind: str, attempt: int) -> tuple[int, Any]:
        headers = {
            "aeg-event-type": kind,
            "aeg-subscription-name": "AZUREML-EVENT",
            "aeg-delivery-count": str(attempt - 1),
            "aeg-data-version": str(event.get("dataVersion", "")),
            "aeg-metadata-version": "1",
        }
        async with self._client.post(self.url, json=[event], headers=headers) as answer:
            text = await answer.text()
            is_json = answer.content_type == "application/json" and bool(text)
            return answer.status, await answer.json() if is_json else text
