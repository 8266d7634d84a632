"""The URLs of `func start`: Event Grid's webhook, HTTP functions, calls of single functions, and the host's status.

The webhook answers as Microsoft.Azure.WebJobs.Extensions.EventGrid 3.4 does (Azure/azure-sdk-for-net,
EventGridExtensionConfigProvider.cs, HttpRequestProcessor.cs), without keys, as under Core Tools. Python reads
the JSON: single quotes and comments, which Newtonsoft.Json allows, are errors here. `guard` keeps web pages out.

A compressed body is no JSON, here as there: the real host has no middleware that decompresses requests
(Azure/azure-functions-host, src/WebJobs.Script.WebHost/Middleware), and Event Grid compresses none.
"""

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from aiohttp import web

from mlevents.console import Console
from mlevents.local.host import payloads
from mlevents.local.host.functions import CallFailed, Function
from mlevents.local.host.host import Host
from mlevents.local.host.payloads import Payload
from mlevents.local.triggers.guard import local_requests_only
from mlevents.local.triggers.http_functions import HttpFunctions
from mlevents.local.triggers.routes import Route

LARGEST = 100 * 2**20  # bytes of a request: the real host's default
_ORIGINS = {  # allowed in the CloudEvents handshake; any other is answered with the first
    "eventgrid.azure.net",
    "eventgrid.azure.us",
    "eventgrid.azure.cn",
    "eventgrid.azure.eaglex.ic.gov",
    "eventgrid.azure.microsoft.scloud",
}


class _RequestErrors(logging.Handler):
    """Prints what aiohttp logs, such as a request that is not HTTP or whose body is broken: one line, no traceback."""

    def __init__(self, console: Console) -> None:
        super().__init__(logging.WARNING)
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if record.exc_info and (error := record.exc_info[1]):
            text += f": {type(error).__name__}: {' '.join(str(error).split())}"
        self._console.problem(text)


class WebApp:
    """Serves the functions of one host."""

    def __init__(
        self, host: Host, console: Console, disabled: frozenset[str] = frozenset(), routes: Sequence[Route] = ()
    ) -> None:
        self._host, self._console, self._disabled = host, console, disabled
        self._functions = HttpFunctions(host, routes, disabled)
        self._manual_calls: set[asyncio.Task[None]] = set()

    def application(self) -> web.Application:
        """The application for aiohttp to run."""
        app = web.Application(client_max_size=LARGEST, middlewares=[local_requests_only])
        for method in ("GET", "PUT", "POST", "DELETE", "OPTIONS"):  # those of HostController.cs
            app.router.add_route(method, "/runtime/webhooks/{extension}", self._webhook)
        app.router.add_get("/admin/functions", self._list, allow_head=False)
        app.router.add_get("/admin/functions/{name}", self._describe, allow_head=False)
        app.router.add_post("/admin/functions/{name}", self._call_manually)
        app.router.add_get("/admin/host/status", self._status)
        app.router.add_get("/", self._home)
        app.router.add_route("*", "/{path:.*}", self._functions.serve)
        return app

    def runner(self, grace: float) -> web.AppRunner:
        """What runs the application; at its end, requests have `grace` seconds to end."""
        logger = logging.Logger("requests")  # noqa: LOG001 - of this app only: several may run in one process
        logger.addHandler(_RequestErrors(self._console))
        more: dict[str, Any] = {"access_log": None, "logger": logger, "auto_decompress": False}
        return web.AppRunner(self.application(), shutdown_timeout=grace, **more)

    async def stop(self) -> None:
        """Wait for the calls that /admin/functions started; the host stops their worker."""
        if self._manual_calls:
            await asyncio.wait(self._manual_calls)

    async def _webhook(self, request: web.Request) -> web.Response:
        if request.match_info["extension"].lower() != "eventgrid":
            return web.Response(status=404)
        name = next((value for key, value in request.query.items() if key.lower() == "functionname"), "")
        function = self._host.functions.get(name)  # case-sensitive, as in the real host
        if function is None or function.kind != "eventgridtrigger" or name in self._disabled:
            return web.Response(status=404, text=f"cannot find function: '{name}'")
        if request.method == "OPTIONS":
            origin = request.headers.get("WebHook-Request-Origin", "")
            allowed = origin if origin in _ORIGINS else "eventgrid.azure.net"
            return web.Response(headers={"Webhook-Allowed-Origin": allowed})
        match request.headers.get("aeg-event-type", "").lower():
            case "subscriptionvalidation":
                return await self._answered(function, request, self._validate)
            case "notification":
                return await self._answered(function, request, self._deliver)
            case "unsubscribe":
                return web.Response(status=202)
            case other:
                self._console.problem(
                    f"a request for {name} has the header aeg-event-type {other!r}: Event Grid sends Notification; "
                    "a delivery that is answered 400 is not repeated"
                )
                return web.Response(status=400)

    async def _answered(self, function: Function, request: web.Request, step: Any) -> web.Response:
        """The response of a step; 500 with the reason if it fails, after which Event Grid delivers again."""
        try:
            answer: web.Response = await step(function, json.loads((await request.read()).decode("utf-8-sig")))
        except CallFailed:
            return web.Response(status=500, text=f"Exception while executing function: Functions.{function.name}")
        except (ValueError, LookupError, TypeError, RecursionError) as error:
            encoding = request.headers.get("Content-Encoding", "")
            hint = f" (the host does not decompress requests, and this one has Content-Encoding: {encoding})"
            reason = f"the request cannot be read: {type(error).__name__}: {error}{hint * bool(encoding)}"
            self._console.problem(f"{function.name}: {reason}")
            return web.Response(status=500, text=reason)
        return answer

    async def _validate(self, _function: Function, body: Any) -> web.Response:
        """Answer the handshake with the code of one event: in an array, or with its data as JSON in a string."""
        data = body[0]["data"] if isinstance(body, list) else json.loads(body["data"])
        return web.json_response({"validationResponse": data["validationCode"]})

    async def _deliver(self, function: Function, body: Any) -> web.Response:
        """Call the function for all events at once. If one fails, so does the delivery, and all come again."""
        if not isinstance(body, dict | list):
            raise TypeError(f"an event or a list of events was expected, not {type(body).__name__}")
        events = body if isinstance(body, list) else [body]
        if str(function.trigger.get("cardinality", "one")).lower() == "many":
            calls: list[Awaitable[object]] = [self._host.call(function, payloads.event_grid(events))]
        else:
            calls = [self._one(function, event) for event in events]
        for outcome in await asyncio.gather(*calls, return_exceptions=True):
            if isinstance(outcome, BaseException):
                raise outcome
        return web.Response(status=202)

    async def _one(self, function: Function, event: Any) -> None:
        if not isinstance(event, dict):
            self._console.problem(f"{function.name}: an event is {type(event).__name__}, not an object")
            raise CallFailed("an event must be an object")
        await self._host.call(function, payloads.event_grid(event))

    async def _call_manually(self, request: web.Request) -> web.Response:
        """Answer 202 before the function runs, whether it succeeds or not. Disabled functions run, too.

        As in the real host, the content must be declared as JSON, which a page of another site cannot do unasked.
        """
        if request.content_type != "application/json":
            return web.Response(status=415, text="send the header Content-Type: application/json\n")
        if (function := self._named(request)) is None:
            return web.Response(status=404)
        try:
            body = json.loads((await request.read()).decode("utf-8-sig"))
            text = body.get("input") or ""
            if not isinstance(text, str):
                raise TypeError("input must be a string; put an event's JSON into it as text")
        except (ValueError, AttributeError, TypeError) as error:
            return web.Response(status=400, text=f'write {{"input": "..."}}: {error}')
        self._manual_calls.add(task := asyncio.create_task(self._run_manually(function, text)))
        task.add_done_callback(self._manual_calls.discard)
        return web.Response(status=202)

    async def _run_manually(self, function: Function, text: str) -> None:
        try:
            payload: Payload = payloads.manual(function, text)
        except ValueError as error:
            self._console.problem(f"{function.name} was not called: its input cannot be read: {error}")
            return
        with suppress(CallFailed):  # the host has printed it
            await self._host.call(function, payload)

    def _named(self, request: web.Request) -> Function | None:
        """The function in the URL; case is ignored."""
        name = request.match_info["name"].casefold()
        return next((f for f in self._host.functions.values() if f.name.casefold() == name), None)

    def _description(self, function: Function) -> Mapping[str, Any]:
        return {
            "name": function.name,
            "config": {"name": function.name, "bindings": [function.trigger, *function.other_bindings]},
            "isDisabled": function.name in self._disabled,
            "language": "python",
        }

    async def _list(self, _request: web.Request) -> web.Response:
        return web.json_response([self._description(f) for f in self._host.functions.values()])

    async def _describe(self, request: web.Request) -> web.Response:
        function = self._named(request)
        return web.json_response(self._description(function)) if function else web.Response(status=404)

    async def _status(self, _request: web.Request) -> web.Response:
        failed = self._host.failed
        state = "Error" if failed.done() else "Running" if self._host.worker_pid else "Starting"
        errors = [failed.result()] if failed.done() else []
        up = round((time.monotonic() - self._host.started) * 1000)
        return web.json_response({"id": "mlevents", "state": state, "processUptime": up, "errors": errors})

    async def _home(self, _request: web.Request) -> web.Response:
        names = "\n".join(f"  {f.name}  {f.trigger['type']}" for f in self._host.functions.values())
        return web.Response(text=f"The functions of this app run here:\n\n{names}\n")
