"""`Context.view` and `Event.view`: the data that conditions and templates read."""

import json
from datetime import UTC
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from schemas import EVENT_TYPES, Context, Event, ModelRegistered, RunStatusChanged, parse_event
from schemas.events.base import ADDED
from schemas.examples import MODEL_MONITOR_BREACH
from tests.kit.cost import peak_memory_of
from tests.kit.payloads import RUN, WORKSPACE, event_grid

LABELS = {"env": "prod", "team": "churn"}


@pytest.mark.parametrize("event_class", EVENT_TYPES.values())
def test_view_has_the_wire_and_what_the_app_adds(event_class: type[Event]) -> None:
    """Plain data with JSON names."""
    event = event_class.example()
    view = event.view()
    assert view == Context(event).view()
    assert view.items() >= event.wire().items()
    added = {"workspace", "drift", "studio_url", "object", *event_class.own_members}
    assert set(view) - set(event.wire()) == added
    assert view["object"] == event.object
    assert view["studio_url"] == (event.studio_url or "")
    assert json.loads(json.dumps(view)) == view


def test_view_has_the_configured_name_and_labels_of_the_workspace() -> None:
    """A workspace that is not configured has its name in Azure and no labels. The ids are always those of Azure."""
    event = parse_event(event_grid())
    arm = {"id": WORKSPACE, "resource_group": "rg-ml", "subscription": "5d1f"}
    assert event.view()["workspace"] == {"name": "churn", "labels": {}, "timezone": "UTC", **arm}
    context = Context(event, {"name": "churn-prod", "labels": LABELS, "timezone": "Asia/Tokyo", "id": "/"})
    expected = {"name": "churn-prod", "labels": LABELS, "timezone": "Asia/Tokyo", **arm}
    assert context.view()["workspace"] == expected
    assert context.event_for_handler().time_zone == ZoneInfo("Asia/Tokyo")
    assert event.time_zone is UTC


def test_view_has_a_result_if_the_rule_follows_another() -> None:
    """An event alone has none."""
    context = Context(parse_event(event_grid()))
    assert "result" not in context.view()
    assert context.with_result({"status": "failed"}).view()["result"] == {"status": "failed"}


def test_the_event_for_a_handler_has_the_view_of_its_context() -> None:
    """It is a copy: the context's event keeps the view of an event alone."""
    event = ModelRegistered.example()
    context = Context(event, {"name": "ws", "labels": LABELS}, {"status": "failed"})
    received = context.event_for_handler()
    assert type(received) is ModelRegistered
    assert received.view() == context.view()
    assert received.wire() == event.wire()
    assert event.view()["workspace"]["name"] == "churn-prod"


def test_a_changed_copy_keeps_the_context() -> None:
    """Its view has both: the change, and the labels and the result of the context."""
    received = Context(
        ModelRegistered.example(), {"name": "ws", "labels": LABELS}, {"status": "failed"}
    ).event_for_handler()
    assert received.view()["id"] != "e2"
    view = received.model_copy(update={"id": "e2"}).view()
    assert (view["id"], view["workspace"]["name"], view["result"]) == ("e2", "ws", {"status": "failed"})


def test_the_view_of_an_event_for_a_handler_is_built_once() -> None:
    """A mail renders up to fifty templates."""
    small, large = (RunStatusChanged.example(run_tags={f"t{n}": n for n in range(count)}) for count in (1, 5_000))
    received = Context(large).event_for_handler()
    first = received.view()
    first["id"] = "changed"
    assert peak_memory_of(received.view) < peak_memory_of(small.view)
    assert received.view() == large.view()


def test_what_the_app_adds_is_in_the_view() -> None:
    context = Context(RunStatusChanged.example(**MODEL_MONITOR_BREACH), {"name": "ws", "labels": LABELS}, {"rule": "r"})
    received = context.event_for_handler()
    assert {name: received.added(name) for name in ADDED}.items() <= received.view().items()
    assert RunStatusChanged.example().added("result") is None


def test_events_cannot_set_their_context() -> None:
    """Fields with the names of private attributes are unknown fields."""
    forged: dict[str, Any] = {"_known": [{"name": "forged"}, {"status": "forged"}]}
    for event in (parse_event(event_grid(**forged)), parse_event(json.dumps(event_grid(**forged)))):
        assert event.view()["workspace"]["name"] == "churn"
        assert "result" not in event.view()


@pytest.mark.parametrize("spelling", [str.lower, str.capitalize, str.upper])
def test_view_leaves_out_fields_with_the_names_of_what_the_app_adds(spelling: type[str]) -> None:
    """In any case, because templates ignore case. The wire keeps them."""
    names = [spelling(name) for name in ("workspace", "drift", "studio_url", "object", "result")]
    event = parse_event(event_grid(data={**RUN, "drift": "kept"}, **dict.fromkeys(names, "forged")))
    assert "forged" not in event.view().values()
    assert "result" not in {name.lower() for name in event.view()}
    assert event.view()["data"]["drift"] == "kept"
    assert event.wire().items() >= dict.fromkeys(names, "forged").items()


def test_view_has_the_drift_as_plain_data_or_none() -> None:
    """Conditions can test for it with IsNotNull."""
    assert RunStatusChanged.example().view()["drift"] is None
    assert RunStatusChanged.example(**MODEL_MONITOR_BREACH).view()["drift"]["signal"] == "churn_monitor_data_drift"
