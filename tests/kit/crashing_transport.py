"""`CrashingTransport`: the transport of a worker that can crash before and after each of its requests to Azure."""

from typing import Any

from handlers.azure.transport import Transport
from mlevents.testing.runs import WorkerDied
from tests.kit.faults import CrashAt


class CrashingTransport(Transport):
    """Crashes the worker at the request that the test chooses."""

    def __init__(self, crash: CrashAt) -> None:
        super().__init__()
        self._crash = crash

    def _send(self, request: Any, **kwargs: Any) -> Any:
        answers: list[Any] = []

        def send(request: Any, **kwargs: Any) -> Any:
            answers.append(Transport._send(self, request, **kwargs))
            return answers[0]

        try:
            return self._crash.around(send)(request, **kwargs)
        except WorkerDied:
            for answer in answers:  # the system closes the connections of a process that ends; here, nothing else would
                answer.internal_response.close()
            raise

    def disconnect(self) -> None:
        """Close all connections, as the end of the process does."""
        self._requests.close()
