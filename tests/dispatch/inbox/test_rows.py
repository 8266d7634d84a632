"""Rows as typed records, within what Azure Tables holds."""

import random
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatch.inbox.errors import Refused
from dispatch.inbox.rows import ActionRecord, EventRecord, Rejected, packed, unpacked
from dispatch.inbox.tables import Row
from handlers.base import Result
from mlevents.testing.storage import NOW, AzureLimits, MemoryTable

RECORD = ActionRecord("ring", "email", "abc123", started=NOW, due=NOW)
HOSTILE = ["\ud800", "\x00\x1b[2J", "ü𝄞" * 5_000, '"' * 9_000, "</script>{{ 7 * 7 }}", "\r\nBcc: x@example.com"]


def stored(values: dict[str, str | int | bytes]) -> Row:
    """A row as it is read from a table with Azure's limits."""
    table = AzureLimits(MemoryTable())
    table.commit("p", Row("k", values))
    return table.read("p", "k", "k~")[0]


def test_action_is_read_as_written() -> None:
    record = replace(
        RECORD,
        status="waiting",
        failures=3,
        failing_since=NOW,
        crashes=1,
        replay_number=2,
        state={"step": "bake", "shares": [10, 50]},
        note="bakes",
        details={"endpoint": "churn"},
        follows=Result("other", "failed", "broken", {"job": "j1"}),
    ).then(NOW, status="running")
    assert ActionRecord.of(stored(record.values())) == record


def test_event_is_read_as_written() -> None:
    record = EventRecord("{}", "e1", "RunCompleted", "churn-prod", "run-1", NOW, 2, ("team.yaml",))
    assert EventRecord.of(stored(record.values())) == record


def test_rejection_is_read_as_written() -> None:
    rejected = Rejected("malformed", "no JSON", "\ud800{", NOW)
    assert Rejected.of(stored(rejected.values())) == rejected


@pytest.mark.parametrize("text", HOSTILE)
def test_storage_accepts_rows_with_any_texts(text: str) -> None:
    """Whatever a handler returns and whatever an event contains."""
    many = {f"{n}{text}"[:100]: text for n in range(40)}
    action = replace(RECORD, note=text, details=many, follows=Result("r", "failed", text, many))
    for n in range(50):
        action = action.then(NOW, note=f"{n}{text}")
    assert ActionRecord.of(stored(action.values())).rule == "ring"
    stored(EventRecord(text, text, text, text, text, NOW).values())
    stored(Rejected("malformed", text, text, NOW).values())


def test_timeline_keeps_its_first_and_latest_entries() -> None:
    """An action that checks back for weeks still fits its row."""
    record = RECORD
    for n in range(100):
        record = record.then(NOW + timedelta(minutes=n), note=str(n))
    assert [entry.note for entry in record.timeline] == [*"01234", *(str(n) for n in range(80, 100))]


def test_small_payload_is_stored_as_text() -> None:
    """People read the table with Storage Explorer."""
    assert packed('{"id": "é"}') == {"raw": '{"id": "é"}'}


@given(st.text() | st.text(alphabet=st.characters(exclude_categories=())))
@settings(max_examples=200)
def test_any_payload_is_read_as_written(text: str) -> None:
    assert unpacked(stored(packed(text)).values) == text


@pytest.mark.parametrize("length", [29_999, 30_001, 400_000])
def test_long_payload_is_read_as_written(length: int) -> None:
    """Its characters hardly compress."""
    generator = random.Random(length)
    text = "".join(chr(generator.randrange(0x4E00, 0x9FFF)) for _ in range(length))
    assert unpacked(stored(packed(text)).values) == text


def test_payload_that_no_row_holds_raises_refused() -> None:
    generator = random.Random(1)
    with pytest.raises(Refused, match="characters do not fit a table row"):
        packed("".join(chr(generator.randrange(0x4E00, 0x9FFF)) for _ in range(700_000)))


@pytest.mark.parametrize("values", [{}, {"raw0": b"junk"}, {"raw0": "text"}])
def test_damaged_payload_raises_key_error_or_value_error(values: dict[str, str | int | bytes]) -> None:
    with pytest.raises((KeyError, ValueError)):
        unpacked(values)


def test_chunks_of_a_payload_are_joined_in_order() -> None:
    """Also when there are more than ten."""
    generator = random.Random(2)
    text = "".join(chr(generator.randrange(0x4E00, 0x9FFF)) for _ in range(400_000))
    values = packed(text)
    assert len(values) > 10
    assert unpacked(dict(sorted(values.items(), key=lambda item: item[0], reverse=True))) == text
