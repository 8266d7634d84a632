"""`Answer`: what a service answered; `Meaning`: what that is for an action, where the status alone misleads."""

import json
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from handlers.base import GiveUp, RetryLater, Succeeded, shorten
from handlers.errors import retry_after
from schemas.errors import printable

EXCERPT = 1_024  # bytes of an answer that the record keeps
_SHOWN = 300  # characters of an answer in an error
_MOST_LEAVES = 30  # of a JSON answer in the details of an outcome
_MOST_LEVELS = 6


@dataclass(frozen=True, slots=True)
class Answer:
    """A response. `headers` have names in lower case; `body` is cut to the bytes that the request allowed."""

    host: str
    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def text(self) -> str:
        """The body as text, with U+FFFD for bytes that are not UTF-8."""
        return self.body.decode("utf-8", "replace")

    @property
    def excerpt(self) -> str:
        """The body's first kilobyte on one line, without control characters. It ends in an ellipsis if it is cut."""
        text = self.body[:EXCERPT].decode("utf-8", "replace").strip()
        return printable(text.rstrip("\ufffd")) + "…" if len(self.body) > EXCERPT else printable(text)

    @property
    def is_success(self) -> bool:
        """Is the status 2xx?"""
        return HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES

    @property
    def is_page(self) -> bool:
        """Is it a success with HTML, as a gateway or a page to sign in answers in place of an API?"""
        return self.status < HTTPStatus.BAD_REQUEST and "html" in self.headers.get("content-type", "").casefold()

    def json(self) -> Any:
        """The body's JSON. Raises RetryLater if it is none: a gateway may answer in the name of the service."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            raise RetryLater(f"{self.host} answered {self.status} without valid JSON{_quoted(self.excerpt)}") from None

    @property
    def details(self) -> dict[str, str]:
        """The details of an outcome: ``status``, ``body``, and each leaf of a JSON body, such as ``body.id``."""
        found = {"status": str(self.status), "body": self.excerpt}
        try:
            return found | dict(_leaves(json.loads(self.body)))
        except (ValueError, RecursionError):
            return found


Ends: TypeAlias = type[Succeeded] | type[GiveUp] | type[RetryLater]


@dataclass(frozen=True, slots=True)
class Meaning:
    """What some answers of a service mean. It applies to a status, and where `text` or `header` is given, to these.

    `source` is the page of the service that says so. `advice` completes the reason of a failure.
    """

    status: int
    outcome: Ends
    advice: str = ""
    text: str = ""  # a part of the body, in any case
    header: str = ""  # the name of a header, or "name: value"
    throttled: bool = False  # does the service throttle every client?
    max_elapsed: timedelta | None = None  # of a RetryLater
    source: str = field(kw_only=True)

    def applies(self, answer: Answer) -> bool:
        """Is it about this answer?"""
        if answer.status != self.status or self.text.casefold() not in answer.text.casefold():
            return False
        name, _, value = self.header.casefold().partition(": ")
        return not name or (name in answer.headers and value in ("", answer.headers[name].casefold().strip()))


class ErrorAnswer(Exception):  # noqa: N818 - named after what it is
    """An answer that is an error. `handlers.errors.classify` reads its status and headers."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(f"{answer.host} answered{_quoted(answer.excerpt)}")
        self.response = answer
        self.status_code = answer.status


def checked(answer: Answer, meanings: Iterable[Meaning] = ()) -> Answer:
    """The answer, if it is a success: the first of the meanings that applies decides, then the status.

    Raises GiveUp or RetryLater for a meaning, GiveUp for a redirect, and `ErrorAnswer` for the statuses from 400, whose
    meaning is in the table of handlers/errors.py.
    """
    for meaning in meanings:
        if meaning.applies(answer):
            return _by_meaning(answer, meaning)
    if answer.is_success:
        return answer
    if answer.status < HTTPStatus.BAD_REQUEST:
        raise GiveUp(f"{_reason(answer)}; redirects are not followed{_to(answer)}: write the final URL in the rule")
    raise ErrorAnswer(answer)


def no_page(answer: Answer) -> Answer:
    """The answer of an API that answers no HTML. Raises RetryLater for a page: the service got no request."""
    if answer.is_page:
        raise RetryLater(f"{_reason(answer)}: a page, as a gateway or a proxy sends it, and not the service")
    return answer


def _by_meaning(answer: Answer, meaning: Meaning) -> Answer:
    if meaning.outcome is Succeeded:
        return answer
    reason = _reason(answer) + (f"; {meaning.advice}" if meaning.advice else "")
    if meaning.outcome is GiveUp:
        raise GiveUp(reason)
    delay = retry_after(answer.headers, datetime.now(UTC))
    raise RetryLater(reason, delay, throttled=meaning.throttled, max_elapsed=meaning.max_elapsed)


def _reason(answer: Answer) -> str:
    return f"HTTP {answer.status}: {answer.host} answered{_quoted(answer.excerpt)}"


def _to(answer: Answer) -> str:
    """Where a redirect leads: its origin, since the rest may be a secret."""
    try:
        target = urlsplit(answer.headers.get("location", ""))
    except ValueError:
        return ""
    return f", and this one leads to {printable(f'{target.scheme}://{target.hostname}')}" if target.hostname else ""


def _quoted(text: str) -> str:
    """An excerpt in quotes; not its repr, whose further escapes would hide a secret from dispatch/secrets.py."""
    return f" '{shorten(text, _SHOWN)}'" if text else " nothing"


def _leaves(value: Any) -> Iterator[tuple[str, str]]:
    """The leaves of a JSON value with their paths, the outermost first."""
    todo = deque([("body", value, 0)])
    left = _MOST_LEAVES
    while todo and left:
        path, value, level = todo.popleft()
        if isinstance(value, dict | list) and level < _MOST_LEVELS:
            members = value.items() if isinstance(value, dict) else enumerate(value)
            todo += [(f"{path}.{name}", inner, level + 1) for name, inner in members][:_MOST_LEAVES]
        elif level:
            left -= 1
            yield printable(path), printable(value if isinstance(value, str) else json.dumps(value))
