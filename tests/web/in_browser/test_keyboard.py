"""The pages without a mouse: order of the stops, a focus that can be seen, and every form."""

from typing import TYPE_CHECKING, Any

import pytest

from tests.kit.chromium import watched
from tests.web.in_browser.conftest import RUN, Site

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [pytest.mark.browser, pytest.mark.services]

# The elements that a user can reach, in the order of the page. Content of closed details is not rendered.
REACHABLE = """() => [...document.querySelectorAll(
    'a[href], button, input:not([type=hidden]), select, textarea, summary, iframe, [tabindex="0"]')]
  .filter(each => each.checkVisibility() && !each.disabled).map(each => each.outerHTML.slice(0, 300))"""
FOCUSED = """() => {
  const element = document.activeElement, style = getComputedStyle(element), box = element.getBoundingClientRect();
  return {
    html: element.outerHTML.slice(0, 300), outline: style.outlineStyle, width: parseFloat(style.outlineWidth),
    seen: box.width > 1 && box.height > 1 && box.bottom > 0 && box.top < innerHeight && box.right <= innerWidth + 1,
  };
}"""
MOST = 200  # stops of a page


def stops(page: "Page") -> list[dict[str, Any]]:
    """What has the focus after each press of Tab, until it leaves the page or begins again."""
    found: list[dict[str, Any]] = []
    for _ in range(MOST):
        page.keyboard.press("Tab")
        focused = page.evaluate(FOCUSED)
        if focused["html"].startswith("<body") or (found and focused["html"] == found[0]["html"]):
            return found
        found.append(focused)
    raise AssertionError(f"Tab never left the page: {found[-1]}")


@pytest.mark.parametrize("width", [400, 1280])
def test_tab_reaches_everything_in_order_with_a_visible_focus(site: Site, browser: "Browser", width: int) -> None:
    with watched(browser, site.origin, width) as tabs:
        for path, status in site.paths.items():
            page = tabs.open(path, status)
            page.wait_for_load_state("networkidle")  # a script replaces the link to the guards by them
            expected, found = page.evaluate(REACHABLE), stops(page)
            assert [stop["html"] for stop in found] == expected, path
            for stop in found:
                assert stop["seen"], (path, stop)
                if not stop["html"].startswith("<iframe"):  # the browser draws the focus around a link in it
                    assert stop["outline"] != "none", (path, stop)
                    assert stop["width"] >= 2, (path, stop)


def test_first_stop_skips_to_the_content(site: Site, browser: "Browser") -> None:
    with watched(browser, site.origin) as tabs:
        for path, status in site.paths.items():
            page = tabs.open(path, status)
            page.keyboard.press("Tab")
            assert page.evaluate("() => document.activeElement.innerText") == "Skip to content"
            page.keyboard.press("Enter")
            assert page.evaluate("() => document.activeElement.id") == "main"
            page.keyboard.press("Tab")
            inside = "() => document.activeElement === document.body || !!document.activeElement.closest('main')"
            assert page.evaluate(inside), path


def test_an_event_is_found_by_its_name(site: Site, browser: "Browser") -> None:
    with watched(browser, site.origin) as tabs:
        page = tabs.open("rules")
        tab_to(page, "input", "Name of a run, a model")
        page.keyboard.type(RUN)
        page.keyboard.press("Enter")
        page.wait_for_url("**/find?name=*")
        tab_to(page, "a", RUN)
        page.keyboard.press("Enter")
        page.wait_for_url(f"**/{site.ordinary}")


def test_events_are_filtered(site: Site, browser: "Browser") -> None:
    with watched(browser, site.origin) as tabs:
        page = tabs.open("events")
        tab_to(page, "select", "Status of an action")
        page.keyboard.type("fail")
        tab_to(page, "input", "Text in payload")
        page.keyboard.type("kiwi")
        tab_to(page, "button", "Show")
        page.keyboard.press("Enter")
        page.wait_for_url("**/events?*")
        assert "status=failed" in page.url
        assert "text=kiwi" in page.url


def test_a_timeline_is_opened_and_closed(site: Site, browser: "Browser") -> None:
    with watched(browser, site.origin) as tabs:
        page = tabs.open(site.ordinary)
        tab_to(page, "summary", "Timeline")
        lists = page.locator("ol.timeline").first
        before = lists.is_visible()
        page.keyboard.press("Space")
        assert lists.is_visible() is not before
        page.keyboard.press("Enter")
        assert lists.is_visible() is before


def tab_to(page: "Page", tag: str, name: str) -> None:
    """Press Tab until an element of this tag has the focus whose label or text begins with the name."""
    focused = """() => {
      const element = document.activeElement;
      return [element.localName, (element.labels?.[0] ?? element).innerText.replace(/\\s+/g, " ").trim()];
    }"""
    for _ in range(MOST):
        page.keyboard.press("Tab")
        found, text = page.evaluate(focused)
        if found == tag and text.startswith(name):
            return
    raise AssertionError(f"Tab did not reach {tag} {name}")
