"""How the guards of the rules stand that match an event."""

from pathlib import Path

from dispatch.inbox.pauses import Pause
from dispatch.secrets import Secrets
from schemas import RunStatusChanged
from tests.kit.world import World, rule, rules
from tests.web.browser import Browser
from tests.web.conftest import at
from web.stored import GUARDED

LIMIT = "{ count: 1, every: 7d }"


def world_of(folder: Path, *texts: str) -> World:
    world = World(rules(*texts), folder)
    world.receive(RunStatusChanged.example(id="e1", runId="one", eventTime=at(minutes=1)))
    return world


def test_guards_are_shown_as_they_stand(tmp_path: Path) -> None:
    world = world_of(tmp_path, rule("ring", at_most=LIMIT), rule("free"), rule("other", on="ModelRegistered"))
    world.run()
    world.app.inbox.pauses.begin(Pause("ring", "alice", world.clock()))
    browser = Browser(world)
    event = browser.page(browser.first_event())
    [link] = {link for link in event.links if link.endswith("/guards")}
    assert [each.attributes["hx-get"] for each in event.all("div") if "hx-get" in each.attributes] == [link]
    page = browser.follow(link)
    assert set(browser.counted.calls) == {"read"}
    assert "ring pause keeps it from running paused by alice since 2026-11-22 09:00:00 UTC" in page.text
    assert "at_most 1 of 1 in 7d taken" in page.text
    assert "free no guard has anything to say" in page.text
    assert "other" not in page.all("main")[0].text


def test_event_without_a_matching_rule_has_no_guards(tmp_path: Path) -> None:
    browser = Browser(world_of(tmp_path, rule("other", on="ModelRegistered")))
    event = browser.first_event()
    assert not [link for link in browser.page(event).links if link.endswith("/guards")]
    assert "No rule matches the event now" in browser.page(f"{event}/guards").text
    browser.page(f"events/2026-11-22/12345678-{'0' * 32}/guards", 404)


def test_number_of_reads_is_bounded(tmp_path: Path) -> None:
    """The event, the pauses and throttles, and a row for each guard."""
    world = world_of(tmp_path, *(rule(f"r{n}", at_most=LIMIT, latest_only="true") for n in range(GUARDED + 1)))
    browser = Browser(world)
    page = browser.page(f"{browser.first_event()}/guards")
    assert browser.counted.queries <= 2 + 2 * GUARDED
    assert "The guards of 1 more rule are shown by mlevents explain." in page.text


def test_secrets_are_masked(tmp_path: Path) -> None:
    world = world_of(tmp_path, rule("ring"))
    world.app.inbox.pauses.begin(Pause("ring", "s3cr3t", world.clock()))
    browser = Browser(world, changes={"secrets": Secrets(("s3cr3t",))})
    assert "paused by ***" in browser.page(f"{browser.first_event()}/guards").text
