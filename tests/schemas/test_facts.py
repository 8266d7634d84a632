"""Facts are plain data without what is not known, and each event type names the objects of its own."""

import pytest

from schemas import EVENT_TYPES, Event
from schemas.facts import FACTS, RunFacts


def test_view_leaves_out_what_is_not_known() -> None:
    run = RunFacts.model_validate({"display_name": "brave_kiwi", "error": {"code": "UserError"}, "newer": 1})
    view = run.view()
    assert (view["display_name"], view["error"], view["compute"]) == ("brave_kiwi", {"code": "UserError"}, {})
    assert not {"owner", "unavailable", "transient", "newer"} & set(view)


def test_unavailable_facts_say_why() -> None:
    for facts in FACTS.values():
        without = facts.without("HTTP 403", transient=True)
        assert (without.view()["unavailable"], without.transient) == ("HTTP 403", True)


@pytest.mark.parametrize("event", EVENT_TYPES.values())
def test_event_type_identifies_the_objects_of_its_facts(event: type[Event]) -> None:
    assert set(event.facts) <= set(FACTS)
    assert all(event.example().fact_id(name) for name in event.facts)
