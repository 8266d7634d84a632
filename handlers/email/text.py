"""Make texts from an event safe for a header, a plain text and an HTML page."""

import re

from markupsafe import Markup, escape

# Characters that hide, reorder or break a text: control characters (except tab and newline), lone surrogates,
# noncharacters, and the bidirectional embeddings, overrides and isolates (Unicode Standard Annex 9, section 2).
_HARMFUL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff\u202a-\u202e\u2066-\u2069]")
_LINE_END = re.compile("\r\n?|[\u2028\u2029\x85\x0b\x0c]")
# A web address, up to a delimiter and without punctuation at its end. jinja2's urlize will not do here: it also links
# mail addresses and domains without a scheme, and it links HTTPS://EXAMPLE.COM to https://HTTPS://EXAMPLE.COM.
_WEB_ADDRESS = re.compile(r"(https?://[^\s<>\"'`\\{}|^]*[^\s<>\"'`\\{}|^.,;:!?)\]*_])", re.IGNORECASE)


def clean(text: str) -> str:
    """The text with newlines as line ends, and with U+FFFD in place of each harmful character."""
    return _HARMFUL.sub("\ufffd", _LINE_END.sub("\n", text))


def one_line(text: str, limit: int) -> str:
    """The text on one line of at most `limit` characters, with a space in place of line ends and harmful characters."""
    line = " ".join(_HARMFUL.sub(" ", _LINE_END.sub(" ", text[: limit * 20])).split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


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
