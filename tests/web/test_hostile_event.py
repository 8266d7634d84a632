"""An event whose texts are an attack, on every page that shows some of them."""

import json
from pathlib import Path

import pytest

from dispatch.receive import receive
from dispatch.sweep import sweep
from tests.kit.any_input import one_in
from tests.kit.hostile import TEXTS
from tests.kit.world import World, entry, rules
from tests.web.browser import BASE, Browser, Page
from tests.web.conftest import at
from tests.web.hostile import SCRIPT, WAYS, echo_rules, hostile_event

CONTROL = "\x1b[2J\x07\u202egnp.exe\u2066\ud800\u2028"


def hostile_world(folder: Path, text: str, tags: int = 1) -> World:
    """A world with events and outcomes that have a text wherever one can be."""
    world = World(rules(*map(entry, echo_rules())), folder)
    event = hostile_event(text, tags, eventTime=at(minutes=1))
    receive(json.dumps(event), world.app)
    assert [*world.ends()] == [*WAYS]
    receive(json.dumps({**event, "eventType": f"Evil{text}"}), world.app)
    receive(json.dumps(event)[:-1] + text, world.app)
    world.step(3)
    return world


def pages_of(browser: Browser, text: str) -> list[Page]:
    paths = ["", "events", "rules", "rejected"]
    pages = [browser.page(path) for path in paths]
    pages += [browser.page("find", name=f"run {text}"), browser.page("events", object=text, text=text, rule=text)]
    [event, *_] = [link for link in pages[1].links if link.startswith(f"{BASE}/events/")] or [""]
    pages += [browser.page("replay-failed", object=text, text=text, rule=text), browser.page("resume", rule=text)]
    if not event:
        return pages
    replays = [link for link in browser.follow(event).links if link.startswith(f"{BASE}/replay")]
    return [*pages, *map(browser.follow, replays), browser.follow(f"{event}/guards"), browser.follow(event)]


@pytest.mark.parametrize("indexed", [False, True])
@pytest.mark.parametrize("text", [SCRIPT, CONTROL, "javascript:alert(1)", *one_in(5, TEXTS)])
def test_texts_of_an_event_are_shown_as_texts(tmp_path: Path, text: str, indexed: bool) -> None:
    """No element, attribute or address comes from one, and no character of it controls what is around it."""
    world = hostile_world(tmp_path, text)
    if indexed:
        sweep(world.app)
    for page in pages_of(Browser(world), text):
        assert not page.all("img", "iframe", "style")
        [script] = page.all("script")
        assert str(script.attributes["src"]).startswith(f"{BASE}/htmx.min.js?v=")
        for element in page.elements:
            assert not [name for name in element.attributes if name.startswith("on") or name == "style"]
        for link in page.links:
            assert link.startswith((BASE, "https://ml.azure.com/", "#main")), link
        assert all(c.isprintable() or c in "\n" for c in page.html)
        page.html.encode()


def test_hostile_texts_are_visible(tmp_path: Path) -> None:
    page = pages_of(Browser(hostile_world(tmp_path, SCRIPT)), SCRIPT)[-1]
    assert SCRIPT in page.text
    page = pages_of(Browser(hostile_world(tmp_path, CONTROL)), CONTROL)[-1]
    assert r"\u202egnp.exe" in page.text


def test_event_with_10_000_tags_has_a_page(tmp_path: Path) -> None:
    world = hostile_world(tmp_path, "tag", 10_000)
    page = pages_of(Browser(world), "tag")[-1]
    assert "The beginning is shown." in page.text or "tag9999" in page.text
    assert len(page.html) < 1_000_000
    [link] = [link for link in page.links if link.endswith("payload.json")]
    response = Browser(world).ask(link.removeprefix(f"{BASE}/"))
    assert response.type == "application/json; charset=utf-8"
    assert response.all_headers["Content-Disposition"].startswith("attachment;")
    assert "tag9999" in response.body


def test_downloads_can_be_encoded(tmp_path: Path) -> None:
    """A payload may have lone surrogates."""
    browser = Browser(hostile_world(tmp_path, "\ud800"))
    rejected = browser.page("rejected")
    links = [link for link in rejected.links if link.startswith(f"{BASE}/rejected/")]
    assert links
    for link in links:
        browser.ask(link.removeprefix(f"{BASE}/")).body.encode()
