"""What a message says about several events, for which one action is carried out: how many, of what kind, and why."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from handlers.content.reason import reason_in_short
from handlers.content.text import one_line
from schemas import Event, EventError, parse_event
from schemas.events.base import ADDED, FACT_NAMES, Rows, short_name

_WORDS = re.compile("[A-Z][a-z]*")
_KINDS = 5  # kinds of events, and reasons, that are listed


@dataclass(frozen=True, slots=True)
class Many:
    """The parts of a message about several events. Texts are not bounded yet."""

    where: str  # the workspace, or how many there are
    headline: str
    lead: tuple[str, ...]
    facts: tuple[str, ...]
    sections: tuple[tuple[str, Rows], ...]  # titles and rows
    is_bad_news: bool


@dataclass(frozen=True, slots=True)
class _One:
    """One of the events, as a message lists it."""

    view: Mapping[str, Any]
    event: Event | None  # None: the view, which is cut, can no longer be read

    @classmethod
    def of(cls, view: Mapping[str, Any]) -> "_One":
        own = {name: value for name, value in view.items() if name not in (*ADDED, *FACT_NAMES)}
        with suppress(EventError):
            return cls(view, parse_event(own))
        return cls(view, None)

    @property
    def kind(self) -> tuple[str, str]:
        """What happened, in words for one such event and for several: ``run failed``, ``runs failed``."""
        if result := self.view.get("result"):
            ended = "was skipped", "were skipped"
            one, several = ended if result["status"] == "skipped" else (result["status"],) * 2
            return f"action of {result['rule']} {one}", f"actions of {result['rule']} {several}"
        *noun, verb = _WORDS.findall(str(self.view.get("eventType", "")).rpartition(".")[2]) or ["Happened"]
        if status := str((self.view.get("data") or {}).get("runStatus") or ""):
            noun, verb = ["run"], f"became {status}" if re.search("[A-Z]", status[1:]) else status.lower()
        words = one_line(" ".join(noun).lower() or "event", 60)
        return f"{words} {one_line(verb.lower(), 60)}", f"{words}s {one_line(verb.lower(), 60)}"

    @property
    def reason(self) -> str:
        """Why, in a few words; empty if it is not known."""
        if result := self.view.get("result"):
            return one_line(result["summary"], 120)
        run = self.view.get("run") or {}
        error = run.get("error") or {}
        return reason_in_short(error.get("message"), run.get("log_tail"), error.get("code"))

    @property
    def workspace(self) -> str:
        """The name of its workspace."""
        return str((self.view.get("workspace") or {}).get("name", ""))

    @property
    def name(self) -> str:
        """Its object; of a model, with the version."""
        name = str(self.view.get("object", ""))
        label = self.event.label if self.event else ""
        return short_name(label if label.startswith(f"{name}:") else name)

    def time(self, first: Event) -> str:
        """Its time in the zone of the readers."""
        with suppress(ValueError, TypeError):
            time = datetime.fromisoformat(str(self.view.get("eventTime")))
            return f"{time.astimezone(first.time_zone):%Y-%m-%d %H:%M}"
        return ""


def many_of(event: Event) -> Many | None:
    """What a message says about all events of a window; None if the event is the only one."""
    views: Sequence[Mapping[str, Any]] = event.added("events") or ()
    if len(views) < 2:
        return None
    each = [_One.of(view) for view in views]
    kinds, reasons = Counter(one.kind for one in each), Counter(filter(None, (one.reason for one in each)))
    workspaces = dict.fromkeys(one.workspace for one in each)
    where = next(iter(workspaces)) if len(workspaces) == 1 else f"{len(workspaces)} workspaces"
    whole = _number(kinds.most_common(1)[0][0], len(each)) if len(kinds) == 1 else f"{len(each)} events"
    headline = f"{whole} in {where}"
    if len(reasons) == 1 and reasons.total() == len(each):
        headline += f": {next(iter(reasons))}"
    lead = [_number(kind, count) for kind, count in kinds.most_common(_KINDS)] if len(kinds) > 1 else []
    if (others := len(kinds) - _KINDS) > 0:
        lead.append(f"and {others} other kinds of events")
    times = [time for one in each if (time := one.time(event))]
    return Many(
        where=where,
        headline=headline,
        lead=tuple(lead),
        facts=_span(times, event),
        sections=(
            ("Reasons", _reasons(reasons, len(each)) if len(reasons) > 1 or reasons.total() < len(each) else ()),
            ("Events", tuple(_row(one, event, kinds, reasons, workspaces) for one in each)),
        ),
        is_bad_news=any(one.event.is_bad_news for one in each if one.event)
        or any((one.view.get("result") or {}).get("status") == "failed" for one in each),
    )


def _number(kind: tuple[str, str], count: int) -> str:
    return f"{count} {kind[0] if count == 1 else kind[1]}"


def _reasons(reasons: Counter[str], count: int) -> Rows:
    """How many events have each of the most frequent reasons. Without any, nothing is known."""
    if not reasons:
        return ()
    rows: list[tuple[str, Any]] = [(str(number), reason) for reason, number in reasons.most_common(_KINDS)]
    others = reasons.total() - sum(number for _, number in reasons.most_common(_KINDS))
    rows += [(str(others), "other reasons")] if others else []
    unknown = count - reasons.total()
    return (*rows, (str(unknown), "unknown")) if unknown else tuple(rows)


def _row(
    one: _One, first: Event, kinds: Mapping[Any, int], reasons: Mapping[str, int], workspaces: Iterable[str]
) -> tuple[str, Any]:
    """The event's object, and what distinguishes it from the others."""
    details = (
        one.kind[0] if len(kinds) > 1 else "",
        one.workspace if len([*workspaces]) > 1 else "",
        one.reason if len(reasons) > 1 else "",
        one.time(first),
    )
    return one.name, " · ".join(filter(None, details))


def _span(times: Sequence[str], event: Event) -> tuple[str, ...]:
    """From when to when, in the time zone of the readers."""
    if not times:
        return ()
    zone = event.event_time.astimezone(event.time_zone).strftime("%Z") if event.event_time else ""
    first, last = min(times), max(times)
    if first == last:
        return (f"{first} {zone}".strip(),)
    end = last.partition(" ")[2] if first[:10] == last[:10] else last
    return (f"{first} to {end} {zone}".strip(),)
