"""Rejected events by day and page."""

from datetime import timedelta
from pathlib import Path

from dispatch.inbox.tables import Row
from dispatch.receive import receive
from dispatch.sweep import sweep
from tests.kit.world import World, rule, rules
from tests.web.browser import BASE, Browser, Page


def world_of(folder: Path, *payloads: str) -> World:
    world = World(rules(rule("ring")), folder)
    for payload in payloads:
        receive(payload, world.app)
    return world


def test_rejected_event_is_shown_with_reason_and_payload(tmp_path: Path) -> None:
    world = world_of(tmp_path, '{"id": "<b>"}')
    page = Browser(world).page("rejected")
    [article] = page.all("article")
    assert "malformed" in article.text
    assert "eventType: expected a text that is not empty, found nothing" in article.text
    assert page.all("pre")[0].text == '{"id": "<b>"}'


def test_long_payload_is_cut_and_can_be_downloaded(tmp_path: Path) -> None:
    payload = '{"id": "' + "x" * 100_000
    browser = Browser(world_of(tmp_path, payload))
    page = browser.page("rejected")
    assert len(page.all("pre")[0].text) == 2_001
    [link] = [link for link in page.links if link.startswith(f"{BASE}/rejected/")]
    assert browser.ask(link.removeprefix(f"{BASE}/")).body == payload


def test_latest_day_with_rejected_events_is_shown_first(tmp_path: Path) -> None:
    world = world_of(tmp_path, "1", "2")
    world.clock.time += timedelta(days=1)
    receive("3", world.app)
    sweep(world.app)
    world.clock.time += timedelta(days=2)
    browser = Browser(world)
    page = browser.page("rejected")
    assert [pre.text for pre in page.all("pre")] == ["3"]
    assert browser.counted.queries == 3
    assert "2026-11-23 1 2026-11-22 2" in page.text
    assert {pre.text for pre in browser.page("rejected", day="2026-11-22").all("pre")} == {"1", "2"}
    assert "No rejected event of this day is recorded." in browser.page("rejected", day="2026-11-21").text


def payloads(page: Page) -> list[str]:
    return [pre.text for pre in page.all("pre")]


def test_rejected_events_of_a_day_are_paged(tmp_path: Path) -> None:
    browser = Browser(world_of(tmp_path, *map(str, range(60))))
    page, found = browser.page("rejected"), []
    while True:
        found += payloads(page)
        more = [link for link in page.all("a") if link.attributes.get("rel") == "next"]
        if not more:
            break
        page = browser.follow(str(more[0].attributes["href"]))
    assert sorted(found, key=int) == [str(n) for n in range(60)]


def test_rows_of_newer_versions_are_left_out(tmp_path: Path) -> None:
    world = world_of(tmp_path)
    world.table.commit("2026-11-22", Row(f"x|{'0' * 32}", {"schema": 99}))
    browser = Browser(world)
    assert payloads(browser.page("rejected")) == []
    assert browser.page(f"rejected/2026-11-22/{'0' * 32}", 404)
