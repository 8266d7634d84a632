"""Refuses the requests that a web page can make a browser on this machine send.

The host has no keys, as under Core Tools. A page of another site can send it a request unless that needs a preflight
(a form's content types and no header of its own do not), and a name that the page's owner points at 127.0.0.1 makes
the host a part of the page's own site (DNS rebinding). Programs, such as curl, send no `Origin`.
"""

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

_NAMES = ("localhost", "127.0.0.1", "[::1]")
_DEFAULT_PORT = 80  # of http; clients leave it out


@web.middleware
async def local_requests_only(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer 403 to a request that is not for this machine, or that comes from a page of another site."""
    port = request.get_extra_info("sockname")[1]
    hosts = {f"{name}:{port}" for name in _NAMES} | ({*_NAMES} if port == _DEFAULT_PORT else set())
    host, origin = request.headers.get(hdrs.HOST, ""), request.headers.get(hdrs.ORIGIN)
    if host.lower() not in hosts:
        return web.Response(
            status=403, text=f"this host serves http://localhost:{port} only; the request's Host is {_quoted(host)}\n"
        )
    if origin is not None and origin.lower() not in {f"http://{name}" for name in hosts}:
        return web.Response(
            status=403,
            text=f"this host refuses requests of other sites' pages; the request's Origin is {_quoted(origin)}\n",
        )
    return await handler(request)


def _quoted(value: str) -> str:
    return ascii(value[:100])
