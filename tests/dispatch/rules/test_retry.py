"""Delays between retries."""

from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from dispatch.rules.retry import Retry
from handlers.base import RetryLater
from handlers.errors import classify
from tests.handlers.test_errors import refused

BUSY = RetryLater("busy")


def wait(retry: Retry, failures: int, jitter: float, error: RetryLater = BUSY, **failing: int) -> timedelta | None:
    denied = timedelta(**failing) if error.max_elapsed else timedelta()
    return retry.delay(error, failures, timedelta(**failing), denied, lambda: jitter)


def test_delay_doubles_up_to_max_delay() -> None:
    delays = [wait(Retry(), n, 1.0) for n in (1, 2, 3, 10, 1_000)]
    assert delays == [timedelta(seconds=s) for s in (10, 20, 40, 3_600, 3_600)]


def test_jitter_covers_the_upper_half_of_the_delay() -> None:
    assert wait(Retry(), 1, 0.0) == timedelta(seconds=5)


def test_retries_end_after_the_max_elapsed_time() -> None:
    assert wait(Retry(), 9, 1.0, hours=23) is not None
    assert wait(Retry(), 9, 1.0, hours=24) is None


def test_error_may_shorten_the_max_elapsed_time_but_not_extend_it() -> None:
    assert wait(Retry(), 9, 1.0, RetryLater("403", max_elapsed=timedelta(minutes=30)), minutes=30) is None
    assert wait(Retry(), 9, 1.0, RetryLater("403", max_elapsed=timedelta(days=30)), hours=24) is None


def test_time_of_an_error_with_its_own_limit_begins_with_that_error() -> None:
    denied, day = RetryLater("403", max_elapsed=timedelta(minutes=30)), timedelta(hours=23)
    assert Retry().delay(denied, 9, day, timedelta(minutes=29)) is not None
    assert Retry().delay(denied, 9, day, timedelta(minutes=30)) is None
    assert Retry().delay(BUSY, 9, day, timedelta(minutes=30)) is not None


def test_longer_retry_after_replaces_the_backoff_for_at_most_a_day() -> None:
    assert wait(Retry(), 1, 1.0, RetryLater("503", timedelta(seconds=90))) == timedelta(seconds=90)
    assert wait(Retry(), 1, 1.0, RetryLater("503", timedelta(days=900))) == timedelta(days=1)
    assert wait(Retry(), 1, 1.0, RetryLater("503", timedelta())) == timedelta(seconds=10)


def test_throttled_action_pauses_as_long_as_the_service_requests() -> None:
    """Plus a tenth or two seconds, at most; for a minute if the service requests no time, and for a day at most."""
    for requested, least, most in ((0, 60, 66), (3, 3, 5), (600, 600, 660), (10**8, 86_400, 95_040)):
        throttled = RetryLater("429", timedelta(seconds=requested), throttled=True)
        pauses = [Retry().pause(throttled, lambda jitter=jitter: jitter) for jitter in (0.0, 1.0)]  # type: ignore[misc]  # mypy cannot infer a lambda's default
        assert pauses == [timedelta(seconds=least), timedelta(seconds=most)]


@pytest.mark.parametrize("status", [429, 500, 503])
@pytest.mark.parametrize("value", ["0", "1", "Sun, 22 Nov 2020 09:00:00 GMT"])
def test_short_retry_after_shortens_only_a_throttle(status: int, value: str) -> None:
    """The shortest delay is half of `first_delay`; a throttle without a time, or with a past one, lasts a minute."""
    verdict = classify(refused(status, **{"Retry-After": value}))
    assert isinstance(verdict, RetryLater)
    least = Retry().pause(verdict, lambda: 0.0) if verdict.throttled else wait(Retry(), 1, 0.0, verdict)
    assert least == timedelta(seconds=5 if status == 500 else 1 if value == "1" else 60)


@pytest.mark.parametrize("keys", [{"after": 30}, {"after": "30s"}, {"max_elapsed": 1.5}, {"after": 0}])
def test_retry_later_rejects_anything_but_a_timedelta(keys: dict[str, Any]) -> None:
    [(name, value)] = keys.items()
    with pytest.raises(TypeError, match=f"RetryLater's {name} is a timedelta or None, not {value!r}"):
        RetryLater("busy", **keys)


@pytest.mark.parametrize(
    "keys", [{"for": "soon"}, {"first_delay": "0s"}, {"first_delay": "2h"}, {"max_delay": "1s"}, {"attempts": 8}]
)
def test_invalid_retry_is_rejected(keys: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        Retry.model_validate(keys)


def test_retry_reads_durations() -> None:
    retry = Retry.model_validate({"for": "2d", "first_delay": "1m", "max_delay": "30m"})
    assert (retry.max_elapsed, retry.first_delay) == (timedelta(days=2), timedelta(minutes=1))
