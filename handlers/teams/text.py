"""Make texts from an event safe for an Adaptive Card.

Teams on a computer reads Markdown as CommonMark says, and Teams on a phone by a parser of its own, in which a backslash
does not keep ``[text](url)`` from becoming a link (microsoft/AdaptiveCards, source/shared/cpp/ObjectModel,
MarkDownBlockParser.cpp). Default cards therefore have texts in TextRuns, which know no Markdown. In cards of one's own,
a word joiner, which is invisible, separates the characters that would be a link together.
"""

import re

from handlers.content.text import clean

_JOINER = "\N{WORD JOINER}"
# A mention, and a date function such as {{DATE(2026-11-22T09:12:44Z)}}: TextRuns know the second one, too.
_FUNCTION = re.compile(r"<(?=/?at\b)|\{(?=\{)", re.IGNORECASE)
# The middle of [text](url), ![text](url), [text][name] and [name]: url; the beginning of <https://...>.
_LINK = re.compile(r"\](?=[(\[:])|<(?=[\w/!?])")


def plain(text: str) -> str:
    """The text for a TextRun: it calls nobody, and no function."""
    return _FUNCTION.sub(_apart, clean(text))


def without_links(text: str) -> str:
    """The text for a TextBlock or a Fact, which read Markdown: it adds no link, image or mention."""
    return _LINK.sub(_apart, plain(text))


def _apart(match: re.Match[str]) -> str:
    return match[0] + _JOINER
