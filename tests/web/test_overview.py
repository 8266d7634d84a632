"""The overview counts what is indexed and what is not, and lists what is open."""

from datetime import timedelta
from pathlib import Path

from dispatch.inbox.actions import read_action
from dispatch.inbox.tables import Row
from dispatch.sweep import sweep
from schemas import ModelRegistered, RunStatusChanged
from tests.kit.world import World, rule, rules
from tests.web.browser import Browser, Page
from tests.web.conftest import at


def tiles(page: Page) -> dict[str, str]:
    """The numbers of today by their names."""
    names, numbers = page.all("dt"), page.all("dd")
    return {name.text.strip(): number.text.strip() for name, number in zip(names, numbers, strict=True)}


def test_today_counts_what_no_sweep_has_indexed(tmp_path: Path) -> None:
    """The numbers are the same before and after the sweep."""
    world = World(rules(rule("ring"), rule("broken", "give-up no")), tmp_path)
    world.receive(RunStatusChanged.example(id="a", eventTime=at(minutes=1)))
    world.run()
    expected = {
        "Events received": "1",
        "Actions succeeded": "1",
        "Actions skipped": "0",
        "Actions failed": "1",
        "Actions open": "0",
        "Events rejected": "0",
    }
    assert tiles(Browser(world).page()) == expected
    sweep(world.app)
    assert tiles(Browser(world).page()) == expected


def test_groups_are_counted_and_lead_to_their_events(browser: Browser) -> None:
    page = browser.page()
    assert tiles(page)["Events received"] == "5"
    assert tiles(page)["Events rejected"] == "1"
    assert "/api/web/events?rule=mail" in page.links
    assert "/api/web/events?workspace=churn-prod" in page.links
    assert "/api/web/events?type=ModelRegistered" in page.links
    assert "/api/web/rejected" in page.links


def test_chart_has_a_bar_for_each_of_14_days(browser: Browser) -> None:
    titles = [title.text for title in browser.page().all("title") if title.parents[-1:] == ("g",)]
    assert len(titles) == 14
    assert titles[0] == "2026-11-09: nothing"
    assert titles[-2] == "2026-11-21: 2 succeeded"
    assert titles[-1] == "2026-11-22: 2 succeeded, 1 failed, 1 rejected"


def test_open_actions_are_listed_with_the_failing_ones_first(browser: Browser) -> None:
    table = browser.page().all("table")[1]
    assert table.text.index("flaky") < table.text.index("deploy") < table.text.index("mail")
    assert "the server is down" in table.text


def test_open_actions_of_earlier_days_are_as_the_sweep_saw_them(tmp_path: Path) -> None:
    world = World(rules(rule("wait", "wait 3600")), tmp_path)
    world.receive(RunStatusChanged.example(id="old", eventTime=at(days=3)))
    world.step()
    assert "Every action has ended." in Browser(world).page().text
    sweep(world.app)
    assert "wait call 1 waiting next 2026-11-22 10:00:00" in Browser(world).page().text


def test_action_that_has_ended_since_the_sweep_is_not_open(tmp_path: Path) -> None:
    world = World(rules(rule("ring")), tmp_path)
    world.receive(RunStatusChanged.example(eventTime=at(minutes=1)))
    sweep(world.app)
    world.run()
    assert tiles(Browser(world).page())["Actions open"] == "0"


def test_problems_come_first(world: World) -> None:
    (world.folder / "rules" / "bad.yaml").write_text("rules: [{}]")
    world.write(world.rules)
    page = Browser(world).page()
    [link] = [each for each in page.all("a") if each.text == "Errors in the rules"]
    assert link.attributes["href"] == "/api/web/rules"
    text = page.text
    assert "Needs attention rules/bad.yaml is invalid, so its rules do not act" in text
    assert "1 action is retried without success so far" in text


def test_failures_of_today_are_said_with_a_link_to_them(tmp_path: Path) -> None:
    """An app that is well is not shown as if nothing were wrong."""
    world = World(rules(rule("ring", "give-up no"), rule("other", on="ModelRegistered")), tmp_path)
    world.receive(
        RunStatusChanged.example(id="bad", runId="bad_run", eventTime=at(minutes=1)),
        RunStatusChanged.example(id="old", runId="old_run", eventTime=at(days=1)),
        ModelRegistered.example(id="good", eventTime=at(minutes=2)),
    )
    world.run()
    sweep(world.app)
    browser = Browser(world)
    page = browser.page()
    [link] = [each for each in page.all("a") if each.text == "1 action of today’s events failed"]
    assert "nothing needs attention" not in page.text
    found = browser.follow(str(link.attributes["href"])).text
    assert "bad_run" in found
    assert not {"old_run", "churn"} & set(found.split())
    world.clock.time += timedelta(days=1)
    sweep(world.app)
    assert "nothing needs attention" in browser.page().text


def test_healthy_app_says_so(tmp_path: Path) -> None:
    world = World(rules(rule("ring")), tmp_path)
    sweep(world.app)
    page = Browser(world).page()
    assert "1 rule is in force, and nothing needs attention." in page.text
    assert "No event of today is recorded." in page.text


def test_rows_of_newer_versions_are_left_out(tmp_path: Path) -> None:
    world = World(rules(rule("ring")), tmp_path)
    world.receive(RunStatusChanged.example(eventTime=at(minutes=1)))
    world.table.commit("2026-11-22", Row("!new|0", {"schema": 99}))
    [(id, _)] = world.history().actions
    row, _ = read_action(world.table, id)
    assert row
    world.table.commit(id.day, Row(row.key, {**row.values, "schema": 99}, row.etag))
    assert tiles(Browser(world).page())["Events received"] == "1"


def test_yesterday_is_not_today(world: World) -> None:
    world.clock.time += timedelta(days=1)
    assert tiles(Browser(world).page())["Events received"] == "0"
