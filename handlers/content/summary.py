"""The default content of a message about an event, in the order of a reader's questions.

What happened (the heading); why, or with which result (the lead); where, who and when (the facts, on one line); what to
open (the button). Below that, and small, everything else that is known and no noise.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal, TypeAlias

from handlers.base import Action
from handlers.content.alerts import next_steps
from handlers.content.app import app_name, history_button
from handlers.content.button import Button, button_of
from handlers.content.drift import drift_headline, drift_lines, drift_rows
from handlers.content.known import Known, known_of
from handlers.content.many import Many, many_of
from handlers.content.result import FollowedResult, capitalized
from handlers.content.text import clean, one_line
from schemas import Event
from schemas.alert import Alert
from schemas.drift import BREACH_TAG

Tone: TypeAlias = Literal["good", "bad", "warning", "neutral"]
Row: TypeAlias = tuple[str, str]

HEADLINE_LIMIT = 200  # characters
_LEAD_LIMIT = 1_000  # characters of a line
_LINES_LIMIT = 25  # lines of the lead
_VALUE_LIMIT = 300  # characters of a value
_ROWS_LIMIT = 25  # rows of a section
_LOG_LINES, _LOG_WIDTH = 20, 500  # lines of a log, characters of a line
# Tags that Azure ML and MLflow set for their own use, in any spelling that Event Grid gives them.
_NOISE = re.compile(r"_?azureml[._]|mlflow\.|_aml_", re.IGNORECASE)
_PEOPLE = {"owner": "owner", "created_by": "by", "createdBy": "by", "mlflow.user": "by"}  # tags, and a word for each
_PUNCTUATION = re.compile(r"[(),.:]+(?=\s|$)|(?<=\s)\(")
_ARM_ID = re.compile(r"/subscriptions/[^/]+/resourceGroups/[^/]+/providers/[^/]+/(\S+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Section:
    """A table in a message, with its title."""

    title: str
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Summary:
    """What a message says. Each text is one line of bounded length."""

    tone: Tone
    subject: str
    headline: str
    lead: tuple[str, ...]
    steps: tuple[str, ...]
    facts: tuple[str, ...]
    button: Button | None
    sections: tuple[Section, ...]
    footer: tuple[str, ...]
    log: tuple[str, ...] = ()  # the last lines of a log: text of any program, to be shown in a monospaced font
    log_title: str = ""
    notes: tuple[str, ...] = ()  # what could not be read

    @property
    def preview(self) -> str:
        """What the list of mails shows after the subject; it does not repeat the subject."""
        return one_line(" ".join([*self.lead[:3], ", ".join(self.facts)]), 200)


def summarize(event: Event, action: Action, *, ask: bool = True) -> Summary:
    """Summarize an event, and the result that the rule follows, if it follows one.

    Without `ask`, the facts about the event's object are not asked for: for a message with a text of its own.
    """
    if many := many_of(event):
        return _of_many(event, action, many)
    workspace = event.added("workspace")
    alert = action.rule.startswith("-")  # no name in a rules file does
    result = FollowedResult.of(event.added("result"), event.about, alert=alert)
    drift = event.drift
    known = known_of(event) if ask and not result and not alert else Known()
    headline, lead = known.headline or event.headline, event.lead if known.lead is None else known.lead
    if result:
        headline, lead = result.headline, result.lead
    elif drift:
        headline, lead = drift_headline(drift), tuple(drift_lines(drift, event.time_zone))
    headline = one_line(capitalized(headline), HEADLINE_LIMIT)
    where = _app(event) if isinstance(event, Alert) else workspace["name"]
    return Summary(
        tone=_tone(event, result),
        subject=one_line(f"[{where}] {result.subject if result else known.subject or headline}", HEADLINE_LIMIT),
        headline=headline,
        lead=_bounded(lead),
        steps=_bounded(next_steps(event, action)),
        facts=tuple(
            line
            for fact in _facts(event, result, headline, known, alert=alert)
            if (line := one_line(fact, _VALUE_LIMIT))
        ),
        button=known.button or button_of(event, result),
        sections=tuple(_sections(event, result, headline, known)),
        footer=_footer(event, action),
        log=tuple(_log_line(line) for line in known.log.split("\n")[-_LOG_LINES:]) if known.log.strip() else (),
        log_title=one_line(known.log_title, 100),
        notes=tuple(one_line(note, _LEAD_LIMIT) for note in known.notes),
    )


def _of_many(event: Event, action: Action, many: Many) -> Summary:
    """Summarize all events of a window."""
    labels = event.added("workspace")["labels"]
    here = ", ".join(f"{name} {value}" for name, value in labels.items())
    facts = (f"{many.where} ({here})" if here and many.where == event.added("workspace")["name"] else "", *many.facts)
    headline = one_line(capitalized(many.headline), HEADLINE_LIMIT)
    return Summary(
        tone="bad" if many.is_bad_news else "good",
        subject=one_line(f"[{many.where}] {many.headline}", HEADLINE_LIMIT),
        headline=headline,
        lead=_bounded(many.lead),
        steps=(),
        facts=tuple(line for fact in facts if (line := one_line(fact, _VALUE_LIMIT))),
        button=history_button(event),
        sections=tuple(section for title, rows in many.sections if (section := _section(title, rows)).rows),
        footer=_footer(event, action),
    )


def _log_line(line: str) -> str:
    """A line of a log: its indentation stays."""
    text = clean(line.expandtabs(4)[: 2 * _LOG_WIDTH]).replace("\n", " ").rstrip()
    return text if len(text) <= _LOG_WIDTH else text[: _LOG_WIDTH - 1] + "…"


def _app(event: Event) -> str:
    """The app that speaks: of an alert, the one that raised it."""
    return (isinstance(event, Alert) and event.data.app) or app_name()


def _tone(event: Event, result: FollowedResult | None) -> Tone:
    if result:
        tones: Mapping[str, Tone] = {"succeeded": "good", "failed": "bad"}
        return tones.get(result.status, "neutral")
    if event.drift:
        return "warning"
    return "bad" if event.is_bad_news else "good"


def _bounded(lines: Iterable[str]) -> tuple[str, ...]:
    shown = islice(lines, _LINES_LIMIT)
    return tuple(line for text in shown if (line := one_line(text, _LEAD_LIMIT)))


def _facts(event: Event, result: FollowedResult | None, headline: str, known: Known, *, alert: bool) -> Iterator[str]:
    """Which rule, where, about what, who and when; the headline is not repeated."""
    if alert:
        yield f"app {_app(event)}"
    elif result:
        yield result.fact
    if not isinstance(event, Alert):
        workspace = event.added("workspace")
        labels = ", ".join(f"{name} {value}" for name, value in workspace["labels"].items())
        yield f"{workspace['name']} ({labels})" if labels else workspace["name"]
        names = event.object, event.about.partition(" ")[2]
        if not any(name and name.lower() in headline.lower() for name in names):
            yield event.about
    person = next(((word, name) for tag, word in _PEOPLE.items() if isinstance(name := event.tags.get(tag), str)), None)
    if person and person[1].strip():
        yield " ".join(person)
        yield from (fact for fact in known.facts if not fact.startswith("by "))
    else:
        yield from known.facts
    if event.event_time:
        yield f"{event.event_time.astimezone(event.time_zone):%Y-%m-%d %H:%M %Z}"


def _sections(event: Event, result: FollowedResult | None, headline: str, known: Known) -> Iterator[Section]:
    """The tables, without the empty ones."""
    said = f"{headline} {event.about.replace(':', ' ')} {event.added('workspace')['name']}"
    drift = drift_rows(event.drift) if event.drift else ()
    properties = {} if event.object_kind == "run" else event.properties
    for title, found in (
        ("Result", _unsaid(result.details.items(), said) if result else ()),
        *known.sections,
        ("Details", _unsaid([*event.rows, *drift, *known.rows], said)),
        ("Tags", _own(event.tags).items()),
        ("Properties", _own(properties).items()),
    ):
        section = _section(title, found)
        if section.rows:
            yield section


def _unsaid(rows: Iterable[tuple[str, Any]], said: str) -> list[tuple[str, Any]]:
    """The rows whose value is not among the words of `said`."""
    words = f" {_PUNCTUATION.sub(' ', said.lower())} "
    return [(name, value) for name, value in rows if f" {_text(value).lower()} " not in words]


def _own(tags: Mapping[str, Any]) -> Mapping[str, Any]:
    """The tags that people have set."""
    return {name: value for name, value in tags.items() if not _NOISE.match(name) and name.lower() != BREACH_TAG}


def _section(title: str, rows: Iterable[tuple[str, Any]]) -> Section:
    kept: list[Row] = []
    more = 0
    for name, value in rows:
        if value is None or value == "":
            continue
        if len(kept) >= _ROWS_LIMIT:
            more += 1  # an event can have 100,000 rows: format only those that are shown
        elif text := _short(one_line(_text(value), _VALUE_LIMIT)):
            kept.append((one_line(name, 100), text))
    return Section(title, (*kept, ("…", f"and {more} more")) if more else tuple(kept))


def _short(value: str) -> str:
    """The value without the beginning of an ARM id, which says nothing in a message about one workspace."""
    match = _ARM_ID.fullmatch(value)
    return match[1] if match else value


def _footer(event: Event, action: Action) -> tuple[str, ...]:
    source = f" ({action.source})" if action.source else ""
    kind = event.event_type.rpartition(".")[2]
    rule = "alerts" if action.rule.startswith("-") else f"rule {action.rule}"
    what = f"Alert {event.id}" if isinstance(event, Alert) else f"Event {kind} {event.id}"
    lines = f"Sent by {rule}{source} of {_app(event)}", what, f"Action {action.key}"
    return tuple(one_line(line, 200) for line in lines)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
