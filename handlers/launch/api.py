"""`JsonApi`: requests to a service whose resources are JSON, and what the service's answers mean."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Annotated, Any, ClassVar, TypeAlias
from urllib.parse import quote, urlencode

from pydantic import AfterValidator

from handlers.base import GiveUp, RetryLater, shorten
from handlers.errors import PERMANENT, PROPAGATING, PROPAGATION, retry_after
from handlers.http.answer import Answer, ErrorAnswer, checked, no_page
from handlers.http.handler import checked_headers
from handlers.http.url import Url
from handlers.json_template import json_bytes
from handlers.launch.run import OutcomeUnknown, TooManyRuns

MAX_ANSWER = 3_000_000  # bytes: a list of a hundred runs has a megabyte
MAX_PAGES = 10  # of a list
_JSON = "application/json"
_MIN_PAUSE = timedelta(minutes=1)  # of a service that is throttled and does not say for how long
_MAX_RESET = timedelta(hours=2)  # limits are those of five minutes (Azure DevOps) or an hour (GitHub)


def _base_url(value: str) -> str:
    url = Url(value)
    if not url.is_constant or "?" in value:
        raise ValueError("should be a URL without a query, and the same for every event")
    return value.strip().rstrip("/")


# The URL of a service. Unlike `Url`, it is no secret, because links have it.
BaseUrl: TypeAlias = Annotated[str, AfterValidator(_base_url)]


@dataclass(frozen=True)
class JsonApi(ABC):
    """One service, below a URL without a slash at its end. Every method raises RetryLater and GiveUp.

    `now` is when this call of the handler began.
    """

    url: str
    allow_private: bool
    now: datetime

    service: ClassVar[str]  # its name, for messages
    parameters: ClassVar[Mapping[str, str]] = {}  # of the query of each request

    @abstractmethod
    def headers(self) -> Mapping[str, str]:
        """The headers of each request, with those that authenticate it."""

    @property
    @abstractmethod
    def advice(self) -> str:
        """What to check if the service denies a request."""

    def is_limited(self, answer: Answer) -> bool:
        """Does the service limit requests?"""
        return answer.status == HTTPStatus.TOO_MANY_REQUESTS

    def check(self, answer: Answer) -> Answer:
        """The answer, if it is a success. Raises GiveUp and RetryLater for others, by the table in handlers/errors.py.

        What a missing permission causes comes with advice, and a limit with the pause that the service needs.
        """
        said = f"HTTP {answer.status}: {self.service} answered {message_of(answer)!r}"
        if self.is_limited(answer):
            raise RetryLater(said, pause_of(answer, self.now), throttled=True) from ErrorAnswer(answer)
        if answer.status == HTTPStatus.SERVICE_UNAVAILABLE:  # counts as a failure: a gateway may have lost the answer
            raise RetryLater(said, retry_after(answer.headers, self.now)) from ErrorAnswer(answer)
        if answer.status in PROPAGATING:
            raise RetryLater(f"{said}. {self.advice}", max_elapsed=PROPAGATION) from ErrorAnswer(answer)
        if answer.status in PERMANENT:
            raise GiveUp(said) from ErrorAnswer(answer)
        if HTTPStatus.MULTIPLE_CHOICES <= answer.status < HTTPStatus.BAD_REQUEST:
            raise GiveUp(f"{said}: what the rule names has moved. Write its new name") from ErrorAnswer(answer)
        return checked(answer)

    def get(self, path: str, **query: Any) -> Any:
        """The resource at a path. Raises RetryLater if it does not exist."""
        return self.check(self._exchange("GET", path, query)).json()

    def find(self, path: str, **query: Any) -> Any:
        """The resource at a path; None if it does not exist."""
        answer = self._exchange("GET", path, query)
        return None if answer.status == HTTPStatus.NOT_FOUND else self.check(answer).json()

    def pages(self, path: str, key: str = "", size: int = 50, **query: Any) -> Iterator[Any]:
        """The items of a list whose pages have numbers; `key` names the list in the answer, unless it is the answer.

        Raises TooManyRuns after MAX_PAGES.
        """
        for page in range(1, MAX_PAGES + 1):
            found = self.get(path, per_page=size, page=page, **query)
            items = found[key] if key else found
            yield from items
            if len(items) < size:
                return
        raise TooManyRuns

    def send(self, method: str, path: str, body: Any = None, kind: str = _JSON, **query: Any) -> Answer:
        """Send a resource or a command."""
        return no_page(self.check(self._exchange(method, path, query, body, kind)))

    def start(self, path: str, body: Any, key: str) -> str | None:
        """Post a command that must not be repeated. Returns the id in the answer, by its key; None for 204.

        Raises OutcomeUnknown if the service may have acted on it: also if the answer is cut off.
        """
        try:
            answer = self._exchange("POST", path, {}, body)
        except RetryLater as error:
            if error.throttled or error.max_elapsed:  # the request for a token, after which nothing was sent
                raise
            raise OutcomeUnknown(str(error)) from error
        if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR or answer.status == HTTPStatus.REQUEST_TIMEOUT:
            raise OutcomeUnknown(f"HTTP {answer.status}: {self.service} answered {message_of(answer)!r}")
        if self.check(answer).status == HTTPStatus.NO_CONTENT:
            return None
        try:
            return str(answer.json()[key])
        except (RetryLater, LookupError, TypeError) as error:
            raise OutcomeUnknown(f"HTTP {answer.status}: {self.service} answered without {key}") from error

    def _exchange(
        self, method: str, path: str, query: Mapping[str, Any], body: Any = None, kind: str = _JSON
    ) -> Answer:
        from handlers.http.transport import Request, exchange  # they load requests

        headers = checked_headers({**self.headers(), **({} if body is None else {"Content-Type": kind})})
        content = None if body is None else json_bytes(body)
        query = {**query, **self.parameters}
        url = f"{self.url}{path}{'?' if query else ''}{urlencode(query, safe='$')}"
        return exchange(Request(method, url, headers, content, MAX_ANSWER), allow_private=self.allow_private)


def path_of(*segments: object) -> str:
    """A path with these segments, percent-encoded. Raises GiveUp for one that is empty or consists of dots."""
    texts = [str(segment) for segment in segments]
    if bad := [text for text in texts if not text.strip(".")]:
        raise GiveUp(f"{bad[0]!r} cannot be a part of a path")
    return "".join(f"/{quote(text, safe='$')}" for text in texts)


def pause_of(answer: Answer, now: datetime) -> timedelta:
    """How long a service that limits requests wants to be left alone.

    GitHub and Azure DevOps describe it alike ("Rate limits for the REST API"; "Rate and usage limits"): for
    ``Retry-After``; with ``X-RateLimit-Remaining: 0``, until ``X-RateLimit-Reset``, in seconds since 1970. Otherwise,
    GitHub asks for a minute at least.
    """
    after = retry_after({"Retry-After": answer.headers.get("retry-after", "")}, now)
    if after is not None:
        return after
    reset = answer.headers.get("x-ratelimit-reset", "")
    if answer.headers.get("x-ratelimit-remaining") == "0" and reset.isascii() and reset.isdigit() and len(reset) < 12:
        return min(max(datetime.fromtimestamp(int(reset), UTC) - now, timedelta()), _MAX_RESET)
    return _MIN_PAUSE


def message_of(answer: Answer) -> str:
    """The ``message`` of an error in JSON, and those of its ``errors``; else the beginning of the body."""
    try:
        body = answer.json()
        errors = [each.get("message") or each for each in body.get("errors") or () if isinstance(each, dict)]
        return shorten(" ".join(str(part) for part in (body["message"], *errors)), 500)
    except (RetryLater, LookupError, TypeError, AttributeError):
        return shorten(answer.excerpt, 300)
