"""Texts from events in headers, plain texts and HTML pages."""

import pytest

from handlers.email.text import clean, one_line, paragraphs
from tests.handlers.email.received import Page


@pytest.mark.parametrize(
    ("text", "links"),
    [
        ("see https://ml.azure.com/runs/x?a=1&b=2.", ["https://ml.azure.com/runs/x?a=1&b=2"]),
        ("(http://wiki.example.com/page)", ["http://wiki.example.com/page"]),
        ("HTTPS://EXAMPLE.COM/", ["HTTPS://EXAMPLE.COM/"]),
        ("https://a.example https://b.example", ["https://a.example", "https://b.example"]),
        ("javascript:alert(1)", []),
        ("javascript://https//x", []),
        ("data:text/html,x vbscript:x file:///etc/passwd", []),
        ("https://", []),
        ("https://...", []),
        ("evil.example.com www.example.com me@example.com mailto:me@example.com", []),
        ('https://e.example/"onclick="x', ["https://e.example/"]),
        ("https://e.example/<script>", ["https://e.example/"]),
    ],
)
def test_only_web_addresses_become_links(text: str, links: list[str]) -> None:
    """The text of each link is its address."""
    page = Page(paragraphs(text))
    assert page.links == links
    assert page.text == text
    assert {name for _, attributes in page.tags for name in attributes} <= {"href"}


def test_clean_keeps_harmless_characters() -> None:
    text = "Grüße\t模型 🚀 👩‍🔬\nעברית\n"
    assert clean(text) == text


def test_clean_replaces_harmful_characters_and_line_ends() -> None:
    assert clean("a\x00b\ud800c\u202ed\x1be\x7ff\x9bg") == "a\ufffdb\ufffdc\ufffdd\ufffde\ufffdf\ufffdg"
    assert clean("a\r\nb\rc\u2028d\x0be") == "a\nb\nc\nd\ne"


def test_one_line_has_at_most_limit_characters() -> None:
    assert one_line("abcdef", 4) == "abc…"
    assert one_line("a   b", 4) == "a b"
