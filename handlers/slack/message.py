"""The default message for an event in Block Kit, in the order of a mail: what happened, why, the facts, what to open.

Links are texts and no buttons: Slack sends a request to the app's interactivity URL whenever somebody presses a button,
also one with a ``url``, and warns them if the app has none (docs.slack.dev, "Button element").
"""

from collections.abc import Iterable, Iterator
from typing import Any

from handlers.content.alerts import COMMAND
from handlers.content.button import Button
from handlers.content.fit import cut, fitted
from handlers.content.summary import Section, Summary, Tone
from handlers.slack.text import escaped, link

# Bytes of a message. Slack documents no limit for all blocks together, and answers msg_blocks_too_long to more than
# some 13,000 characters (slackapi/bolt-js#2509).
MESSAGE_LIMIT = 12_000
# Characters, from docs.slack.dev: "Text object", "Header block"; items: "Section block".
TEXT_LIMIT = 3_000
HEADER_LIMIT = 150
FIELDS_LIMIT = 10
_CELL_LIMIT = 900  # characters of a name or a value: a field has at most 2,000
_MARKUP = 100  # characters that are kept for marks around lines

_MARKS: dict[Tone, str] = {
    "good": "\N{LARGE GREEN CIRCLE}",
    "bad": "\N{LARGE RED CIRCLE}",
    "warning": "\N{LARGE ORANGE CIRCLE}",
    "neutral": "\N{LARGE BLUE CIRCLE}",
}


def default_message(summary: Summary, history: Button | None = None) -> dict[str, Any]:
    """The text for notifications, and the blocks. `history` opens the app's page about the event."""

    def build(longest: int | None) -> dict[str, Any]:
        shown = cut(summary, longest)
        return {"text": escaped(shown.subject, TEXT_LIMIT), "blocks": [*_blocks(shown, history)]}

    return fitted(build, MESSAGE_LIMIT)


def context(text: str) -> dict[str, Any]:
    """A block of small text."""
    return {"type": "context", "elements": [_mrkdwn(text)]}


def _blocks(summary: Summary, history: Button | None) -> Iterator[dict[str, Any]]:
    headline = f"{_MARKS[summary.tone]} {escaped(summary.headline, HEADER_LIMIT - 2)}"
    yield {"type": "header", "text": {"type": "plain_text", "text": headline, "emoji": False}}
    for lines in (summary.lead, summary.notes, summary.steps):
        if lines:
            yield {"type": "section", "text": _mrkdwn(_joined(lines))}
    if summary.facts:
        yield context(escaped(" · ".join(summary.facts), TEXT_LIMIT))
    if links := [link(button.label, button.url) for button in dict.fromkeys((summary.button, history)) if button]:
        yield {"type": "section", "text": _mrkdwn("   ".join(links))}
    yield {"type": "divider"}
    if summary.log:
        yield context(escaped(summary.log_title, TEXT_LIMIT))
        yield _preformatted(summary.log)
    yield from map(_table, summary.sections)
    yield context(escaped("\n".join(summary.footer), TEXT_LIMIT))


def _preformatted(lines: Iterable[str]) -> dict[str, Any]:
    """Lines of a log, in which Slack finds no marks, mentions or links (docs.slack.dev, "Rich text block")."""
    text = {"type": "text", "text": "\n".join(lines)[-TEXT_LIMIT:] or " "}
    return {"type": "rich_text", "elements": [{"type": "rich_text_preformatted", "elements": [text]}]}


def _joined(lines: Iterable[str]) -> str:
    text = escaped("\n".join(lines), TEXT_LIMIT - _MARKUP)
    return "\n".join(map(_line, text.split("\n")))


def _line(line: str) -> str:
    """A line; a command is code, in which a backtick would be its end."""
    return f"`{line.replace('`', chr(39))}`" if line.startswith(COMMAND) else line


def _table(section: Section) -> dict[str, Any]:
    rows = section.rows[:FIELDS_LIMIT]
    title = f"*{section.title}*" if len(rows) == len(section.rows) else f"*{section.title}*, the first {len(rows)}"
    fields = [_mrkdwn(f"{escaped(name, _CELL_LIMIT)}\n{escaped(value, _CELL_LIMIT)}") for name, value in rows]
    return {"type": "section", "text": _mrkdwn(title), "fields": fields}


def _mrkdwn(text: str) -> dict[str, Any]:
    """Text with marks, in which Slack makes no further links."""
    return {"type": "mrkdwn", "text": text, "verbatim": True}
