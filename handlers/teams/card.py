"""The default Adaptive Card for an event, in the order of a mail: what happened, why, the facts, what to open.

Tables are hidden until the button "Details" shows them. Texts are in TextRuns: see handlers.teams.text. Everything is
in version 1.2 of the schema or older; Teams supports 1.5 (learn.microsoft.com, "Types of cards").
"""

from collections.abc import Iterable, Iterator
from typing import Any

from handlers.content.alerts import COMMAND
from handlers.content.button import Button
from handlers.content.fit import cut, fitted
from handlers.content.summary import Section, Summary, Tone
from handlers.teams.text import plain

# Bytes of a message. A flow can post "about 28 KB" (learn.microsoft.com/connectors/teams, known issues and
# limitations); the makers of msteams_hermes, a client for Teams, have measured that 21,000 are accepted.
MESSAGE_LIMIT = 21_000
VERSION = "1.4"

_STYLES: dict[Tone, str] = {"good": "good", "bad": "attention", "warning": "warning", "neutral": "accent"}
_DETAILS = "details"  # the id of the hidden part


def message_of(card: Any) -> dict[str, Any]:
    """The message that a flow of Workflows posts (learn.microsoft.com, "Create incoming webhooks with Workflows")."""
    content_type = "application/vnd.microsoft.card.adaptive"
    return {"type": "message", "attachments": [{"contentType": content_type, "contentUrl": None, "content": card}]}


def default_message(summary: Summary, history: Button | None = None) -> dict[str, Any]:
    """The message with the default card. `history` opens the app's page about the event."""
    return fitted(lambda longest: message_of(_card(cut(summary, longest), history)), MESSAGE_LIMIT)


def _card(summary: Summary, history: Button | None) -> dict[str, Any]:
    return {
        "type": "AdaptiveCard",
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "version": VERSION,
        "fallbackText": plain(summary.subject),
        "msteams": {"width": "Full"},
        "body": [*_body(summary)],
        "actions": [*_actions(summary, history)],
    }


def _body(summary: Summary) -> Iterator[dict[str, Any]]:
    headline = _text(summary.headline, size="Medium", weight="Bolder")
    yield {"type": "Container", "style": _STYLES[summary.tone], "bleed": True, "items": [headline]}
    yield from _lines(_text(line) for line in summary.lead)
    yield from _lines(_text(line, size="Small", isSubtle=True) for line in summary.notes)
    yield from _lines(
        _text(line, fontType="Monospace") if line.startswith(COMMAND) else _text(line) for line in summary.steps
    )
    if summary.facts:
        yield _text(" · ".join(summary.facts), size="Small", isSubtle=True)
    items = [item for section in summary.sections for item in _table(section)]
    if summary.log:
        title = _text(summary.log_title, size="Small", weight="Bolder")
        lines = (_text(line or " ", fontType="Monospace", size="Small") for line in summary.log)
        items = [title, *({**line, "spacing": "None"} for line in lines), *items]
    footer = _lines(_text(line, size="Small", isSubtle=True) for line in summary.footer)
    yield {"type": "Container", "id": _DETAILS, "isVisible": False, "separator": True, "items": [*items, *footer]}


def _lines(texts: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Texts that belong together, with little space between them."""
    for number, text in enumerate(texts):
        yield {**text, "spacing": "Small"} if number else text


def _table(section: Section) -> Iterator[dict[str, Any]]:
    yield _text(section.title, size="Small", weight="Bolder")
    for name, value in section.rows:
        columns = [_column(1, _text(name, isSubtle=True)), _column(2, _text(value))]
        yield {"type": "ColumnSet", "spacing": "Small", "columns": columns}


def _column(width: int, text: dict[str, Any]) -> dict[str, Any]:
    return {"type": "Column", "width": width, "items": [text]}


def _text(text: str, **style: Any) -> dict[str, Any]:
    return {"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": plain(text), **style}]}


def _actions(summary: Summary, history: Button | None) -> Iterator[dict[str, Any]]:
    for button in dict.fromkeys((summary.button, history)):
        if button:
            yield {"type": "Action.OpenUrl", "title": button.label, "url": button.url}
    yield {"type": "Action.ToggleVisibility", "title": "Details", "targetElements": [_DETAILS]}
