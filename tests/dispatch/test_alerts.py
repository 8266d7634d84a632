"""Somebody is told when something is wrong with the app or its rules, once."""

import json
import logging
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
from handlers.email.content import Content
from schemas import Event, RunStatusChanged, UnknownEventType, parse_event
from schemas.alert import Alert
from tests.kit.world import SETTINGS, WORKSPACES, World, rule, rules

EVENT = RunStatusChanged.example(id="e1")
FOREIGN = EVENT.topic.replace("churn-prod", "somebody-s")


def told_world(folder: Path, *texts: str, script: str = "succeed") -> World:
    """A world whose alerts go to a scripted handler."""
    world = World(rules(*texts), folder)
    handler = "tests.kit.world:Scripted"
    alerts = f'alerts: {{ do: "{handler}", with: {{ world: {world.name}, script: ["{script}"] }} }}\n'
    world.workspaces = WORKSPACES + alerts
    world.write(world.rules)
    assert world.loaded.alerts
    return world


def alerts(world: World) -> list[tuple[Event, Action]]:
    return [call for call in world.calls if call.action.rule.startswith("-alerts")]


class TestFailedActions:
    """That no rule follows."""

    def test_are_told_with_the_event_and_why(self, tmp_path: Path) -> None:
        world = told_world(tmp_path, rule("ring", "give-up no such number"), rule("good"))
        world.receive(EVENT)
        world.run()
        [(event, action)] = alerts(world)
        assert event.id == "e1"
        assert action.result is not None
        assert (action.result.rule, action.result.status, action.result.summary) == ("ring", "failed", "no such number")
        assert world.ends() == {"ring": "failed", "good": "succeeded", "-alerts-ring": "succeeded"}

    def test_each_once(self, tmp_path: Path) -> None:
        """Two rules that fail on one event are two."""
        world = told_world(tmp_path, rule("a", "give-up"), rule("b", "give-up"))
        world.receive(EVENT)
        world.run()
        world.receive(EVENT)
        world.run()
        assert sorted(action.rule for _, action in alerts(world)) == ["-alerts-a", "-alerts-b"]

    @pytest.mark.parametrize("outcome", ["failed", "any"])
    def test_are_not_told_if_a_rule_handles_them(self, outcome: str, tmp_path: Path) -> None:
        after = f"{{ rules: ring, outcome: {outcome} }}"
        world = told_world(tmp_path, rule("ring", "give-up"), rule("mend", after=after))
        world.receive(EVENT)
        world.run()
        assert alerts(world) == []

    def test_are_told_if_the_rule_that_follows_acts_on_other_events(self, tmp_path: Path) -> None:
        """It handles this end only if it acts."""
        after = "{ rules: ring, outcome: failed }"
        texts = rule("ring", "give-up"), rule("mend", after=after, when="[data.runId StringIn other]")
        world = told_world(tmp_path, *texts)
        world.receive(EVENT)
        world.run()
        assert len(alerts(world)) == 1

    def test_of_alerts_are_not(self, tmp_path: Path) -> None:
        """They are in the log, and in the record."""
        world = told_world(tmp_path, rule("ring", "give-up"), script="give-up mail is down")
        world.receive(EVENT)
        world.run()
        assert world.ends() == {"ring": "failed", "-alerts-ring": "failed"}

    def test_are_in_the_log_alone_if_nobody_is_to_be_told(self, tmp_path: Path) -> None:
        world = World(rules(rule("ring", "give-up")), tmp_path)
        world.receive(EVENT)
        world.run()
        assert world.ends() == {"ring": "failed"}


class TestRefusedFiles:
    def test_are_told_once_for_each_version(self, tmp_path: Path) -> None:
        """By the sweep, with the mistakes."""
        world = told_world(tmp_path, rule("ring"))
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

    def test_are_told_also_when_it_is_the_list_of_workspaces(self, tmp_path: Path) -> None:
        """As long as it can still say whom to tell; the other files, which only wait for it, are not told of."""
        world = told_world(tmp_path, rule("ring"))
        world.workspaces = world.workspaces.replace("workspaces:\n", "workspaces:\n  broken: { env: dev }\n")
        world.write(world.rules)
        assert set(world.loaded.refused) == {"rules/team.yaml", "rules/workspaces.yaml"}
        sweep(world.app)
        world.run()
        [(event, _)] = alerts(world)
        assert isinstance(event, Alert)
        assert event.data.summary.startswith("rules/workspaces.yaml has an error and is refused")

    def test_are_in_the_log_alone_if_nobody_is_to_be_told(self, tmp_path: Path) -> None:
        world = World(rules(rule("ring", when="[nonsense]")), tmp_path)
        sweep(world.app)
        assert world.queue.messages == []

    def test_are_told_again_when_they_have_another_mistake(self, tmp_path: Path) -> None:
        """The same file may get one by another file, or by another version of the app."""
        world = told_world(tmp_path, rule("ring"))
        world.write(rules(rule("tell", after="{ rules: no-such }")), "other.yaml")
        sweep(world.app)
        world.write(rules(rule("ring"), rule("no-such", after="{ rules: tell }")))
        sweep(world.app)
        sweep(world.app)
        world.run()
        told = [event.data.details for event, _ in alerts(world) if isinstance(event, Alert)]
        assert len({text for details in told for text in details}) > 1


class TestRulesThatAreGone:
    """While actions of theirs wait."""

    def test_are_told_once_a_day_when_no_other_version_of_the_app_can_have_them(self, tmp_path: Path) -> None:
        world = told_world(tmp_path, rule("ring"))
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

    def test_are_not_told_while_a_file_is_refused(self, tmp_path: Path) -> None:
        """The rule may be in it, and that it is refused is told anyhow."""
        world = told_world(tmp_path, rule("ring"))
        world.receive(EVENT)
        world.write(rules(rule("ring", when="[nonsense]")))
        world.step(30)
        assert alerts(world) == []


def test_an_event_that_cannot_be_read_any_more_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Its action has failed, and no rule that follows it can be asked."""
    world = told_world(tmp_path, rule("ring"), rule("tell", after="{ rules: ring, outcome: failed }"))
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


def test_an_alert_that_cannot_be_read_any_more_is_in_the_log_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Else each could lead to another one, without end."""
    world = told_world(tmp_path, rule("ring"))
    world.write(rules(rule("tell", when="[nonsense]")), "other.yaml")
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

    def test_are_told_when_there_are_a_few(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        """A workspace that is misspelt would swallow everything in silence."""
        world = told_world(tmp_path, rule("ring"))
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

    def test_are_told_again_the_next_day_and_for_another_kind(self, tmp_path: Path) -> None:
        world = told_world(tmp_path, rule("ring"))
        self.reject(world, BURST)
        for n in range(BURST):
            receive(f"not an event {n}", world.app)
        world.clock.forward(days=1)
        self.reject(world, BURST, start=100)
        world.run()
        assert len(alerts(world)) == 3

    def test_a_redelivery_does_not_count(self, tmp_path: Path) -> None:
        world = told_world(tmp_path, rule("ring"))
        for _ in range(2 * BURST):
            self.reject(world, 1)
        assert world.queue.messages == []

    def test_that_cannot_be_told_are_kept_all_the_same(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        """The event is written down; to raise would bring it again."""
        world = told_world(tmp_path, rule("ring"))
        app = world.app

        def away(*_: object, **__: object) -> None:
            raise Unavailable("away")

        monkeypatch.setattr(app.inbox.shared, "change", away)
        receive("not an event", app)
        assert len(world.history().rejected) == 1
        assert "alert.lost" in caplog.text


def test_alerts_that_wait_when_nobody_is_to_be_told_any_more_go_to_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    world = told_world(tmp_path, rule("ring", when="[nonsense]"))
    sweep(world.app)
    world.workspaces = WORKSPACES
    world.write(world.rules)
    world.run()
    assert "azureml-events.Alert refused rules" in caplog.text


def test_nobody_outside_can_send_an_alert() -> None:
    """It is none of Azure ML's event types."""
    with pytest.raises(UnknownEventType):
        parse_event(Alert.of("refused rules", "a", "b").wire())


def test_a_mail_about_an_alert_says_what_is_wrong_and_nothing_else() -> None:
    """No workspace, no time: there are none."""
    alert = Alert.of("refused rules", "rules/a.yaml 1", "rules/a.yaml is refused", ["rules/a.yaml:1:1: <b>&", "more"])
    content, action = Content(), Action(rule="-alerts", source="rules/workspaces.yaml:9")
    assert content.render_subject(alert) == "[azureml-events] rules/a.yaml is refused"
    text = content.render_text(alert, action)
    assert "rules/a.yaml:1:1: <b>&" in text
    assert "more" in text
    assert "Workspace" not in text
    html = content.render_html(alert, action)
    assert "rules/a.yaml:1:1: &lt;b&gt;&amp;" in html
    assert "#c62828" in html


@pytest.mark.parametrize("folder", ["rules", "samples/rules"])
def test_the_project_s_own_rules_tell_somebody(folder: str) -> None:
    loaded = load(Path(__file__).parents[2] / folder, SETTINGS)
    assert loaded.alerts
    assert loaded.alerts.do == "email"
