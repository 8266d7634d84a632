"""Mask secrets in texts that are logged or recorded.

Libraries put their arguments into exceptions: requests prints the whole URL, which for a chat's webhook is secret. So
every text that comes from a handler passes through `Secrets.mask` before it is logged or recorded.
"""

import html
import json
import logging
import re
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from traceback import format_exception
from typing import Any, Self
from urllib.parse import parse_qsl, quote, quote_plus, unquote, urlsplit

import markupsafe
from pydantic import BaseModel, SecretBytes, SecretStr

from dispatch.log import pairs, with_trace
from handlers.http.url import Url
from schemas.errors import printable

_logger = logging.getLogger("mlevents")

MASK = "***"

_CUT = "…"  # at the end of a text that handlers.base.shorten has cut
_SHORTEST = 4  # characters; shorter secrets occur in ordinary words by chance
_SHORTEST_PART = _SHORTEST_WORD = 8  # characters of a part of a secret, and of a secret that consists of letters only
_SHORTEST_LINE = 16  # characters of a line of a secret with several lines, such as a private key
_LONGEST_BASE64 = 1_000  # characters of a secret that is also looked for in Base64
# Names of app settings by which Azure and libraries pass secrets: exact names and endings, since TOKENIZERS_PARALLELISM
# and PWD, the current folder of a shell, are none.
_SECRET_NAMES = re.compile(
    r"AzureWebJobsStorage|IDENTITY_HEADER|[A-Z]+CONNSTR_.+|.*RUN_FROM_(PACKAGE|ZIP)|.+_(PWD|PASS|SAS)"
    r"|.*(KEY|PASSWORD|PASSWD|PASSPHRASE|SECRET|TOKEN|CONNECTION_?STRING)(_?\d+)?",
    re.IGNORECASE,
)
# Values and parts of URLs that also occur in paths, ids and names.
_ORDINARY = re.compile(
    "production|development|disabled|enabled|kubernetes|keyvault|UseDevelopmentStorage=true", re.IGNORECASE
)
_SECRET_FIELD = re.compile("key|signature|password|pwd|token|secret", re.IGNORECASE)  # of a connection string
_SIGNATURE = re.compile(r"\bsig=([^&\s]+)")  # of a shared access signature, which clients put into URLs
_JSON_FIELD = re.compile(r'"(\w+)"\s*:\s*"([^"\\]+)"')
_HEX = re.compile("%[0-9A-F]{2}")
_ORDINARY_PART = re.compile(r"[A-Za-z]?[a-z]{0,15}|\d{4}-\d\d-\d\d")  # "workflows"; an API version
_PUBLIC_PART = re.compile(rf"v?\d{{0,4}}|\{{\{{[^{{}}]*\}}\}}|{_ORDINARY_PART.pattern}")  # "v2"; a template of a rule


@dataclass(frozen=True, slots=True)
class Secrets:
    """Secret texts and the secret parts of them, the longest first."""

    texts: tuple[str, ...] = ()

    @classmethod
    def of_settings(cls, values: Mapping[str, str]) -> Self:
        """The values of app settings with names like API_KEY or DB_PASSWORD.

        A rule may write one that is for rules files (RULES_…) where no secret is expected, such as in a header.
        """
        named = (value for name, value in values.items() if _SECRET_NAMES.fullmatch(name))
        return cls(_longest_first(text for value in named for text in _spellings(value)))

    def including(self, handler: BaseModel | None) -> "Secrets":
        """These secrets and the values of a handler's secret fields."""
        found = [text for value in _secret_fields(handler) for text in _spellings(value)]
        return Secrets(_longest_first([*self.texts, *found])) if found else self

    def mask(self, text: str) -> str:
        """Replace every secret in a text, including one that is cut off before the ellipsis of a shortened text."""
        for secret in self.texts:
            text = text.replace(secret, MASK)
        *cut, last = text.split(_CUT)
        return _CUT.join([*map(self._mask_end, cut), last])

    def _mask_end(self, text: str) -> str:
        for secret in self.texts:
            at = text.find(secret[:_SHORTEST])
            while at >= 0:
                if secret.startswith(text[at:]):
                    return text[:at] + MASK
                at = text.find(secret[:_SHORTEST], at + 1)
        return text

    def log_defect(self, activity: str, error: BaseException, **keys: Any) -> None:
        """Log an unexpected error with its traceback, masked; `activity` names what the app was doing.

        `keys` follow it as they do in named events (dispatch/log.py).

        Each line of the traceback is marked as a continuation, and control characters are escaped: text of an event can
        neither look like another record nor control a terminal.
        """
        lines = self.mask("".join(format_exception(error))).rstrip("\n").split("\n")
        keys = with_trace(keys)
        first = f"{printable(activity)} {pairs(keys)}" if keys else printable(activity)
        _logger.error("%s", "\n".join([first, *(f"  | {printable(line)}" for line in lines)]))


NO_SECRETS = Secrets()


def _secret_fields(value: Any) -> Iterator[str]:
    match value:
        case SecretStr():
            yield value.get_secret_value()
        case Url() if _is_secret(value.source):
            yield value.source
        case SecretBytes():
            yield value.get_secret_value().decode(errors="replace")
        case BaseModel():
            for _, field in value:
                yield from _secret_fields(field)
        case Mapping():
            for item in value.values():
                yield from _secret_fields(item)
        case list() | tuple() | set() | frozenset():
            for item in value:
                yield from _secret_fields(item)


def _is_secret(url: str) -> bool:
    """Has a part of a rule's URL more than words, versions and templates? Links of a service often begin with it."""
    path, _, query = url.partition("://")[2].partition("?")
    pairs = (pair.partition("=") for pair in query.split("&"))
    parts = [*path.split("/")[1:], *(value if equals else name for name, equals, value in pairs)]
    return not all(map(_PUBLIC_PART.fullmatch, parts))


def _spellings(secret: str) -> Iterator[str]:
    """The spellings in which a secret, or a secret part of it, may occur in a text."""
    secret = secret.strip()
    if len(secret) < (_SHORTEST_WORD if secret.isalpha() else _SHORTEST) or _ORDINARY.fullmatch(secret):
        return
    yield secret
    yield from _encoded(secret)
    for part in filter(_is_long, _parts(secret)):
        yield part
        yield from filter(_is_long, _encoded(part))


def _is_long(part: str) -> bool:
    return len(part) >= _SHORTEST_PART


def _encoded(text: str) -> Iterator[str]:
    """A text as URLs, Python, JSON, HTML and Base64 spell it."""
    for quoted in (quote(text, safe=""), quote(text), quote_plus(text), unquote(text)):
        yield quoted
        yield _HEX.sub(lambda match: match[0].lower(), quoted)
    yield from {repr(text)[1:-1], ascii(text)[1:-1], repr(text.encode(errors="replace"))[2:-1]}
    for in_json in (json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]):
        yield in_json
        yield from (json.dumps(in_json)[1:-1], json.dumps(in_json, ensure_ascii=False)[1:-1])  # as JSON in JSON
    yield from {html.escape(text), str(markupsafe.escape(text))}
    if _is_long(unpadded := text.rstrip("=")):
        yield unpadded
    if len(text) <= _LONGEST_BASE64:
        yield from filter(_is_long, _in_base64(text.encode(errors="replace")))


def _in_base64(secret: bytes) -> Iterator[str]:
    """The characters that a secret has in the Base64 of any text around it, such as ``user:password``."""
    for before in range(3):
        text = b64encode(bytes(before) + secret).decode()
        core = text[-(-before * 8 // 6) : (before + len(secret)) * 8 // 6]  # these do not depend on what is around it
        yield from {core, core.replace("+", "-").replace("/", "_")}


def _parts(secret: str) -> Iterator[str]:
    if "://" in secret:
        url = urlsplit(secret)
        values = [value for _, value in parse_qsl(url.query)]
        yield from (f"{url.path}?{url.query}" if url.query else "", url.query, url.password or "")
        yield unquote(url.password or "")
        secret_parts = [part for part in (*url.path.split("/"), *values) if not _ORDINARY_PART.fullmatch(part)]
        yield from secret_parts
        if any(part in url.path for part in secret_parts):
            yield url.path
    for field in secret.split(";"):
        name, equals, value = field.partition("=")
        if equals and _SECRET_FIELD.search(name):
            yield value
            yield from _SIGNATURE.findall(value)
    yield from (value for name, value in _JSON_FIELD.findall(secret) if _SECRET_FIELD.search(name))
    lines = [line.strip() for line in secret.splitlines()]
    yield from (line for line in lines if len(lines) > 1 and len(line) >= _SHORTEST_LINE and line[:5] != "-----")


def _longest_first(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({text for text in texts if len(text) >= _SHORTEST}, key=lambda text: (-len(text), text)))
