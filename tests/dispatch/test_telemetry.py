"""Spans and metrics as a receiver of OpenTelemetry's protocol gets them."""

import json
import logging
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from opentelemetry.trace import INVALID_SPAN, NonRecordingSpan, SpanContext, TraceFlags, use_span

from dispatch.act import act, rearm
from dispatch.alerts import BURST
from dispatch.inbox.messages import Message
from dispatch.receive import receive
from dispatch.sweep import sweep
from dispatch.telemetry import Telemetry, checked_traceparent, trace_id, traceparent
from schemas import Event, RunStatusChanged
from tests.kit.otlp import ReceivedSpan, Receiver, otlp_receiver
from tests.kit.world import World, alerting_world, rule, rules

EVENT = RunStatusChanged.example()
PUBLISHER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with otlp_receiver() as receiver:
        yield receiver


def traced(receiver: Receiver, folder: Path, *texts: str, events: tuple[Event, ...] = (EVENT,)) -> World:
    """A world that has received events and carried out their actions, and sent its telemetry."""
    world = World(rules(*texts), folder)
    world.clock.forward(hours=1)  # after the time of the event
    with receiver.telemetry() as world.telemetry:
        world.receive(*events)
        world.run()
        sweep(world.app)
    return world


def named(receiver: Receiver, name: str) -> list[ReceivedSpan]:
    return [span for span in receiver.spans if span.name == name]


def test_all_calls_of_an_action_have_links_to_the_span_that_received_its_event(
    receiver: Receiver, tmp_path: Path
) -> None:
    """One trace: the event, two failed attempts and the end of its action, and the action that follows it."""
    first = rule("ring", "retry", "retry", "succeed")
    traced(receiver, tmp_path, first, rule("report", after="{ rules: ring }"))
    [received] = named(receiver, "receive RunStatusChanged")
    calls, [following] = named(receiver, "act ring"), named(receiver, "act report")
    assert [call.links for call in calls] == [(received.id,)] * 3
    assert [call.parent for call in calls] == [received.id] * 3
    assert [call.attributes["mlevents.attempt"] for call in calls] == [1, 2, 3]
    assert [call.attributes["mlevents.status"] for call in calls] == ["waiting", "waiting", "succeeded"]
    assert [(call.failed, call.attributes.get("error.type")) for call in calls] == [
        (True, "RetryLater"),
        (True, "RetryLater"),
        (False, None),
    ]
    assert following.links == (calls[-1].id,)
    assert {span.trace for span in receiver.spans} == {received.trace}


def test_attributes_follow_the_semantic_conventions(receiver: Receiver, tmp_path: Path) -> None:
    traced(receiver, tmp_path, rule("ring"))
    [received], [call] = named(receiver, "receive RunStatusChanged"), named(receiver, "act ring")
    of_event = {
        "faas.trigger": "pubsub",
        "messaging.operation.type": "process",
        "messaging.message.id": EVENT.id,
        "cloudevents.event_id": EVENT.id,
        "cloudevents.event_source": EVENT.topic,
        "cloudevents.event_type": EVENT.event_type,
        "cloudevents.event_subject": EVENT.subject,
        "mlevents.event.type": "RunStatusChanged",
        "mlevents.object": EVENT.object,
        "mlevents.workspace": "churn-prod",
    }
    assert received.attributes == of_event | {
        "messaging.operation.name": "receive",
        "messaging.system": "eventgrid",
        "mlevents.result": "received",
        "mlevents.rules": ["ring"],
    }
    assert call.attributes == of_event | {
        "messaging.operation.name": "act",
        "messaging.system": "azure_storage_queue",
        "mlevents.rule": "ring",
        "mlevents.handler": "tests.kit.world:Scripted",
        "mlevents.status": "succeeded",
        "mlevents.note": "done",
        "mlevents.attempt": 1,
    }


def test_metrics_count_events_actions_and_retries(receiver: Receiver, tmp_path: Path) -> None:
    world = traced(receiver, tmp_path, rule("ring", "retry", "succeed"), rule("give", "give-up"), events=(EVENT, EVENT))
    of_type = ("mlevents.event.type", "RunStatusChanged")
    assert receiver.metrics["mlevents.events"] == {
        (of_type, ("mlevents.result", "received")): 1,
        (of_type, ("mlevents.result", "duplicate")): 1,
    }
    ring = (("mlevents.outcome", "succeeded"), ("mlevents.rule", "ring"))
    give = (("mlevents.outcome", "failed"), ("mlevents.rule", "give"))
    assert receiver.metrics["mlevents.actions"] == {ring: 1, give: 1}
    assert receiver.metrics["mlevents.retries"] == {(("mlevents.rule", "ring"),): 1}
    assert EVENT.event_time
    [end] = [entry.at for entry in world.actions["ring"].timeline if entry.status == "succeeded"]
    assert receiver.metrics["mlevents.time_to_outcome"][ring] == (end - EVENT.event_time).total_seconds()
    assert receiver.metrics["mlevents.oldest_waiting"] == {(): 0}


def test_rejected_events_are_counted_by_kind(receiver: Receiver, tmp_path: Path) -> None:
    """Names of types from outside are not attributes: there would be no limit to them."""
    world = World(rules(rule("ring")), tmp_path)
    raw = EVENT.wire()
    unknown = raw | {"eventType": "Microsoft.MachineLearningServices.Invented"}
    with receiver.telemetry() as world.telemetry:
        for event in (raw | {"topic": "x"}, unknown, raw | {"topic": EVENT.topic.replace("churn-prod", "other")}):
            receive(json.dumps(event), world.app)
    rejected = ("mlevents.result", "rejected")
    assert receiver.metrics["mlevents.events"] == {
        (("error.type", "malformed"), ("mlevents.event.type", "RunStatusChanged"), rejected): 1,
        (("error.type", "unknown type"), ("mlevents.event.type", "_OTHER"), rejected): 1,
        (("error.type", "foreign workspace"), ("mlevents.event.type", "RunStatusChanged"), rejected): 1,
    }
    assert [(span.name, span.failed) for span in receiver.spans] == [("receive", True)] * 3
    assert {span.attributes["messaging.message.id"] for span in receiver.spans} == {EVENT.id}


def test_an_alert_has_a_link_to_the_span_that_raised_it(receiver: Receiver, tmp_path: Path) -> None:
    """Here, to that of the last rejection of several."""
    world = alerting_world(tmp_path)
    with receiver.telemetry() as world.telemetry:
        for n in range(BURST):
            receive(json.dumps(EVENT.wire() | {"topic": f"x{n}"}), world.app)
        world.run()
    [alert] = named(receiver, "act -alerts")
    assert alert.links == (named(receiver, "receive")[-1].id,)


def test_an_event_that_storage_has_lost_counts_as_a_failed_action(receiver: Receiver, tmp_path: Path) -> None:
    world = World(rules(rule("ring")), tmp_path)
    with receiver.telemetry() as world.telemetry:
        world.receive(EVENT)
        [(_, text)] = world.queue.messages
        id = Message.parse(text).id
        world.table.commit(id.day, delete=(id.event,))
        world.run()
    assert receiver.metrics["mlevents.actions"] == {
        (("mlevents.outcome", "failed"), ("mlevents.rule", "ring")): 1,
    }


def test_a_cloud_event_with_a_traceparent_becomes_a_link(receiver: Receiver, tmp_path: Path) -> None:
    """CloudEvents' extension for distributed tracing; an invalid one is ignored."""
    world = World(rules(rule("ring")), tmp_path)
    plain = EVENT.wire()
    cloud = {"source": plain["topic"], "type": plain["eventType"], "time": plain["eventTime"], "specversion": "1.0"}
    with receiver.telemetry() as world.telemetry:
        for id, parent in (("1", PUBLISHER), ("2", "00-00-00-00"), ("3", 7)):
            event = cloud | {"id": id, "subject": plain["subject"], "data": plain["data"], "traceparent": parent}
            receive(json.dumps(event), world.app)
    assert [span.links for span in receiver.spans] == [("b7ad6b7169203331",), (), ()]


def test_spans_are_children_of_the_hosts(receiver: Receiver, tmp_path: Path) -> None:
    """Where the host has set a trace, its span is the parent; the link still leads to the event."""
    world = World(rules(rule("ring")), tmp_path)
    host = NonRecordingSpan(SpanContext(0xAB, 0xCD, is_remote=True, trace_flags=TraceFlags(1)))
    with receiver.telemetry() as world.telemetry:
        world.receive(EVENT)
        with use_span(host):
            world.run()
    [received], [call] = named(receiver, "receive RunStatusChanged"), named(receiver, "act ring")
    assert (call.trace, call.parent) == (f"{0xAB:032x}", f"{0xCD:016x}")
    assert call.links == (received.id,)


def test_a_message_from_the_poison_queue_keeps_its_trace(receiver: Receiver, tmp_path: Path) -> None:
    world = World(rules(rule("ring")), tmp_path)
    with receiver.telemetry() as world.telemetry:
        world.receive(EVENT)
        [(_, text)] = world.queue.messages
        rearm(text, world.app)
    assert {Message.parse(text).traceparent for _, text in world.queue.messages} == {Message.parse(text).traceparent}


def test_a_message_without_a_trace_starts_one_that_its_retries_keep(receiver: Receiver, tmp_path: Path) -> None:
    """As releases without telemetry wrote it, and the sweep still does."""
    world = World(rules(rule("ring", "retry", "succeed")), tmp_path)
    world.receive(EVENT)
    with receiver.telemetry() as world.telemetry:
        world.run()
    first, second = receiver.spans
    assert (first.parent, first.links) == ("", ())
    assert second.links == (first.id,)


def test_log_records_have_the_id_of_the_trace(
    receiver: Receiver, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The named events and the tracebacks of defects."""
    with caplog.at_level(logging.INFO, "mlevents"):
        traced(receiver, tmp_path, rule("ring", "break"))
    trace = receiver.spans[0].trace
    lines = [record.getMessage().split("\n")[0] for record in caplog.records]
    of_action = [line for line in lines if line.startswith(("event.", "action.", "rule ring on event"))]
    assert len(of_action) > 3
    assert all(line.endswith(f"trace_id={trace}") for line in of_action)
    assert not any("trace_id" in line for line in lines if line.startswith("sweep.done"))


def test_the_sweep_measures_the_oldest_action_that_waits(
    receiver: Receiver, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    world = World(rules(rule("ring", "wait 86400")), tmp_path)
    with receiver.telemetry() as world.telemetry, caplog.at_level(logging.INFO, "mlevents"):
        world.receive(EVENT)
        world.step()
        world.clock.forward(hours=2)
        sweep(world.app)
    assert receiver.metrics["mlevents.oldest_waiting"] == {(): timedelta(hours=2).total_seconds()}
    assert caplog.records[-1].getMessage().endswith("oldest=7200")


def test_without_providers_nothing_is_traced(tmp_path: Path) -> None:
    """Messages are as before, and every method does nothing."""
    world = World(rules(rule("ring", "retry", "give-up")), tmp_path, telemetry=Telemetry())
    world.receive(EVENT)
    [(_, text)] = world.queue.messages
    assert "traceparent" not in text
    receive("{}", world.app)
    world.run()
    sweep(world.app)
    assert world.ends() == {"ring": "failed"}


def test_unsampled_spans_have_no_attributes_but_pass_the_trace_on(receiver: Receiver, tmp_path: Path) -> None:
    world = World(rules(rule("ring")), tmp_path)
    host = NonRecordingSpan(SpanContext(0xAB, 0xCD, is_remote=True, trace_flags=TraceFlags(0)))
    with receiver.telemetry() as world.telemetry, use_span(host):
        world.receive(EVENT)
        receive("{}", world.app)
        [(_, text)] = world.queue.messages
        act(text, world.app)
    assert receiver.spans == []
    assert Message.parse(text).traceparent.startswith(f"00-{0xAB:032x}-")
    assert Message.parse(text).traceparent.endswith("-00")
    assert world.ends() == {"ring": "succeeded"}


@pytest.mark.parametrize(
    "value",
    [None, 7, "", "00-x", PUBLISHER.upper(), f"{PUBLISHER}-more", f"00-{'0' * 32}-b7ad6b7169203331-01"],
    ids=str,
)
def test_invalid_traceparents_are_ignored(value: object) -> None:
    assert checked_traceparent(value) == ""
    assert checked_traceparent(PUBLISHER) == PUBLISHER


def test_outside_of_a_span_there_is_no_trace() -> None:
    with use_span(INVALID_SPAN):
        assert (trace_id(), traceparent()) == ("", "")
