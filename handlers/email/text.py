"""Texts that came from an event, made fit for a subject line, a text and a page."""

import re

from markupsafe import Markup, escape

# What hides, reorders or breaks a text: control characters (not tab and newline), lone surrogates, noncharacters, and
# the bidirectional embeddings, overrides and isolates (Unicode Standard Annex 9, section 2).
_HARMFUL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff\u202a-\u202e\u2066-\u2069]")
_BREAK = re.compile("\r\n?|[\u2028\u2029\x85\x0b\x0c]")
_LINK = re.compile(r"https?://[^\s<>\"'`\\{}|^]+", re.IGNORECASE)
_AFTER_LINK = ".,;:!?)]*_"


def clean(text: str) -> str:
    """A text of several lines: line ends are newlines, and what could deceive or be refused is shown as U+FFFD."""
    return _HARMFUL.sub("\ufffd", _BREAK.sub("\n", text))


def one_line(text: str, limit: int) -> str:
    """A text on one line of at most `limit` characters: whatever is not to be seen becomes a space."""
    line = " ".join(_HARMFUL.sub(" ", _BREAK.sub(" ", text[: limit * 20])).split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def header(text: str, limit: int) -> str:
    """A text for a header: one line, in which nothing is an encoded word (RFC 2047).

    Mail programs would decode one, to whatever it holds, line ends too; Python's email package did so when it set a
    header, and added what followed as headers of their own (python/cpython#121650).
    """
    return one_line(text.replace("=?", "= ?"), limit)


def paragraphs(text: str) -> Markup:
    """A plain text as HTML: blank lines part paragraphs, lines stay lines, web addresses can be clicked."""
    blocks = (block for block in re.split(r"\n{2,}", text.strip("\n")) if block)
    return Markup("\n").join(Markup("<p>{}</p>").format(_lines(block)) for block in blocks)


def _lines(block: str) -> Markup:
    return Markup("<br>\n").join(_linked(line) for line in block.split("\n"))


def _linked(line: str) -> Markup:
    parts, end = [], 0
    for match in _LINK.finditer(line):
        url = match[0].rstrip(_AFTER_LINK)
        parts += [escape(line[end : match.start()]), Markup('<a href="{0}">{0}</a>').format(url)]
        end = match.start() + len(url)
    return Markup("").join([*parts, escape(line[end:])])
