"""Serves the app's HTTP functions at their routes, as the host does (`routes`, `http_values`).

Their auth levels are not enforced, as under Core Tools: there are no keys on this machine.
"""

from collections.abc import Mapping, Sequence

from aiohttp import hdrs, web

from mlevents.local.host import payloads
from mlevents.local.host.functions import CallFailed
from mlevents.local.host.host import Host
from mlevents.local.host.http_values import Response
from mlevents.local.triggers.routes import Route

_OF_THE_CONNECTION = {"connection", "content-length", "transfer-encoding"}  # headers that the server itself sets


class HttpFunctions:
    """The HTTP functions of one host. A disabled function is not found, as in the host."""

    def __init__(self, host: Host, routes: Sequence[Route], disabled: frozenset[str]) -> None:
        self._host = host
        self._routes = [route for route in routes if route.function.name not in disabled]

    async def serve(self, request: web.Request) -> web.Response:
        """Call the function whose route takes the request; 404 if there is none, and 500 if the function fails."""
        path = request.rel_url.raw_path
        for route in self._routes:
            params = route.parameters(request.method, path)
            if params is not None:
                return await self._call(route, request, params)
        return web.Response(status=404)

    async def _call(self, route: Route, request: web.Request, params: Mapping[str, str]) -> web.Response:
        query = {name: ",".join(request.query.getall(name)) for name in request.query}
        headers = {name: ",".join(request.headers.getall(name)) for name in request.headers}
        sent = payloads.HttpRequest(
            method=request.method,
            url=f"{request.scheme}://{request.host}{request.rel_url.raw_path_qs}",
            headers=headers,
            query=query,
            params=params,
            body=await request.read(),
        )
        try:
            response = await self._host.call(route.function, payloads.http_request(sent))
        except CallFailed:  # the host has printed it
            return web.Response(status=500)
        return _answer(response)


def _answer(response: Response) -> web.Response:
    answer = web.Response(status=response.status, body=response.body)
    for name, value in response.headers.items():
        if name.lower() not in _OF_THE_CONNECTION:
            answer.headers[name] = value
    for cookie in response.cookies:
        answer.headers.add(hdrs.SET_COOKIE, cookie)
    return answer
