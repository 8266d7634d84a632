"""`Look`: one look at one workspace or registry, with a limit on requests and on time."""

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dispatch.app import App
from dispatch.log import log_event
from handlers.azure.lists import Lists, NotFound, OutOfRequests, Service
from handlers.base import shorten
from schemas import ResourceId

MOST_REQUESTS = 250  # of one look at one workspace or registry


class OutOfTime(OutOfRequests):
    """The share of the time is over."""


class TimedLists(Lists):
    """Lists that make no request when the time is over."""

    def __init__(self, service: Service, has_time: Callable[[], bool], most: int = MOST_REQUESTS) -> None:
        super().__init__(service, most)
        self._has_time = has_time

    def check_time(self) -> None:
        """Raise OutOfTime if the share of the time is over."""
        if not self._has_time():
            raise OutOfTime

    def _count(self) -> None:
        self.check_time()
        super()._count()

    def items_if_any(self, path: str, query: Mapping[str, str] | None = None) -> Iterator[Mapping[str, Any]]:
        """The resources of a list; none if its parent was deleted since the list that named it was read."""
        try:
            page = self.page(path, query)
        except NotFound:
            return
        yield from page.items
        while page.next:
            page = self.next_page(page.next)
            yield from page.items


@dataclass(frozen=True, slots=True)
class Look:
    """A look at a workspace or a registry.

    `since` is when the last one began that came to its end; None at the first look, and after a week without one.
    """

    app: App
    resource: ResourceId
    types: frozenset[str]  # of events that rules ask for there
    lists: TimedLists
    began: datetime
    since: datetime | None

    @property
    def path(self) -> str:
        """The path of the workspace or the registry."""
        id = self.resource
        kind = type(id).resource_type
        return f"/subscriptions/{id.subscription}/resourceGroups/{id.resource_group}/providers/{kind}/{id.name}"

    def log_problem(self, problem: Exception | str) -> None:
        """Log a problem that does not stop the look."""
        text = problem if isinstance(problem, str) else f"{type(problem).__name__}: {problem}"
        reason = self.app.secrets.mask(shorten(text, 300))
        log_event("watch.partial", logging.WARNING, workspace=self.resource.name, reason=reason)
