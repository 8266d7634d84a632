"""What the fields of an event may hold. Whatever does not fit raises a ValueError that says what was expected.

The service, its documentation and the SDKs' samples disagree on types (an integer model version, the text "null" where
there is no value), so each field takes all that has been seen, and what it exposes has one type.
"""

from datetime import UTC, datetime
from math import isfinite
from typing import Annotated, Any, TypeAlias

from pydantic import BeforeValidator, PlainSerializer

TEXT = "a text that is not empty"
_TIME = "an ISO 8601 date and time such as 2026-11-22T09:00:00.1234567Z"
_DATE_LENGTH = len("2026-11-22")


def _required_text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError(TEXT)
    return value


def _absent(value: Any) -> bool:
    """Null; the service is said to write it as a text, too (Azure/azure-rest-api-specs, pull request 31182)."""
    return value is None or value == "null"


def _optional_text(value: Any) -> str | None:
    if not (_absent(value) or isinstance(value, str)):
        raise ValueError("a text, or null")
    return None if _absent(value) else value


def _text(value: Any) -> str:
    return _optional_text(value) or ""


def _version(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str) or not value.strip():
        raise ValueError("a version: a text, or a whole number")
    return value


def _optional_version(value: Any) -> str:
    return "" if value in (None, "") else _version(value)


def parse_time(value: str) -> datetime:
    """A time in UTC; one without an offset is taken as UTC. Raises ValueError for all but an ISO 8601 date and time.

    Digits after the sixth of a second are dropped: Event Grid writes seven. Where UTC would leave the calendar (year 1,
    east of Greenwich) the time keeps its offset.
    """
    try:
        time = datetime.fromisoformat(value.upper())
    except ValueError:
        raise ValueError(_TIME) from None
    time = time if time.tzinfo else time.replace(tzinfo=UTC)
    try:
        return time.astimezone(UTC)
    except OverflowError:
        return time


def _time(value: Any) -> datetime | None:
    if _absent(value):
        return None
    if not isinstance(value, str) or len(value) <= _DATE_LENGTH:
        raise ValueError(_TIME)
    return parse_time(value)


def format_time(time: datetime | None) -> str | None:
    """As on the wire: ISO 8601, with ``Z`` for UTC."""
    if time is None:
        return None
    text = time.isoformat()
    return f"{text.removesuffix('+00:00')}Z" if text.endswith("+00:00") else text


def _number(value: Any) -> float | None:
    if _absent(value):
        return None
    try:
        number = float("nan" if isinstance(value, bool) else value)
    except (TypeError, ValueError):
        number = float("nan")
    if not isfinite(number):
        raise ValueError("a finite number, or null")
    return number


def _model_ids(value: Any) -> str:
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return ",".join(value)
    if not (_absent(value) or isinstance(value, str)):
        raise ValueError("name:version pairs, separated by commas")
    return "" if _absent(value) else value


RequiredText: TypeAlias = Annotated[str, BeforeValidator(_required_text)]
OptionalText: TypeAlias = Annotated[str | None, BeforeValidator(_optional_text)]
Text: TypeAlias = Annotated[str, BeforeValidator(_text)]
Version: TypeAlias = Annotated[str, BeforeValidator(_version)]
OptionalVersion: TypeAlias = Annotated[str, BeforeValidator(_optional_version)]
Time: TypeAlias = Annotated[datetime | None, BeforeValidator(_time), PlainSerializer(format_time)]
Number: TypeAlias = Annotated[float | None, BeforeValidator(_number)]
ModelIds: TypeAlias = Annotated[str, BeforeValidator(_model_ids)]
