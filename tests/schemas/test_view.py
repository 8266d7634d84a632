"""`bind` and `view`: what conditions and templates see of an event."""

import json
from typing import Any

import pytest

from schemas import EVENT_TYPES, Event, ModelRegistered, RunStatusChanged, parse_event
from schemas.examples import MODEL_MONITOR_BREACH
from tests.kit.wires import RUN, WORKSPACE, event_grid

LABELS = {"env": "prod", "team": "churn"}


@pytest.mark.parametrize("event_class", EVENT_TYPES.values())
def test_a_view_is_the_wire_and_more(event_class: type[Event]) -> None:
    """Plain data, in the spelling of the wire."""
    event = event_class.example()
    view = event.view()
    assert view.items() >= event.wire().items()
    assert set(view) - set(event.wire()) == {"workspace", "drift", "studio_url", "object"}
    assert view["object"] == event.object
    assert view["studio_url"] == event.studio_url
    assert json.loads(json.dumps(view)) == view


def test_a_workspace_is_named_as_in_azure_unless_the_rules_name_it() -> None:
    """And has no labels but those that the rules give it."""
    event = parse_event(event_grid())
    arm = {"id": WORKSPACE, "resource_group": "rg-ml", "subscription": "5d1f"}
    assert event.view()["workspace"] == {"name": "churn", "labels": {}, **arm}
    bound = event.bind(workspace={"name": "churn-prod", "labels": LABELS, "id": "/not/this"})
    assert bound.view()["workspace"] == {"name": "churn-prod", "labels": LABELS, **arm}


def test_a_result_is_there_for_rules_that_follow_another() -> None:
    """And only then."""
    event = parse_event(event_grid())
    assert "result" not in event.view()
    assert event.bind(result={"status": "failed"}).view()["result"] == {"status": "failed"}


def test_binding_makes_a_copy_and_keeps_what_was_bound() -> None:
    """The event itself knows no more than before; workspace and result can be bound one after the other."""
    event = ModelRegistered.example()
    bound = event.bind(workspace={"name": "ws", "labels": LABELS}).bind(result={"status": "failed"})
    assert type(bound) is ModelRegistered
    assert bound.view()["workspace"]["name"] == "ws"
    assert bound.view()["result"] == {"status": "failed"}
    assert event.view()["workspace"]["name"] == "churn-prod"


def test_what_is_bound_is_not_on_the_wire() -> None:
    """Nor can the wire say what is bound."""
    bound = RunStatusChanged.example().bind(workspace={"name": "ws", "labels": LABELS}, result={"status": "failed"})
    assert bound.wire() == RunStatusChanged.example().wire()
    forged: dict[str, Any] = {"_workspace": {"name": "forged"}, "_result": {"status": "forged"}}
    view = parse_event(event_grid(**forged)).view()
    assert view["workspace"]["name"] == "churn"
    assert "result" not in view


@pytest.mark.parametrize("spelling", [str.lower, str.capitalize, str.upper])
def test_ours_cannot_be_mistaken_for_a_field_of_the_event(spelling: type[str]) -> None:
    """Templates ignore case, so a field called like one of ours is left out in any case; the wire keeps it."""
    names = [spelling(name) for name in ("workspace", "drift", "studio_url", "object", "result")]
    event = parse_event(event_grid(data={**RUN, "drift": "kept"}, **dict.fromkeys(names, "forged")))
    assert "forged" not in event.view().values()
    assert "result" not in {name.lower() for name in event.view()}
    assert event.view()["data"]["drift"] == "kept"
    assert event.wire().items() >= dict.fromkeys(names, "forged").items()


def test_drift_is_seen_as_plain_data_or_as_none() -> None:
    """So that a condition can ask for it."""
    assert RunStatusChanged.example().view()["drift"] is None
    assert RunStatusChanged.example(**MODEL_MONITOR_BREACH).view()["drift"]["signal"] == "churn_monitor_data_drift"
