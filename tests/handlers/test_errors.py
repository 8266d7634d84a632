"""`handlers.errors` turns any exception into RetryLater or GiveUp."""

import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
import requests
from azure.core.exceptions import HttpResponseError
from jinja2 import UndefinedError

from handlers.base import GiveUp, RetryLater
from handlers.errors import (
    PROPAGATION,
    Defect,
    classify,
    is_expected,
    is_rejected,
    is_throttled,
    retry_after,
    said_once,
    status_of,
)

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


def refused(status: int, **headers: str) -> Exception:
    """An error response, as azure-core raises it."""
    error = HttpResponseError("refused")
    error.status_code = status
    error.response = SimpleNamespace(status_code=status, headers=headers)
    return error


@pytest.mark.parametrize("status", [400, 405, 406, 410, 411, 413, 414, 415, 422, 431])
def test_permanent_status_gives_up(status: int) -> None:
    assert isinstance(classify(refused(status)), GiveUp)


@pytest.mark.parametrize("status", [401, 403, 404])
def test_denied_and_not_found_are_retried_for_half_an_hour(status: int) -> None:
    """A new role or resource takes up to that long to reach every replica."""
    verdict = classify(refused(status))
    assert isinstance(verdict, RetryLater)
    assert verdict.max_elapsed == PROPAGATION == timedelta(minutes=30)


@pytest.mark.parametrize("status", [408, 409, 412, 423, 424, 500, 502, 504])
def test_any_other_status_is_retried(status: int) -> None:
    verdict = classify(refused(status))
    assert isinstance(verdict, RetryLater)
    assert (verdict.throttled, verdict.max_elapsed, verdict.after) == (False, None, None)


@pytest.mark.parametrize("headers", [{}, {"Retry-After": "7"}])
@pytest.mark.parametrize("status", [429, 503])
def test_429_and_503_are_throttling(status: int, headers: dict[str, str]) -> None:
    """With a Retry-After header or without one."""
    verdict = classify(refused(status, **headers))
    assert isinstance(verdict, RetryLater)
    assert verdict.throttled
    assert verdict.after == (timedelta(seconds=7) if headers else None)


def test_status_of_another_http_client_is_read_from_its_response() -> None:
    """requests and httpx attach the response in the same place."""
    response = requests.Response()
    response.status_code = 422
    assert isinstance(classify(requests.HTTPError(response=response)), GiveUp)


def test_template_error_gives_up() -> None:
    assert isinstance(classify(UndefinedError("the event has no 'x' here")), GiveUp)


def test_retry_later_and_give_up_are_returned_unchanged() -> None:
    for answer in (GiveUp("broken"), RetryLater("busy")):
        assert classify(answer) is answer


@pytest.mark.parametrize("error", [ValueError("x"), ConnectionError("y"), TimeoutError()])
def test_any_other_exception_is_retried(error: Exception) -> None:
    """The reason names its class, because some exceptions have no text."""
    verdict = classify(error)
    assert isinstance(verdict, RetryLater)
    assert str(verdict).startswith(type(error).__name__)


class UnprintableError(Exception):
    """Raises when it is converted to text."""

    def __str__(self) -> str:
        raise RuntimeError("no text")


class UnreadableResponseError(Exception):
    """Raises when its response is read."""

    @property
    def response(self) -> Any:
        raise RuntimeError("closed")


@pytest.mark.parametrize("error", [UnprintableError(), UnreadableResponseError()])
def test_exception_that_cannot_be_read_is_retried(error: Exception) -> None:
    """The reason names its class, and the class of the error that reading it raised."""
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
    """A past date is no delay; an invalid value counts as absent."""
    expected = None if seconds is None else timedelta(seconds=seconds)
    assert retry_after({"Retry-After": value}, NOW) == expected


@pytest.mark.parametrize(
    ("error", "throttled"),
    [
        (refused(429), True),
        (refused(503), True),
        (refused(500), False),
        (refused(400), False),
        (RetryLater("busy", throttled=True), True),
        (RetryLater("busy"), False),
        (GiveUp("broken"), False),
        (TimeoutError(), False),
    ],
)
def test_throttling_is_recognized_in_any_error(error: Exception, throttled: bool) -> None:
    assert is_throttled(error) is throttled


@pytest.mark.parametrize(
    ("status", "rejected"), [(400, True), (404, True), (429, True), (408, False), (500, False), (503, False)]
)
def test_rejected_request_is_4xx_except_408(status: int, rejected: bool) -> None:
    assert is_rejected(refused(status)) is rejected
    assert not is_rejected(TimeoutError())


def test_status_is_found_along_the_chain_of_causes() -> None:
    outer, middle = GiveUp("no quota"), ValueError("unreadable")
    outer.__cause__, middle.__cause__ = middle, refused(409)
    assert (status_of(outer), status_of(refused(404)), status_of(GiveUp("broken")), status_of(None)) == (
        409,
        404,
        None,
        None,
    )


class TestDefects:
    """Programming errors, which tests/dispatch/test_failed_attempts.py follows to their end."""

    def test_an_error_without_a_traceback_has_no_position(self) -> None:
        verdict = classify(TypeError("x"))
        assert isinstance(verdict, Defect)
        assert (str(verdict), verdict.where) == ("TypeError: x", "")

    def test_an_error_with_a_status_is_none(self) -> None:
        """The service's answer decides, whatever class the client has given it."""

        class OddError(TypeError):
            status_code = 500

        assert not isinstance(classify(OddError()), Defect)

    @pytest.mark.parametrize(
        "error", [RetryLater("a"), GiveUp("a"), UndefinedError("a"), refused(429), TimeoutError(), requests.Timeout()]
    )
    def test_expected_errors_need_no_traceback(self, error: Exception) -> None:
        assert is_expected(error)

    @pytest.mark.parametrize("error", [TypeError("a"), KeyError("a"), ValueError("a"), RuntimeError("a"), SystemExit()])
    def test_any_other_error_needs_one(self, error: BaseException) -> None:
        assert not is_expected(error)


@pytest.mark.parametrize(
    ("text", "once"),
    [
        (
            "(ResourceNotFound) The Resource 'x' was not found.\nCode: ResourceNotFound\nMessage: The Resource 'x' was "
            "not found.",
            "ResourceNotFound: The Resource 'x' was not found.",
        ),
        ("(A) one\nCode: A\nMessage: one\nTarget: t", "A: one\nTarget: t"),
        ("failed: (A) one. Code: A Message: one. (B) two", "failed: A: one. (B) two"),
        ("(A) one\nCode: A\nMessage: two", "(A) one\nCode: A\nMessage: two"),
        ("a text (with parentheses) of its own", "a text (with parentheses) of its own"),
        ("(a) " * 5_000, ("(a) " * 1_000)),
    ],
)
def test_a_text_that_azure_core_repeats_is_said_once(text: str, once: str) -> None:
    assert said_once(text) == once


def test_an_error_response_without_a_handler_s_translation_is_one_sentence() -> None:
    """As the SDKs of storage and others raise it."""
    body = {"error": {"code": "ResourceNotFound", "message": "The Resource 'x' was not found."}}
    response = SimpleNamespace(status_code=404, reason="Not Found", headers={}, text=lambda *_: json.dumps(body))
    error = HttpResponseError(response=response)
    assert str(error).count("The Resource") == 2
    assert str(classify(error)) == "HTTP 404: ResourceNotFound: The Resource 'x' was not found."
