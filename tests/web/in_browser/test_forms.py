"""A replay by the keyboard, with scripts and without, and a form of another site."""

from typing import TYPE_CHECKING

import pytest

from tests.kit.chromium import watched
from tests.web.in_browser.conftest import Site

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = [pytest.mark.browser, pytest.mark.services]

EACH_WAY = pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])


@EACH_WAY
def test_an_action_is_replayed(site: Site, browser: "Browser", scripts: bool) -> None:
    before = len(site.local.mails)
    with watched(browser, site.origin, java_script_enabled=scripts) as tabs:
        page = tabs.open(site.ordinary)
        page.get_by_role("link", name="Replay mail", exact=True).focus()
        page.keyboard.press("Enter")
        page.get_by_role("button", name="Replay").focus()
        page.keyboard.press("Enter")
        page.get_by_text("To run again: 1 action.").wait_for()
    site.local.wait(lambda: len(site.local.mails) == before + 1)


@pytest.mark.parametrize("origin", ["about:blank", "other"])
def test_the_form_of_another_site_has_no_effect(site: Site, browser: "Browser", origin: str) -> None:
    """Also if the user has just used the page, and the browser has its cookie."""
    with watched(browser, site.local.url) as tabs:
        page = tabs.open("api/web/pause?rule=log-mail")
        page.goto("about:blank")
        if origin == "other":  # the same machine by another name
            page.route("http://*.localhost/", lambda route: route.fulfill(body="", content_type="text/html"))
            page.goto("http://evil.localhost/")
        form = f'<form method="post" action="{site.origin}/pause"><input name="rule" value="log-mail"></form>'
        page.set_content(form)
        with page.expect_navigation(url="**/pause") as answer:
            page.evaluate("() => document.forms[0].submit()")
        assert answer.value
        assert answer.value.status == 403
        assert page.context.cookies(site.origin)
        tabs.problems[:] = [each for each in tabs.problems if "evil.localhost" not in each]
        page = tabs.open("api/web/rules")
        assert page.get_by_role("link", name="Pause log-mail").is_visible()
