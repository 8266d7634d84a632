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
def blob_created(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Event]]:
    """The class on the page, registered for the length of a test."""
    [code] = re.findall(r"^```python\n(.*?)^```$", SECTION, re.MULTILINE | re.DOTALL)
    (tmp_path / "blob_created.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "blob_created", raising=False)
    event_type: type[Event] = import_module("blob_created").BlobCreated
    with registered(event_type):
        yield event_type


def test_the_sample_of_a_new_type_parses(blob_created: type[Event]) -> None:
    """By the fast path, too; the sample is generated with the others."""
    [wire] = json.loads(samples()["blob_created.json"])
    event = parse_event(json.dumps(wire))
    assert type(event) is blob_created
    assert event == blob_created.example() == CanonicalReader.of(EVENT_TYPES.values()).read(json.dumps(wire))
    assert event.event_type == "Microsoft.Storage.BlobCreated"
    assert event.view()["workspace"]["name"] == event.resource.name == "churnlanding"


def test_the_page_of_events_describes_a_new_type(blob_created: type[Event]) -> None:
    """With its fields, and those that only the example has."""
    section = reference().partition("\n## BlobCreated\n")[2].partition("\n## ")[0]
    assert section.startswith("\nA blob was created.\n\n| key | holds | example |")
    assert "| `data.contentType` | text or null | `text/csv` |" in section
    assert "| `data.contentLength` | number | `524288` |" in section
    assert blob_created.example().object in section


def test_the_topic_of_a_new_type_is_read_by_its_resource_id(blob_created: type[Event]) -> None:
    """A workspace cannot raise it, and a storage account raises no event of a workspace."""
    account, workspace = blob_created.example().topic, RunCompleted.example().topic
    with pytest.raises(MalformedEvent, match="topic: expected a storage account's ARM id: /subscriptions/<id>/"):
        blob_created.example(topic=workspace)
    with pytest.raises(MalformedEvent, match="topic: expected a workspace's ARM id: /subscriptions/<id>/"):
        RunCompleted.example(topic=account)
    with pytest.raises(ValueError, match="a workspace's ARM id"):
        _ = blob_created.example().workspace


def test_a_rule_acts_on_a_new_type(blob_created: type[Event], tmp_path: Path) -> None:
    """From the text that Event Grid delivers to the handler; of two events about one blob, on the latest only."""
    world = World(RULES, tmp_path, workspaces=WORKSPACES)
    assert not world.loaded.errors
    world.receive(blob_created.example(), blob_created.example(id="other", content_type="image/png"))
    assert world.ends() == {"log-exports": "pending"}
    world.run()
    assert world.ends() == {"log-exports": "succeeded"}
    data = {**blob_created.example().wire()["data"], "sequencer": "00000000000004420000000000028962"}
    world.receive(blob_created.example(id="earlier", data=data))
    world.run()
    assert sorted(record.status for _, record in world.history().actions) == ["skipped", "succeeded"]


def test_a_mail_about_a_new_type_has_its_headline_and_rows(blob_created: type[Event]) -> None:
    """Beside what every mail has."""
    event = blob_created.example()
    url = "https://churnlanding.blob.core.windows.net/exports/churn.csv"
    summary = summarize(event, Action())
    assert summary.headline == f"Blob {url} created"
    assert summary.facts == ("churnlanding", "2026-11-22 07:30 UTC")
    [section] = summary.sections
    assert section.rows == (("Type", "text/csv"),)


def test_events_of_a_new_type_have_an_order(blob_created: type[Event]) -> None:
    """By their sequencer, whatever their times say."""
    event = blob_created.example()
    data = {**event.wire()["data"], "sequencer": "0000000000000442000000000002896A"}
    later = blob_created.example(data=data, event_time="2026-11-22T07:00:00Z")
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


def test_keys_of_a_new_type_are_known_to_the_rules(blob_created: type[Event], tmp_path: Path) -> None:
    """From its model and its example, in conditions and templates; a misspelt one is an error with a suggestion."""
    when = "when: [data.contentLength NumberGreaterThan 5, data.sequencer IsNotNull, data.api StringIn PutBlob]"
    with_ = 'with: { message: "{{ data.url }} {{ data.contentType }} {{ object }}" }'
    fine = RULES.replace("when: data.contentType StringIn text/csv", when) + f"    {with_}\n"
    assert World(fine, tmp_path, workspaces=WORKSPACES).loaded.errors == ()
    for wrong, meant in (("contentTyp", "contentType"), ("contentLenght", "contentLength")):
        text = RULES.replace("when: data.contentType StringIn", f"when: data.{wrong} StringIn")
        [error] = World(text, tmp_path, workspaces=WORKSPACES).loaded.errors
        assert error.message == f"BlobCreated has no key data.{wrong}"
        assert error.hint == f"Did you mean data.{meant}?"
