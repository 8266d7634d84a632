"""The log of the app: the names and keys of its events are part of the interface."""

import logging

import pytest

from dispatch.log import log_event


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("churn-prod", "churn-prod"),
        (3, "3"),
        ("", '""'),
        ("two words", '"two words"'),
        ("a=b", '"a=b"'),
        ('"', '"\\""'),
        ("x\nevent.received id=forged", '"x\\nevent.received id=forged"'),
        ("\x1b[31m", '"\\u001b[31m"'),
        ("\u202egnp", '"\\u202egnp"'),
        ("\ud800", '"\\ud800"'),
    ],
)
def test_no_value_can_end_the_line_or_look_like_a_key(
    value: object, written: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "mlevents"):
        log_event("event.received", id=value)
    [record] = caplog.records
    assert record.getMessage() == f"event.received id={written}"
    assert vars(record)["mlevents"] == {"name": "event.received", "id": value}


def test_the_caller_sets_the_level(caplog: pytest.LogCaptureFixture) -> None:
    log_event("action.settled", logging.ERROR, status="failed")
    assert [(record.levelname, record.name) for record in caplog.records] == [("ERROR", "mlevents")]
