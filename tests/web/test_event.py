"""One event: its actions as a tree, its verdicts and its payload."""

import json
from pathlib import Path

import pytest

from dispatch.erasure.erase import erase
from dispatch.erasure.find import find
from dispatch.erasure.needle import Needle
from dispatch.inbox.tables import Row, read_row
from dispatch.secrets import Secrets
from schemas import RunStatusChanged
from tests.kit.world import World, rule, rules
from tests.web.browser import BASE, Browser, Page
from tests.web.conftest import at


def event_page(world: World) -> Page:
    browser = Browser(world)
    return browser.page(browser.first_event())


def world_of(folder: Path, *texts: str) -> World:
    world = World(rules(*texts), folder)
    world.receive(RunStatusChanged.example(id="e1", runId="one", eventTime=at(minutes=1)))
    return world


def test_actions_are_a_tree(tmp_path: Path) -> None:
    world = world_of(
        tmp_path,
        rule("a"),
        rule("b", after="{rules: [a]}"),
        rule("c", after="{rules: [b]}"),
        rule("d"),
    )
    world.run()
    page = event_page(world)
    depth = {str(article.attributes["aria-label"]): article.parents.count("ol") for article in page.all("article")}
    assert depth == {"Action of a": 1, "Action of b": 2, "Action of c": 3, "Action of d": 1}
    assert "Follows b, which succeeded" in page.text


def test_action_shows_its_timeline_details_and_next_try(tmp_path: Path) -> None:
    world = world_of(tmp_path, rule("flaky", "retry the server is down"), rule("ring"))
    world.step(2)
    text = event_page(world).text
    assert "flaky waiting, failing the server is down" in text
    assert "Next try 2026-11-22 09:00:" in text
    assert "Failures 1, since 2026-11-22 09:00:00" in text
    assert "2026-11-22 09:00:00 waiting the server is down" in text
    assert "ring succeeded done" in text
    assert "calls 1" in text


def test_each_rule_has_a_verdict_and_those_that_match_come_first(tmp_path: Path) -> None:
    world = world_of(
        tmp_path,
        rule("mail", when="[data.runStatus StringIn Running]"),
        rule("late", after="{rules: [mail]}"),
        rule("ring"),
    )
    text = event_page(world).text
    assert "when data.runStatus StringIn Running is false: data.runStatus is 'Failed'" in text
    assert "after no action of mail has ended for this event" in text
    assert text.index("ring matches") < text.index("mail when")
    assert "rules/team.yaml:2" in text


def test_event_that_no_rule_acted_on_says_so(tmp_path: Path) -> None:
    assert "No rule acted on this event." in event_page(world_of(tmp_path, rule("ring", on="ModelRegistered"))).text


def test_event_that_waits_for_a_rules_file_says_so(tmp_path: Path) -> None:
    world = World(rules("  - {}\n"), tmp_path)
    world.receive(RunStatusChanged.example(eventTime=at(minutes=1)))
    assert (
        "Invalid rules files: rules/team.yaml. The event is matched with their rules once they"
        in event_page(world).text
    )
    world.write(rules(rule("ring", on="ModelRegistered")))
    assert "Invalid rules files" not in event_page(world).text


def test_headline_object_and_link_of_the_event_are_shown(tmp_path: Path) -> None:
    page = event_page(world_of(tmp_path, rule("ring")))
    assert page.all("h1")[0].text == "Run one failed (experiment churn-training)"
    assert f"{BASE}/find?name=one" in page.links
    assert any(link.startswith("https://ml.azure.com/runs/one?wsid=") for link in page.links)


def test_payload_is_shown_and_can_be_downloaded(tmp_path: Path) -> None:
    world = world_of(tmp_path, rule("ring"))
    page = event_page(world)
    shown = json.loads(page.all("pre")[0].text)
    [link] = [link for link in page.links if link.endswith("payload.json")]
    assert shown == json.loads(Browser(world).ask(link.removeprefix(f"{BASE}/")).body)
    assert shown["data"]["runId"] == "one"


def test_secrets_are_masked_in_verdicts(tmp_path: Path) -> None:
    world = world_of(tmp_path, rule("ring", when="[data.runId StringIn s3cr3t-run]"))
    browser = Browser(world, changes={"secrets": Secrets(("s3cr3t-run",))})
    page = browser.page(browser.first_event())
    assert "s3cr3t" not in page.text
    assert "data.runId StringIn *** is false" in page.text


@pytest.mark.parametrize("raw", ['{"id": 1}', "[" * 100_000, "no JSON"])
def test_event_of_another_version_is_shown_as_it_is(tmp_path: Path, raw: str) -> None:
    world = world_of(tmp_path, rule("ring"))
    [key] = world.history().events
    row = read_row(world.table, "2026-11-22", key)
    assert row
    values = {name: value for name, value in row.values.items() if not name.startswith("raw")}
    world.table.table.commit("2026-11-22", Row(key, {**values, "raw": raw}, row.etag))
    page = event_page(world)
    assert "This version of the app cannot read the event" in page.text
    assert "There is no rule to compare the event with." in page.text
    assert raw[:9] in "".join(page.all("pre")[0].text.split("\n")) or '"id": 1' in page.text


def test_actions_that_follow_each_other_are_all_shown(tmp_path: Path) -> None:
    """Rows of a replay may say that two actions follow each other."""
    world = world_of(tmp_path, rule("a"), rule("b"))
    world.run()
    for id, record in world.history().actions:
        row = read_row(world.table, id.day, id.row)
        assert row
        follows = json.dumps({"rule": {"a": "b", "b": "a"}[id.rule], "status": "failed", "summary": "", "details": {}})
        world.table.commit(id.day, Row(row.key, {**record.values(), "follows": follows}, row.etag))
    assert [each.attributes["aria-label"] for each in event_page(world).all("article")] == [
        "Action of a",
        "Action of b",
    ]


def test_erased_event_says_when_and_by_whom(tmp_path: Path) -> None:
    """Its actions stay, without what they said of the person."""
    world = world_of(tmp_path, rule("ring", "succeed mailed alice@example.com"))
    world.run()
    erase(find(Needle("one"), world.app), Needle("one"), world.app, "admin")
    text = event_page(world).text
    assert "its content was erased 20" in text
    assert "by admin" in text
    assert "ring" in text
    assert "alice@example.com" not in text


def test_events_of_a_window_link_to_each_other(tmp_path: Path) -> None:
    """The page of the event whose action acts for all lists them, and theirs link to it."""
    world = world_of(tmp_path, rule("a", collect="15m"))
    world.receive(RunStatusChanged.example(id="e2", runId="two", eventTime=at(minutes=2)))
    world.run()
    leader, other = sorted(world.history().actions, key=lambda each: not each[1].leads)
    browser = Browser(world)
    page = browser.page(f"events/{leader[0].day}/{leader[0].event}")
    assert "Acts for one, two" in page.text
    assert f"{BASE}/events/{other[0].day}/{other[0].event}" in page.links
    page = browser.page(f"events/{other[0].day}/{other[0].event}")
    assert "Acted on with the event whose action acts for all" in page.text
    assert f"{BASE}/events/{leader[0].day}/{leader[0].event}" in page.links
