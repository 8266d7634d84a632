"""What scripts add to the pages, and the forms, in Chromium."""

from typing import TYPE_CHECKING

import pytest

from tests.kit.chromium import watched
from tests.web.in_browser.conftest import RUN, Site

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = [pytest.mark.browser, pytest.mark.services]

FOCUSED = "() => document.activeElement.id"


def test_overview_is_refreshed_and_keeps_the_focus(site: Site, browser: "Browser") -> None:
    with watched(browser, site.origin) as tabs:
        tabs.context.new_page().clock.install()
        page = tabs.open("")
        page.locator("#now-latest a.object").first.focus()
        focused = page.evaluate(FOCUSED)
        page.locator("#now-today h2").evaluate("element => element.textContent = 'Old'")
        with page.expect_response(site.origin):
            page.clock.run_for(31_000)
        page.get_by_role("heading", name="Today", exact=True).wait_for()
        assert page.evaluate(FOCUSED) == focused != ""
        page.get_by_role("link", name="Stop").click()
        assert page.get_by_text("This page is not refreshed.").is_visible()


def test_guards_are_shown_with_the_event(site: Site, browser: "Browser") -> None:
    with watched(browser, site.origin) as tabs:
        page = tabs.open(site.ordinary)
        page.get_by_text("no guard has anything to say").first.wait_for()
        assert page.get_by_role("link", name="How they stand now").count() == 0


def test_guards_have_a_page_without_scripts(site: Site, browser: "Browser") -> None:
    with watched(browser, site.origin, java_script_enabled=False) as tabs:
        page = tabs.open(site.ordinary)
        page.get_by_role("link", name="How they stand now").click()
        assert page.get_by_role("heading", name="Guards, as they stand now").is_visible()
        page = tabs.open("")
        assert not page.get_by_text("This page is refreshed").is_visible()


@pytest.mark.parametrize("scripts", [True, False])
def test_rule_is_paused_and_resumed_with_the_keyboard(site: Site, browser: "Browser", scripts: bool) -> None:
    with watched(browser, site.origin, java_script_enabled=scripts) as tabs:
        page = tabs.open("rules")
        page.get_by_role("link", name="Pause mail", exact=True).press("Enter")
        page.get_by_label("How long").select_option("30m")
        page.get_by_role("button", name="Pause").press("Enter")
        assert page.get_by_role("status").inner_text().startswith("Paused.")
        assert page.get_by_text("mail paused by").is_visible()
        page.get_by_role("article", name="mail", exact=False).get_by_role("link", name="Resume mail").first.press(
            "Enter"
        )
        page.get_by_role("button", name="Resume").press("Enter")
        assert page.get_by_role("status").inner_text().startswith("Resumed.")


def test_mail_is_shown_in_a_frame_that_runs_nothing(site: Site, browser: "Browser") -> None:
    with watched(browser, site.origin) as tabs:
        page = tabs.open(site.ordinary)
        page.get_by_role("link", name="What it has sent (mail)").click()
        assert page.get_by_role("heading", name="Text version").is_visible()
        frame = page.frame_locator("iframe")
        assert RUN in frame.locator("body").inner_text()
        assert page.frames[1].evaluate("() => self.origin") == "null"
