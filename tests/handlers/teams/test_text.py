"""Texts from events in Adaptive Cards."""

import pytest
from markdown_it import MarkdownIt

from handlers.content.text import clean
from handlers.teams.text import plain, without_links
from tests.handlers.content.hostile import HOSTILE

MARKDOWN = MarkdownIt("commonmark", {"html": True})
FORBIDDEN = ("<a ", "<img", "<script", "<style", "<form", "<at", "<b>", "<h1>your", "</td>", "<!--")


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_text_in_markdown_adds_no_link_image_or_element(text: str) -> None:
    html = MARKDOWN.render(without_links(text)).lower()
    assert not [tag for tag in FORBIDDEN if tag in html]


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_text_stays_readable(text: str) -> None:
    for found in (plain(text), without_links(text)):
        assert found.replace("\N{WORD JOINER}", "") == clean(text)


def test_ordinary_text_is_unchanged() -> None:
    """People copy names from cards."""
    text = "brave_kiwi_t5 [x] (y) a < b * 2 {z} path/to-file_1.py https://ml.azure.com/runs/x?a=1"
    assert plain(text) == without_links(text) == text


@pytest.mark.parametrize("text", ["<at>x</at>", "<AT id=1>", "</at>", "{{DATE(2026-11-22T09:12:44Z)}}", "{{{{TIME("])
def test_functions_are_taken_apart(text: str) -> None:
    found = plain(text).lower()
    assert not [mark for mark in ("<at", "</at", "{{") if mark in found]
