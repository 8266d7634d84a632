"""Texts from events in headers, plain texts and HTML pages."""

import pytest

from handlers.email.text import clean, one_line, paragraphs
from tests.handlers.email.received import Page
from tests.kit.cost import calls_of


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


def test_blank_lines_separate_paragraphs() -> None:
    """Text that looks like the markup stays text."""
    expected = "<p>a<br>\nb &lt;br&gt;</p>\n<p>c&lt;br&gt;<br>\n&lt;br&gt;</p>\n<p>d</p>"
    assert paragraphs("\na\nb <br>\n\nc<br>\n<br>\n\n\n\nd\n\n") == expected
    assert paragraphs("\n\n") == ""


def test_many_paragraphs_are_formatted_at_once() -> None:
    """200,000 characters of short paragraphs took more than a second, each with calls of its own."""
    assert calls_of(lambda: paragraphs("a\n\n" * 10_000)) == calls_of(lambda: paragraphs("a\n\n" * 10))
