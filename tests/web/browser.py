"""`Browser` asks for the pages of a world, counts their queries, and reads their HTML."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from dispatch.app import App
from dispatch.inbox.inbox import Inbox
from dispatch.inbox.tables import Row
from tests.kit.storage import CountedCalls
from tests.kit.world import LEASE, World
from web.exchange import Request, Response
from web.site import serve

LOCAL = {"AZURE_FUNCTIONS_ENVIRONMENT": "Development", "WEBSITE_HOSTNAME": "localhost:7071"}
BASE = "/api/web"
BLOCKS = {"dt", "dd", "td", "th", "li", "p", "h1", "h2", "h3", "option"}
VOID = {"meta", "link", "input", "line", "rect", "img", "br"}


@dataclass
class CountedQueries(CountedCalls):
    """Counts a query for each response of up to 1,000 rows, as Azure Tables answers."""

    queries: int = 0

    def read(self, partition: str, first: str, last: str, limit: int | None = None) -> list[Row]:
        rows = super().read(partition, first, last, limit)
        self.queries += max(1, -(-len(rows) // 1_000))
        return rows

    def read_span(self, partitions: tuple[str, str], first: str, last: str, limit: int) -> list[tuple[str, Row]]:
        rows = super().read_span(partitions, first, last, limit)
        self.queries += max(1, -(-len(rows) // 1_000))
        return rows


@dataclass
class Element:
    """An element with its attributes and the text in it."""

    tag: str
    attributes: dict[str, str | None]
    parents: tuple[str, ...]
    text: str = ""


class Page(HTMLParser):
    """A page as a browser reads it. Fails for HTML whose elements do not match."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.html = html
        self.elements: list[Element] = []
        self._open: list[Element] = []
        self.feed(html)
        self.close()
        assert not self._open, self._open[-1]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, dict(attrs), tuple(each.tag for each in self._open))
        self.elements.append(element)
        if tag not in VOID:
            self._open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(Element(tag, dict(attrs), tuple(each.tag for each in self._open)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop().tag == tag, f"</{tag}>"
        if tag in BLOCKS:
            self.handle_data(" ")

    def handle_data(self, data: str) -> None:
        for element in self._open:
            element.text += data

    def all(self, *tags: str) -> list[Element]:
        """The elements with these tags."""
        return [element for element in self.elements if element.tag in tags]

    @property
    def text(self) -> str:
        """The text of the page, with single spaces."""
        return " ".join(self.all("body")[0].text.split())

    @property
    def links(self) -> list[str]:
        """Every address in the page to which a request goes that changes nothing."""
        return [
            str(each.attributes[name])
            for each in self.elements
            for name in ("href", "src", "action")
            if name in each.attributes and each.attributes.get("method") != "post"
        ]


@dataclass
class Browser:
    """Asks for pages of a world."""

    world: World
    settings: dict[str, str] = field(default_factory=lambda: dict(LOCAL))
    origin: str = "http://localhost:7071"
    table: Any = None  # the world's, or another one in front of it
    changes: dict[str, Any] = field(default_factory=dict)  # of the app

    def app(self) -> App:
        """The app, with counted queries."""
        self.counted = CountedQueries(self.table or self.world.table, self.world.queue)
        return replace(self.world.app, inbox=Inbox(self.counted, LEASE), **self.changes)

    def ask(self, path: str = "", headers: dict[str, str] | None = None, /, **query: str) -> Response:
        """The response to a request for a page. `path` may have a query."""
        parts = urlsplit(path)
        given = {**dict(parse_qsl(parts.query)), **query}
        address = f"{self.origin}{BASE}/{parts.path}".rstrip("/") + (
            f"?{urlencode(given, errors='replace')}" if given else ""
        )
        request = Request(address, parts.path, given, headers or {})
        return serve(request, self.app, self.settings)

    def post(self, path: str, headers: dict[str, str] | None = None, /, **form: str) -> Response:
        """The response to a form."""
        sent = {"content-type": "application/x-www-form-urlencoded", **(headers or {})}
        address = f"{self.origin}{BASE}/{path}"
        request = Request(address, path, {}, sent, "POST", urlencode(form, errors="replace").encode())
        return serve(request, self.app, self.settings)

    def page(self, path: str = "", status: int = 200, /, **query: str) -> Page:
        """A page. Fails unless it has this status."""
        response = self.ask(path, None, **query)
        assert response.status == status, response.body
        return Page(response.body)

    def follow(self, link: str) -> Page:
        """The page to which a link of another page leads."""
        assert link.startswith(BASE)
        return self.page(link.removeprefix(BASE).lstrip("/"))

    def first_event(self) -> str:
        """The address of the newest event's page."""
        found = next(link for link in self.page("events").links if link.startswith(f"{BASE}/events/"))
        return found.removeprefix(f"{BASE}/")


@contextmanager
def asking(world: World, **settings: str) -> Iterator[Browser]:
    """A browser of an app in Azure with these settings."""
    yield Browser(world, settings, "https://my-events.azurewebsites.net")
