"""Decide what an exception means for an action: is another attempt worth it, and when?

This is the one module that knows HTTP statuses. `classify` turns every exception into one of two outcomes:

    exception                                                  outcome
    ├── handlers.base.RetryLater, handlers.base.GiveUp         itself
    ├── jinja2.TemplateError                                   GiveUp: the template fails again on the same event
    ├── an exception with an HTTP status
    │   ├── PERMANENT     400, 405, 406, 410, 411, …          GiveUp
    │   ├── THROTTLED     429, 503                             RetryLater, throttled
    │   ├── PROPAGATING   401, 403, 404                        RetryLater, for at most PROPAGATION
    │   └── any other     408, 409, 412, 500, 502, 504 …       RetryLater
    ├── a programming error: TypeError, AttributeError …       Defect: RetryLater, for at most DEFECT_ATTEMPTS
    └── any other exception: a timeout, a lost connection …    RetryLater
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from http.client import HTTPException
from pathlib import Path
from traceback import walk_tb
from typing import Any

from jinja2 import TemplateError
from pydantic import ValidationError

from handlers.base import GiveUp, RetryLater

PERMANENT = frozenset({400, 405, 406, 410, 411, 413, 414, 415, 422, 431})  # the same request fails again
THROTTLED = frozenset({429, 503})  # the service throttles every client
DENIED = frozenset({401, 403})  # the identity has no role, or its new role has not reached the service yet
PROPAGATING = DENIED | {404}  # what a new role, identity or resource can cause until it has reached every replica
NOT_PERMITTED = frozenset({403, 405})  # the identity, a lock or a policy rules out this operation
# What a scoring request gets while its deployment starts; 5xx means the same (learn.microsoft.com, "Troubleshoot online
# endpoints deployment and scoring", HTTP status codes).
NOT_READY_TO_SCORE = frozenset({404, 408, 424, 429})
NO_SUCH_OPERATION = frozenset({400, 404, 405, 410, 501})  # what services answer on a path that they do not serve

# How long a new role or resource can take to reach every replica. For roles, Microsoft's own figure:
# learn.microsoft.com/answers/questions/524792, "it can sometimes take up to 30 minutes for changes to take effect".
PROPAGATION = timedelta(minutes=30)

MAX_RETRY_AFTER = timedelta(hours=24)  # a longer Retry-After is cut to this

DEFECT_ATTEMPTS = 3  # with a programming error; the first may be due to an answer that a service gives only once
# Errors of code, which fail again with the same input. KeyError, IndexError and ValueError are none: a service whose
# answer lacks something for an hour causes them in correct code.
_PROGRAMMING_ERRORS = (
    TypeError,
    AttributeError,  # and dataclasses.FrozenInstanceError
    NameError,
    ImportError,
    SyntaxError,
    NotImplementedError,
    AssertionError,
    RecursionError,
)
_LONGEST_TEXT = 4_000  # characters: more than handlers.base.TEXT_LIMIT, twice
_SAID_TWICE = re.compile(
    r"\((?P<code>[^()\s]+)\) (?P<message>.*?)\s+Code: (?P=code)\s+Message: (?P=message)", re.DOTALL
)
_FROZEN = frozenset({"frozen_instance", "frozen_field"})  # pydantic's errors for changing a frozen model


class Defect(RetryLater):
    """A programming error. `where` is the file and line of the handler's code that raised it, or called what did."""

    def __init__(self, reason: str, where: str) -> None:
        super().__init__(reason)
        self.where = where


def classify(error: Exception, now: datetime | None = None) -> RetryLater | GiveUp:
    """Return RetryLater or GiveUp for any exception, with the table above; never raises.

    `now` is the time from which a ``Retry-After`` date counts; by default, the current time.
    """
    try:
        return _classify(error, now)
    except Exception as defect:  # str() and the attributes of an exception can raise, too
        return RetryLater(f"{type(error).__name__}, which cannot be read: {type(defect).__name__}")


def _classify(error: Exception, now: datetime | None) -> RetryLater | GiveUp:
    if isinstance(error, RetryLater | GiveUp):
        return error
    if isinstance(error, TemplateError):
        return GiveUp(f"template: {error}")
    status = _own_status(error)
    if status is None:
        reason = f"{type(error).__name__}: {error}"
        return Defect(reason, _position(error)) if _is_programming_error(error) else RetryLater(reason)
    reason = f"HTTP {status}: {said_once(str(error))}"
    if status in PERMANENT:
        return GiveUp(reason)
    after = retry_after(getattr(_response(error), "headers", None) or {}, now or datetime.now(UTC))
    max_elapsed = PROPAGATION if status in PROPAGATING else None
    return RetryLater(reason, after, throttled=status in THROTTLED, max_elapsed=max_elapsed)


def said_once(text: str) -> str:
    """The text of an azure-core error without its repetition: "(Code) message", and then both once more, in lines.

    azure.core.exceptions.ODataV4Format writes it so. A long text is cut.
    """
    return _SAID_TWICE.sub(r"\g<code>: \g<message>", text[:_LONGEST_TEXT])


def is_expected(error: BaseException) -> bool:
    """Is it something that correct code may raise, such as an error response or a lost connection?

    Its text says it all. A traceback helps with any other error.
    """
    known = (RetryLater, GiveUp, TemplateError, OSError, HTTPException)  # requests' and smtplib's are OSErrors
    is_azures = any(base.__name__ == "AzureError" for base in type(error).__mro__)  # without an import of azure.core
    return isinstance(error, known) or is_azures or _own_status(error) is not None


def _is_programming_error(error: Exception) -> bool:
    if isinstance(error, ValidationError):
        return {problem["type"] for problem in error.errors(include_context=False, include_input=False)} <= _FROZEN
    return isinstance(error, _PROGRAMMING_ERRORS)


def _position(error: Exception) -> str:
    """The last line of the handler's package in a traceback, as "acme/chat.py:41"; empty without a traceback.

    The handler's package is that of the first frame beyond `dispatch` and `mlevents`, which call handlers.
    """
    frames = [
        (str(frame.f_globals.get("__name__", "")), frame, line)
        for frame, line in walk_tb(error.__traceback__)
        if not frame.f_code.co_filename.startswith("<")  # generated code, such as that of a dataclass
    ]
    called = [found for found in frames if not found[0].startswith(("dispatch.", "mlevents."))] or frames
    if not called:
        return ""
    package = called[0][0].partition(".")[0]
    module, frame, line = [found for found in called if found[0].partition(".")[0] == package][-1]
    path = Path(frame.f_code.co_filename)
    depth = module.count(".") + 1 + (path.stem == "__init__")
    return f"{'/'.join(path.parts[-depth:])}:{line}"


def is_throttled(error: Exception) -> bool:
    """Does the service throttle every client (HTTP 429 or 503)?"""
    verdict = classify(error)
    return isinstance(verdict, RetryLater) and verdict.throttled


def is_rejected(error: Exception) -> bool:
    """Did the service certainly refuse the request (4xx)? A gateway may send 408 after the service acted."""
    status = _own_status(error)
    return status is not None and 400 <= status < 500 and status != HTTPStatus.REQUEST_TIMEOUT


def is_conflict(error: Exception) -> bool:
    """Does the resource's state forbid the request (HTTP 409), such as canceling a run that is ending?"""
    return _own_status(error) == HTTPStatus.CONFLICT


def status_of(error: BaseException | None) -> int | None:
    """The HTTP status of an exception, or of the nearest exception in its chain of causes that has one; else None."""
    while error is not None:
        if (status := _own_status(error)) is not None:
            return status
        error = error.__cause__
    return None


def retry_after(headers: Mapping[str, Any], now: datetime) -> timedelta | None:
    """The delay that a ``Retry-After`` header names, as seconds or a date (RFC 9110, section 10.2.3); else None.

    A date in the past is a delay of zero.
    """
    value = str(headers.get("Retry-After") or headers.get("retry-after") or "").strip()
    if value.isascii() and value.isdigit():
        return timedelta(seconds=int(value) if len(value) < 9 else 10**8)
    try:
        moment = parsedate_to_datetime(value)
        return max(moment.replace(tzinfo=moment.tzinfo or UTC) - now, timedelta())
    except (ValueError, OverflowError):
        return None


def _response(error: BaseException) -> Any:
    """The response that azure-core, requests and httpx attach to their exceptions."""
    return getattr(error, "response", None)


def _own_status(error: BaseException) -> int | None:
    status = getattr(_response(error), "status_code", None) or getattr(error, "status_code", None)
    return status if isinstance(status, int) else None
