"""Make texts from an event safe for a header and an HTML page."""

import re

from markupsafe import Markup, escape

from handlers.content.text import one_line

# A web address, up to a delimiter and without punctuation at its end. jinja2's urlize will not do here: it also links
# mail addresses and domains without a scheme, and it links HTTPS://EXAMPLE.COM to https://HTTPS://EXAMPLE.COM.
_WEB_ADDRESS = re.compile(r"(https?://[^\s<>\"'`\\{}|^]*[^\s<>\"'`\\{}|^.,;:!?)\]*_])", re.IGNORECASE)


def header(text: str, limit: int) -> str:
    """The text for a header: one line of at most `limit` characters, without encoded words (RFC 2047).

    An encoded word can hide line ends. Python's email package decoded such words when it set a header, and added the
    lines after them as further headers (python/cpython#121650).
    """
    return one_line(text.replace("=?", "= ?"), limit)


def paragraphs(text: str) -> Markup:
    """A plain text as HTML: a paragraph per block between blank lines, a <br> per line end, and links."""
    parts = _WEB_ADDRESS.split(text.strip("\n"))  # other text and web addresses, which have no line ends, in turn
    escaped = [f'<a href="{part}">{part}</a>' if index % 2 else part for index, part in enumerate(map(escape, parts))]
    lines = "".join(escaped).replace("\n", "<br>\n")
    blocks = re.sub("(?:<br>\n){2,}", "</p>\n<p>", lines)
    return Markup(f"<p>{blocks}</p>" if blocks else "")  # noqa: S704 - every part is escaped
