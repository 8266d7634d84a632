"""`monitor_alert`: alerts in every form become events of the workspace or endpoint that they are about."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st

from dispatch.inbox.errors import Unavailable
from dispatch.monitor.receive import LARGEST, Answer, receive_alert
from handlers.base import Action
from handlers.content.summary import summarize
from schemas import Event, parse_event
from schemas.events.monitor_alerts import AlertFired, AlertResolved, MonitorAlert
from tests.dispatch.monitor.payloads import (
    ADMINISTRATIVE,
    BY_NAME,
    DEPLOYMENT,
    ENDPOINT,
    FIRED,
    ID,
    LOGS,
    WORKSPACE,
    common,
    metric,
)
from tests.kit.any_input import any_input
from tests.kit.world import SETTINGS, World

RULES = """
rules:
  - { name: fired, on: AlertFired, do: log }
  - { name: resolved, on: AlertResolved, in: { env: prod }, do: log }
"""


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(RULES, tmp_path)


def post(world: World, payload: object) -> Answer:
    return receive_alert(json.dumps(payload).encode(), world.app)


def recorded(world: World) -> list[MonitorAlert]:
    """The events on record, by their workspaces and targets."""
    days = world.app.inbox.history.days()
    raw = [event.raw for day in days for event in world.history(day).events.values()]
    found = [parse_event(text) for text in raw]
    assert all(isinstance(event, MonitorAlert) for event in found)
    return sorted(
        (event for event in found if isinstance(event, MonitorAlert)),
        key=lambda event: (event.resource.name, event.subject),
    )


# The type, endpoint and deployment of each alert, and the sentence about it.
EXPECTED: dict[str, tuple[type[Event], str | None, str | None, str]] = {
    "metric": (AlertFired, None, None, "Failed Runs is 4, above 0 (Total of 1 hour)"),
    "metric resolved": (AlertResolved, None, None, "Failed Runs is 0, no longer above 0 (Total of 1 hour)"),
    "metric with dimensions": (
        *(AlertFired, "churn", "blue"),
        "RequestsPerMinute is 31.5, above 5 (Average of 1 hour)",
    ),
    "dynamic metric": (
        *(AlertFired, "churn", "blue"),
        "RequestLatency_P95 is 2,311, above 812.4 (Total of 1 hour)",
    ),
    "log v2": (
        *(AlertFired, "churn", None),
        "Count of AmlOnlineEndpointTrafficLog | where ResponseCode startswith '5' is 12, above 3 (Count of 10 minutes)",
    ),
    "log v1": (
        *(AlertFired, None, None),
        "Results of AmlComputeJobEvent | where EventType == 'JobFailed' is 2, above 0 (of 15 minutes)",
    ),
    "administrative": (
        *(AlertFired, "churn", None),
        "Microsoft.MachineLearningServices/workspaces/onlineEndpoints/delete: Succeeded",
    ),
    "resource health": (AlertFired, None, None, "Unavailable: Unavailable (PlatformInitiated)"),
    "resource health resolved": (AlertResolved, None, None, "Unavailable: Unavailable (PlatformInitiated)"),
    "service health": (AlertFired, None, None, "Azure Machine Learning - West Europe - Investigating: Active"),
    "older metric": (AlertFired, None, None, "Failed Runs is 4, above 0 (Total of 1 hour)"),
    "older metric resolved": (AlertResolved, None, None, "Failed Runs is 4, no longer above 0 (Total of 1 hour)"),
    "classic metric resolved": (AlertResolved, None, None, "Failed Runs is 0, no longer at least 3 (Total of 5)"),
    "older log": (
        *(AlertFired, None, None),
        "Results of AmlComputeJobEvent | where EventType == 'JobFailed' is 2, above 0 (of 15 minutes)",
    ),
    "older log without schema": (
        *(AlertFired, None, None),
        "Results of AmlComputeJobEvent | where EventType == 'JobFailed' is 2, above 0 (of 15 minutes)",
    ),
    "older activity": (
        *(AlertFired, "churn", None),
        "Microsoft.MachineLearningServices/workspaces/onlineEndpoints/delete: Succeeded",
    ),
    "older resource health resolved": (
        *(AlertResolved, "churn", None),
        "Unavailable: Unavailable (PlatformInitiated)",
    ),
}


@pytest.mark.parametrize("name", BY_NAME)
def test_every_form_of_an_alert_becomes_an_event(world: World, name: str) -> None:
    """About its workspace, spelled as workspaces.yaml does. A second delivery changes nothing."""
    answer = post(world, BY_NAME[name])
    assert answer.status == 200
    assert post(world, BY_NAME[name]) == answer
    [event] = recorded(world)
    assert answer.text == f"recorded as {event.id}"
    assert (type(event), event.data.endpoint, event.data.deployment, event.data.reason) == EXPECTED[name]
    assert event.topic == SETTINGS["RULES_WS_CHURN_PROD"]
    assert event.event_time is not None
    assert f"{event.event_time:%Y-%m-%d %H}" == "2026-11-22 09"
    world.run()
    assert world.ends() == {"resolved" if type(event) is AlertResolved else "fired": "succeeded"}


def test_fields_of_an_alert_are_typed(world: World) -> None:
    post(world, BY_NAME["metric with dimensions"])
    [event] = recorded(world)
    data = event.data
    assert (data.alert_id, data.rule, data.severity, data.signal) == (ID, "churn-alert", "Sev1", "Metric")
    assert (data.metric, data.operator, data.threshold, data.value) == ("RequestsPerMinute", "GreaterThan", 5, 31.5)
    assert data.dimensions == {"deployment": "blue", "statusCodeClass": "5xx"}
    assert data.custom_properties == {"team": "churn"}
    assert event.subject == data.target == ENDPOINT
    assert event.fact_id("endpoint") == ("churn",)
    assert event.studio_url is not None
    assert "/endpoints/realtime/churn/" in event.studio_url


def test_states_of_an_alert_are_events_of_one_object(world: World) -> None:
    """Each state once: an alert that fires again has another time."""
    post(world, BY_NAME["metric"])
    post(world, BY_NAME["metric resolved"])
    again = BY_NAME["metric"]["data"]["essentials"] | {"firedDateTime": "2026-11-22T11:00:00Z"}
    post(world, {**BY_NAME["metric"], "data": {**BY_NAME["metric"]["data"], "essentials": again}})
    events = recorded(world)
    assert len({event.id for event in events}) == len(events) == 3
    assert len({(event.object, event.object_kind, event.about) for event in events}) == 1
    assert events[0].fact_id("endpoint") == ()


def test_several_targets_become_several_events(world: World) -> None:
    """Those of Azure ML, each once, whatever their case."""
    dev = WORKSPACE.replace("rg-ml-prod", "rg-ml-dev").replace("churn-prod", "churn-dev").replace("2", "1")
    targets = (dev, DEPLOYMENT, DEPLOYMENT.upper(), WORKSPACE, LOGS)
    assert post(world, common(metric("Failed Runs", 4.0), *targets)).status == 200
    events = recorded(world)
    assert [event.resource.name for event in events] == ["churn-dev", "churn-prod", "churn-prod"]
    assert [(event.data.endpoint, event.data.deployment) for event in events] == [
        (None, None),
        (None, None),
        ("churn", "blue"),
    ]


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (common(metric("Percentage CPU", 99.0), LOGS), f"the alert churn-alert is about {LOGS}, which is no workspace"),
        (common(metric("Failed Runs", 4.0), alertTargetIDs=None), "the alert churn-alert is about no resource, which"),
    ],
)
def test_an_alert_about_something_else_is_recorded_as_rejected(world: World, payload: Any, reason: str) -> None:
    answer = post(world, payload)
    assert (answer.status, reason in answer.text) == (200, True)
    [rejected] = [each for day in world.app.inbox.history.days() for each in world.history(day).rejected]
    assert rejected.reason.startswith(reason)
    assert json.loads(rejected.raw) == payload


def test_an_alert_about_an_unlisted_workspace_is_rejected_as_any_event(world: World) -> None:
    other = WORKSPACE.replace("churn-prod", "other")
    assert post(world, common(metric("Failed Runs", 4.0), other)).status == 200
    [rejected] = [each for day in world.app.inbox.history.days() for each in world.history(day).rejected]
    assert rejected.reason == f"{other} is not in workspaces.yaml"
    assert isinstance(parse_event(rejected.raw), AlertFired)


def test_nothing_on_record_says_who_did_something(world: World) -> None:
    """Claims and callers of activity logs are personal data."""
    post(world, common(ADMINISTRATIVE, ENDPOINT))
    post(world, common(ADMINISTRATIVE, LOGS))
    assert len(recorded(world)) == 1
    for day in world.app.inbox.history.days():
        history = world.history(day)
        for text in [each.raw for each in history.events.values()] + [each.raw for each in history.rejected]:
            assert "alice" not in text.casefold()


@pytest.mark.parametrize(
    ("body", "status", "text"),
    [
        (b"", 400, "expected JSON"),
        (b"\xff\xfe", 400, "expected UTF-8"),
        (b"[1]", 400, "a JSON object"),
        (b'{"hello": "world"}', 400, "it has no schemaId, as alerts of Azure Monitor have"),
        (b'{"schemaId": "x"}', 400, "the schemaId 'x' is none of Azure Monitor's"),
        (b'{"schemaId": "azureMonitorCommonAlertSchema"}', 400, "it does not name its alert rule"),
        (json.dumps(common({}, firedDateTime="soon")).encode(), 400, "it does not say when its alert fired"),
        (json.dumps(common({}, monitorCondition="Resolved", firedDateTime=None)).encode(), 400, "alert was resolved"),
        (b" " * (LARGEST + 1), 413, "at most 1,048,576"),
        (b"[" * 100_000, 400, "levels of nesting"),
    ],
)
def test_what_is_no_alert_is_refused_and_recorded(world: World, body: bytes, status: int, text: str) -> None:
    answer = receive_alert(body, world.app)
    assert answer.status == status
    assert text in answer.text
    [rejected] = [each for day in world.app.inbox.history.days() for each in world.history(day).rejected]
    assert rejected.kind == "malformed"
    assert rejected.reason == answer.text


def test_unavailable_storage_asks_for_a_repetition(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a status that an action group repeats. Then it is recorded."""

    def commit(*_: object) -> None:
        raise Unavailable("storage is down")

    with monkeypatch.context() as patched:
        patched.setattr(world.table, "commit", commit)
        assert post(world, BY_NAME["metric"]) == Answer(503, "storage is unavailable; send the alert again")
        assert receive_alert(b"x", world.app).status == 503
    assert post(world, BY_NAME["metric"]).status == 200


def test_a_mail_about_an_alert_begins_with_the_numbers() -> None:
    summary = summarize(AlertFired.example(), Action())
    assert summary.headline == "Alert churn-5xx fired: endpoint churn"
    assert summary.lead[0] == "RequestsPerMinute is 31.5, above 5 (Average of 5 minutes)"
    [section, *_] = summary.sections
    assert dict(section.rows)["Severity"] == "Sev1"
    assert AlertFired.example().is_bad_news
    assert not AlertResolved.example().is_bad_news


junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from([WORKSPACE, FIRED]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@st.composite
def mutated(draw: st.DrawFn) -> object:
    """An alert with some members replaced, removed or added at any depth."""
    payload = json.loads(json.dumps(draw(st.sampled_from([*BY_NAME.values()]))))
    for _ in range(draw(st.integers(1, 4))):
        holder = payload
        while isinstance(holder, dict | list) and holder:
            key = draw(st.sampled_from([*holder] if isinstance(holder, dict) else range(len(holder))))
            if not isinstance(holder[key], dict | list) or not holder[key] or draw(st.booleans()):
                if isinstance(holder, dict) and draw(st.booleans()):
                    del holder[key]
                else:
                    holder[key] = draw(junk)
                break
            holder = holder[key]
    return payload


@any_input(80, 20_000, payload=mutated() | junk)
def test_any_payload_is_recorded_once_and_answered(payload: object) -> None:
    """Whatever it is: as an event, or as rejected; the answer asks for no repetition."""
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as folder:
        world = World(RULES, Path(folder))
        body = json.dumps(payload).encode()
        answers = {receive_alert(body, world.app) for _ in range(2)}
        [answer] = answers
        assert answer.status in (200, 400)
        days = world.app.inbox.history.days()
        events = sum(len(world.history(day).events) + len(world.history(day).rejected) for day in days)
        assert events >= 1
