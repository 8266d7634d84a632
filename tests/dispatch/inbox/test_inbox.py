"""Keys, messages and the ways into the record; what happens to actions is in test_act.py."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from dispatch.inbox.actions import NewAction
from dispatch.inbox.inbox import Inbox
from dispatch.inbox.keys import ActionId, event_key
from dispatch.inbox.leases import Claim, Dropped, NotYet
from dispatch.inbox.messages import Message
from dispatch.inbox.rows import EventRecord, Rejected
from dispatch.inbox.tables import Row, Value
from schemas import RunStatusChanged
from tests.kit.faults import CrashAt, WorkerDied
from tests.kit.storage import NOW, AzureLimits, MemoryTable

EVENT = RunStatusChanged.example(id="e1")
LEASE = timedelta(minutes=6)


@pytest.fixture
def table() -> AzureLimits:
    return AzureLimits(MemoryTable())


@pytest.fixture
def inbox(table: AzureLimits) -> Inbox:
    return Inbox(table, LEASE)


def add(inbox: Inbox, *rules: str) -> list[Message]:
    record = EventRecord(json.dumps(EVENT.wire()), EVENT.id, "RunStatusChanged", "churn-prod", EVENT.object, NOW)
    return inbox.add(EVENT, record, [NewAction(rule, "email", "abc") for rule in rules], NOW)[1]


def test_key_of_an_event_ignores_the_case_of_its_topic() -> None:
    """But not that of its id."""
    [(day, key)] = {event_key(e) for e in (EVENT, EVENT.model_copy(update={"topic": EVENT.topic.upper()}))}
    assert day == "2026-11-22"
    assert key[:9].endswith("-")
    assert event_key(EVENT.model_copy(update={"id": "E1"})) != (day, key)


def test_event_with_a_time_that_is_not_utc_is_undated() -> None:
    """schemas/ leaves a time with an offset where it cannot convert it; its day would differ from the day in UTC."""
    time = datetime(2026, 11, 22, 1, 0, tzinfo=timezone(timedelta(hours=2)))
    day, key = event_key(EVENT.model_copy(update={"event_time": time}))
    assert (day, key[:9]) == ("undated", "00000000-")


@pytest.mark.parametrize(
    ("time", "prefix"),
    [
        (datetime(2026, 11, 22, 0, 0, tzinfo=UTC), "86399999"),
        (datetime(2026, 11, 22, 23, 59, 59, 999_999, tzinfo=UTC), "00000000"),
        (datetime(2026, 11, 22, 12, 0, tzinfo=UTC), "43199999"),
    ],
)
def test_keys_sort_the_newest_event_first(time: datetime, prefix: str) -> None:
    day, key = event_key(EVENT.model_copy(update={"event_time": time}))
    assert (day, key[:8]) == ("2026-11-22", prefix)


def test_message_text_has_the_action_and_its_version() -> None:
    """Its text is what Message.parse reads."""
    message = Message(ActionId("2026-11-22", "00000000-ab", "mail-failed-runs"), 3)
    assert json.loads(str(message)) == {
        "schema": 1,
        "day": "2026-11-22",
        "event": "00000000-ab",
        "rule": "mail-failed-runs",
        "ticket": 3,
    }
    assert Message.parse(str(message)) == message


@pytest.mark.parametrize(
    "change",
    [
        {"rule": "a|b"},
        {"rule": ["r"]},
        {"event": ""},
        {"event": "e~"},
        {"day": None},
        {"day": "../x"},
        {"day": "2026-11-22\n"},
        {"day": "2026/11/22"},
        {"day": "２０２６-11-22"},
        {"day": "Undated"},
        {"day": "2" * 81},
        {"ticket": "x"},
        {"ticket": None},
        {"ticket": float("inf")},
        {"ticket": float("nan")},
    ],
    ids=str,
)
def test_foreign_message_raises_value_error(change: dict[str, object]) -> None:
    text = json.dumps({"day": "undated", "event": "e", "rule": "r", "ticket": 1})
    assert Message.parse(text) == Message(ActionId("undated", "e", "r"), 1)
    with pytest.raises(ValueError, match="not a message of this app"):
        Message.parse(json.dumps(json.loads(text) | change))


@pytest.mark.parametrize(
    "text",
    ['{"day": "undated", "event": "e", "rule": "r", "ticket": 1e999}', "[" * 100_000, '{"a":' * 100_000, "9" * 5_000],
    ids=["infinity", "nested lists", "nested objects", "many digits"],
)
def test_message_that_breaks_the_json_parser_raises_value_error(text: str) -> None:
    """With any other error the host would deliver it ten times."""
    with pytest.raises(ValueError, match="not a message of this app"):
        Message.parse(text)


def test_days_lists_the_partitions(inbox: Inbox, table: AzureLimits) -> None:
    """Of events and of rejections; a second process finds the row that the first one wrote."""
    add(inbox, "ring")
    inbox.reject(Rejected("malformed", "no JSON", "{", datetime(2026, 11, 23, tzinfo=UTC)))
    add(Inbox(table, LEASE), "ring")
    assert inbox.history.days() == ["2026-11-22", "2026-11-23"]


@pytest.mark.parametrize("calls", [1, 2])
@pytest.mark.parametrize("rejected", [False, True])
def test_day_is_listed_before_it_has_rows(table: AzureLimits, calls: int, rejected: bool) -> None:
    """A crash after any write leaves no row in an unlisted day, where nothing would find it."""
    inbox = Inbox(CrashAt((calls, "after")).table(table), LEASE)
    with pytest.raises(WorkerDied):
        inbox.reject(Rejected("malformed", "no JSON", "{", NOW)) if rejected else add(inbox, "ring")
    written = {row.key for row in table.read("2026-11-22", "", "~")}
    assert len(written) == {(1, False): 0, (2, False): 3, (1, True): 0, (2, True): 1}[calls, rejected]
    assert Inbox(table, LEASE).history.days() == ["2026-11-22"]


def test_open_actions_lists_actions_that_have_not_ended(inbox: Inbox) -> None:
    messages = add(inbox, "ring", "tell")
    assert inbox.backlog.open_actions("2026-11-22") == sorted(message.id for message in messages)
    assert inbox.backlog.open_actions("2026-11-21") == []


def test_day_history_has_events_actions_and_rejections(inbox: Inbox) -> None:
    add(inbox, "ring")
    inbox.reject(Rejected("malformed", "no JSON", "{", NOW))
    history = inbox.history.day("2026-11-22")
    assert [event.id for event in history.events.values()] == ["e1"]
    assert [(id.rule, record.status) for id, record in history.actions] == [("ring", "pending")]
    assert [rejected.raw for rejected in history.rejected] == ["{"]


def test_action_is_claimed_once(inbox: Inbox) -> None:
    """The second worker is told to try again after the lease."""
    [message] = add(inbox, "ring")
    assert isinstance(inbox.leases.claim(message, NOW), Claim)
    assert inbox.leases.claim(message, NOW) == NotYet(NOW + LEASE)


def test_message_newer_than_its_row_counts(inbox: Inbox) -> None:
    """The row may come from a backup, and no other message would be sent."""
    [first, second] = (message._replace(version=5) for message in add(inbox, "ring", "tell"))
    assert isinstance(inbox.leases.claim(first, NOW), Claim)
    assert inbox.leases.rearm(second, NOW) == second._replace(version=2, after=timedelta(minutes=1))
    assert inbox.leases.claim(second._replace(version=1), NOW) == Dropped("another message has taken its place")
    assert inbox.leases.rearm(second._replace(version=1), NOW) == Dropped("another message has taken its place")


def given(**values: Value) -> Callable[[Row], Row]:
    return lambda row: replace(row, values={**row.values, **values})


def without(name: str) -> Callable[[Row], Row]:
    return lambda row: replace(row, values={n: value for n, value in row.values.items() if n != name})


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        pytest.param(given(schema=2), "this version knows 1", id="a newer schema"),
        pytest.param(given(schema="b"), "ValueError", id="another schema"),
        pytest.param(without("schema"), "KeyError: 'schema'", id="no schema"),
        pytest.param(without("denied_since"), "KeyError: 'denied_since'", id="a column missing"),
        pytest.param(given(state="{"), "JSONDecodeError", id="a state that is not JSON"),
        pytest.param(given(timeline="5"), "TypeError", id="a timeline that is not a list"),
    ],
)
def test_row_of_another_version_is_not_changed(
    inbox: Inbox, table: AzureLimits, change: Callable[[Row], Row], reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Its message is sent again later, the log names the reason, and the rest of the day stays readable."""
    [message, _] = add(inbox, "ring", "tell")
    [row] = table.read(message.id.day, message.id.row, message.id.row + "!")
    table.commit(message.id.day, change(row))
    before = table.read(message.id.day, "", "~")
    assert inbox.leases.claim(message, NOW) == NotYet(NOW + timedelta(minutes=5))
    assert inbox.leases.rearm(message, NOW) == message._replace(after=timedelta(minutes=5))
    assert [id.rule for id, _ in inbox.history.day(message.id.day).actions] == ["tell"]
    assert table.read(message.id.day, "", "~") == before
    assert not inbox.leases.is_over(message.id, NOW)
    logged = [record.getMessage() for record in caplog.records]
    assert len(logged) == 4
    assert all(text.startswith("action.foreign") and reason in text for text in logged)


def test_of_two_workers_that_read_the_same_row_one_claims_it(inbox: Inbox, table: AzureLimits) -> None:
    """The commit of the other one conflicts."""
    [message] = add(inbox, "ring")
    read = table.read

    class Stale(AzureLimits):
        """Reads the rows as they were before the other worker wrote."""

    stale = Stale(table.table)
    old = read("2026-11-22", "", "~")
    stale.read = lambda *_: old  # type: ignore[method-assign]
    assert isinstance(inbox.leases.claim(message, NOW), Claim)
    assert isinstance(Inbox(stale, LEASE).leases.claim(message, NOW), NotYet)


def test_unreadable_event_fails_its_action(inbox: Inbox, table: AzureLimits) -> None:
    """Its message would come again for ever otherwise."""
    [message] = add(inbox, "ring")
    [row] = table.read(message.id.day, message.id.event, message.id.event + "|")
    table.commit(message.id.day, Row(row.key, {**row.values, "raw": "{}"}, row.etag))
    dropped = inbox.leases.claim(message, NOW)
    assert isinstance(dropped, Dropped)
    assert "cannot be read" in dropped.reason
    assert inbox.history.day("2026-11-22").actions[0][1].status == "failed"
    assert inbox.backlog.open_actions("2026-11-22") == []


def test_replayed_action_has_another_key(inbox: Inbox) -> None:
    """Retries and crashes keep the key."""
    [message] = add(inbox, "ring")
    claim = inbox.leases.claim(message, NOW)
    assert isinstance(claim, Claim)
    again = replace(claim, record=replace(claim.record, replay_number=1))
    assert claim.action.key != again.action.key
    assert claim.action.key == replace(claim, record=replace(claim.record, crashes=3)).action.key


def test_change_keeps_what_another_worker_wrote_meanwhile(inbox: Inbox) -> None:

    def slowly(note: dict[str, str]) -> dict[str, str]:
        if "other" not in note:
            inbox.shared.change("latest|r", lambda n: n | {"other": "1"}, NOW)
        return note | {"mine": "1"}

    assert inbox.shared.change("latest|r", slowly, NOW) == {"other": "1", "mine": "1"}
    assert inbox.shared.change("latest|r", lambda note: note, NOW) == {"other": "1", "mine": "1"}


def test_day_history_skips_unreadable_rows(inbox: Inbox, table: AzureLimits) -> None:
    """Of events, actions and rejections."""
    add(inbox, "ring")
    table.commit("2026-11-22", Row("00000000-odd", {}), Row("00000000-odd|ring", {}), Row("x|odd", {}))
    history = inbox.history.day("2026-11-22")
    assert ([e.id for e in history.events.values()], len(history.actions), history.rejected) == (["e1"], 1, [])
