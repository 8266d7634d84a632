"""Texts from events in HTML pages."""

import pytest

from handlers.email.text import paragraphs
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


def test_blank_lines_separate_paragraphs() -> None:
    """Text that looks like the markup stays text."""
    expected = "<p>a<br>\nb &lt;br&gt;</p>\n<p>c&lt;br&gt;<br>\n&lt;br&gt;</p>\n<p>d</p>"
    assert paragraphs("\na\nb <br>\n\nc<br>\n<br>\n\n\n\nd\n\n") == expected
    assert paragraphs("\n\n") == ""


def test_many_paragraphs_are_formatted_at_once() -> None:
    """200,000 characters of short paragraphs took more than a second, each with calls of its own."""
    assert calls_of(lambda: paragraphs("a\n\n" * 10_000)) == calls_of(lambda: paragraphs("a\n\n" * 10))
