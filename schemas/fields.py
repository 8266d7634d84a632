"""The types of an event's fields. An invalid value raises a ValueError that describes what was expected.

The service, its documentation and the SDKs' samples disagree on types: model versions can be integers, and absent
values the text "null". Each type accepts every observed form, and converts it to one.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from math import isfinite
from typing import Annotated, Any, TypeAlias

from pydantic import BeforeValidator, PlainSerializer
from pydantic_core import CoreSchema, core_schema

TEXT = "a text that is not empty"
_TIME = "an ISO 8601 date and time such as 2026-11-22T09:00:00.1234567Z"
_DATE_LENGTH = len("2026-11-22")


def _required_text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError(TEXT)
    return value


def _absent(value: Any) -> bool:
    """Null, or the text "null", which the service reportedly writes, too (Azure/azure-rest-api-specs, PR 31182)."""
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
    """Read an ISO 8601 date and time, and convert it to UTC. Raises ValueError.

    A time without an offset is in UTC. Drops digits after the sixth of a second: Event Grid writes seven. A time keeps
    its offset if the UTC time would be outside of the years 1 to 9999.
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
    """Format a time as in an event: ISO 8601, with ``Z`` for UTC."""
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


@dataclass(frozen=True, slots=True)
class Canonical:
    """Metadata of a field: the values that need no conversion, for schemas/canonical.py.

    `verbatim`: a text is kept as the sender wrote it, except for one that stands for null. A validator of the field may
    refuse it, but must not change it. Event Grid then compares the same text as the rules.
    """

    schema: CoreSchema
    verbatim: bool = False


# Rust's regular expressions have no lookahead, and its white space differs from Python's. So these patterns accept
# fewer texts than the validators above, and only texts that those validators return unchanged.
TEXT_SCHEMA = core_schema.str_schema(strict=True, pattern="[!-~]")
NOT_NULL_SCHEMA = core_schema.str_schema(strict=True, pattern=r"(?s)\A(?:\z|[^n]|n[^u]|nu[^l]|nul[^l]|null.)")
_VERSION_OR_EMPTY = core_schema.str_schema(strict=True, pattern=r"\A\z|[!-~]")
_FINITE = core_schema.float_schema(strict=True, allow_inf_nan=False)

RequiredText: TypeAlias = Annotated[str, BeforeValidator(_required_text), Canonical(TEXT_SCHEMA, verbatim=True)]
OptionalText: TypeAlias = Annotated[
    str | None,
    BeforeValidator(_optional_text),
    Canonical(core_schema.nullable_schema(NOT_NULL_SCHEMA), verbatim=True),
]
Text: TypeAlias = Annotated[str, BeforeValidator(_text), Canonical(NOT_NULL_SCHEMA, verbatim=True)]
Version: TypeAlias = Annotated[str, BeforeValidator(_version), Canonical(TEXT_SCHEMA)]
OptionalVersion: TypeAlias = Annotated[str, BeforeValidator(_optional_version), Canonical(_VERSION_OR_EMPTY)]
Time: TypeAlias = Annotated[
    datetime | None,
    BeforeValidator(_time),
    PlainSerializer(format_time),
    Canonical(core_schema.no_info_plain_validator_function(_time)),
]
Number: TypeAlias = Annotated[float | None, BeforeValidator(_number), Canonical(core_schema.nullable_schema(_FINITE))]
ModelIds: TypeAlias = Annotated[str, BeforeValidator(_model_ids), Canonical(NOT_NULL_SCHEMA)]
