"""Durations, as rules write them."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from handlers.duration import Duration, PollInterval, format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("0s", timedelta()),
        ("30s", timedelta(seconds=30)),
        ("10m", timedelta(minutes=10)),
        ("4h", timedelta(hours=4)),
        ("7d", timedelta(days=7)),
        ("1h30m", timedelta(minutes=90)),
        ("1d2h3m4s", timedelta(days=1, hours=2, minutes=3, seconds=4)),
        ("90m", timedelta(minutes=90)),
        ("366d", timedelta(days=366)),
    ],
)
def test_duration_is_parsed(text: str, span: timedelta) -> None:
    assert parse_duration(text) == span


@pytest.mark.parametrize(
    "value",
    [
        "",
        "10",
        "s",
        "10 m",
        "10min",
        "-5m",
        "+5m",
        "1.5h",
        "5M",
        "m5",
        "1h-30m",
        " 5m",
        "5m\n",
        "٣m",
        "P1D",
        None,
        30,
        1.5,
        True,
        ["5m"],
    ],
)  # fmt: skip - a list
def test_invalid_duration_is_an_error_with_examples(value: object) -> None:
    with pytest.raises(ValueError, match="is not a duration; write 30s, 10m, 4h, 7d or 1h30m"):
        parse_duration(value)


@pytest.mark.parametrize("text", ["367d", "8785h", "999999999d", "999999999d999999999d999999999d"])
def test_duration_of_more_than_a_year_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="longer than 366 days"):
        parse_duration(text)


@given(st.integers(0, 366 * 86_400))
def test_formatted_duration_parses_to_the_same(seconds: int) -> None:
    span = timedelta(seconds=seconds)
    assert parse_duration(format_duration(span)) == span


@pytest.mark.parametrize(
    ("span", "text"),
    [
        (timedelta(), "0s"),
        (timedelta(milliseconds=900), "0s"),
        (timedelta(minutes=90), "1h30m"),
        (timedelta(days=400), "400d"),
    ],
)
def test_duration_is_formatted(span: timedelta, text: str) -> None:
    assert format_duration(span) == text


class Model(BaseModel):
    wait: Duration = timedelta(minutes=5)


def test_duration_is_a_field_of_a_model() -> None:
    assert Model.model_validate({"wait": "1h"}).wait == timedelta(hours=1)
    assert Model(wait=timedelta(seconds=90)).model_dump(mode="json") == {"wait": "1m30s"}
    with pytest.raises(ValidationError, match="is not a duration"):
        Model.model_validate({"wait": 5})


class PollingModel(BaseModel):
    poll: PollInterval | None = None


def test_poll_interval_is_at_least_a_second() -> None:
    assert PollingModel.model_validate({"poll": "1s"}).poll == timedelta(seconds=1)
    with pytest.raises(ValidationError, match="write 1s or more"):
        PollingModel.model_validate({"poll": "0s"})
