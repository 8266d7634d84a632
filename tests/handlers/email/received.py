"""A mail as its recipients get it, its HTML as a browser reads it, and what must hold for a mail about any event."""

import unicodedata
from dataclasses import dataclass
from html.parser import HTMLParser

FORBIDDEN_TAGS = {"script", "img", "form", "style", "iframe", "link", "object", "input", "base"}


class Page(HTMLParser):
    """An HTML part, parsed: its tags with their attributes, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(str(html))
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    @property
    def links(self) -> list[str | None]:
        return [attributes.get("href") for tag, attributes in self.tags if tag == "a"]


@dataclass
class ReceivedMail:
    """A mail as it arrived, over SMTP or over Azure."""

    recipients: set[str]
    subject: str
    text: str
    html: str


def is_visible(line: str) -> bool:
    """Is the text on one line, without characters that hide or reorder the rest of it?"""
    hidden = {chr(code) for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))}
    return not any(unicodedata.category(c) in {"Cc", "Cs", "Zl", "Zp"} or c in hidden for c in line)


def assert_harmless_mail(mail: ReceivedMail) -> None:
    """Assert that a mail has one recipient, and that the event added no markup and no control characters."""
    assert mail.recipients == {"ml-team@example.com"}
    assert len(mail.subject) <= 200
    assert is_visible(mail.subject)
    for part in (mail.text, mail.html):
        assert not set(part) & {*map(chr, range(0xD800, 0xE000)), "\x00", "\x1b", "\u202e", "\u2066", "\r"}
    page = Page(mail.html)
    assert not {tag for tag, _ in page.tags} & FORBIDDEN_TAGS
    attributes = {name for _, found in page.tags for name in found}
    assert not {name for name in attributes if name.startswith("on")}
    assert {"src", "action"}.isdisjoint(attributes)
    assert all(link and link.startswith(("https://", "http://")) for link in page.links)
