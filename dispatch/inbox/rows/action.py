"""The row of an action."""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal, Self, TypeAlias

from dispatch.inbox.rows.columns import SCHEMA, clean, fitting, json_text, read_result, written_result
from dispatch.inbox.tables import Row, Value
from dispatch.log import log_event
from handlers.base import Result

ENDED = ("succeeded", "skipped", "failed")

_FIRST, _LAST = 5, 20  # timeline entries that are kept: the first ones and the latest
_TIMELINE_NOTE = 200  # characters

Status: TypeAlias = Literal["pending", "running", "waiting", "succeeded", "skipped", "failed"]


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """One entry of an action's timeline."""

    at: datetime
    status: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class ActionRecord:
    """An action as stored. `due` is when it may be called; while it is running, when its lease runs out."""

    rule: str
    handler: str
    settings: str  # the hash of the rule's settings when the action was last called
    started: datetime
    due: datetime
    status: Status = "pending"
    message_version: int = 1  # messages of an older version are dropped; see Message
    attempts: int = 0  # calls since its handler last checked back, without those that a guard held
    failures: int = 0
    defects: int = 0  # consecutive failures with a programming error
    failing_since: datetime | None = None
    denied_since: datetime | None = None  # when consecutive errors with a max elapsed time of their own began
    throttled_since: datetime | None = None  # when consecutive throttling began
    rule_missing_since: datetime | None = None  # when a call first found no rules file with its rule
    crashes: int = 0  # of its workers, since its handler last checked back or failed
    requeued: int = 0  # messages that the sweep has sent since the last call
    replay_number: int = 0  # how often the event had been replayed when the action was opened
    checked_back: bool = False  # has its handler returned CheckBack? Then no guard stops it half-way
    state: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""
    details: Mapping[str, str] = field(default_factory=dict)
    timeline: tuple[TimelineEntry, ...] = ()
    follows: Result | None = None  # the result that it follows, for a rule with ``after``
    sent: int = 0  # the message version of the row with what it has sent last; see dispatch.inbox.history.sent
    facts: bool = False  # has it read facts that are kept beside the event? See dispatch.inbox.history.facts
    window: str = ""  # the window to which it belongs; see dispatch.inbox.windows
    leads: bool = False  # does it act for all events of that window? Then no guard skips it

    @property
    def ended(self) -> bool:
        """Has it succeeded, failed or been skipped?"""
        return self.status in ENDED

    @property
    def has_started(self) -> bool:
        """Has its handler checked back, or does it act for other events, too? Then no guard stops it half-way."""
        return self.checked_back or self.leads

    def then(self, at: datetime, **changes: Any) -> "ActionRecord":
        """The record after changes, with a new timeline entry."""
        status, note = changes.get("status", self.status), changes.get("note", self.note)
        timeline = (*self.timeline, TimelineEntry(at, status, note))
        if len(timeline) > _FIRST + _LAST:
            timeline = (*timeline[:_FIRST], *timeline[-_LAST:])
        return replace(self, **changes, timeline=timeline)

    def with_new_message(self) -> "ActionRecord":
        """The record with the next message version, so that every message that was sent before is dropped."""
        return replace(self, message_version=self.message_version + 1)

    def continuing(self, earlier: "ActionRecord") -> "ActionRecord":
        """The record with the timeline of an earlier one, whose messages are dropped from now on.

        An action that has led a window leads it again.
        """
        version = earlier.message_version + 1
        again = replace(
            self, message_version=version, timeline=earlier.timeline, sent=earlier.sent, facts=earlier.facts
        )
        return replace(again, window=earlier.window, leads=True) if earlier.leads and not self.leads else again

    def values(self) -> dict[str, Value]:
        """The values of its row."""
        return {
            "schema": SCHEMA,
            "rule": self.rule,
            "handler": self.handler,
            "settings": self.settings,
            "status": self.status,
            "started": self.started.isoformat(),
            "due": self.due.isoformat(),
            "ticket": self.message_version,
            "attempts": self.attempts,
            "failures": self.failures,
            "defects": self.defects,
            "failing_since": _stamp(self.failing_since),
            "denied_since": _stamp(self.denied_since),
            "throttled_since": _stamp(self.throttled_since),
            "orphaned_since": _stamp(self.rule_missing_since),
            "crashes": self.crashes,
            "requeued": self.requeued,
            "generation": self.replay_number,
            "begun": int(self.checked_back),
            "state": json.dumps(dict(self.state)),
            "note": clean(self.note),
            "details": json_text(fitting(self.details)),
            "timeline": json_text([[e.at.isoformat(), e.status, clean(e.note, _TIMELINE_NOTE)] for e in self.timeline]),
            "follows": written_result(self.follows),
            "sent": self.sent,
            "facts": int(self.facts),
            "window": self.window,
            "leads": int(self.leads),
        }

    @classmethod
    def read(cls, row: Row) -> Self | None:
        """Read a row; logs and returns None for a row of another version of the app."""
        try:
            if int(str(row.values["schema"])) <= SCHEMA:
                return cls.of(row)
            reason = f"its schema is {row.values['schema']!r}, and this version knows {SCHEMA}"
        except (LookupError, TypeError, ValueError) as error:
            reason = f"{type(error).__name__}: {error}"
        log_event("action.foreign", logging.WARNING, row=row.key, reason=reason)
        return None

    @classmethod
    def of(cls, row: Row) -> Self:
        """Read a row. Raises LookupError, TypeError or ValueError if another version of the app wrote it."""
        v = {name: str(value) for name, value in row.values.items()}
        return cls(
            rule=v["rule"],
            handler=v["handler"],
            settings=v["settings"],
            status=v["status"],  # type: ignore[arg-type]  # as `values` wrote it
            started=datetime.fromisoformat(v["started"]),
            due=datetime.fromisoformat(v["due"]),
            message_version=int(v["ticket"]),
            attempts=int(v.get("attempts", v["failures"])),
            failures=int(v["failures"]),
            defects=int(v.get("defects", "0")),
            failing_since=_time(v["failing_since"]),
            denied_since=_time(v["denied_since"]),
            throttled_since=_time(v.get("throttled_since", "")),
            rule_missing_since=_time(v.get("orphaned_since", "")),
            crashes=int(v["crashes"]),
            requeued=int(v.get("requeued", "0")),
            replay_number=int(v["generation"]),
            checked_back=v["begun"] == "1",
            state=json.loads(v["state"]),
            note=v["note"],
            details=json.loads(v["details"]),
            timeline=tuple(TimelineEntry(datetime.fromisoformat(at), *rest) for at, *rest in json.loads(v["timeline"])),
            follows=read_result(v["follows"]),
            sent=int(v.get("sent", "0")),
            facts=v.get("facts") == "1",
            window=v.get("window", ""),
            leads=v.get("leads") == "1",
        )


def _stamp(time: datetime | None) -> str:
    return time.isoformat() if time else ""


def _time(stamp: str) -> datetime | None:
    return datetime.fromisoformat(stamp) if stamp else None
