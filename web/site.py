"""Answers requests for pages: who may look, which page, and what it says when storage is unavailable."""

import logging
from collections.abc import Callable, Mapping
from functools import cache, partial
from hashlib import sha256
from pathlib import Path
from typing import Any

from dispatch.app import App
from dispatch.inbox.errors import StorageError
from dispatch.inbox.history.sent import read_sent
from dispatch.inbox.keys import ActionId
from dispatch.inbox.windows.shown import windows_of
from dispatch.log import log_event
from dispatch.settings import Environment
from web import forgery
from web.access import OPERATORS, SETTING, Viewer, admitted
from web.events import cursor_of, events, found_by_name
from web.exchange import FRAMED, HTML, AddressError, Missing, Request, Response
from web.html import address, render
from web.operations import OPERATIONS, Operation, message
from web.overview import overview
from web.rejected import rejected_event, rejected_events
from web.rules import rules
from web.stored import facts_of, payload_lines, reading, standings_of, tree

_FILES = {
    "style.css": "text/css; charset=utf-8",
    "icon.svg": "image/svg+xml",
    "htmx.min.js": "text/javascript; charset=utf-8",
}
_LISTS: Mapping[str, tuple[str, Callable[[App, Mapping[str, str]], dict[str, Any]]]] = {
    "": ("overview.html", lambda app, query: {**overview(app), "live": query.get("live") != "off"}),
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
        return Response(_file(path), type=_FILES[path], headers={"Cache-Control": "private, max-age=86400"})
    code = request.query.get("code", "") if settings.raw(SETTING).casefold() == "key" else ""
    site = _Site(app(), viewer, request, code)
    try:
        return site.changed(path) if request.method == "POST" else site.page(path)
    except AddressError as error:
        return site.error(400, "This address is invalid", str(error))
    except Missing as error:
        return site.missing(str(error))
    except StorageError as error:
        log_event("web.failed", logging.ERROR, path=path, reason=site.app.secrets.mask(str(error)))
        return site.error(503, "Storage is unavailable", "The record cannot be used now. Try again in a minute.")
    except Exception as error:
        site.app.secrets.log_defect("in a page", error, path=path)
        return site.error(500, "This page has failed", "The log of the app says why.")


class _Site:
    """The pages for one request."""

    def __init__(self, app: App, viewer: Viewer, request: Request, code: str) -> None:
        self.app, self.viewer, self.request, self.code = app, viewer, request, code
        self.url = partial(address, request.base, code)

    def page(self, path: str) -> Response:
        """The page of a path. Raises StorageError, AddressError and Missing."""
        if path in _LISTS:
            template, values = _LISTS[path]
            return self.rendered(template, **values(self.app, self.request.query))
        if path in OPERATIONS:
            return self.question(path, OPERATIONS[path])
        match path.split("/"):
            case ["events", day, key]:
                return self.event(day, key)
            case ["events", day, key, "guards"]:
                return self.guards(day, key)
            case ["events", day, key, "payload.json"]:
                return self.payload(day, key)
            case ["events", day, key, "sent", rule]:
                return self.sent(day, key, rule)
            case ["events", day, key, "sent", rule, "html"]:
                return self.sent(day, key, rule, frame=True)
            case ["rejected", day, hash]:
                return self.rejected(day, hash)
        return self.missing("There is no such page.")

    def question(self, path: str, operation: Operation) -> Response:
        """The form of an operation, with its question and a token."""
        if not self.viewer.operator:
            return self.read_only()
        asked = operation.ask(self.app, self.request.query)
        secret = forgery.secret_of(self.request) or forgery.new_secret()
        token = forgery.token(secret, self.viewer.operator, self.app.now())
        page = self.rendered("question.html", question=asked, action=path, token=token)
        return Response(page.body, headers={"Set-Cookie": forgery.set_cookie(self.request, secret)})

    def changed(self, path: str) -> Response:
        """Do what a form asks, and lead to the page that shows it. Raises StorageError, AddressError and Missing."""
        if not self.viewer.operator:
            return self.read_only()
        if path not in OPERATIONS:
            return self.missing("There is no such form.")
        if not forgery.is_same_origin(self.request):
            text = "The form was sent by another site, or by a program. Only forms of these pages are accepted."
            return self.error(403, "This form is refused", text)
        form, secret = self.request.form, forgery.secret_of(self.request)
        if not forgery.is_valid(form.get("token", ""), secret, self.viewer.operator, self.app.now()):
            text = "It is older than two hours, or was opened in another browser or by another user. Open it again."
            return self.error(403, "This form has expired", text)
        done = OPERATIONS[path].act(self.app, form, self.viewer.operator)
        after = self.url(done.path, done=done.kind, count=done.count)
        return Response("", 303, headers={"Location": after})

    def event(self, day: str, key: str) -> Response:
        """One event, with one query, one more if facts are kept, and at most three more for each action in a window."""
        stored = self.app.inbox.history.event(*cursor_of(f"{day}/{key}"))
        if stored is None:
            return self.missing("This event is not recorded; it may be older than what the app keeps.")
        lines, complete = payload_lines(stored.record.raw)
        found = reading(stored, self.app)
        secrets = self.app.secrets
        verdicts = [(each, secrets.mask(each.reason)) for each in found.verdicts]
        refused = [file for file in stored.record.deferred_files if file in self.app.rules.refused]
        values = {"event": stored, "tree": tree(stored), "reading": found, "verdicts": verdicts, "refused": refused}
        known, log = facts_of(stored, self.app)
        values |= {"known": known, "log": log, "windows": windows_of(stored, self.app.inbox.windows)}
        return self.rendered("event.html", **values, lines=lines, complete=complete)

    def guards(self, day: str, key: str) -> Response:
        """How the guards of the rules stand that match an event."""
        stored = self.app.inbox.history.event(*cursor_of(f"{day}/{key}"))
        if stored is None:
            return self.missing("This event is not recorded.")
        return self.rendered("guards.html", event=stored, **standings_of(stored, self.app))

    def sent(self, day: str, key: str, rule: str, *, frame: bool = False) -> Response:
        """What an action has sent, with one query; with `frame`, its HTML alone, which nothing in it can leave."""
        cursor_of(f"{day}/{key}")
        found = read_sent(self.app.inbox.table, ActionId(day, key, rule))
        if found is None:
            return self.missing("Nothing is kept that this action has sent.")
        if frame:
            return Response(found.texts.get("html", ""), headers=FRAMED)
        lines = found.texts.get("text", "").splitlines()
        return self.rendered("sent.html", day=day, key=key, rule=rule, sent=found, lines=lines)

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

    def read_only(self) -> Response:
        """The page for those who may look, and change nothing."""
        text = f"You may look, and change nothing: the app setting {OPERATORS} lists who may."
        return self.error(403, "Only operators can do this", text)

    def error(self, status: int, title: str, text: str) -> Response:
        """A page that says what is wrong."""
        page = self.rendered("error.html", title=title, text=text)
        return Response(page.body, status)

    def rendered(self, template: str, **values: Any) -> Response:
        """A page."""
        common = {
            "url": self.url,
            "file": lambda name: self.url(name, v=_version(name)),
            "code": self.code,
            "viewer": self.viewer,
            "app_name": self.app.name,
            "section": self.request.path.strip("/").partition("/")[0],
            "message": message(self.request.query),
            "name": "",
        }
        return Response(render(template, {**common, **values}), type=HTML)


def _download(raw: str, name: str) -> Response:
    text = raw.encode("utf-8", "replace").decode()
    headers = {"Content-Disposition": f'attachment; filename="{name}.json"'}
    return Response(text, type="application/json; charset=utf-8", headers=headers)


@cache
def _version(name: str) -> str:
    """A part of a file's address that changes with its contents, so that browsers keep no old one."""
    return sha256(_file(name).encode()).hexdigest()[:12]


@cache
def _file(name: str) -> str:
    return (Path(__file__).parent / name).read_text(encoding="utf-8")
