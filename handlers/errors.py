"""What an exception means: worth another try, or not. The one place that knows HTTP statuses."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from jinja2 import TemplateError

from handlers.base import GiveUp, RetryLater

_BUSY = {429, 503}  # all who ask the same service are told so: they wait, and that costs no patience
_ACCESS = {401, 403, 404}  # a new role takes minutes to spread; a new resource is not at once on every replica
_ACCESS_PATIENCE = timedelta(minutes=30)


def classify(error: Exception, now: datetime | None = None) -> RetryLater | GiveUp:
    """Any exception as RetryLater or GiveUp; HTTP clients' are known by `response.status_code` or `status_code`."""
    try:
        return _judged(error, now)
    except Exception as defect:  # an exception may even raise when it is asked for its text
        return RetryLater(f"{type(error).__name__}, which cannot be read: {type(defect).__name__}")


def _judged(error: Exception, now: datetime | None) -> RetryLater | GiveUp:
    if isinstance(error, RetryLater | GiveUp):
        return error
    if isinstance(error, TemplateError):
        return GiveUp(f"template: {error}")
    response = getattr(error, "response", None)
    status = getattr(response, "status_code", None) or getattr(error, "status_code", None)
    if not isinstance(status, int):
        return RetryLater(f"{type(error).__name__}: {error}")
    reason = f"HTTP {status}: {error}"
    if status in PERMANENT:
        return GiveUp(reason)
    after = retry_after(getattr(response, "headers", None) or {}, now or datetime.now(UTC))
    throttled = status in _BUSY
    patience = _ACCESS_PATIENCE if status in _ACCESS else None
    return RetryLater(reason, after, throttled=throttled, patience=patience)


def retry_after(headers: Mapping[str, Any], now: datetime) -> timedelta | None:
    """What a ``Retry-After`` header asks for, in seconds or as a date (RFC 9110, section 10.2.3); None if nothing."""
    value = str(headers.get("Retry-After") or headers.get("retry-after") or "").strip()
    if value.isascii() and value.isdigit():
        return timedelta(seconds=int(value) if len(value) < 9 else 10**8)
    try:
        moment = parsedate_to_datetime(value)
        return max(moment.replace(tzinfo=moment.tzinfo or UTC) - now, timedelta())
    except (ValueError, OverflowError):
        return None


PERMANENT = frozenset({400, 405, 410, 413, 415, 422})  # HTTP statuses that asking again does not mend


LONGEST_ASKED = timedelta(hours=24)  # a service's Retry-After is believed up to this
