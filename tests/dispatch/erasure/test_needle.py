"""A name is found whole, in any case, in each spelling of texts."""

import json

import pytest

from dispatch.erasure.needle import ERASED, Needle, texts_of
from dispatch.inbox.rows import packed
from dispatch.inbox.tables import Row

ALICE = "alice@example.com"


@pytest.mark.parametrize(
    "text",
    [
        "to alice@example.com.",
        "Alice@Example.COM",
        '{"owner": "\\nalice@example.com"}',
        '{"alice@example.com": 1}',
        '{"message": "{\\"to\\": [\\"alice@example.com\\"]}"}',
        '["alice\\u0040example.com"]',
        "https://x/?u=alice%40example.com",
        "<p>alice&#64;example.com</p>",
        "<alice@example.com>",
    ],
)
def test_address_is_found(text: str) -> None:
    assert Needle(ALICE).is_in(text)


@pytest.mark.parametrize(
    "text",
    ["malice@example.com", "jim.alice@example.com", "alice@example.com.au", "alice@example.commerce", "{", "", "100%"],
)
def test_address_of_another_is_not_found(text: str) -> None:
    assert not Needle(ALICE).is_in(text)


def test_name_is_found_in_its_address_and_with_its_version() -> None:
    assert Needle("alice").is_in("mailed alice@example.com")
    assert Needle("churn").is_in("churn:7")
    assert Needle("brave_kiwi").is_in("runs/brave_kiwi")
    assert not Needle("churn").is_in("churn-2")
    assert not Needle("churn").is_in("my-churn")


def test_short_texts_are_refused() -> None:
    with pytest.raises(ValueError, match="'al' is too short"):
        Needle("al")


def test_payloads_are_read_whatever_their_size() -> None:
    long = json.dumps({"owner": ALICE, "rest": [str(number) for number in range(10_000)]})
    row = Row("k", packed(long))
    assert "raw0" in row.values
    assert Needle(ALICE).is_in_row(row)
    assert list(texts_of(Row("k", {"raw0": b"damaged", "n": 1}))) == []


def test_replacing_keeps_json() -> None:
    inner = json.dumps({"alice@example.com": ["ALICE@example.com", 1, None]})
    text = Needle(ALICE).replaced(json.dumps({"value": inner, "other": "malice@example.com"}))
    value = json.loads(text)
    assert json.loads(value["value"]) == {ERASED: [ERASED, 1, None]}
    assert value["other"] == "malice@example.com"
    assert Needle(ALICE).replaced("nothing") == "nothing"
