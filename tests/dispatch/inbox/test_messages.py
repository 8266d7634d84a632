"""Messages of the queue of actions."""

import json

import pytest

from dispatch.inbox.keys import ActionId
from dispatch.inbox.messages import Message


def test_message_text_has_the_action_and_its_version() -> None:
    """Its text is what Message.parse reads."""
    message = Message(ActionId("2026-11-22", "00000000-ab", "mail-failed-runs"), 3)
    assert json.loads(str(message)) == {
        "schema": 1,
        "day": "2026-11-22",
        "event": "00000000-ab",
        "rule": "mail-failed-runs",
        "ticket": 3,
    }
    assert Message.parse(str(message)) == message


def test_a_message_can_carry_the_span_that_created_the_action() -> None:
    """Beside what earlier releases wrote, which read only the names that they know."""
    plain = Message(ActionId("undated", "e", "r"), 1)
    traced = plain._replace(traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
    assert json.loads(str(traced)) == json.loads(str(plain)) | {"traceparent": traced.traceparent}
    assert Message.parse(str(traced)) == traced
    assert Message.parse(str(plain)).traceparent == ""


@pytest.mark.parametrize("value", [None, 7, "", "x" * 55, ["00"], "00-0af7-b7ad-01"], ids=str)
def test_an_invalid_traceparent_does_not_invalidate_a_message(value: object) -> None:
    plain = Message(ActionId("undated", "e", "r"), 1)
    assert Message.parse(json.dumps(json.loads(str(plain)) | {"traceparent": value})) == plain


@pytest.mark.parametrize(
    "change",
    [
        {"rule": "a|b"},
        {"rule": ["r"]},
        {"event": ""},
        {"event": "e~"},
        {"day": None},
        {"day": "../x"},
        {"day": "2026-11-22\n"},
        {"day": "2026/11/22"},
        {"day": "２０２６-11-22"},
        {"day": "Undated"},
        {"day": "2" * 81},
        {"ticket": "x"},
        {"ticket": None},
        {"ticket": float("inf")},
        {"ticket": float("nan")},
    ],
    ids=str,
)
def test_foreign_message_raises_value_error(change: dict[str, object]) -> None:
    text = json.dumps({"day": "undated", "event": "e", "rule": "r", "ticket": 1})
    assert Message.parse(text) == Message(ActionId("undated", "e", "r"), 1)
    with pytest.raises(ValueError, match="not a message of this app"):
        Message.parse(json.dumps(json.loads(text) | change))


@pytest.mark.parametrize(
    "text",
    ['{"day": "undated", "event": "e", "rule": "r", "ticket": 1e999}', "[" * 100_000, '{"a":' * 100_000, "9" * 5_000],
    ids=["infinity", "nested lists", "nested objects", "many digits"],
)
def test_message_that_breaks_the_json_parser_raises_value_error(text: str) -> None:
    """With any other error the host would deliver it ten times."""
    with pytest.raises(ValueError, match="not a message of this app"):
        Message.parse(text)
