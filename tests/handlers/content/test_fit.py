"""Messages are cut until they fit: the longest texts first."""

import pytest

from handlers.base import GiveUp
from handlers.content.fit import NOTE, cut, cut_texts, fitted
from tests.handlers.content.cases import CASES, summary_of


def test_message_that_fits_is_not_cut() -> None:
    assert fitted(lambda longest: cut_texts({"text": "x" * 5_000}, longest), 6_000) == {"text": "x" * 5_000}


def test_longest_texts_are_cut_first() -> None:
    body = {"body": [{"text": "x" * 5_000}, {"value": "y" * 100}], "url": "z" * 400}
    found = fitted(lambda longest: cut_texts(body, longest), 1_200)
    assert found == {"body": [{"text": "x" * 499 + "…"}, {"value": "y" * 100}], "url": "z" * 400}


def test_message_that_fits_with_no_text_fails() -> None:
    with pytest.raises(GiveUp, match="has 50,011 bytes although its texts are cut; at most 9,000 are allowed"):
        fitted(lambda longest: cut_texts({"url": "z" * 50_000}, longest), 9_000)


def test_size_is_that_in_ascii() -> None:
    """The longest encoding of JSON: a service may decode and encode it."""
    with pytest.raises(GiveUp, match="has 60 bytes"):
        fitted(lambda _: "\u6a21\u578b" * 4 + "\N{LARGE RED CIRCLE}"[:0] + "ab\u6a21"[:0] + "123456\n\n", 50)


@pytest.mark.parametrize("name", CASES)
def test_summary_without_a_limit_is_whole(name: str) -> None:
    assert cut(summary_of(name), None) == summary_of(name)


def test_summary_keeps_its_headline_and_says_that_it_is_cut() -> None:
    summary = summary_of("huge")
    found = cut(summary, 30)
    assert found.headline == summary.headline[:99] + "…"
    assert found.footer == (NOTE, *summary.footer)
    assert [len(section.rows) for section in found.sections] == [3, 3]
    assert all(len(text) <= 30 for section in found.sections for row in section.rows for text in row)


def test_more_rows_stay_where_texts_are_longer() -> None:
    assert [len(section.rows) for section in cut(summary_of("huge"), 120).sections] == [10, 10]
    assert len(cut(summary_of("huge alert"), 60).lead) == 5
