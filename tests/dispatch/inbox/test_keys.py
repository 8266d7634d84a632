"""Keys of events."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from dispatch.inbox.keys import event_key
from schemas import RunStatusChanged

EVENT = RunStatusChanged.example(id="e1")


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
