"""Every page in Chromium, from a narrow telephone to a wide screen, light and dark, with and without scripts."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pytest

from tests.kit.chromium import watched
from tests.kit.started import ROOT
from tests.web.hostile import SCRIPT
from tests.web.in_browser.conftest import RUN, Site

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [pytest.mark.browser, pytest.mark.services]

WIDTHS = (400, 800, 1280, 1600)
# Both schemes in both layouts: the stylesheet has another one below 700 px.
LOOKS: tuple[tuple[int, Literal["light", "dark"]], ...] = (
    *((400, "light"), (400, "dark"), (800, "dark")),
    *((1280, "light"), (1600, "dark")),
)
AXE = ROOT / "node_modules/axe-core/axe.min.js"
# `preload` would request the stylesheets by a script, which the pages forbid.
RUN_AXE = "() => axe.run(document, {preload: false, resultTypes: ['violations']})"
WIDER = "() => document.scrollingElement.scrollWidth - document.documentElement.clientWidth"


def violations(page: "Page") -> list[str]:
    """What axe-core finds, as "rule: element"."""
    found: dict[str, Any] = page.evaluate(RUN_AXE)
    assert len(found["passes"]) > 10
    return [f"{each['id']}: {node['html'][:200]}" for each in found["violations"] for node in each["nodes"]]


def test_axe_finds_nothing_on_any_page(site: Site, browser: "Browser") -> None:
    script = AXE.read_text(encoding="utf-8")
    with watched(browser, site.origin) as tabs:
        for path, status in site.paths.items():
            page = tabs.open(path, status)
            page.evaluate(script)
            for width, scheme in LOOKS:
                page.emulate_media(color_scheme=scheme)
                page.set_viewport_size({"width": width, "height": 900})
                assert violations(page) == [], (path, scheme, width)


def test_axe_finds_what_is_wrong(site: Site, browser: "Browser") -> None:
    """The test above would otherwise pass without looking."""
    with watched(browser, site.origin) as tabs:
        page = tabs.open("")
        page.evaluate(AXE.read_text(encoding="utf-8"))
        page.evaluate("() => document.querySelector('#main').append(document.createElement('button'))")
        assert [found.partition(":")[0] for found in violations(page)] == ["button-name"]


def test_no_page_scrolls_sideways(site: Site, browser: "Browser") -> None:
    """400 px are also a window of 800 px at a zoom of 200 %, which WCAG 2.2 (1.4.4) wants."""
    with watched(browser, site.origin) as tabs:
        for path, status in site.paths.items():
            page = tabs.open(path, status)
            for width in WIDTHS:
                page.set_viewport_size({"width": width, "height": 900})
                assert page.evaluate(WIDER) == 0, (path, width)


def test_hostile_event_executes_nothing_on_any_page(site: Site, browser: "Browser") -> None:
    """`watched` fails for a dialog, an error, a violation of the policy, or a request to elsewhere."""
    with watched(browser, site.origin) as tabs:
        shown = 0
        for path, status in site.paths.items():
            page = tabs.open(path, status)
            shown += SCRIPT in page.inner_text("body")
            for summary in page.locator("summary").all():
                summary.click()
            assert page.locator("img, main script, object, embed").count() == 0, path
            assert page.locator('[href^="javascript:" i]').count() == 0, path
        assert shown >= 5


def test_hostile_texts_do_not_hide_the_rest_of_a_page(site: Site, browser: "Browser") -> None:
    with watched(browser, site.origin, 400) as tabs:
        page = tabs.open(site.hostile)
        for name in ("Actions", "Why", "Payload"):
            assert page.get_by_role("heading", name=name, exact=True).is_visible()
        assert page.get_by_role("link", name="Download").is_visible()


def test_pages_work_without_scripts(site: Site, browser: "Browser") -> None:
    with watched(browser, site.origin, java_script_enabled=False) as tabs:
        page = tabs.open("")
        page.get_by_role("link", name="Events", exact=True).click()
        page.get_by_label("Status of an action").select_option("succeeded")
        page.get_by_label("Object").fill(RUN)
        page.get_by_role("button", name="Show").click()
        page.get_by_role("link", name=RUN).click()
        assert page.get_by_role("article", name="Action of mail").is_visible()
        page.get_by_role("searchbox").fill(RUN)
        page.get_by_role("button", name="Find").click()
        assert page.get_by_role("heading", name=f"Find {RUN}").is_visible()
        assert page.get_by_role("link", name=RUN).is_visible()


def test_a_payload_is_downloaded_whole(site: Site, browser: "Browser", tmp_path: Path) -> None:
    with watched(browser, site.origin, accept_downloads=True) as tabs:
        page = tabs.open(site.hostile)
        with page.expect_download() as started:
            page.get_by_role("link", name="Download").click()
        started.value.save_as(tmp_path / "payload.json")
        assert "9999" in (tmp_path / "payload.json").read_text(encoding="utf-8")
