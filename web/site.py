"""Answers requests for pages: who may look, which page, and what it says when storage is unavailable."""

import logging
from collections.abc import Callable, Mapping
from functools import cache, partial
from pathlib import Path
from typing import Any

from dispatch.app import App
from dispatch.inbox.errors import StorageError
from dispatch.log import log_event
from dispatch.settings import Environment
from web.access import SETTING, Viewer, admitted
from web.events import cursor_of, events, found_by_name
from web.exchange import HTML, AddressError, Request, Response
from web.html import address, render
from web.overview import overview
from web.rejected import rejected_event, rejected_events
from web.rules import rules
from web.stored import payload_lines, reading, tree

_FILES = {"style.css": "text/css; charset=utf-8", "icon.svg": "image/svg+xml"}
_LISTS: Mapping[str, tuple[str, Callable[[App, Mapping[str, str]], dict[str, Any]]]] = {
    "": ("overview.html", lambda app, _: overview(app)),
    "events": ("events.html", events),
    "find": ("find.html", found_by_name),
    "rules": ("rules.html", lambda app, _: rules(app)),
    "rejected": ("rejected.html", rejected_events),
}


def serve(request: Request, app: Callable[[], App], values: Mapping[str, str]) -> Response:
    """The response to a request. `values` are app settings. Raises what `app` raises, if the viewer may look."""
    settings = Environment(values)
    viewer = admitted(request, settings)
    if isinstance(viewer, Response):
        return viewer
    path = request.path.strip("/")
    if path in _FILES:
        return Response(_file(path), type=_FILES[path])
    code = request.query.get("code", "") if settings.raw(SETTING).casefold() == "key" else ""
    site = _Site(app(), viewer, request, code)
    try:
        return site.page(path)
    except AddressError as error:
        return site.error(400, "This address is invalid", str(error))
    except StorageError as error:
        log_event("web.failed", logging.ERROR, path=path, reason=site.app.secrets.mask(str(error)))
        return site.error(503, "Storage is unavailable", "The record cannot be read now. Try again in a minute.")
    except Exception as error:
        site.app.secrets.log_defect("in a page", error, path=path)
        return site.error(500, "This page has failed", "The log of the app says why.")


class _Site:
    """The pages for one request."""

    def __init__(self, app: App, viewer: Viewer, request: Request, code: str) -> None:
        self.app, self.viewer, self.request, self.code = app, viewer, request, code

    def page(self, path: str) -> Response:
        """The page of a path. Raises StorageError and AddressError."""
        if path in _LISTS:
            template, values = _LISTS[path]
            return self.rendered(template, **values(self.app, self.request.query))
        match path.split("/"):
            case ["events", day, key]:
                return self.event(day, key)
            case ["events", day, key, "payload.json"]:
                return self.payload(day, key)
            case ["rejected", day, hash]:
                return self.rejected(day, hash)
        return self.missing("There is no such page.")

    def event(self, day: str, key: str) -> Response:
        """One event, with one query."""
        stored = self.app.inbox.history.event(*cursor_of(f"{day}/{key}"))
        if stored is None:
            return self.missing("This event is not recorded; it may be older than what the app keeps.")
        lines, complete = payload_lines(stored.record.raw)
        found = reading(stored, self.app)
        secrets = self.app.secrets
        verdicts = [(each, secrets.mask(each.reason)) for each in found.verdicts]
        values = {"event": stored, "tree": tree(stored), "reading": found, "verdicts": verdicts}
        return self.rendered("event.html", **values, lines=lines, complete=complete)

    def payload(self, day: str, key: str) -> Response:
        """The payload of an event, to download."""
        stored = self.app.inbox.history.event(*cursor_of(f"{day}/{key}"))
        return _download(stored.record.raw, key) if stored else self.missing("This event is not recorded.")

    def rejected(self, day: str, hash: str) -> Response:
        """The payload of a rejected event, to download."""
        found = rejected_event(self.app, day, hash)
        return _download(found.raw, hash) if found else self.missing("This event is not recorded.")

    def missing(self, text: str) -> Response:
        """The page for what does not exist."""
        return self.error(404, "Not found", text)

    def error(self, status: int, title: str, text: str) -> Response:
        """A page that says what is wrong."""
        page = self.rendered("error.html", title=title, text=text)
        return Response(page.body, status)

    def rendered(self, template: str, **values: Any) -> Response:
        """A page."""
        section = self.request.path.strip("/").partition("/")[0]
        url = partial(address, self.request.base, self.code)
        common = {"url": url, "code": self.code, "viewer": self.viewer, "app_name": self.app.name, "section": section}
        return Response(render(template, {**common, "name": "", **values}), type=HTML)


def _download(raw: str, name: str) -> Response:
    text = raw.encode("utf-8", "replace").decode()
    headers = {"Content-Disposition": f'attachment; filename="{name}.json"'}
    return Response(text, type="application/json; charset=utf-8", headers=headers)


@cache
def _file(name: str) -> str:
    return (Path(__file__).parent / name).read_text(encoding="utf-8")
