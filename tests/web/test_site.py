"""Every page: its queries, its headers, its structure, and what it says when something is wrong."""

import logging
import re
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from itertools import pairwise
from pathlib import Path

import pytest

from dispatch.inbox.errors import Unavailable
from dispatch.inbox.tables import Row
from dispatch.secrets import Secrets
from dispatch.sweep import sweep
from schemas import RunStatusChanged
from tests.kit.world import World, rule, rules
from tests.web.browser import BASE, Browser, Element, asking
from tests.web.conftest import at

PAGES = ["", "events", "events?status=failed&text=x", "find?name=brave_kiwi_1", "find", "rules", "rejected", "missing"]
FILES = ["style.css", "icon.svg", "htmx.min.js"]  # they say nothing of events, and their addresses name their contents


def pages(browser: Browser) -> list[str]:
    """Every kind of page."""
    event = browser.first_event()
    questions = [f"replay?event={event.removeprefix('events/')}", "replay-failed", "pause?rule=mail", "pause", "resume"]
    return [*PAGES, event, f"{event}/guards", *questions]


def test_every_page_makes_at_most_three_queries(browser: Browser) -> None:
    for path in pages(browser):
        browser.ask(path)
        assert browser.counted.queries <= 3, path
        assert set(browser.counted.calls) <= {"read"}, path


def test_pages_of_a_long_history_make_at_most_three_queries(tmp_path: Path) -> None:
    """Responses of 1,000 rows are full: of today, of the index, and of rejected events."""
    world = World(rules(rule("ring"), rule("sing")), tmp_path)
    for n in range(700):
        world.receive(RunStatusChanged.example(id=f"e{n}", runId="one", eventTime=at(seconds=n)))
    world.run(2_000)
    browser = Browser(world)
    for indexed in (False, True):
        if indexed:
            sweep(world.app)
        for path in ["", "events", "find?name=one", "rules", "rejected"]:
            browser.page(path)
            assert browser.counted.queries <= 3, path


@pytest.mark.parametrize("path", [*PAGES, *FILES])
def test_every_response_forbids_foreign_scripts_frames_and_caches(browser: Browser, path: str) -> None:
    headers = browser.ask(path).all_headers
    policy = dict(part.strip().split(" ", 1) for part in headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["style-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert policy["base-uri"] == "'none'"
    assert policy["script-src"] == policy["connect-src"] == "'self'"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cache-Control"] == ("private, max-age=86400" if path in FILES else "no-store")


def test_no_page_has_inline_scripts_or_styles(browser: Browser) -> None:
    for path in pages(browser):
        page = browser.page(path, 404 if path == "missing" else 200)
        assert not page.all("style", "iframe", "object", "base"), path
        [script] = page.all("script")
        assert str(script.attributes["src"]).startswith(f"{BASE}/htmx.min.js?v="), path
        assert script.text == "", path
        for element in page.elements:
            assert not [name for name in element.attributes if name == "style" or name.startswith("on")], path
        assert all(link.startswith((BASE, "https://ml.azure.com/", "#main")) for link in page.links), path


def test_every_link_of_every_page_leads_to_a_page(browser: Browser) -> None:
    todo, seen = [BASE], set()
    while todo:
        link = todo.pop()
        if link not in seen and link.startswith(BASE):
            seen.add(link)
            response = browser.ask(link.removeprefix(BASE).lstrip("/"))
            assert response.status == 200, link
            if response.type.startswith("text/html"):
                todo += browser.follow(link).links
    assert len(seen) > 30


def test_every_page_can_be_read_by_a_screen_reader(browser: Browser) -> None:
    """Language, landmarks, headings in order, labels, table headers, and names of pictures and regions."""
    for path in pages(browser):
        page = browser.page(path, 404 if path == "missing" else 200)
        assert page.all("html")[0].attributes["lang"] == "en"
        assert all(len(page.all(tag)) == 1 for tag in ("header", "main", "footer", "h1")), path
        assert all(nav.attributes.get("aria-label") for nav in page.all("nav"))
        levels = [int(heading.tag[1]) for heading in page.all("h1", "h2", "h3", "h4")]
        assert all(after <= before + 1 for before, after in pairwise(levels)), path
        ids = [element.attributes["id"] for element in page.elements if "id" in element.attributes]
        assert len(ids) == len(set(ids)), path
        labels = {label.attributes["for"] for label in page.all("label") if label.text.strip()}
        assert {field.attributes["id"] for field in fields(page.all("input", "select"))} <= labels, path
        for table in page.all("table"):
            assert "scroll" in str(table.parents) or "caption" in page.html
        assert all(cell.attributes.get("scope") in ("col", "row") for cell in page.all("th")), path
        assert all(
            picture.attributes["role"] == "img" and picture.attributes["aria-labelledby"] in ids
            for picture in page.all("svg")
        )
        assert all(link.text.strip() for link in page.all("a", "button", "summary")), path


def fields(elements: list[Element]) -> list[Element]:
    return [field for field in elements if field.attributes.get("type") != "hidden"]


def test_texts_have_enough_contrast_in_light_and_in_dark() -> None:
    """A ratio of 4.5, as the Web Content Accessibility Guidelines (1.4.3) want for text."""
    style = (Path(__file__).parents[2] / "web" / "style.css").read_text(encoding="utf-8")
    light, dark = (dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", part)) for part in style.split("@media")[:2])
    for colors in (light, light | dark):
        pairs = [(text, back) for text in ("text", "quiet", "accent") for back in ("back", "panel")]
        pairs += [(kind, f"soft-{kind}") for kind in ("succeeded", "skipped", "failed", "open", "rejected")]
        pairs += [(kind, "panel") for kind in ("succeeded", "skipped", "failed", "open", "rejected")]
        for text, back in [*pairs, ("text", "soft-skipped"), ("quiet", "soft-skipped")]:
            assert contrast(colors[text], colors[back]) >= 4.5, (text, back)


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(color: str) -> float:
    parts = (int(color[at : at + 2], 16) / 255 for at in (1, 3, 5))
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("events?status=lost", "status is 'lost'; it is one of pending, running"),
        ("events?from=yesterday", "from is 'yesterday'; write a date, or a time like 2026-11-22T09:30, in UTC"),
        ("events?until=0001-01-01T00:00%2B14:00", "until is '0001-01-01T00:00+14:00'; write a date"),
        ("events?after=x", "'x' is not the cursor of a page: follow a link of these pages"),
        ("events/today/1", "'today/1' is not the cursor of a page"),
        ("find?name=x&month=May", "month is 'May'; write it like 2026-11"),
        ("rejected?day=2026-1-1", "day is '2026-1-1'; write it like 2026-11-22"),
        ("rejected?after=%27", 'after is "\'", and not from a link of this page'),
    ],
)
def test_invalid_addresses_say_what_to_write(browser: Browser, path: str, says: str) -> None:
    assert says in browser.page(path, 400).text


@pytest.mark.parametrize(
    "path",
    [
        "nothing",
        "events/2026-11-22/12345678-" + "0" * 32,
        "events/2026-11-22/12345678-" + "0" * 32 + "/payload.json",
        "rejected/2026-11-22/0123",
        "rejected/2026-13-01/" + "0" * 32,
        "rejected/2026-11-22/" + "0" * 32,
        "events/a/b/c/d",
        "../style.css",
    ],
)
def test_what_does_not_exist_is_not_found(browser: Browser, path: str) -> None:
    assert browser.page(path, 404).all("h1")[0].text == "Not found"


class Broken:
    """A table whose reads fail."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def read(self, *_: object) -> list[Row]:
        raise self.error

    read_span = commit = read


def test_unavailable_storage_is_reported(world: World, caplog: pytest.LogCaptureFixture) -> None:
    browser = Browser(world, table=Broken(Unavailable("no route to hidden-host", None)))
    browser.changes = {"secrets": Secrets(("hidden-host",))}
    for path in ("", "events", "find?name=x", "rules", "rejected"):
        assert "Storage is unavailable" in browser.page(path, 503).text
    assert "web.failed" in caplog.text
    assert "hidden-host" not in caplog.text


def test_a_defect_is_logged_and_its_page_tells_nothing(world: World, caplog: pytest.LogCaptureFixture) -> None:
    browser = Browser(world, table=Broken(LookupError("a secret")), changes={"secrets": Secrets(("secret",))})
    page = browser.page("events", 500)
    assert "This page has failed" in page.text
    assert "secret" not in page.text
    [record] = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert "in a page" in record.message
    assert "a ***" in record.message


def test_stylesheet_and_icon_are_served(browser: Browser) -> None:
    assert browser.ask("style.css").type.startswith("text/css")
    assert "prefers-color-scheme: dark" in browser.ask("style.css").body
    assert browser.ask("icon.svg").body.startswith("<svg")


def test_script_is_htmx_as_npm_has_it(browser: Browser) -> None:
    """dist/htmx.min.js of htmx.org 2.0.11. Its address changes with it, since browsers keep it for a day."""
    expected = "d6fdc75f204e6bdefa99b69bf1e6d4ac69b8a364f77929f45c13476b4000f717"
    assert sha256(browser.ask("htmx.min.js").body.encode()).hexdigest() == expected
    assert browser.page().all("script")[0].attributes["src"] == f"{BASE}/htmx.min.js?v={expected[:12]}"


def test_links_carry_the_key_by_which_the_client_asks(world: World) -> None:
    """The host checks it on each request."""
    with asking(world, MLEVENTS_WEB="key") as browser:
        page = browser.page("events", code="k-1")
        own = [link for link in page.links if link.startswith(BASE) and not link.endswith(("/find", "/events"))]
        assert len(own) > 10
        assert all("code=k-1" in link for link in own)
        hidden = [each.attributes for each in page.all("input") if each.attributes.get("type") == "hidden"]
        assert [(each["name"], each["value"]) for each in hidden] == [("code", "k-1")] * len(page.all("form"))


def test_links_have_no_key_where_none_is_needed(browser: Browser) -> None:
    assert "k-1" not in browser.page("events", code="k-1").html


def test_addresses_follow_the_prefix_of_the_routes(browser: Browser) -> None:
    page = browser.page("rules")
    assert str(page.all("link")[0].attributes["href"]).startswith("/api/web/style.css?v=")


def test_name_of_the_app_is_shown(world: World) -> None:
    app = replace(world.app, name="my-events")
    browser = Browser(world, changes={"name": app.name})
    assert "Function app: my-events." in browser.page().text


def test_late_sweep_is_reported(world: World) -> None:
    world.clock.time += timedelta(minutes=20)
    assert "the timer function sweep last ran at" in Browser(world).page().text


def test_what_the_watch_cannot_see_is_shown_after_the_next_sweep(world: World) -> None:
    missing = {"day": "2026-11-21", "workspace": "churn-prod", "count": "3"}
    world.app.inbox.shared.change("missing|2026-11-21|x", lambda _: missing, world.clock.time)
    sweep(world.app)
    text = "3 events of churn-prod on 2026-11-21 never came"
    assert text in Browser(world).page("").text
