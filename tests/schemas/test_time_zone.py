"""`time_zone`: which names of zones are valid, and what is suggested for the others."""

from datetime import UTC, datetime, timedelta

import pytest

from schemas import time_zone as module
from schemas.time_zone import suggested_zone, time_zone


def test_a_zone_has_its_offsets() -> None:
    berlin = time_zone("Europe/Berlin")
    assert datetime(2026, 1, 1, tzinfo=berlin).utcoffset() == timedelta(hours=1)
    assert datetime(2026, 7, 1, tzinfo=berlin).utcoffset() == timedelta(hours=2)
    assert time_zone("UTC") is UTC


@pytest.mark.parametrize(
    ("name", "suggestion"),
    [
        ("Europa/Berlin", "Did you mean Europe/Berlin?"),
        ("europe/berlin ", "Did you mean Europe/Berlin?"),
        ("Berlin", "Did you mean Europe/Berlin?"),
        ("new york", "Did you mean America/New_York?"),
        ("Pacific Standard Time", "Write an IANA name such as Europe/Berlin or UTC."),
        ("Europe", "Write an IANA name such as Europe/Berlin or UTC."),
        ("../../etc/passwd", "Write an IANA name such as Europe/Berlin or UTC."),
        ("localtime", "Write an IANA name such as Europe/Berlin or UTC."),
        ("posix/Europe/Berlin", "Did you mean Europe/Berlin?"),
        ("", "Write an IANA name such as Europe/Berlin or UTC."),
        ("Europe/Berlin\0", "Did you mean Europe/Berlin?"),
    ],
)
def test_an_unknown_name_is_refused_with_a_suggestion(name: str, suggestion: str) -> None:
    with pytest.raises(ValueError, match="time zone"):
        time_zone(name)
    assert suggested_zone(name) == suggestion


def test_a_machine_without_data_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "available_timezones", set)
    assert suggested_zone("Europe/Berlin") == "This machine has no time zone data: install the package tzdata."
