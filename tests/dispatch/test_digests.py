"""An alert an hour reports the actions of a rule that are retried without success."""

from datetime import timedelta
from pathlib import Path

import pytest

from dispatch import alerts as alerts_module
from dispatch.act import act
from dispatch.app import App
from dispatch.inbox.errors import Unavailable
from dispatch.sweep import sweep
from schemas import RunStatusChanged
from schemas.alert import Alert
from tests.kit.world import World, alerting_world, alerts, rule

EVENT = RunStatusChanged.example(id="e0")


def failing_world(folder: Path, *script: str, events: int = 1, minutes: int = 35, **keys: str) -> World:
    """A world that has retried some actions of a rule for a while, sweeping every five minutes."""
    world = alerting_world(folder, rule("ring", *script, **keys))
    world.receive(*(EVENT.model_copy(update={"id": f"e{n}"}) for n in range(events)))
    run_for(world, minutes)
    return world


def run_for(world: World, minutes: int) -> None:
    until = world.clock.time + timedelta(minutes=minutes)
    while world.clock.time < until:
        next_sweep = world.clock.time + timedelta(minutes=5)
        while world.queue.messages and min(world.queue.messages)[0] <= next_sweep:
            world.step()
        world.clock.time = max(world.clock.time, next_sweep)
        sweep(world.app)
    for at, message in sorted(world.queue.messages):
        if at <= world.clock.time:
            world.queue.messages.remove((at, message))
            act(message, world.app)


def failing_alerts(world: World) -> list[Alert]:
    return [event for event, _ in alerts(world) if isinstance(event, Alert) and event.data.kind == "failing actions"]


def test_an_action_that_fails_for_half_an_hour_raises_an_alert(tmp_path: Path) -> None:
    """It says why, when the action is tried again, and when it gives up."""
    world = failing_world(tmp_path, "retry the mail server is away")
    [alert] = failing_alerts(world)
    assert alert.data.summary == "an action of rule ring has been failing for 30m"
    reason, line = alert.data.details
    assert reason == "The last error of the oldest: the mail server is away"
    assert line.startswith(f"Event e0: {EVENT.object} in churn-prod: failing since 2026-11-22 09:00 UTC, next attempt")
    assert line.endswith("gives up at 2026-11-23 09:00 UTC at the latest")
    assert alert.data.rule == "ring"


def test_an_action_that_fails_for_less_raises_none(tmp_path: Path) -> None:
    world = failing_world(tmp_path, "retry", minutes=25)
    assert failing_alerts(world) == []


def test_many_failing_actions_raise_one_alert_an_hour(tmp_path: Path) -> None:
    world = failing_world(tmp_path, "retry", events=7, minutes=60)
    [alert] = failing_alerts(world)
    assert alert.data.summary == "7 actions of rule ring have been failing for 30m"
    assert alert.data.details[-1] == "and 2 more"
    run_for(world, 60)
    assert len(failing_alerts(world)) == 2


def test_a_throttled_action_raises_an_alert_too(tmp_path: Path) -> None:
    """It has no effect for as long. It gives up after a week."""
    world = failing_world(tmp_path, "throttle 300")
    [alert] = failing_alerts(world)
    assert alert.data.details[0] == "The last error of the oldest: 429"
    assert "gives up at 2026-11-29 09:00 UTC at the latest" in alert.data.details[1]


@pytest.mark.parametrize("script", [("wait 60",), ("retry", "wait 60"), ("succeed",)])
def test_an_action_that_does_not_fail_raises_none(script: tuple[str, ...], tmp_path: Path) -> None:
    """Checking back is progress."""
    world = failing_world(tmp_path, *script, minutes=90)
    assert failing_alerts(world) == []


def test_failing_alerts_raise_no_alert(tmp_path: Path) -> None:
    world = alerting_world(tmp_path, rule("ring", "give-up"), script="retry the mail server is away")
    world.receive(EVENT)
    run_for(world, 90)
    assert failing_alerts(world) == []


def test_an_alert_that_was_not_recorded_is_raised_by_the_next_sweep(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is in the shared state until it is recorded."""

    def away(*_: object) -> None:
        raise Unavailable("away")

    world = failing_world(tmp_path, "retry", minutes=25)
    with monkeypatch.context() as patch:
        patch.setattr(alerts_module, "raise_alert", away)
        world.clock.forward(minutes=10)
        with pytest.raises(Unavailable):
            sweep(world.app)
    assert failing_alerts(world) == []
    run_for(world, 5)
    run_for(world, 5)
    assert len(failing_alerts(world)) == 1


def test_two_sweeps_raise_one_alert(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other one raises the alert that is in the state, and removes it, before this one does."""
    raise_alert = alerts_module.raise_alert

    def raise_twice(alert: Alert, app: App) -> None:
        monkeypatch.setattr(alerts_module, "raise_alert", raise_alert)
        sweep(app)
        raise_alert(alert, app)

    world = failing_world(tmp_path, "retry", minutes=25)
    monkeypatch.setattr(alerts_module, "raise_alert", raise_twice)
    run_for(world, 10)
    assert len(failing_alerts(world)) == 1


def test_without_alerts_nothing_is_kept(tmp_path: Path) -> None:
    world = World("rules:\n" + rule("ring", "retry"), tmp_path)
    world.receive(EVENT)
    run_for(world, 40)
    assert world.app.inbox.shared.all("failing|") == {}
