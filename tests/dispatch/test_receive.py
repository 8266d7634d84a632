"""An event from its text to its rows and messages, with the real inbox and rules over storage in memory."""

import json
import logging
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from azure.data.tables import TableClient

from dispatch.act import act
from dispatch.app import App
from dispatch.inbox import transport
from dispatch.inbox.errors import Refused, StorageError, Unavailable
from dispatch.inbox.inbox import Inbox
from dispatch.inbox.rows import unpacked
from dispatch.inbox.tables import AzureTable, Row
from dispatch.receive import STORAGE_DEADLINE, receive, receive_or_requeue
from dispatch.rules.rule import Rules
from mlevents.testing.storage import NOW, MemoryQueue
from schemas import ModelRegistered, RunCompleted, RunStatusChanged, parse_event
from tests.dispatch.inbox.test_tables import LosesResponse
from tests.kit.storage import CountedCalls
from tests.kit.world import LEASE, World, rule, rules

EVENT = RunStatusChanged.example(id="e1")
RAW = json.dumps(EVENT.wire())


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(
        rules(rule("ring"), rule("prod-only", **{"in": "churn-prod"}), rule("other", on="RunCompleted")), tmp_path
    )


def test_an_event_is_recorded_with_its_actions(world: World) -> None:
    """Each action gets a message."""
    receive(RAW, world.app)
    [event] = world.history().events.values()
    assert (event.id, event.event_type, event.workspace) == ("e1", "RunStatusChanged", "churn-prod")
    assert (event.object, event.actions, event.raw) == (EVENT.object, 2, RAW)
    assert world.ends() == {"ring": "pending", "prod-only": "pending"}
    assert [json.loads(message)["rule"] for _, message in world.queue.messages] == ["ring", "prod-only"]
    assert [id.rule for id in world.app.inbox.backlog.open_actions("2026-11-22")] == ["prod-only", "ring"]


def test_receiving_an_event_costs_one_transaction_and_one_message(world: World) -> None:
    """Once the process has listed the day. Carrying out its action costs one range query, one claim and one settle."""
    world.write(rules(rule("ring")))
    storage = CountedCalls(world.table, world.queue)
    app = App(world.loaded, Inbox(storage, LEASE), storage, world.clock, world.sleep)
    receive(json.dumps(EVENT.model_copy(update={"id": "first"}).wire()), app)
    storage.calls.clear()
    receive(RAW, app)
    assert storage.calls == ["commit", "send"]
    act(world.queue.messages[0][1], app)  # reads the throttles, as every process does once in ten seconds
    storage.calls.clear()
    act(world.queue.messages[1][1], app)
    assert storage.calls == ["read", "commit", "commit"]


def test_a_redelivery_changes_nothing(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """Also as a CloudEvent, with another spelling of the topic, and after the action has ended."""
    world.receive(EVENT)
    world.run()
    cloud = {
        "specversion": "1.0",
        "source": EVENT.topic.upper().replace("SUBSCRIPTIONS", "subscriptions"),
        "type": "Microsoft.MachineLearningServices.RunStatusChanged",
        "time": EVENT.wire()["eventTime"],
        **{key: EVENT.wire()[key] for key in ("id", "subject", "data")},
    }
    with caplog.at_level(logging.INFO):
        receive(json.dumps(cloud), world.app)
    assert "event.duplicate" in caplog.text
    world.run()
    assert len(world.calls) == 2
    assert len(world.history().events) == 1


def test_a_redelivery_costs_three_requests_however_many_rules_it_matches(
    tmp_path: Path, azurite_connection: str
) -> None:
    """The transaction that conflicts, a read of one row for its commit id, and a read of the event's actions."""
    world = World(rules(*(rule(f"ring-{n}") for n in range(48))), tmp_path)
    transport = LosesResponse(lambda _: False)
    with TableClient.from_connection_string(azurite_connection, f"t{uuid4().hex}", transport=transport) as client:
        app = App(world.loaded, Inbox(AzureTable(client), LEASE), world.queue, world.clock, world.sleep)
        receive(RAW, app)
        transport.sent.clear()
        receive(RAW, app)
    assert [request.split(" ")[0] for request in transport.sent] == ["POST", "GET", "GET"]
    assert len(world.queue.messages) == 2 * 48


def test_a_redelivery_sends_the_messages_that_a_dead_worker_did_not_send(world: World) -> None:
    """The worker recorded the event and died before it sent them."""
    world.receive(EVENT)
    world.queue.messages.clear()
    world.receive(EVENT)
    assert len(world.queue.messages) == 2
    world.run()
    assert world.ends() == {"ring": "succeeded", "prod-only": "succeeded"}


def test_the_same_event_id_at_another_time_is_a_new_event(world: World) -> None:
    """The ids of Azure ML look derived from run and status, which may occur again."""
    again = EVENT.model_copy(update={"event_time": EVENT.event_time + timedelta(minutes=1)})  # type: ignore[operator]
    world.receive(EVENT, again)
    world.run()
    assert len(world.history().events) == 2
    assert len(world.calls) == 4


def test_the_newest_event_of_a_day_comes_first(world: World) -> None:
    times = {str(n): NOW + timedelta(seconds=n) for n in (5, 1, 9)}
    world.receive(*(EVENT.model_copy(update={"id": id, "event_time": time}) for id, time in times.items()))
    ids = [event.id for event in world.history().events.values()]
    assert ids == sorted(ids, key=int, reverse=True)


@pytest.mark.parametrize("time", [None, "0001-01-01T00:00:00+02:00", "1999-12-31T23:59:59Z", "2100-01-01T00:00:00Z"])
def test_an_event_without_a_usable_time_is_undated(world: World, time: str | None) -> None:
    """Its partition is listed like that of a day."""
    wire = EVENT.wire()
    cloud = {"specversion": "1.0", "source": wire["topic"], "type": wire["eventType"], "id": "e1", "data": wire["data"]}
    receive(json.dumps(cloud | ({"time": time} if time else {})), world.app)
    receive(json.dumps(cloud | ({"time": time} if time else {})), world.app)
    assert world.app.inbox.history.days() == ["undated"]
    assert len(world.history("undated").events) == 1
    world.run()
    assert world.ends() == {"ring": "succeeded", "prod-only": "succeeded"}


def test_an_event_that_matches_no_rule_is_recorded(world: World) -> None:
    receive(json.dumps(ModelRegistered.example().wire()), world.app)
    [event] = world.history().events.values()
    assert (event.event_type, event.actions, event.deferred_files) == ("ModelRegistered", 0, ())
    assert world.queue.messages == []


def test_a_function_for_one_type_receives_the_other_types_with_a_warning(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """A subscription without a filter by type must not lose events."""
    receive(RAW, world.app, RunCompleted)
    assert "event.unexpected" in caplog.text
    assert len(world.queue.messages) == 2


FOREIGN = EVENT.topic.replace("churn-prod", "other-prod")
REJECTED: list[Any] = [
    pytest.param("{", "malformed", "JSON", id="not JSON"),
    pytest.param("", "malformed", "", id="empty"),
    pytest.param(RAW.replace('"runId"', '"run"'), "malformed", "runId", id="a field missing"),
    pytest.param(RAW.replace("RunStatusChanged", "RunExploded"), "unknown type", "RunExploded", id="unknown type"),
    pytest.param(RAW.replace(EVENT.topic, FOREIGN), "foreign workspace", "other-prod", id="foreign workspace"),
    pytest.param("[" * 100_000, "malformed", "", id="deep nesting"),
    pytest.param("\ud800", "malformed", "", id="lone surrogate"),
]


@pytest.mark.parametrize(("raw", "kind", "reason"), REJECTED)
def test_a_rejected_event_is_recorded_and_raises_nothing(
    world: World, raw: str, kind: str, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Its payload and the reason are recorded once a day."""
    receive(raw, world.app)
    receive(raw, world.app)
    [rejected] = world.history().rejected
    assert (rejected.kind, rejected.raw) == (kind, raw)
    assert reason in rejected.reason
    assert world.history().events == {}
    assert "event.rejected" in caplog.text


def test_a_rejected_event_can_be_received_later(world: World) -> None:
    """Once workspaces.yaml lists its workspace."""
    world.workspaces = 'workspaces:\n  churn-dev: { id: "${RULES_WS_CHURN_DEV}", env: dev }\n'
    world.write(rules(rule("ring")))
    receive(RAW, world.app)
    assert [rejected.kind for rejected in world.history().rejected] == ["foreign workspace"]
    world.workspaces = World.workspaces
    world.write(rules(rule("ring")))
    receive(RAW, world.app)
    world.run()
    assert world.ends() == {"ring": "succeeded"}


@pytest.mark.parametrize("raw", [RAW, "{"])
def test_slow_parsing_leaves_storage_its_full_time(world: World, raw: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A large event may take longer to parse than storage has to answer; so may its match."""
    seconds, left, commit = [0.0], set(), world.table.commit

    def slow(call: Callable[..., Any]) -> Callable[..., Any]:
        def delayed(*args: Any) -> Any:
            seconds[0] += 60
            return call(*args)

        return delayed

    def timed(*args: Any, **kwargs: Any) -> list[str]:
        left.add(transport._left())
        return commit(*args, **kwargs)

    monkeypatch.setattr(transport, "monotonic", lambda: seconds[0])
    monkeypatch.setattr("dispatch.receive.parse_event", slow(parse_event))
    monkeypatch.setattr(Rules, "matching", slow(Rules.matching))
    monkeypatch.setattr(world.table, "commit", timed)
    receive(raw, world.app)
    assert left == {STORAGE_DEADLINE.total_seconds()}


@pytest.mark.parametrize("broken", ["workspaces.yaml", "broken.yaml"])
def test_an_event_is_recorded_while_a_file_is_refused(world: World, broken: str) -> None:
    """With the files to match it against later; the other files are matched now."""
    if broken == "workspaces.yaml":
        world.workspaces = "workspaces: [1"
        world.write(rules(rule("ring")))
    else:
        world.write(rules(rule("bad", when="[nonsense]")), broken)
    receive(RAW, world.app)
    [event] = world.history().events.values()
    assert f"rules/{broken}" in event.deferred_files
    assert event.actions == (0 if broken == "workspaces.yaml" else 2)
    assert [row.key[:11] for row in world.table.read("2026-11-22", "!u", "!v")] == ["!undecided|"]
    assert world.history().rejected == []


def test_a_large_event_is_kept_whole(world: World) -> None:
    """Event Grid allows 1 MB, a property of a row 64 KiB."""
    wire = EVENT.wire()
    wire["data"]["runProperties"]["log"] = "".join(chr(0x4E00 + n * 7919 % 20_000) for n in range(300_000))
    raw = json.dumps(wire, ensure_ascii=False)
    receive(raw, world.app)
    [row] = [row for row in world.table.read("2026-11-22", "0", "~") if "|" not in row.key]
    assert unpacked(row.values) == raw
    assert sum(isinstance(value, bytes) for value in row.values.values()) > 5
    world.run()
    assert world.ends() == {"ring": "succeeded", "prod-only": "succeeded"}


def test_an_event_too_large_for_a_row_is_rejected_with_its_beginning(world: World) -> None:
    wire = EVENT.wire()
    generator = random.Random(1)
    wire["data"]["log"] = "".join(chr(generator.randrange(0x10000, 0x1FFFF)) for _ in range(600_000))
    raw = json.dumps(wire, ensure_ascii=False)
    receive(raw, world.app)
    [rejected] = world.history().rejected
    assert rejected.kind == "too large"
    assert raw.startswith(rejected.raw)
    assert len(rejected.raw) == 30_000


def test_a_defect_in_matching_does_not_lose_the_event(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is recorded and matched again later."""

    def broken(self: Any, event: Any) -> Any:
        raise RecursionError

    monkeypatch.setattr(type(world.loaded), "matching", broken)
    receive(RAW, world.app)
    [event] = world.history().events.values()
    assert event.deferred_files == ("rules/team.yaml",)


def test_a_defect_in_receiving_keeps_the_payload(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: Any, event: Any) -> Any:
        raise LookupError("oops")

    monkeypatch.setattr(type(world.loaded), "workspace", broken)
    receive(RAW, world.app)
    [rejected] = world.history().rejected
    assert (rejected.kind, rejected.reason, rejected.raw) == ("defect", "LookupError: oops", RAW)


@dataclass
class Refusing:
    """A table that raises an error for every commit of an event."""

    table: Any
    error: Exception

    def read(self, partition: str, first: str, last: str, limit: int | None = None) -> list[Row]:
        return self.table.read(partition, first, last, limit)  # type: ignore[no-any-return]

    def commit(self, partition: str, *rows: Row, delete: tuple[str | Row, ...] = ()) -> list[str]:
        if partition != "days" and not rows[0].key.startswith("x|"):
            raise self.error
        return self.table.commit(partition, *rows, delete=delete)  # type: ignore[no-any-return]


def refusal(status: int) -> StorageError:
    return (Refused if status in (400, 413) else Unavailable)("refused", status)


@pytest.mark.parametrize("error", [Unavailable("no route"), refusal(500), refusal(403)])
def test_receiving_raises_errors_of_storage_only(world: World, error: Exception) -> None:
    """Event Grid then delivers the event again."""
    app = App(world.loaded, Inbox(Refusing(world.table, error), LEASE), world.queue, world.clock, world.sleep)
    with pytest.raises(type(error)):
        receive(RAW, app)
    receive(RAW, world.app)
    assert len(world.history().events) == 1


def test_a_poison_event_is_requeued_until_it_can_be_recorded(world: World) -> None:
    """However long the table is unavailable: the host then makes ten more attempts."""
    away = Inbox(Refusing(world.table, Unavailable("no route")), LEASE)
    events = MemoryQueue(world.clock)
    receive_or_requeue(RAW, replace(world.app, inbox=away, events=events))
    assert events.messages == [(world.clock.time + timedelta(minutes=10), RAW)]
    receive_or_requeue(RAW, replace(world.app, events=events))
    assert len(events.messages) == len(world.history().events) == 1


def test_a_poison_event_stays_in_its_queue_if_it_cannot_be_requeued(world: World) -> None:
    away = Inbox(Refusing(world.table, Unavailable("no route")), LEASE)
    with pytest.raises(Unavailable):
        receive_or_requeue(RAW, replace(world.app, inbox=away))


@pytest.mark.parametrize("status", [400, 413])
def test_an_event_that_storage_refuses_for_its_content_is_rejected(world: World, status: int) -> None:
    """Storage would refuse a redelivery, too."""
    app = App(world.loaded, Inbox(Refusing(world.table, refusal(status)), LEASE), world.queue, world.clock, world.sleep)
    receive(RAW, app)
    assert [rejected.kind for rejected in world.history().rejected] == ["too large"]


def test_as_many_rules_as_fit_a_transaction_match_one_event(tmp_path: Path) -> None:
    """Together with the event itself and the markers of unfinished work."""
    world = World(rules(*(rule(f"ring-{n}") for n in range(48))), tmp_path)
    world.receive(EVENT)
    world.run()
    assert len(world.calls) == 48
