"""What is sent: the event that arrived or one of the rule's own, in an envelope or without."""

import json
from typing import Any
from uuid import UUID

import pytest
from azure.core.messaging import CloudEvent
from azure.eventgrid import EventGridEvent
from pydantic import ValidationError

from handlers import find
from handlers.base import Action, GiveUp, Outcome, Succeeded
from handlers.lineage import MARKER, Lineage, lineage_of, rule_code
from handlers.streams.message import Message, StreamHandler, check_size
from schemas import Event, RunStatusChanged, parse_event

KEY = UUID(int=7)
ACTION = Action(rule="share", key=KEY)
EVENT = RunStatusChanged.example(run_id="brave_kiwi", run_status="Failed")
SETTINGS: dict[str, dict[str, Any]] = {
    "blob": {"account_url": "https://acme.blob.core.windows.net", "container": "lake", "path": "events.jsonl"},
    "event_grid": {"endpoint": "https://acme.westeurope-1.eventgrid.azure.net"},
    "event_hub": {"namespace": "acme.servicebus.windows.net", "hub": "ml"},
    "service_bus": {"namespace": "acme.servicebus.windows.net", "queue": "ml"},
    "storage_queue": {"account_url": "https://acme.queue.core.windows.net", "queue": "ml-events"},
}


class Sent(StreamHandler):
    """The shared fields alone."""

    def run(self, event: Event, action: Action) -> Outcome:
        return Succeeded("")


def sent(event: Event = EVENT, **settings: Any) -> Message:
    return Sent.model_validate(settings).message(event, ACTION.job_name)


def test_the_event_is_sent_as_a_cloud_event() -> None:
    """Microsoft's own class reads it."""
    message = sent()
    read: CloudEvent[Any] = CloudEvent.from_dict(json.loads(message.body))
    assert (read.id, read.source, read.type, read.subject) == (EVENT.id, EVENT.topic, EVENT.event_type, EVENT.subject)
    assert read.time == EVENT.event_time
    assert read.data == EVENT.data.wire()
    assert read.datacontenttype == "application/json"
    assert read.extensions == {MARKER: ACTION.job_name}
    assert message.content_type == "application/cloudevents+json; charset=utf-8"


def test_the_event_is_sent_in_event_grids_schema_as_it_arrived() -> None:
    message = sent(envelope="event_grid")
    read = EventGridEvent.from_json(message.body.decode())
    assert (read.id, read.topic, read.event_type, read.data) == (
        EVENT.id,
        EVENT.topic,
        EVENT.event_type,
        EVENT.data.wire(),
    )
    assert message.content == EVENT.wire()
    assert parse_event(message.body) == EVENT
    assert message.content_type == "application/json; charset=utf-8"


def test_data_alone_is_sent_without_an_envelope() -> None:
    assert sent(envelope="none").content == EVENT.data.wire()
    assert sent(envelope="none", data={"run": "{{ data.runId }}"}).body == b'{"run": "brave_kiwi"}'


def test_an_event_of_the_rules_own_has_the_actions_name_as_its_id() -> None:
    message = sent(
        type="Acme.RunFailed", subject="runs/{{ data.runId }}", data={"tags": "{{ data.runTags }}", "key": "{{ key }}"}
    )
    read: CloudEvent[Any] = CloudEvent.from_dict(json.loads(message.body))
    assert (read.id, read.type, read.subject) == (ACTION.job_name, "Acme.RunFailed", "runs/brave_kiwi")
    assert read.data == {"tags": EVENT.data.wire()["runTags"], "key": ACTION.job_name}
    assert KEY.hex in ACTION.job_name


def test_each_call_of_an_action_sends_the_same_bytes() -> None:
    assert sent(type="Acme.RunFailed").body == sent(type="Acme.RunFailed").body


def test_attributes_of_a_cloud_event_are_kept_and_others_are_not() -> None:
    """Extensions, such as traceparent; no value that CloudEvents attributes cannot have."""
    arrived = json.loads(sent().body) | {
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "sampled": True,
        "rank": 2**40,
        "nested": {"a": 1},
        "Upper": "x",
        "dataschema": "https://example.com",
        MARKER: "mle-3-00000000-00000000000000000000000000000000",
    }
    content = sent(parse_event(json.dumps(arrived))).content
    assert content["traceparent"] == arrived["traceparent"]
    assert content["sampled"] is True
    assert content[MARKER] == ACTION.job_name
    assert not {"rank", "nested", "Upper", "dataschema"} & content.keys()


def test_a_subject_that_is_empty_is_left_out() -> None:
    """CloudEvents: if present, it must not be empty. The same for a time that is unknown."""
    content = sent(RunStatusChanged.example(subject="", event_time=None)).content
    assert "subject" not in content
    assert "time" not in content


def test_an_empty_type_fails_the_action() -> None:
    with pytest.raises(GiveUp, match="the type of the event is empty"):
        sent(type="{{ data.runTags.kind | default('') }}")


def test_hostile_text_stays_text() -> None:
    """Of the event: line ends, quotes, lone surrogates, templates."""
    text = '"}\r\n\0\u2028{{ 7 * 7 }}\ud800<x>'
    event = parse_event(json.dumps([RunStatusChanged.example(run_tags={"note": text}).wire()]))
    body = sent(event, type="t", data={"note": "{{ data.runTags.note }}"}).body
    assert b"\n" not in body
    assert json.loads(body)["data"]["note"] == text.replace("\ud800", "\ufffd")


@pytest.mark.parametrize("name", SETTINGS)
def test_every_handler_takes_the_shared_settings_and_has_its_role(name: str) -> None:
    handler = find(name).model_validate({**SETTINGS[name], "type": "Acme.RunFailed", "data": {"run": "{{ key }}"}})
    assert "Acme.RunFailed" in handler.plan(EVENT)
    assert handler.destination(EVENT)
    assert handler.publishes_events
    [role] = handler.roles
    assert UUID(role.id)


@pytest.mark.parametrize("name", SETTINGS)
def test_a_message_that_is_too_large_fails_the_action_and_the_plan(name: str) -> None:
    event = RunStatusChanged.example(run_tags={"note": "x" * 5_000_000})
    handler = find(name).model_validate(SETTINGS[name])
    for act in (lambda: handler.plan(event), lambda: handler.run(event, ACTION)):
        with pytest.raises(GiveUp, match=r"the message has [\d,]+ bytes, and .* takes at most .* data:"):
            act()


def test_a_message_of_the_largest_size_is_not_too_large() -> None:
    check_size(10, 10, "the service")
    with pytest.raises(GiveUp, match="the message has 11 bytes, and the service takes at most 10"):
        check_size(11, 10, "the service")


def test_an_unknown_name_in_a_template_is_an_error_of_the_action() -> None:
    with pytest.raises(ValidationError, match="not a template"):
        find("event_hub").model_validate(SETTINGS["event_hub"] | {"namespace": "{{ data.runId }}.example.com"})


@pytest.mark.parametrize("envelope", ["cloud_event", "event_grid"])
def test_an_own_event_that_comes_back_is_known(envelope: str) -> None:
    """By its id, or by the attribute."""
    came = parse_event(sent(type=EVENT.event_type, envelope=envelope).body)
    assert lineage_of(came) == Lineage(rule_code("share"), 1, is_published=True)


def test_the_event_itself_is_known_when_it_comes_back() -> None:
    assert lineage_of(parse_event(sent().body)) == Lineage(rule_code("share"), 1, is_published=True)
    assert lineage_of(EVENT) is None
