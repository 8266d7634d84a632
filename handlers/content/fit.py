"""Fit a message into the size that a service accepts: the longest texts are cut first, and the message says so."""

import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, TypeVar

from handlers.base import GiveUp, shorten
from handlers.content.summary import Section, Summary

T = TypeVar("T")

NOTE = "Shortened, because it was too long"

_LENGTHS = (None, 4_000, 2_000, 1_000, 500, 250, 120, 60, 30)  # of the longest text, until the message fits
_HEADLINE = 100  # characters of a headline that stay
_FEWEST = 3  # lines or rows that stay
_PER_LINE = 12  # characters of the longest text for each line or row that stays
_TEXTS = frozenset({"text", "value", "title"})  # the members of a card or of blocks that people read


def fitted(build: Callable[[int | None], T], limit: int) -> T:
    """The first body of at most `limit` bytes that `build` returns.

    `build` gets the number of characters to which it cuts the texts; None: it cuts none. Raises GiveUp if no body fits.
    """
    for longest in _LENGTHS:
        body = build(longest)
        size = len(json.dumps(body))  # in ASCII: no other encoding of the same JSON has more bytes
        if size <= limit:
            return body
    raise GiveUp(f"the message has {size:,} bytes although its texts are cut; at most {limit:,} are allowed")


def cut(summary: Summary, longest: int | None) -> Summary:
    """The summary with texts of at most `longest` characters, and with fewer lines and rows if that is short."""
    if longest is None:
        return summary
    count = max(_FEWEST, longest // _PER_LINE)

    def lines(texts: Iterable[str]) -> tuple[str, ...]:
        return tuple(shorten(text, longest) for text in tuple(texts)[:count])

    def section(whole: Section) -> Section:
        return Section(whole.title, tuple((shorten(n, longest), shorten(v, longest)) for n, v in whole.rows[:count]))

    return replace(
        summary,
        subject=shorten(summary.subject, max(longest, _HEADLINE)),
        headline=shorten(summary.headline, max(longest, _HEADLINE)),
        lead=lines(summary.lead),
        steps=lines(summary.steps),
        facts=lines(summary.facts),
        log=tuple(shorten(line, longest) for line in summary.log[-count:]),
        notes=lines(summary.notes),
        sections=tuple(map(section, summary.sections)),
        footer=(NOTE, *summary.footer),
    )


def cut_texts(body: Any, longest: int | None) -> Any:
    """A copy of a card or of blocks with texts of at most `longest` characters."""
    match body:
        case dict():
            return {
                name: shorten(value, longest)
                if longest and name in _TEXTS and isinstance(value, str)
                else cut_texts(value, longest)
                for name, value in body.items()
            }
        case list():
            return [cut_texts(item, longest) for item in body]
    return body
