"""The rules in force, and the errors of refused files."""

from dataclasses import replace
from pathlib import Path

from dispatch.inbox.pauses import Pause
from dispatch.rules.errors import RuleError
from dispatch.secrets import Secrets
from dispatch.sweep import sweep
from schemas import RunStatusChanged
from tests.kit.world import World, rule, rules
from tests.web.browser import BASE, Browser
from tests.web.conftest import at

ANY = "[any: [data.runStatus StringIn Failed, all: [subject StringBeginsWith x, data.runId IsNotNull]]]"
LIMIT = "{ count: 2, every: 1d, by: data.runId }"


def test_rule_is_shown_with_its_position_conditions_and_guards(tmp_path: Path) -> None:
    texts = (
        rule("mail", when=ANY, latest_only="true", at_most=LIMIT, **{"in": "churn-prod"}),
        rule("dry", dry_run="true"),
    )
    page = Browser(World(rules(*texts, rule("next", after="{rules: [mail], outcome: any}")), tmp_path)).page("rules")
    mail, dry, follower = (" ".join(article.text.split()) for article in page.all("article"))
    assert mail.startswith("mail rules/team.yaml:2 on RunStatusChanged in churn-prod when any of (data.runStatus")
    assert "all of (subject StringBeginsWith x; data.runId IsNotNull))" in mail
    assert "at_most 2 every 1d, by data.runId" in mail
    assert mail.count("latest_only true") == 1
    assert "dry_run true" in dry
    assert "after mail (any)" in follower
    assert "do tests.kit.world:Scripted" in follower


def test_rule_is_shown_with_what_it_expects_and_what_it_waits_for(tmp_path: Path) -> None:
    expect = '{ event: RunCompleted, when: data.experimentName StringIn nightly, by: "06:30", %s }'
    days = expect % 'days: Mon-Fri, holidays: "12-25", timezone: Europe/Athens, within: 12h'
    unless = "{ event: [ModelRegistered, RunCompleted], same: data.experimentName, within: 2h }"
    texts = (
        f"  - {{ name: nightly, expect: {days}, unless: {{ event: RunCompleted }}, do: log }}\n",
        f"  - {{ name: daily, expect: {expect % ''}, do: log }}\n",
        rule("stuck", still_after="12h", unless=unless),
    )
    page = Browser(World(rules(*texts), tmp_path)).page("rules")
    nightly, daily, stuck = (" ".join(article.text.split()) for article in page.all("article"))
    expected = "expect RunCompleted with data.experimentName StringIn nightly by 06:30"
    assert f"{expected} (Europe/Athens) on Mon-Fri, except 12-25, within 12h before unless RunCompleted" in nightly
    assert f"{expected} retry" in daily
    assert " on " not in daily
    assert (
        "still_after 12h unless ModelRegistered or RunCompleted, with the same data.experimentName, within 2h" in stuck
    )


def test_rule_shows_how_often_it_has_acted(tmp_path: Path) -> None:
    world = World(rules(rule("ring"), rule("broken", "give-up no")), tmp_path)
    for n in range(3):
        world.receive(RunStatusChanged.example(id=f"e{n}", eventTime=at(days=n * 20)))
    world.run()
    sweep(world.app)
    page = Browser(world).page("rules")
    assert "2 succeeded 0 skipped 0 failed" in page.text  # the third was 40 days ago
    assert "0 succeeded 0 skipped 2 failed" in page.text
    assert f"{BASE}/events?rule=broken&status=failed" in page.links
    world.write(rules(rule("ring")))
    assert "no longer in force: broken" in Browser(world).page("rules").text


def test_refused_files_and_their_errors_are_shown(tmp_path: Path) -> None:
    world = World(rules(rule("ring")), tmp_path)
    world.write("rules: [{ name: x, on: RunCompletd, do: log }]", "bad.yaml")
    text = Browser(world).page("rules").text
    assert "The rules of these files do not act: rules/bad.yaml" in text
    assert "Did you mean RunCompleted?" in text
    world.workspaces = "workspaces: 1"
    world.write(world.rules)
    assert "workspaces.yaml is invalid, so no rule acts." in Browser(world).page("rules").text


def test_warnings_are_shown(tmp_path: Path) -> None:
    world = World(rules(rule("ring")), tmp_path)
    assert "Warnings" not in Browser(world).page("rules").text
    world.loaded = replace(world.loaded, warnings=(RuleError("rules/team.yaml", 3, 5, "this matches nothing"),))
    assert "Warnings rules/team.yaml:3:5: this matches nothing" in Browser(world).page("rules").text


def test_paused_rules_are_shown(tmp_path: Path) -> None:
    world = World(rules(rule("ring")), tmp_path)
    world.app.inbox.pauses.begin(Pause("ring", "alice", world.clock()))
    assert "Paused ring paused by alice since 2026-11-22 09:00:00 UTC" in Browser(world).page("rules").text


def test_secrets_in_rules_are_masked(tmp_path: Path) -> None:
    """A condition may have the value of an app setting."""
    world = World(rules(rule("ring", when="[data.runId StringIn s3cr3t-run]")), tmp_path)
    world.write("rules: [{ name: x, on: s3cr3t-run, do: log }]", "bad.yaml")
    page = Browser(world, changes={"secrets": Secrets(("s3cr3t-run",))}).page("rules")
    assert "s3cr3t" not in page.html
    assert "data.runId StringIn ***" in page.text


def test_app_without_rules_says_so(tmp_path: Path) -> None:
    assert "No rule is in force." in Browser(World("rules: []", tmp_path)).page("rules").text
