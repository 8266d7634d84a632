"""What an exception means."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
import requests
from azure.core.exceptions import HttpResponseError
from jinja2 import UndefinedError

from handlers.base import GiveUp, RetryLater
from handlers.errors import classify, retry_after

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


def refused(status: int, **headers: str) -> Exception:
    """As azure-core raises it."""
    error = HttpResponseError("refused")
    error.status_code = status
    error.response = SimpleNamespace(status_code=status, headers=headers)
    return error


@pytest.mark.parametrize("status", [400, 405, 410, 413, 415, 422])
def test_what_will_never_go_right_gives_up(status: int) -> None:
    assert isinstance(classify(refused(status)), GiveUp)


@pytest.mark.parametrize("status", [401, 403, 404])
def test_access_is_tried_for_half_an_hour(status: int) -> None:
    """Roles take time to spread, and a new resource is not at once on every replica."""
    verdict = classify(refused(status))
    assert isinstance(verdict, RetryLater)
    assert verdict.patience == timedelta(minutes=30)


@pytest.mark.parametrize("status", [408, 409, 412, 423, 424, 500, 502, 504])
def test_the_rest_is_retried(status: int) -> None:
    verdict = classify(refused(status))
    assert isinstance(verdict, RetryLater)
    assert (verdict.throttled, verdict.patience, verdict.after) == (False, None, None)


@pytest.mark.parametrize("headers", [{}, {"Retry-After": "7"}])
@pytest.mark.parametrize("status", [429, 503])
def test_throttling_is_waiting(status: int, headers: dict[str, str]) -> None:
    """Whoever says so, and whether or not with a time."""
    verdict = classify(refused(status, **headers))
    assert isinstance(verdict, RetryLater)
    assert verdict.throttled
    assert verdict.after == (timedelta(seconds=7) if headers else None)


def test_other_clients_errors_are_known_by_their_response() -> None:
    """requests and httpx carry it in the same place."""
    response = requests.Response()
    response.status_code = 422
    assert isinstance(classify(requests.HTTPError(response=response)), GiveUp)


def test_a_template_that_fails_fails_again() -> None:
    assert isinstance(classify(UndefinedError("the event has no 'x' here")), GiveUp)


def test_an_answer_is_an_answer() -> None:
    for answer in (GiveUp("broken"), RetryLater("busy")):
        assert classify(answer) is answer


@pytest.mark.parametrize("error", [ValueError("x"), ConnectionError("y"), TimeoutError()])
def test_anything_else_may_go_right_later(error: Exception) -> None:
    """Its class is named, because some exceptions have no text."""
    verdict = classify(error)
    assert isinstance(verdict, RetryLater)
    assert str(verdict).startswith(type(error).__name__)


class Mute(Exception):  # noqa: N818 - its name is all that can be told of it
    """Has a defect where its text should be."""

    def __str__(self) -> str:
        raise RuntimeError("no text")


class Sealed(Exception):  # noqa: N818 - as above
    """Has a defect where its response should be."""

    @property
    def response(self) -> Any:
        raise RuntimeError("closed")


@pytest.mark.parametrize("error", [Mute(), Sealed()])
def test_an_error_that_cannot_be_read_may_go_right_later(error: Exception) -> None:
    """Its class is told, and the defect's."""
    verdict = classify(error)
    assert isinstance(verdict, RetryLater)
    assert str(verdict) == f"{type(error).__name__}, which cannot be read: RuntimeError"


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0),
        (" 120 ", 120),
        ("Sun, 22 Nov 2026 09:00:30 GMT", 30),
        ("Sun, 22 Nov 2026 08:00:00 GMT", 0),
        ("99999999999999999999", 10**8),
        ("9" * 5_000, 10**8),
        ("Sun, 22 Nov 99999999999 09:00:30 GMT", None),
        ("", None),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("²", None),
        ("Sun, 99 Nov 2026 09:00:30 GMT", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: Any, seconds: int | None) -> None:
    """A date that is over asks for nothing more; nonsense is as if not there."""
    expected = None if seconds is None else timedelta(seconds=seconds)
    assert retry_after({"Retry-After": value}, NOW) == expected
