"""The language worker: the process in which the functions run. `worker_process` starts it.

Microsoft's azure-functions-runtime, which Azure loads from Python 3.13 on, finds the functions, decodes their
parameters and calls them. This module does what its host process does around it. Synchronous functions run in the
runtime's thread pool, of PYTHON_THREADPOOL_THREAD_COUNT threads.
"""

import asyncio
import faulthandler
import json
import logging
import os
import socket
from pathlib import Path
from threading import Lock, Thread
from types import SimpleNamespace
from typing import Any

import azure_functions_runtime as runtime  # type: ignore[import-untyped]  # Microsoft ships no types for it

from mlevents.local.host import http_values, protos, wire


class HostLink:
    """The socket to the host. Any thread may send."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._stream = connection.makefile("rb")
        self._lock = Lock()

    def send(self, **message: Any) -> None:
        """Send a message to the host. Raises OSError if the host has ended."""
        packed = wire.pack(message)
        with self._lock:
            self._socket.sendall(packed)

    def listen(self, loop: asyncio.AbstractEventLoop, inbox: "asyncio.Queue[dict[str, Any]]") -> None:
        """Put the host's messages into `inbox`. When the host has ended, end this process, even if functions run."""
        while (message := wire.read(self._stream)) is not None:
            loop.call_soon_threadsafe(inbox.put_nowait, message)
        os._exit(1)


class LogHandler(logging.Handler):
    """Sends every log record to the host, which prints it."""

    def __init__(self, link: HostLink) -> None:
        super().__init__()
        self._link = link

    def emit(self, record: logging.LogRecord) -> None:
        """Send the record, with the keys in ``extra={"mlevents": {...}}``."""
        try:
            error = logging.Formatter().formatException(record.exc_info) if record.exc_info else ""
            self._link.send(
                log={
                    "logger": record.name,
                    "level": record.levelname,
                    "message": record.getMessage(),
                    "error": error,
                    "keys": getattr(record, "mlevents", None),
                }
            )
        except Exception:  # a log line must not break the function that wrote it
            self.handleError(record)


def main(app_dir: str, fd: int) -> None:
    """Index the app in `app_dir`, and serve the host at the other end of the socket `fd` until it sends stop."""
    faulthandler.enable()
    link = HostLink(socket.socket(fileno=fd))
    asyncio.run(_serve(link, Path(app_dir)))


async def _serve(link: HostLink, app_dir: Path) -> None:
    inbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    Thread(target=link.listen, args=(asyncio.get_running_loop(), inbox), daemon=True).start()
    first = await inbox.get()
    if "stop" in first:
        return
    _replace_environment(first["environment"])
    _send_logs_to(link)
    runtime.start_threadpool_executor()
    link.send(**await _index(app_dir))
    calls = set()
    while "stop" not in (message := await inbox.get()):
        calls.add(call := asyncio.create_task(_call(link, message["call"])))
        call.add_done_callback(calls.discard)
    runtime.stop_threadpool_executor()


def _replace_environment(environment: dict[str, str]) -> None:
    os.environ.clear()
    os.environ.update(environment)


def _send_logs_to(link: HostLink) -> None:
    """Send records from INFO on, as Azure's worker does; and the runtime's own if the setting enables debug logs."""
    debug = os.environ.get("PYTHON_ENABLE_DEBUG_LOGGING", "").lower() in {"1", "true"}
    logging.basicConfig(level=logging.DEBUG if debug else logging.INFO, handlers=[LogHandler(link)])
    logging.getLogger("azure.functions").setLevel(logging.DEBUG if debug else logging.WARNING)


async def _index(app_dir: Path) -> dict[str, Any]:
    script = app_dir / os.environ.get("PYTHON_SCRIPT_FILE_NAME", "function_app.py")
    if not script.is_file():
        return {"broken": {"message": f"there is no {script.name} in {app_dir}", "stack": ""}}
    init = SimpleNamespace(capabilities={}, function_app_directory=str(app_dir))
    answer = await runtime.worker_init_request(_request(worker_init_request=init))
    if answer.result.status != protos.StatusResult.Success:
        return {"broken": _error(answer.result)}
    answer = await runtime.functions_metadata_request(_request(functions_metadata_request=SimpleNamespace()))
    return {"functions": [_description(each) for each in answer.function_metadata_results or ()]}


def _description(function: Any) -> dict[str, Any]:
    bindings = [json.loads(raw) for raw in function.raw_bindings]
    return {"name": function.name, "id": function.function_id, "bindings": bindings}


async def _call(link: HostLink, call: dict[str, Any]) -> None:
    metadata = {name: protos.TypedData(**value) for name, value in call["metadata"].items()}
    values = call["data"]
    if "http" in values:
        values = {"http": http_values.request_of(values["http"])}
    data = protos.ParameterBinding(name=call["parameter"], data=protos.TypedData(**values))
    request = SimpleNamespace(
        invocation_id=call["id"],
        function_id=call["function"],
        input_data=[data],
        trigger_metadata=metadata,
        trace_context=SimpleNamespace(trace_parent="", trace_state="", attributes={}),
        retry_context=SimpleNamespace(retry_count=0, max_retry_count=0, exception=None),
    )
    answer = await runtime.invocation_request(_request(invocation_request=request))
    succeeded = answer.result.status == protos.StatusResult.Success
    returned = http_values.packed(answer.return_value) if succeeded else None
    link.send(done=call["id"], error=None if succeeded else _error(answer.result), returned=returned)


def _request(**content: Any) -> SimpleNamespace:
    return SimpleNamespace(request=SimpleNamespace(**content), properties={"protos": protos, "host": "127.0.0.1"})


def _error(result: Any) -> dict[str, str]:
    return {"message": result.exception.message, "stack": result.exception.stack_trace}
