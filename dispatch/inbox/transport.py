"""How long storage may take in all: a deadline for every call that a function makes, kept by the clients' transport.

Timeouts bound one request and retries one call. A function makes many calls, so only a deadline bounds their sum; and
only here is a pause bounded that storage asks for: azure-core sleeps for as long as a ``Retry-After`` says, an hour or
a day (azure-sdk-for-python, azure/core/pipeline/policies/_retry.py, `_sleep_for_retry`).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import timedelta
from math import inf
from time import monotonic

import requests
from azure.core.exceptions import ServiceRequestTimeoutError
from azure.core.pipeline.transport import RequestsTransport
from requests.adapters import HTTPAdapter
from urllib3 import Retry

CONNECT, READ = 3.0, 5.0  # seconds: a healthy storage service needs milliseconds
CONNECTIONS = 32  # kept open to each service: PYTHON_THREADPOOL_THREAD_COUNT threads ask at once; requests keeps 10
LONGEST_PAUSE = 2.0  # seconds between two tries: a function that sleeps holds a thread

_ends: ContextVar[float] = ContextVar("_ends", default=inf)


@contextmanager
def within(span: timedelta) -> Iterator[None]:
    """All calls to storage in this block, or in the function that this decorates, end in this time or fail."""
    token = _ends.set(min(_ends.get(), monotonic() + span.total_seconds()))
    try:
        yield
    finally:
        _ends.reset(token)


class PunctualTransport(RequestsTransport):  # type: ignore[misc]  # azure-core gives it lazily, as Any
    """Requests that end in `CONNECT` and `READ` seconds, and before the deadline that `within` has set.

    An answer is read whole before it is handed on, so that the SDKs repeat a request whose answer breaks off. (They
    would read a transaction's only when no retry is possible any more.) One that comes drop by drop may take longer:
    the timeout is for each piece.
    """

    def __init__(self) -> None:
        session = requests.Session()
        for scheme in ("https://", "http://"):
            # No retries here, as in azure-core's own sessions: the client's policies see to them.
            never = Retry(total=False, redirect=False, raise_on_status=False)
            session.mount(scheme, HTTPAdapter(pool_maxsize=CONNECTIONS, max_retries=never))
        super().__init__(session=session)

    def send(self, request, **kwargs):  # type: ignore[no-untyped-def]  # the overloads of the base class
        """Send it, if there is time. Raises ServiceRequestTimeoutError, and what the base class raises."""
        part = min(1.0, _left() / (CONNECT + READ))
        if part <= 0:
            raise ServiceRequestTimeoutError("storage took so long that no time is left for this request")
        timeouts = {"connection_timeout": CONNECT * part, "read_timeout": READ * part}
        return super().send(request, **{**kwargs, **timeouts, "stream": False})

    def sleep(self, duration: float) -> None:
        """Pause before a retry, if that leaves time for it. Raises ServiceRequestTimeoutError."""
        pause = min(duration, LONGEST_PAUSE)
        if pause >= _left():
            raise ServiceRequestTimeoutError("storage took so long that no time is left for another try")
        super().sleep(pause)


def _left() -> float:
    return _ends.get() - monotonic()
