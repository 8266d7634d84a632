"""`Url`: a setting that is a URL, whose scheme and host are the rule's. An event fills in what follows them.

A template fills path segments and values of the query. What it writes is percent-encoded, so that it adds no segment
and no parameter; a segment ``.`` or ``..``, in any encoding, is refused when the URL is rendered.
"""

import re
from collections.abc import Sequence
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Any
from urllib.parse import unquote

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from handlers.base import GiveUp
from handlers.template import Template, UrlPartTemplate
from schemas import Event

MAX_LENGTH = 8_000  # characters; RFC 9110, section 4.1, recommends that servers support at least these

_AUTHORITY = re.compile(r"(?P<origin>(?P<scheme>[A-Za-z]+)://(?P<authority>[^/?#\\]*))(?=[/?]|$)")
_PORT = re.compile(r"(?P<host>\[[^\]]*\]|[^:]*)(?::(?P<port>\d{1,5}))?")
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER = re.compile(r"\d+|0x[0-9a-f]*")  # the WHATWG URL standard, "ends in a number": then it is an IPv4 address
_NOT_IN_URLS = re.compile(r"[^!-~]|[\"<>\\^`{|}#]|%(?![0-9A-Fa-f]{2})")
_HOST_IS_FIXED = "the host is the rule's: templates are possible after the first / or ?, and not before"
_BRACES = "; write {{ … }} for a template"
_HINTS = {"#": ": a fragment is never sent", "{": _BRACES, "}": _BRACES}
_SEPARATORS = re.compile(r"[/\\]")


class Url:
    """A URL with templates in its path and its query. It may have a secret in it, so that messages show its origin.

    Raises ValueError, as the rules load, for a URL that is not http or https, has credentials, a fragment, a host that
    is not written in its usual form, or a template before the first ``/`` or ``?`` after the host.
    """

    def __init__(self, source: str) -> None:
        text = source.strip()
        found = _AUTHORITY.match(text)
        if found is None:
            hint = f"; {_HOST_IS_FIXED}" if text.startswith("{") else ""
            raise ValueError(f"should be a URL, such as https://example.com/path{hint}")
        if found["scheme"] not in ("http", "https"):
            raise ValueError("should begin with https://")
        self.source = source
        self.is_encrypted = found["scheme"] == "https"
        self.host, self.port = _host_and_port(found["authority"])
        self.origin = f"{found['scheme']}://{found['authority'].lower()}"  # what messages may show
        self._template = UrlPartTemplate(_rest(text[found.end() :]))
        self._pattern = self._template.pattern
        if bad := _NOT_IN_URLS.search(self._pattern.replace("\0", "")):
            raise ValueError(f"a URL cannot have {bad[0]!r}{_HINTS.get(bad[0], '; write it percent-encoded')}")
        if error := _path_error(self._pattern, self._pattern):
            raise ValueError(error)

    @property
    def is_constant(self) -> bool:
        """Is it the same for every event?"""
        return self._template.is_constant

    @property
    def templates(self) -> Sequence[Template]:
        """The URL as a template, if it is one: for checks of the keys that it reads."""
        return () if self.is_constant else (Template(self.source),)

    def render(self, event: Event, **more: Any) -> str:
        """The URL for an event. Raises jinja2.TemplateError, and GiveUp for a value that cannot be in a URL."""
        rest = self._template.render(event, **more)
        if error := _path_error(rest, self._pattern):
            raise GiveUp(f"the URL of {self.origin} is refused: {error}")
        if len(rest) > MAX_LENGTH:
            raise GiveUp(f"the URL of {self.origin} has {len(rest):,} characters; at most {MAX_LENGTH:,} are allowed")
        return self.origin + rest

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Url) and other.source == self.source

    def __hash__(self) -> int:
        return hash(self.source)

    def __repr__(self) -> str:
        return f"Url('{self.origin}/…')"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(
            lambda value: value.source if isinstance(value, Url) else value,
            core_schema.no_info_after_validator_function(cls, core_schema.str_schema()),
            json_schema_input_schema=core_schema.str_schema(),
            serialization=core_schema.plain_serializer_function_ser_schema(lambda url: f"{url.origin}/**********"),
        )


def _rest(text: str) -> str:
    """What follows the origin, with a path."""
    return text if text.startswith("/") else f"/{text}"


def _path_error(rest: str, pattern: str) -> str:
    """Why a path is refused; empty if it is not. The pattern has the same segments."""
    segments, patterns = (text.partition("?")[0].split("/") for text in (rest, pattern))
    for segment, of_rule in zip(segments, patterns, strict=True):
        if any(piece in (".", "..") for piece in _SEPARATORS.split(unquote(segment))):
            return "a segment of its path is '.' or '..', which would address something else"
        if of_rule and not segment:
            return "a value in its path is empty; give it a default: {{ data.runTags.team | default('none') }}"
    return ""


def _host_and_port(authority: str) -> tuple[str, int | None]:
    """The host in small letters, and the port if the URL names one. Raises ValueError."""
    if "{" in authority:
        raise ValueError(_HOST_IS_FIXED)
    if "@" in authority:
        raise ValueError("a URL has no user name and password: write them as a header")
    found = _PORT.fullmatch(authority.lower())
    if found is None or not found["host"]:
        raise ValueError("should have a host, and a port that is a number")
    port = int(found["port"]) if found["port"] else None
    if port is not None and not 0 < port < 65_536:
        raise ValueError("a port is a number from 1 to 65535")
    _check_host(found["host"])
    return found["host"].strip("[]"), port


def _check_host(host: str) -> None:
    """Refuse what resolvers and clients read in different ways: 127.1, 0x7f000001, 2130706433, fullwidth letters."""
    if host.startswith("["):
        try:
            IPv6Address(host[1:-1])
        except AddressValueError as error:
            raise ValueError(f"{host} is not an IPv6 address") from error
        if "%" in host:
            raise ValueError("an address in a URL has no zone")
        return
    labels = host.split(".")
    if _NUMBER.fullmatch(labels[-1]):
        try:
            IPv4Address(host)
        except AddressValueError as error:
            raise ValueError(f"{host} is a number, but not an IPv4 address like 192.0.2.7") from error
    elif len(host) > 253 or not all(map(_LABEL.fullmatch, labels)):
        hint = "leave out the dot at its end" if host.endswith(".") else "other letters have a form with xn--"
        raise ValueError(f"the host should be a name in ASCII, like example.com; {hint}")
