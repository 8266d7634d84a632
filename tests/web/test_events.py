"""Events with filters in the address, and by name."""

from pathlib import Path

import pytest

from dispatch.sweep import sweep
from handlers.base import Action, Handler, Outcome, Succeeded
from schemas import RunStatusChanged
from tests.kit.world import World, entry, rule, rules
from tests.web.browser import BASE, Browser, Page
from tests.web.conftest import at

KIWIS = [f"brave_kiwi_{n}" for n in (1, 2, 3)]


def objects(page: Page) -> list[str]:
    """The objects of the listed events."""
    return [link.text for link in page.all("a") if "object" in str(link.attributes.get("class"))]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["fresh_run", "brave_kiwi_0", "churn", "plucky_lime_h3k8wq2v1n", "churn", *KIWIS]),
        ("type=modelregistered", ["churn"]),
        ("rule=broken", ["plucky_lime_h3k8wq2v1n"]),
        ("status=failed", ["plucky_lime_h3k8wq2v1n"]),
        ("status=unmatched", ["churn"]),
        ("object=BRAVE_kiwi_2", ["brave_kiwi_2"]),
        ("text=the+server+is", ["churn"]),
        ("workspace=nowhere", []),
        ("from=2026-11-20&until=2026-11-21", ["brave_kiwi_2"]),
        ("from=2026-11-20T00:00%2B02:00&until=2026-11-20T22:00", ["brave_kiwi_2"]),
    ],
)
def test_filters_are_read_from_the_address(browser: Browser, query: str, found: list[str]) -> None:
    page = browser.page(f"events?{query}")
    assert objects(page) == found
    assert found or "No other event satisfies the conditions." in page.text


def test_form_shows_the_filters_that_it_was_given(browser: Browser) -> None:
    page = browser.page("events", type="ModelRegistered", rule="gone", object='a"b', **{"from": "2026-11-20"})
    chosen = [option.text for option in page.all("option") if "selected" in option.attributes]
    assert chosen == ["ModelRegistered", "gone"]
    values = {each.attributes["name"]: each.attributes.get("value") for each in page.all("input")}
    assert values == {"name": "", "object": 'a"b', "text": "", "from": "2026-11-20", "until": ""}


def test_pages_follow_each_other_with_the_same_filter(tmp_path: Path) -> None:
    world = World(rules(rule("ring")), tmp_path)
    world.receive(
        *(RunStatusChanged.example(id=f"e{n}", runId=f"run_{n}", eventTime=at(minutes=n)) for n in range(120))
    )
    browser = Browser(world)
    page, found = browser.page("events", rule="ring"), []
    for _ in range(3):
        found += objects(page)
        older = [link for link in page.all("a") if link.attributes.get("rel") == "next"]
        if older:
            assert "rule=ring" in str(older[0].attributes["href"])
            page = browser.follow(str(older[0].attributes["href"]))
    assert found == [f"run_{n}" for n in range(120)]
    assert f"{BASE}/events?rule=ring" in page.links  # back to the newest


def test_empty_record_says_so(tmp_path: Path) -> None:
    assert "No event is recorded." in Browser(World(rules(rule("ring")), tmp_path)).page("events").text


@pytest.mark.parametrize("name", ["brave_kiwi_1", " BRAVE_KIWI_1 ", "e1", "fresh_run"])
def test_event_is_found_by_its_names(browser: Browser, name: str) -> None:
    """Indexed, or of today and not indexed yet."""
    [link] = [link for link in browser.page("find", name=name).links if link.startswith(f"{BASE}/events/")]
    assert name.strip().lower() in browser.follow(link).text.lower()


def test_rejected_event_is_found_by_its_id(browser: Browser) -> None:
    page = browser.page("find", name="z1")
    assert objects(page) == ["Rejected: malformed"]
    assert f"{BASE}/rejected?day=2026-11-22" in page.links


def test_unknown_name_says_where_was_looked(browser: Browser) -> None:
    page = browser.page("find", name="nobody")
    assert "Nothing is recorded under this name in 2026-11 and 2026-10." in page.text
    page = browser.page("find", name="nobody", month="2026-09")
    assert "in 2026-09 and 2026-08." in page.text


def test_older_months_are_offered_as_long_as_the_app_keeps_them(browser: Browser) -> None:
    page, months = browser.page("find", name="nobody"), 2
    while older := [link for link in page.all("a") if link.attributes.get("rel") == "next"]:
        months += 2
        page = browser.follow(str(older[0].attributes["href"]))
        assert browser.counted.queries <= 3
    assert months == 4  # of a retention of 90 days; the index keeps a month whole


class Start(Handler[RunStatusChanged]):
    """Succeeds as a handler does that starts a job."""

    def run(self, event: RunStatusChanged, action: Action) -> Outcome:
        return Succeeded("started", {"job": "job-1"})


def test_event_is_found_by_the_job_that_an_action_started(tmp_path: Path) -> None:
    do = '"tests.web.test_events:Start"'
    world = World(rules(entry({"name": "train", "on": "RunStatusChanged", "do": do})), tmp_path)
    world.receive(RunStatusChanged.example(eventTime=at(minutes=1)))
    world.run()
    sweep(world.app)
    page = Browser(world).page("find", name="job-1")
    assert "succeeded train" in page.text
    [link] = [link for link in page.links if link.startswith(f"{BASE}/events/")]
    assert "job job-1" in Browser(world).follow(link).text
