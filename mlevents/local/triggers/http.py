"""The URLs of `func start`: Event Grid's webhook, calling a function by hand, and what runs here.

The webhook answers as Microsoft.Azure.WebJobs.Extensions.EventGrid 3.4 does (Azure/azure-sdk-for-net,
EventGridExtensionConfigProvider.cs, HttpRequestProcessor.cs), without keys, as under Core Tools. JSON is read by
Python: the single quotes and comments that Newtonsoft.Json would let pass are errors here.
"""

import asyncio
import json
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from aiohttp import web

from mlevents.console import Console
from mlevents.local.host import payloads
from mlevents.local.host.host import Host
from mlevents.local.host.payloads import Payload
from mlevents.local.host.worker_process import CallFailed, Function

LARGEST = 100 * 2**20  # bytes of a request: the real host's default
_ORIGINS = {  # who may ask, in the CloudEvents handshake; any other is told the first
    "eventgrid.azure.net",
    "eventgrid.azure.us",
    "eventgrid.azure.cn",
    "eventgrid.azure.eaglex.ic.gov",
    "eventgrid.azure.microsoft.scloud",
}


class WebApp:
    """Serves one host's functions."""

    def __init__(self, host: Host, console: Console, disabled: frozenset[str] = frozenset()) -> None:
        self._host, self._console, self._disabled = host, console, disabled
        self._by_hand: set[asyncio.Task[None]] = set()

    def application(self) -> web.Application:
        """For aiohttp to run."""
        app = web.Application(client_max_size=LARGEST)
        for method in ("GET", "PUT", "POST", "DELETE", "OPTIONS"):  # those of HostController.cs
            app.router.add_route(method, "/runtime/webhooks/{extension}", self._webhook)
        app.router.add_get("/admin/functions", self._list, allow_head=False)
        app.router.add_get("/admin/functions/{name}", self._describe, allow_head=False)
        app.router.add_post("/admin/functions/{name}", self._call_by_hand)
        app.router.add_get("/admin/host/status", self._status)
        app.router.add_get("/", self._home)
        return app

    async def stop(self) -> None:
        """Wait for the calls made by hand; their worker is stopped already, or about to be."""
        if self._by_hand:
            await asyncio.wait(self._by_hand)

    async def _webhook(self, request: web.Request) -> web.Response:
        if request.match_info["extension"].lower() != "eventgrid":
            return web.Response(status=404)
        name = next((value for key, value in request.query.items() if key.lower() == "functionname"), "")
        function = self._host.functions.get(name)  # with regard to case, as there
        if function is None or function.kind != "eventgridtrigger" or name in self._disabled:
            return web.Response(status=404, text=f"cannot find function: '{name}'")
        if request.method == "OPTIONS":
            asked = request.headers.get("WebHook-Request-Origin", "")
            allowed = asked if asked in _ORIGINS else "eventgrid.azure.net"
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
                    "what is answered 400 is not delivered again"
                )
                return web.Response(status=400)

    async def _answered(self, function: Function, request: web.Request, step: Any) -> web.Response:
        """What a step answers; 500 with its reason if it cannot, which Event Grid answers with another delivery."""
        try:
            answer: web.Response = await step(function, json.loads((await request.read()).decode("utf-8-sig")))
        except CallFailed:
            return web.Response(status=500, text=f"Exception while executing function: Functions.{function.name}")
        except (ValueError, LookupError, TypeError, RecursionError) as error:
            reason = f"the request cannot be read: {type(error).__name__}: {error}"
            self._console.problem(f"{function.name}: {reason}")
            return web.Response(status=500, text=reason)
        return answer

    async def _validate(self, _function: Function, body: Any) -> web.Response:
        """The handshake: the code from an array of one event, or from one whose data is a string of JSON."""
        data = body[0]["data"] if isinstance(body, list) else json.loads(body["data"])
        return web.json_response({"validationResponse": data["validationCode"]})

    async def _deliver(self, function: Function, body: Any) -> web.Response:
        """All events of a delivery at once; one that fails fails the delivery, and all of them come again."""
        if not isinstance(body, dict | list):
            raise TypeError(f"an event or a list of events was expected, not {type(body).__name__}")
        events = body if isinstance(body, list) else [body]
        if str(function.trigger.get("cardinality", "one")).lower() == "many":
            calls = [self._host.call(function, payloads.event_grid(events))]
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

    async def _call_by_hand(self, request: web.Request) -> web.Response:
        """Fire and forget: 202 before the function runs, whatever comes of it; disabled functions run, too."""
        if (function := self._named(request)) is None:
            return web.Response(status=404)
        try:
            body = json.loads((await request.read()).decode("utf-8-sig"))
            text = body.get("input") or ""
            if not isinstance(text, str):
                raise TypeError("input must be a string; put an event's JSON into it as text")
        except (ValueError, AttributeError, TypeError) as error:
            return web.Response(status=400, text=f'write {{"input": "..."}}: {error}')
        self._by_hand.add(task := asyncio.create_task(self._run_by_hand(function, text)))
        task.add_done_callback(self._by_hand.discard)
        return web.Response(status=202)

    async def _run_by_hand(self, function: Function, text: str) -> None:
        try:
            payload: Payload = payloads.by_hand(function, text)
        except ValueError as error:
            self._console.problem(f"{function.name} was not called: its input cannot be read: {error}")
            return
        with suppress(CallFailed):  # which has been printed
            await self._host.call(function, payload)

    def _named(self, request: web.Request) -> Function | None:
        """The function in the URL, without regard to case."""
        wanted = request.match_info["name"].casefold()
        return next((f for name, f in self._host.functions.items() if name.casefold() == wanted), None)

    def _described(self, function: Function) -> Mapping[str, Any]:
        return {
            "name": function.name,
            "config": {"name": function.name, "bindings": [function.trigger, *function.others]},
            "isDisabled": function.name in self._disabled,
            "language": "python",
        }

    async def _list(self, _request: web.Request) -> web.Response:
        return web.json_response([self._described(f) for f in self._host.functions.values()])

    async def _describe(self, request: web.Request) -> web.Response:
        function = self._named(request)
        return web.json_response(self._described(function)) if function else web.Response(status=404)

    async def _status(self, _request: web.Request) -> web.Response:
        failed = self._host.failed
        state = "Error" if failed.done() else "Running" if self._host.worker_pid else "Starting"
        errors = [failed.result()] if failed.done() else []
        up = round((time.monotonic() - self._host.started) * 1000)
        return web.json_response({"id": "mlevents", "state": state, "processUptime": up, "errors": errors})

    async def _home(self, _request: web.Request) -> web.Response:
        names = "\n".join(f"  {f.name}  {f.trigger['type']}" for f in self._host.functions.values())
        return web.Response(text=f"The functions of this app run here:\n\n{names}\n")
