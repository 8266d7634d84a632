"""Texts from events are shown in Slack as they are."""

import pytest

from handlers.slack.text import escaped, link
from tests.handlers.content.hostile import HOSTILE


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_no_text_has_control_characters_of_slack(text: str) -> None:
    found = escaped(text)
    assert not {"<", ">"} & set(found)
    assert all(found.startswith(("&amp;", "&lt;", "&gt;"), at) for at, letter in enumerate(found) if letter == "&")


def test_only_three_letters_are_escaped() -> None:
    assert escaped("a & <b> 'c' \"d\" é &amp;") == "a &amp; &lt;b&gt; 'c' \"d\" é &amp;amp;"


@pytest.mark.parametrize(
    ("text", "limit", "cut"),
    [
        ("abcd", 4, "abcd"),
        ("abcde", 4, "abc…"),
        ("a&b", 7, "a&amp;b"),
        ("a&bc", 7, "a&amp;…"),
        ("a&bc", 6, "a…"),
        ("<<", 3, "…"),
        ("", 3, ""),
    ],
)
def test_entities_count_and_are_not_cut(text: str, limit: int, cut: str) -> None:
    assert escaped(text, limit) == cut
    assert len(cut) <= limit


def test_link_ends_where_it_should() -> None:
    assert link("a|b>", "https://x.example/?a=1&b=|>") == "<https://x.example/?a=1&amp;b=%7C&gt;|a b&gt;>"
