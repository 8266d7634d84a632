"""`HttpHandler`: the base of handlers that call a service over HTTPS."""

import re
from collections.abc import Iterable, Iterator, Mapping
from ipaddress import ip_address
from typing import Any, ClassVar, Generic, Self, TypeVar

from pydantic import SecretStr, field_validator, model_validator
from pydantic_core import PydanticCustomError

from handlers.base import Finding, GiveUp, Handler
from handlers.http.answer import Answer, Meaning, checked
from handlers.http.url import Url
from schemas import Event

E = TypeVar("E", bound=Event)

MAX_ANSWER = 65_536  # bytes of a body that are read, unless a handler asks for more

_FIELD_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # a token of RFC 9110, section 5.6.2
_FIELD_VALUE = re.compile(r"[\t -~]*")
_LONGEST_VALUE = 8_000  # characters of a header; most servers accept no more


class HttpHandler(Handler[E], Generic[E]):
    """A handler whose work is requests. It states what its service's answers mean in `meanings`."""

    meanings: ClassVar[tuple[Meaning, ...]] = ()

    allow_private: bool = False  # may requests go to private networks and the app's own machine, and without TLS?

    @field_validator("*")
    @classmethod
    def _secrets_have_values(cls, value: Any) -> Any:
        """Reject an empty secret: each request would be denied. This kind of error is shown for secrets, too."""
        if _is_empty(value):
            raise PydanticCustomError("empty_secret", "is empty: set the app setting that it names")
        for name, each in value.items() if isinstance(value, Mapping) else ():
            if _is_empty(each):
                context = {"name": name}
                raise PydanticCustomError("empty_secret", "has no value for {name}: set its app setting", context)
        return value

    @model_validator(mode="after")
    def _is_encrypted(self) -> Self:
        if not self.allow_private and any(not url.is_encrypted for url in self._urls()):
            raise ValueError("should begin with https://; http is for private networks, with allow_private: true")
        return self

    def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        most: int = MAX_ANSWER,
    ) -> Answer:
        """Send one request and return its answer, if that is a success. It is neither retried nor redirected.

        Of the answer's body, `most` bytes are read. Raises GiveUp, RetryLater, and `handlers.http.answer.ErrorAnswer`,
        of which the table in handlers/errors.py decides.
        """
        from handlers.http.transport import Request, exchange

        request = Request(method, url, checked_headers(headers or {}), body, most)
        return checked(exchange(request, allow_private=self.allow_private), self.meanings)

    def findings(self) -> Iterator[Finding]:
        """A warning about `allow_private`, and addresses in URLs to which no request is sent."""
        if self.allow_private:
            yield Finding(
                "allow_private: true lets requests go to private networks and to the app's own machine, and without "
                "encryption; leave it out if the service is on the internet",
                severity="warning",
            )
        for url in self._urls():
            if _is_address(url.host) and not self._may_call(url.host):
                yield Finding(f"no request is sent to {url.host}: it is not an address of the public internet")

    def destination(self, event: Event) -> str | None:
        """The scheme, host and port of the rule's URL."""
        return next((url.origin for url in self._urls()), None)

    def _urls(self) -> Iterable[Url]:
        return [value for _, value in self if isinstance(value, Url)]

    def _may_call(self, address: str) -> bool:
        from handlers.http.transport import is_allowed

        return is_allowed(address, allow_private=self.allow_private)


def check_name(name: str) -> None:
    """Raises ValueError if this is not the name of a header."""
    if not _FIELD_NAME.fullmatch(name):
        raise ValueError(f"{name!r} is not the name of a header")


def checked_headers(headers: Mapping[str, Any]) -> dict[str, str]:
    """The headers, without white space around their values.

    Values are ASCII: servers do not agree on how to read anything else (RFC 9110, section 5.5). Raises GiveUp for a
    value that would end its line, is not ASCII or is too long, and ValueError for a name that is none.
    """
    found = {name: str(value).strip() for name, value in headers.items()}
    for name, value in found.items():
        check_name(name)
        if len(value) > _LONGEST_VALUE or not _FIELD_VALUE.fullmatch(value):
            raise GiveUp(
                f"the header {name} would have line ends, letters beyond ASCII, or more than {_LONGEST_VALUE:,} "
                "characters: write {{ … | urlencode }}"
            )
    return found


def _is_empty(secret: object) -> bool:
    return isinstance(secret, SecretStr) and not secret.get_secret_value().strip()


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
