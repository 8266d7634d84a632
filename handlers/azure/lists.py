"""`Lists`: pages of lists of Azure Resource Manager, with a limit on requests, for the watch.

It imports no azure.ai.ml. An answer that is no list raises `WrongAnswer`: services and gateways send such answers, and
to take one for an empty list would mean that everything was deleted.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol
from urllib.parse import quote

from handlers.base import GiveUp

_MOST_ITEMS = 10_000  # on a page; a longer one is no page of Resource Manager
_MOST_EMPTY = 50  # consecutive pages without a resource; more are no list of Resource Manager


class Service(Protocol):
    """Reads of Resource Manager: `handlers.azure.arm.Arm`, or one that tests script."""

    def get(self, path: str, query: Mapping[str, str] | None = None) -> dict[str, Any] | None:
        """The resource at a path; None if it does not exist."""
        ...

    def get_url(self, url: str) -> dict[str, Any] | None:
        """The resource at a URL from a response; None if it does not exist, or is on another server."""
        ...


class WrongAnswer(GiveUp):
    """The service's answer is not what its specification says."""


class NotFound(GiveUp):
    """The collection does not exist: the workspace was deleted or moved, or its id is misspelt."""


class OutOfRequests(Exception):  # noqa: N818 - not an error: the next look continues
    """The look has made as many requests as it may."""


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a list, without what is no resource, and the URL of the next one; empty after the last."""

    items: tuple[Mapping[str, Any], ...]
    next: str


class Lists:
    """Reads lists with at most `most` requests. Methods raise what Arm's raise, WrongAnswer and OutOfRequests."""

    def __init__(self, service: Service, most: int) -> None:
        self._service, self.left = service, most
        self._followed: set[str] = set()
        self._empty = 0

    def page(self, path: str, query: Mapping[str, str] | None = None) -> Page:
        """The first page of the list at a path. Raises NotFound if there is no such list."""
        self._count()
        return _page(self._service.get(path, query), path)

    def next_page(self, url: str) -> Page:
        """The page at the URL that another page named. Raises NotFound if it does not exist any more.

        Raises WrongAnswer if the pages lead in a circle, or are empty without end.
        """
        if url in self._followed:
            raise WrongAnswer("the links from page to page lead in a circle")
        self._followed.add(url)
        self._count()
        page = _page(self._service.get_url(url), "the next page")
        self._empty = 0 if page.items else self._empty + 1
        if self._empty > _MOST_EMPTY:
            raise WrongAnswer(f"more than {_MOST_EMPTY} consecutive pages are empty")
        return page

    def items(self, path: str, query: Mapping[str, str] | None = None) -> Iterator[Mapping[str, Any]]:
        """The resources on all pages of a list."""
        page = self.page(path, query)
        yield from page.items
        while page.next:
            page = self.next_page(page.next)
            yield from page.items

    def at(self, url: str) -> Mapping[str, Any]:
        """The JSON at a URL from a response; empty if it does not exist, or is on another server."""
        self._count()
        return self._service.get_url(url) or {}

    def _count(self) -> None:
        if self.left < 1:
            raise OutOfRequests
        self.left -= 1


def connect() -> Service:
    """Resource Manager, with the app's credential; the same client each time, which keeps connections and tokens."""
    from handlers.azure.cloud import arm_endpoint
    from handlers.azure.credential import credential

    shared: Any = credential()
    return _connected(arm_endpoint(), shared)


@cache
def _connected(endpoint: str, credential: Any) -> Service:
    from handlers.azure.arm import Arm
    from handlers.azure.transport import Transport

    return Arm(endpoint, credential, Transport())


def segment(name: str) -> str:
    """A name as one segment of a path."""
    return quote(name, safe="", errors="replace")


def _page(body: Any, what: str) -> Page:
    if body is None:
        raise NotFound(f"{what} does not exist")
    found = body.get("value") if isinstance(body, dict) else None
    if not isinstance(found, list) or len(found) > _MOST_ITEMS:
        raise WrongAnswer(f"the answer for {what} is no list of resources")
    following = body.get("nextLink") or ""
    if not isinstance(following, str):
        raise WrongAnswer(f"the answer for {what} has no usable link to the next page")
    return Page(tuple(item for item in found if isinstance(item, dict)), following)
