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


def test_an_event_s_key_is_the_same_however_it_is_spelled() -> None:
    """The topic's case is no part of it; id and time are."""
    [(day, key)] = {event_key(e) for e in (EVENT, EVENT.model_copy(update={"topic": EVENT.topic.upper()}))}
    assert day == "2026-11-22"
    assert key[:9].endswith("-")
    assert event_key(EVENT.model_copy(update={"id": "E1"})) != (day, key)


def test_a_time_that_is_not_utc_has_no_day() -> None:
    """Its day would be another than that of the same moment in UTC; schemas/ leaves it where it cannot convert."""
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
def test_a_key_begins_so_that_the_newest_comes_first(time: datetime, prefix: str) -> None:
    day, key = event_key(EVENT.model_copy(update={"event_time": time}))
    assert (day, key[:8]) == ("2026-11-22", prefix)


def test_a_message_says_which_action_and_which_ticket() -> None:
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
def test_a_message_of_others_is_refused(change: dict[str, object]) -> None:
    text = json.dumps({"day": "undated", "event": "e", "rule": "r", "ticket": 1})
    assert Message.parse(text) == Message(ActionId("undated", "e", "r"), 1)
    with pytest.raises(ValueError, match="not a message of this app"):
        Message.parse(json.dumps(json.loads(text) | change))


@pytest.mark.parametrize(
    "text",
    ['{"day": "undated", "event": "e", "rule": "r", "ticket": 1e999}', "[" * 100_000, '{"a":' * 100_000, "9" * 5_000],
    ids=["a number beyond all", "lists in lists", "objects in objects", "many digits"],
)
def test_a_message_that_is_hard_to_read_is_refused(text: str) -> None:
    """Whatever it raises while it is read: the host would try it again, ten times."""
    with pytest.raises(ValueError, match="not a message of this app"):
        Message.parse(text)


def test_days_lists_the_partitions(inbox: Inbox, table: AzureLimits) -> None:
    """Whatever was written, an event or a rejection; a second process finds the row there."""
    add(inbox, "ring")
    inbox.reject(Rejected("malformed", "no JSON", "{", datetime(2026, 11, 23, tzinfo=UTC)))
    add(Inbox(table, LEASE), "ring")
    assert inbox.history.days() == ["2026-11-22", "2026-11-23"]


@pytest.mark.parametrize("calls", [1, 2])
@pytest.mark.parametrize("rejected", [False, True])
def test_what_is_written_is_in_a_day_that_is_listed(table: AzureLimits, calls: int, rejected: bool) -> None:
    """Also if the worker dies right after any write: what is in no listed day would never be found again."""
    inbox = Inbox(CrashAt((calls, "after")).table(table), LEASE)
    with pytest.raises(WorkerDied):
        inbox.reject(Rejected("malformed", "no JSON", "{", NOW)) if rejected else add(inbox, "ring")
    written = {row.key for row in table.read("2026-11-22", "", "~")}
    assert len(written) == {(1, False): 0, (2, False): 3, (1, True): 0, (2, True): 1}[calls, rejected]
    assert Inbox(table, LEASE).history.days() == ["2026-11-22"]


def test_open_lists_what_has_not_ended(inbox: Inbox) -> None:
    messages = add(inbox, "ring", "tell")
    assert inbox.backlog.open_actions("2026-11-22") == sorted(message.id for message in messages)
    assert inbox.backlog.open_actions("2026-11-21") == []


def test_history_holds_events_actions_and_rejections_apart(inbox: Inbox) -> None:
    add(inbox, "ring")
    inbox.reject(Rejected("malformed", "no JSON", "{", NOW))
    history = inbox.history.day("2026-11-22")
    assert [event.id for event in history.events.values()] == ["e1"]
    assert [(id.rule, record.status) for id, record in history.actions] == [("ring", "pending")]
    assert [rejected.raw for rejected in history.rejected] == ["{"]


def test_an_action_is_claimed_once(inbox: Inbox) -> None:
    """The second worker is told when to look again."""
    [message] = add(inbox, "ring")
    assert isinstance(inbox.leases.claim(message, NOW), Claim)
    assert inbox.leases.claim(message, NOW) == NotYet(NOW + LEASE)


def test_a_message_that_is_ahead_of_its_row_counts(inbox: Inbox) -> None:
    """Only an older one is dropped: the row may have been restored from a backup, and no other message will come."""
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
    ("change", "says"),
    [
        pytest.param(given(schema=2), "this version knows 1", id="a newer schema"),
        pytest.param(given(schema="b"), "ValueError", id="another schema"),
        pytest.param(without("schema"), "KeyError: 'schema'", id="no schema"),
        pytest.param(without("denied_since"), "KeyError: 'denied_since'", id="a column missing"),
        pytest.param(given(state="{"), "JSONDecodeError", id="a state that is not JSON"),
        pytest.param(given(timeline="5"), "TypeError", id="a timeline that is none"),
    ],
)
def test_a_row_of_another_version_is_left_alone(
    inbox: Inbox, table: AzureLimits, change: Callable[[Row], Row], says: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Its message comes again later; the log tells what is the matter; the rest of the day can be read."""
    [message, _] = add(inbox, "ring", "tell")
    [row] = table.read(message.id.day, message.id.row, message.id.row + "!")
    table.commit(message.id.day, change(row))
    before = table.read(message.id.day, "", "~")
    assert inbox.leases.claim(message, NOW) == NotYet(NOW + timedelta(minutes=5))
    assert inbox.leases.rearm(message, NOW) == message._replace(after=timedelta(minutes=5))
    assert [id.rule for id, _ in inbox.history.day(message.id.day).actions] == ["tell"]
    assert table.read(message.id.day, "", "~") == before
    assert not inbox.leases.is_over(message.id, NOW)
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 4
    assert all(text.startswith("action.foreign") and says in text for text in told)


def test_of_two_workers_that_read_at_once_one_has_it(inbox: Inbox, table: AzureLimits) -> None:
    """The other's write meets a changed row."""
    [message] = add(inbox, "ring")
    read = table.read

    class Behind(AzureLimits):
        """Answers what it read before the other wrote."""

    behind = Behind(table.table)
    old = read("2026-11-22", "", "~")
    behind.read = lambda *_: old  # type: ignore[method-assign]
    assert isinstance(inbox.leases.claim(message, NOW), Claim)
    assert isinstance(Inbox(behind, LEASE).leases.claim(message, NOW), NotYet)


def test_an_event_that_can_no_longer_be_read_ends_its_action(inbox: Inbox, table: AzureLimits) -> None:
    """It would come again for ever otherwise."""
    [message] = add(inbox, "ring")
    [row] = table.read(message.id.day, message.id.event, message.id.event + "|")
    table.commit(message.id.day, Row(row.key, {**row.values, "raw": "{}"}, row.etag))
    over = inbox.leases.claim(message, NOW)
    assert isinstance(over, Dropped)
    assert "cannot be read" in over.reason
    assert inbox.history.day("2026-11-22").actions[0][1].status == "failed"
    assert inbox.backlog.open_actions("2026-11-22") == []


def test_a_replay_of_an_action_has_another_key(inbox: Inbox) -> None:
    """Retries and crashes keep it: it names the effect."""
    [message] = add(inbox, "ring")
    claim = inbox.leases.claim(message, NOW)
    assert isinstance(claim, Claim)
    again = replace(claim, record=replace(claim.record, replay_number=1))
    assert claim.action.key != again.action.key
    assert claim.action.key == replace(claim, record=replace(claim.record, crashes=3)).action.key


def test_a_note_is_changed_by_compare_and_swap(inbox: Inbox) -> None:
    """Whoever comes between is not overwritten."""

    def slowly(note: dict[str, str]) -> dict[str, str]:
        if "other" not in note:
            inbox.shared.change("latest|r", lambda n: n | {"other": "1"}, NOW)
        return note | {"mine": "1"}

    assert inbox.shared.change("latest|r", slowly, NOW) == {"other": "1", "mine": "1"}
    assert inbox.shared.change("latest|r", lambda note: note, NOW) == {"other": "1", "mine": "1"}


def test_a_row_that_cannot_be_read_does_not_hide_the_day(inbox: Inbox, table: AzureLimits) -> None:
    """Whatever it is: an event, an action or a rejection of another version of the app."""
    add(inbox, "ring")
    table.commit("2026-11-22", Row("00000000-odd", {}), Row("00000000-odd|ring", {}), Row("x|odd", {}))
    history = inbox.history.day("2026-11-22")
    assert ([e.id for e in history.events.values()], len(history.actions), history.rejected) == (["e1"], 1, [])
