"""A request for a page, and the response."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

HTML = "text/html; charset=utf-8"
LOOPBACK = ("localhost", "127.0.0.1", "::1")
_LARGEST = 50_000  # bytes of a form

# A page shows what others wrote: nothing in it may run, load, be framed, or be kept by a browser or a proxy.
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self'; "
    "img-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",  # with no-referrer, the Origin of a form would be "null"
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
    "X-Robots-Tag": "noindex",
}
# A mail in a frame: its own styles, and nothing else. It has no origin, so that it is as far away as another site.
FRAMED = {
    "Content-Security-Policy": "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'self'",
    "X-Frame-Options": "SAMEORIGIN",
}


@dataclass(frozen=True, slots=True)
class Request:
    """A request. `path` is what follows the address of the overview; names of headers are in lower case."""

    url: str
    path: str = ""
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    method: str = "GET"
    body: bytes = b""

    @property
    def form(self) -> dict[str, str]:
        """The fields of a form. Raises AddressError if the body is none, or too large."""
        type = self.headers.get("content-type", "").partition(";")[0].strip().casefold()
        if type != "application/x-www-form-urlencoded" or len(self.body) > _LARGEST:
            raise AddressError("the request is not a form of these pages")
        try:
            return dict(parse_qsl(self.body.decode("ascii"), keep_blank_values=True, max_num_fields=50))
        except ValueError as error:
            raise AddressError(f"the form is invalid: {error}") from error

    @property
    def host(self) -> str:
        """The host that the client asked for, without its port; empty if the URL is invalid."""
        try:
            return urlsplit(self.url).hostname or ""
        except ValueError:
            return ""

    @property
    def base(self) -> str:
        """The path of the overview: "/api/web"."""
        parts = [part for part in urlsplit(self.url).path.split("/") if part]
        own = len([part for part in self.path.split("/") if part])
        return "/" + "/".join(parts[: len(parts) - own])


@dataclass(frozen=True, slots=True)
class Response:
    """A response. `headers` are those beside `HEADERS`."""

    body: str
    status: int = 200
    type: str = HTML
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def all_headers(self) -> dict[str, str]:
        """Every header."""
        return {"Content-Type": self.type, **HEADERS, **self.headers}


class AddressError(Exception):
    """The address of a page is invalid. The message says which part, and what to write."""


class Missing(Exception):  # noqa: N818 - an answer, not a defect
    """What an address names does not exist."""


def not_found() -> Response:
    """What those get who may not look, and those who ask for a page that does not exist: neither learns more."""
    return Response("", 404, "text/plain; charset=utf-8")


def json_object(text: str | bytes) -> dict[str, Any]:
    """A JSON object. Raises ValueError for any other text."""
    try:
        value = json.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    if not isinstance(value, dict):
        raise ValueError("it is not a JSON object")  # noqa: TRY004 - as for text that is no JSON
    return value
