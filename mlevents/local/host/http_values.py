"""Requests and responses of HTTP functions, between the host's JSON and the classes that the runtime reads and returns.

`Response` is what the function returned, in the form that the host sends to the caller.
"""

from base64 import b64decode, b64encode
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from http.cookies import Morsel, SimpleCookie
from typing import Any, NamedTuple
from urllib.parse import quote

from mlevents.local.host import protos


class Response(NamedTuple):
    """The response of an HTTP function. `cookies` are values of the header Set-Cookie."""

    status: int = 200
    headers: Mapping[str, str] = {}
    body: bytes = b""
    cookies: tuple[str, ...] = ()


def request_of(value: Mapping[str, Any]) -> protos.RpcHttp:
    """The request that `payloads.http_request` describes, as the runtime reads it."""
    body = protos.TypedData(bytes=b64decode(value["body"])) if value["body"] else protos.TypedData()
    return protos.RpcHttp(**{**value, "body": body})


def packed(returned: Any) -> dict[str, Any] | None:
    """What a function returned, as JSON; None if it returned nothing.

    A text is a response with this body (HttpBinding.cs, CreateResult); so is JSON.
    """
    kind = returned.WhichOneof("data") if returned is not None else None
    if kind is None:
        return None
    if kind != "http":
        text = getattr(returned, kind)
        body, headers, status, cookies = _bytes(text), {"content-type": "text/plain; charset=utf-8"}, 200, []
    else:
        http = returned.http
        body = _bytes(getattr(http.body, http.body.WhichOneof("data") or "", b"") if http.body else b"")
        headers, status = dict(http.headers or {}), int(http.status_code)
        cookies = [_set_cookie(cookie) for cookie in http.cookies or ()]
    return {"status": status, "headers": headers, "body": b64encode(body).decode(), "cookies": cookies}


def unpacked(response: Mapping[str, Any] | None) -> Response:
    """The response that `packed` wrote. A function that returned nothing is answered with 204, without a body."""
    if response is None:
        return Response(204)
    body, cookies = b64decode(response["body"]), tuple(response["cookies"])
    return Response(int(response["status"]), response["headers"], body, cookies)


def _bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


def _set_cookie(cookie: Any) -> str:
    """The header of a cookie. ASP.NET Core percent-encodes its value, and sets the path "/" unless it has one."""
    jar: SimpleCookie = SimpleCookie()
    jar[cookie.name] = ""
    morsel: Morsel[str] = jar[cookie.name]
    morsel.set(cookie.name, cookie.value, quote(cookie.value, safe=""))
    morsel["path"] = _value(cookie.path) or "/"
    for name, value in (("domain", cookie.domain), ("secure", cookie.secure), ("httponly", cookie.http_only)):
        morsel[name] = _value(value) or ""
    if cookie.max_age is not None:
        morsel["max-age"] = f"{cookie.max_age.value:.0f}"
    if cookie.expires is not None:
        morsel["expires"] = format_datetime(datetime.fromtimestamp(cookie.expires.value.seconds, UTC), usegmt=True)
    morsel["samesite"] = cookie.same_site
    return morsel.OutputString()


def _value(nullable: Any) -> Any:
    return None if nullable is None else nullable.value
