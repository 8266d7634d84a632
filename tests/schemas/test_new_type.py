"""docs/architecture.md, "Add an event type": its code, carried out as a reader of the page would."""

import json
import re
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from dispatch.guards.event_order import Position, object_of
from handlers.base import Action
from handlers.content.summary import summarize
from handlers.lineage import lineage_of
from samples.generate import samples
from samples.reference import reference
from schemas import EVENT_NAMES, EVENT_TYPES, Event, MalformedEvent, RunCompleted, UnknownEventType, parse_event
from schemas.canonical import CanonicalReader
from schemas.events.registry import DRIFT_DETECTED, registered
from tests.kit.world import World

PAGE = (Path(__file__).parents[2] / "docs" / "architecture.md").read_text(encoding="utf-8")
SECTION = PAGE.partition("## Add an event type\n")[2].partition("\n## ")[0]
WORKSPACES, RULES = re.findall(r"^```yaml\n(.*?)^```$", SECTION, re.MULTILINE | re.DOTALL)


@pytest.fixture
def key_value_modified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Event]]:
    """The class on the page, registered for the length of a test."""
    [code] = re.findall(r"^```python\n(.*?)^```$", SECTION, re.MULTILINE | re.DOTALL)
    (tmp_path / "key_value_modified.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "key_value_modified", raising=False)
    event_type: type[Event] = import_module("key_value_modified").KeyValueModified
    with registered(event_type):
        yield event_type


def test_the_sample_of_a_new_type_parses(key_value_modified: type[Event]) -> None:
    """By the fast path, too; the sample is generated with the others."""
    [wire] = json.loads(samples()["key_value_modified.json"])
    event = parse_event(json.dumps(wire))
    assert type(event) is key_value_modified
    assert event == key_value_modified.example() == CanonicalReader.of(EVENT_TYPES.values()).read(json.dumps(wire))
    assert event.event_type == "Microsoft.AppConfiguration.KeyValueModified"
    assert event.view()["workspace"]["name"] == event.resource.name == "churnsettings"


def test_the_page_of_events_describes_a_new_type(key_value_modified: type[Event]) -> None:
    """With its fields, and those that only the example has."""
    section = reference().partition("\n## KeyValueModified\n")[2].partition("\n## ")[0]
    assert section.startswith("\nA value was set in an App Configuration store.\n\n| key | holds | example |")
    assert "| `data.label` | text or null | `prod` |" in section
    assert "| `data.syncToken` | text | `zAJw6V16=MjowIzE0NzIwNTAz;sn=14720503` |" in section
    assert key_value_modified.example().object in section


def test_the_topic_of_a_new_type_is_read_by_its_resource_id(key_value_modified: type[Event]) -> None:
    """A workspace cannot raise it, and a store raises no event of a workspace."""
    account, workspace = key_value_modified.example().topic, RunCompleted.example().topic
    with pytest.raises(MalformedEvent, match="topic: expected a configuration store's ARM id: /subscriptions/<id>/"):
        key_value_modified.example(topic=workspace)
    with pytest.raises(MalformedEvent, match="topic: expected a workspace's ARM id: /subscriptions/<id>/"):
        RunCompleted.example(topic=account)
    with pytest.raises(ValueError, match="a workspace's ARM id"):
        _ = key_value_modified.example().workspace


def test_a_rule_acts_on_a_new_type(key_value_modified: type[Event], tmp_path: Path) -> None:
    """From the text that Event Grid delivers to the handler; of two events about one key, on the latest only."""
    world = World(RULES, tmp_path, workspaces=WORKSPACES)
    assert not world.loaded.errors
    world.receive(key_value_modified.example(), key_value_modified.example(id="other", label="dev"))
    assert world.ends() == {"log-new-thresholds": "pending"}
    world.run()
    assert world.ends() == {"log-new-thresholds": "succeeded"}
    world.receive(key_value_modified.example(id="earlier", event_time="2026-11-22T07:30:11Z"))
    world.run()
    assert sorted(record.status for _, record in world.history().actions) == ["skipped", "succeeded"]


def test_a_mail_about_a_new_type_has_its_headline_and_rows(key_value_modified: type[Event]) -> None:
    """Beside what every mail has."""
    event = key_value_modified.example()
    summary = summarize(event, Action())
    assert summary.headline == "churn/threshold set in churnsettings"
    assert summary.facts == ("churnsettings", "2026-11-22 07:30 UTC")
    [section] = summary.sections
    assert section.rows == (("Label", "prod"),)


def test_events_of_a_new_type_have_an_order(key_value_modified: type[Event]) -> None:
    """By their time."""
    event = key_value_modified.example()
    later = key_value_modified.example(event_time="2026-11-22T08:00:00Z")
    assert Position.of(later).is_after(Position.of(event))
    assert not Position.of(event).is_after(Position.of(later))
    assert object_of(later) == object_of(event)
    assert lineage_of(event) is None


def test_a_registered_type_is_gone_after_the_block() -> None:
    """So no test depends on another."""

    class Started(RunCompleted):
        """A type for this test."""

        reports_drift = True

    name, known = Started.type_name(), dict(EVENT_NAMES)
    with registered(Started):
        assert EVENT_TYPES[name] is Started
        assert {**known, "Started": (Started,), DRIFT_DETECTED: (*known[DRIFT_DETECTED], Started)} == EVENT_NAMES
        with pytest.raises(ValueError, match=f"{name} is registered already"), registered(Started):
            pass
    assert known == EVENT_NAMES
    assert name not in EVENT_TYPES
    with pytest.raises(UnknownEventType):
        parse_event(json.dumps({**RunCompleted.example().wire(), "eventType": name}))


def test_keys_of_a_new_type_are_known_to_the_rules(key_value_modified: type[Event], tmp_path: Path) -> None:
    """From its model and its example, in conditions and templates; a misspelt one is an error with a suggestion."""
    when = "when: [data.key StringBeginsWith churn/, data.syncToken IsNotNull, data.label StringIn prod]"
    with_ = 'with: { message: "{{ data.key }} {{ data.label }} {{ object }}" }'
    fine = RULES.replace("when: data.label StringIn prod", when) + f"    {with_}\n"
    assert World(fine, tmp_path, workspaces=WORKSPACES).loaded.errors == ()
    for wrong, meant in (("lable", "label"), ("syncTokn", "syncToken")):
        text = RULES.replace("when: data.label StringIn", f"when: data.{wrong} StringIn")
        [error] = World(text, tmp_path, workspaces=WORKSPACES).loaded.errors
        assert error.message == f"KeyValueModified has no key data.{wrong}"
        assert error.hint == f"Did you mean data.{meant}?"
