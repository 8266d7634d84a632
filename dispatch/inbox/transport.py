"""The HTTP transport of the storage clients, which enforces one deadline for all calls of a function.

Timeouts limit one request, and retries one call; a function makes many calls, and only a deadline limits their sum.
The transport also limits the sleep before a retry: azure-core sleeps for as long as a ``Retry-After`` header says,
which may be a day (azure-sdk-for-python, azure/core/pipeline/policies/_retry.py, `_sleep_for_retry`).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import timedelta
from math import inf
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

import requests
from azure.core.exceptions import ServiceRequestTimeoutError
from azure.core.pipeline.transport import RequestsTransport
from requests.adapters import HTTPAdapter
from urllib3 import Retry

CONNECT, READ = 3.0, 5.0  # seconds: a healthy storage service needs milliseconds
CONNECTIONS = 32  # kept open per service, one per PYTHON_THREADPOOL_THREAD_COUNT thread; the default of requests is 10
MAX_SLEEP = 2.0  # seconds between two tries: a function that sleeps occupies a thread

_ends: ContextVar[float] = ContextVar("_ends", default=inf)


@contextmanager
def within(span: timedelta) -> Iterator[None]:
    """Limit the time of all storage calls in this block, or in the function that this decorates, together."""
    token = _ends.set(min(_ends.get(), monotonic() + span.total_seconds()))
    try:
        yield
    finally:
        _ends.reset(token)


class _Session(requests.Session):
    """A session that reads the environment once for each service instead of at every request: proxies, certificates.

    It never reads ``.netrc``, whose password would replace the storage account's authorization.
    """

    def __init__(self) -> None:
        super().__init__()
        self.auth = _unchanged  # without any, requests looks for ~/.netrc at every request
        self._settings: dict[tuple[str, str, Any, Any], Any] = {}

    def merge_environment_settings(self, url, proxies, stream, verify, cert):  # type: ignore[no-untyped-def]
        """The base class's result for the URL's scheme and host, computed once."""
        service = urlsplit(url)
        key = service.scheme, service.netloc, verify, cert
        if key not in self._settings:
            self._settings[key] = super().merge_environment_settings(url, proxies, stream, verify, cert)
        return {**self._settings[key], "proxies": {**self._settings[key]["proxies"]}}


def _unchanged(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


class PunctualTransport(RequestsTransport):  # type: ignore[misc]  # azure-core gives it lazily, as Any
    """A transport whose requests time out after `CONNECT` and `READ` seconds, and before the deadline of `within`.

    It reads a response completely before it returns it, so that the SDKs repeat a request whose response breaks off;
    they would read that of a transaction only when they can no longer repeat it. A response that arrives in many small
    pieces may take longer, because the timeout applies to each piece.
    """

    def __init__(self) -> None:
        session = _Session()
        for scheme in ("https://", "http://"):
            # No retries here, as in azure-core's own sessions: the client's policies retry.
            never = Retry(total=False, redirect=False, raise_on_status=False)
            session.mount(scheme, HTTPAdapter(pool_maxsize=CONNECTIONS, max_retries=never))
        super().__init__(session=session)

    def send(self, request, **kwargs):  # type: ignore[no-untyped-def]  # the overloads of the base class
        """Send a request within the time left. Raises ServiceRequestTimeoutError and the base class's errors."""
        share = min(1.0, _left() / (CONNECT + READ))
        if share <= 0:
            raise ServiceRequestTimeoutError("storage took so long that no time is left for this request")
        timeouts = {"connection_timeout": CONNECT * share, "read_timeout": READ * share}
        return super().send(request, **{**kwargs, **timeouts, "stream": False})

    def sleep(self, duration: float) -> None:
        """Sleep before a retry. Raises ServiceRequestTimeoutError if no time would be left for it."""
        seconds = min(duration, MAX_SLEEP)
        if seconds >= _left():
            raise ServiceRequestTimeoutError("storage took so long that no time is left for another try")
        super().sleep(seconds)


def _left() -> float:
    return _ends.get() - monotonic()
