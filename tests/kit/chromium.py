"""Chromium, driven by Playwright: `make test-browser` and the pictures of the docs."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Dialog, Page, Request

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_HOW = "install it, for example with `apt-get install chromium`"


@contextmanager
def chromium() -> "Iterator[Browser]":
    """A running Chromium: the machine's own. Raises LookupError if it has none."""
    from playwright.sync_api import sync_playwright  # only these tests install it

    path = next(filter(None, map(shutil.which, _NAMES)), None)
    if path is None:
        raise LookupError(f"there is no Chromium on this machine (looked for {', '.join(_NAMES)}): {_HOW}")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path)
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Watched:
    """A profile of a browser, and what its pages have done that none of them may do."""

    context: "BrowserContext"
    origin: str
    scripts: bool = True
    problems: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.context.on("console", self._console)
        self.context.on("weberror", lambda error: self.problems.append(f"error: {error.error}"))
        self.context.on("dialog", self._dialog)
        self.context.on("request", self._request)

    def open(self, path: str, status: int = 200) -> "Page":
        """Open a page of the origin in a tab, with what it loads by itself. Fails unless it has this status."""
        page = self.context.pages[0] if self.context.pages else self.context.new_page()
        response = page.goto(f"{self.origin}/{path}".rstrip("/"))
        assert response is not None
        assert response.status == status, path
        if self.scripts:
            page.locator('[hx-trigger="load"]').wait_for(state="detached")
        return page

    def _console(self, message: "ConsoleMessage") -> None:
        if "the server responded with a status of 4" not in message.text:  # of a page that says so, too
            self.problems.append(f"console: {message.type}: {message.text}")

    def _dialog(self, dialog: "Dialog") -> None:
        self.problems.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _request(self, request: "Request") -> None:
        if not request.url.startswith(f"{self.origin}"):
            self.problems.append(f"request: {request.url}")


@contextmanager
def watched(browser: "Browser", origin: str, width: int = 1280, **options: Any) -> Iterator[Watched]:
    """A new profile whose pages may request the origin only. Fails at the end if one of them did anything else."""
    context = browser.new_context(viewport={"width": width, "height": 900}, **options)
    try:
        found = Watched(context, origin, options.get("java_script_enabled", True))
        yield found
        assert found.problems == []
    finally:
        context.close()
