"""Alerts notify people of each problem with the app or its rules, once."""

import json
import logging
import random
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from dispatch.alerts import BURST
from dispatch.inbox.errors import Unavailable
from dispatch.receive import receive
from dispatch.rules import load
from dispatch.sweep import sweep
from handlers.base import Action
from handlers.content.app import app_name
from handlers.email.content import Content
from mlevents.testing.storage import NOW
from schemas import RunStatusChanged, UnknownEventType, parse_event
from schemas.alert import Alert
from tests.kit.world import SETTINGS, WORKSPACES, World, alerting_world, alerts, rule, rules

EVENT = RunStatusChanged.example(id="e1")
FOREIGN = EVENT.topic.replace("churn-prod", "somebody-s")


class TestFailedActions:
    """Actions that have failed, without a rule that follows the failure."""

    def test_the_alert_has_the_event_and_the_reason(self, tmp_path: Path) -> None:
        world = alerting_world(tmp_path, rule("ring", "give-up no such number"), rule("good"))
        world.receive(EVENT)
        world.run()
        [(event, action)] = alerts(world)
        assert event.id == "e1"
        assert action.result is not None
        assert (action.result.rule, action.result.status, action.result.summary) == ("ring", "failed", "no such number")
        assert world.ends() == {"ring": "failed", "good": "succeeded", "-alerts-ring": "succeeded"}

    def test_each_failed_action_raises_one_alert(self, tmp_path: Path) -> None:
        """Two rules that fail on one event raise two."""
        world = alerting_world(tmp_path, rule("a", "give-up"), rule("b", "give-up"))
        world.receive(EVENT)
        world.run()
        world.receive(EVENT)
        world.run()
        assert sorted(action.rule for _, action in alerts(world)) == ["-alerts-a", "-alerts-b"]

    @pytest.mark.parametrize("outcome", ["failed", "any"])
    def test_a_rule_that_follows_the_failure_replaces_the_alert(self, outcome: str, tmp_path: Path) -> None:
        after = f"{{ rules: ring, outcome: {outcome} }}"
        world = alerting_world(tmp_path, rule("ring", "give-up"), rule("repair", after=after))
        world.receive(EVENT)
        world.run()
        assert alerts(world) == []

    def test_a_rule_that_follows_only_other_events_does_not_replace_the_alert(self, tmp_path: Path) -> None:
        after = "{ rules: ring, outcome: failed }"
        texts = rule("ring", "give-up"), rule("repair", after=after, when="[data.runId StringIn other]")
        world = alerting_world(tmp_path, *texts)
        world.receive(EVENT)
        world.run()
        assert len(alerts(world)) == 1

    def test_a_failed_alert_raises_no_alert(self, tmp_path: Path) -> None:
        """The log and the inbox have it."""
        world = alerting_world(tmp_path, rule("ring", "give-up"), script="give-up mail is down")
        world.receive(EVENT)
        world.run()
        assert world.ends() == {"ring": "failed", "-alerts-ring": "failed"}

    def test_a_failure_is_only_logged_if_workspaces_yaml_has_no_alerts(self, tmp_path: Path) -> None:
        world = World(rules(rule("ring", "give-up")), tmp_path)
        world.receive(EVENT)
        world.run()
        assert world.ends() == {"ring": "failed"}


class TestRefusedFiles:
    def test_each_version_of_a_refused_file_raises_one_alert(self, tmp_path: Path) -> None:
        """The sweep raises it, with the errors."""
        world = alerting_world(tmp_path, rule("ring"))
        for content in ("when: [nonsense]", "when: [nonsense]", "when: [more nonsense]"):
            world.write(f"rules:\n  - name: a\n    on: RunCompleted\n    do: log\n    {content}\n", "bad.yaml")
            for _ in range(3):
                sweep(world.app)
                world.run()
        [(first, _), (second, _)] = alerts(world)
        assert isinstance(first, Alert)
        assert first.data.summary == "rules/bad.yaml has an error and is refused: its rules do not run"
        [mistake] = first.data.details
        assert mistake.startswith("rules/bad.yaml:5:12: ")
        assert isinstance(second, Alert)
        assert second.data.details != first.data.details

    def test_a_refused_workspaces_yaml_raises_an_alert(self, tmp_path: Path) -> None:
        """If its alerts can still be read. The other files, which only wait for it, raise none."""
        world = alerting_world(tmp_path, rule("ring"))
        world.workspaces = world.workspaces.replace("workspaces:\n", "workspaces:\n  broken: { env: dev }\n")
        world.write(world.rules)
        assert set(world.loaded.refused) == {"rules/team.yaml", "rules/workspaces.yaml"}
        sweep(world.app)
        world.run()
        [(event, _)] = alerts(world)
        assert isinstance(event, Alert)
        assert event.data.summary.startswith("rules/workspaces.yaml has an error and is refused")

    def test_a_refused_file_is_only_logged_if_workspaces_yaml_has_no_alerts(self, tmp_path: Path) -> None:
        world = World(rules(rule("ring", when="[nonsense]")), tmp_path)
        sweep(world.app)
        assert world.queue.messages == []

    def test_another_error_in_the_same_version_of_a_file_raises_another_alert(self, tmp_path: Path) -> None:
        """A change in another file, or in the app, may cause it."""
        world = alerting_world(tmp_path, rule("ring"))
        world.write(rules(rule("notify", after="{ rules: no-such }")), "other.yaml")
        sweep(world.app)
        world.write(rules(rule("ring"), rule("no-such", after="{ rules: notify }")))
        sweep(world.app)
        sweep(world.app)
        world.run()
        found = [event.data.details for event, _ in alerts(world) if isinstance(event, Alert)]
        assert len({text for details in found for text in details}) > 1


class TestMissingRules:
    """Rules that are missing while actions of theirs wait."""

    def test_a_missing_rule_raises_an_alert_once_a_day_after_an_hour(self, tmp_path: Path) -> None:
        world = alerting_world(tmp_path, rule("ring"))
        world.receive(*(EVENT.model_copy(update={"id": id}) for id in ("e1", "e2")))
        world.write(rules(rule("other", on="RunCompleted")))
        until = world.clock.time + timedelta(minutes=59)
        while min(world.queue.messages)[0] < until:
            world.step()
        assert alerts(world) == []
        while world.clock.time < until + timedelta(hours=12):
            world.step()
        [(event, action)] = alerts(world)
        assert isinstance(event, Alert)
        assert (event.data.kind, action.result) == ("rule is gone", None)
        assert event.data.summary == "no rules file has the rule ring, and its actions wait"
        world.write(rules(rule("ring")))
        world.run()
        ends = [record.status for id, record in world.history().actions if id.rule == "ring"]
        assert ends == ["succeeded"] * 2

    def test_a_missing_rule_raises_no_alert_while_a_file_is_refused(self, tmp_path: Path) -> None:
        """The rule may be in that file, which raises an alert itself."""
        world = alerting_world(tmp_path, rule("ring"))
        world.receive(EVENT)
        world.write(rules(rule("ring", when="[nonsense]")))
        world.step(30)
        assert alerts(world) == []


def test_an_unreadable_event_raises_an_alert(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Its action has failed, and the rules that follow it cannot be matched."""
    world = alerting_world(tmp_path, rule("ring"), rule("notify", after="{ rules: ring, outcome: failed }"))
    world.receive(EVENT)
    [(key, _)] = world.history().events.items()
    [row] = world.table.read("2026-11-22", key, key + "!")
    world.table.commit("2026-11-22", replace(row, values={**row.values, "raw": "{"}))
    world.run()
    [(event, _)] = alerts(world)
    assert isinstance(event, Alert)
    assert event.data.kind == "unreadable event"
    assert "rule ring has failed" in event.data.summary
    assert world.actions["ring"].status == "failed"


def test_an_unreadable_alert_is_only_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Otherwise each alert could raise another one, without end."""
    world = alerting_world(tmp_path, rule("ring"))
    world.write(rules(rule("notify", when="[nonsense]")), "other.yaml")
    sweep(world.app)
    [(key, _)] = world.history("undated").events.items()
    [row] = world.table.read("undated", key, key + "!")
    world.table.commit("undated", replace(row, values={**row.values, "raw": "{"}))
    world.run()
    assert alerts(world) == []
    assert len(world.history("undated").events) == 1
    assert "cannot be read" in caplog.text


class TestRejectedEvents:
    def reject(self, world: World, count: int, start: int = 0) -> None:
        for n in range(start, start + count):
            receive(json.dumps(EVENT.wire() | {"id": str(n), "topic": FOREIGN}), world.app)

    def test_several_rejected_events_of_a_kind_raise_one_alert(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        """A misspelled workspace in workspaces.yaml rejects all events of the workspace."""
        world = alerting_world(tmp_path, rule("ring"))
        self.reject(world, BURST - 1)
        assert world.queue.messages == []
        with caplog.at_level(logging.WARNING):
            self.reject(world, 20, start=BURST - 1)
        world.run()
        [(event, _)] = alerts(world)
        assert isinstance(event, Alert)
        assert event.data.summary == "at least 5 events were rejected today: foreign workspace"
        assert FOREIGN in event.data.details[0]
        assert "churn-dev, churn-prod" in event.data.details[1]
        assert caplog.text.count("alert.raised") == 1

    def test_each_kind_of_rejection_raises_one_alert_a_day(self, tmp_path: Path) -> None:
        world = alerting_world(tmp_path, rule("ring"))
        self.reject(world, BURST)
        for n in range(BURST):
            receive(f"not an event {n}", world.app)
        world.clock.forward(days=1)
        self.reject(world, BURST, start=100)
        world.run()
        assert len(alerts(world)) == 3

    def test_a_redelivery_does_not_count(self, tmp_path: Path) -> None:
        world = alerting_world(tmp_path, rule("ring"))
        for _ in range(2 * BURST):
            self.reject(world, 1)
        assert world.queue.messages == []

    def test_the_alert_about_a_huge_event_fits_its_row(self, tmp_path: Path) -> None:
        """The reason of the rejection has the event's topic, which may be larger than a row. No event is a defect."""
        world = alerting_world(tmp_path, rule("ring"))
        generator = random.Random(1)
        name = "".join(chr(generator.randrange(0x10000, 0x1FFFF)) for _ in range(400_000))
        for n in range(BURST):
            wire = EVENT.wire() | {"id": str(n), "topic": EVENT.topic.replace("churn-prod", name)}
            receive(json.dumps(wire, ensure_ascii=False), world.app)
        assert {rejected.kind for rejected in world.history(f"{NOW:%Y-%m-%d}").rejected} == {"foreign workspace"}
        world.run()
        [(event, _)] = alerts(world)
        assert "Reason of the latest rejection: " in str(event.view()["data"]["details"])

    def test_an_event_is_recorded_even_if_its_alert_is_lost(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        """An error would make Event Grid deliver it again."""
        world = alerting_world(tmp_path, rule("ring"))
        app = world.app

        def away(*_: object, **__: object) -> None:
            raise Unavailable("away")

        monkeypatch.setattr(app.inbox.shared, "change", away)
        receive("not an event", app)
        assert len(world.history().rejected) == 1
        assert "alert.lost" in caplog.text


def test_pending_alerts_are_logged_once_workspaces_yaml_has_no_alerts(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    world = alerting_world(tmp_path, rule("ring", when="[nonsense]"))
    sweep(world.app)
    world.workspaces = WORKSPACES
    world.write(world.rules)
    world.run()
    assert "azureml-events.Alert refused rules" in caplog.text


def test_an_alert_that_is_sent_as_an_event_is_rejected() -> None:
    """Its type is not one of Azure ML."""
    with pytest.raises(UnknownEventType):
        parse_event(Alert.of("refused rules", "a", "b").wire())


def test_the_mail_of_an_alert_has_its_summary_and_details_only() -> None:
    """An alert has neither a workspace nor a time."""
    alert = Alert.of("refused rules", "rules/a.yaml 1", "rules/a.yaml is refused", ["rules/a.yaml:1:1: <b>&", "more"])
    content, action = Content(), Action(rule="-alerts", source="rules/workspaces.yaml:9")
    assert content.render_subject(alert) == f"[{app_name()}] rules/a.yaml is refused"
    text = content.render_text(alert, action)
    assert "rules/a.yaml:1:1: <b>&" in text
    assert "more" in text
    assert "Workspace" not in text
    html = content.render_html(alert, action)
    assert "rules/a.yaml:1:1: &lt;b&gt;&amp;" in html
    assert "#d32f2f" in html


def test_the_sample_rules_send_alerts_by_email() -> None:
    loaded = load(Path(__file__).parents[2] / "samples" / "rules", SETTINGS)
    assert loaded.alerts
    assert loaded.alerts.do == "email"
