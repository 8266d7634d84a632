"""Rules that somebody has paused: their actions wait, and nothing is dropped.

The rows of pauses are read together with those of throttles, so that a pause costs no request of its own, and all
workers know of it within ten seconds.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

from dispatch.inbox.shared_state import SharedState, hashed
from dispatch.inbox.throttles import Throttles

EVERY_RULE = ""  # stands for all rules of rules files; alerts are never paused with them

_PREFIX = "paused|"
_FOREVER = timedelta(days=3650)  # for which the row of a pause without an end is kept


@dataclass(frozen=True, slots=True)
class Pause:
    """Who paused a rule, and when. `until` is None if only `mlevents resume` ends it."""

    rule: str  # or EVERY_RULE
    by: str
    at: datetime
    until: datetime | None = None

    def __str__(self) -> str:
        what = "paused" if self.rule else "all rules are paused"
        end = f", until {self.until:%Y-%m-%d %H:%M:%S}" if self.until else ""
        return f"{what} by {self.by} since {self.at:%Y-%m-%d %H:%M:%S}{end} UTC"

    @classmethod
    def of(cls, value: dict[str, str], now: datetime) -> Self | None:
        """The pause in a value of shared state; None if it has ended."""
        if "by" not in value:
            return None
        until = datetime.fromisoformat(value["until"]) if value.get("until") else None
        if until is not None and until <= now:
            return None
        return cls(value["rule"], value["by"], datetime.fromisoformat(value["at"]), until)


@dataclass(frozen=True, slots=True)
class Pauses:
    """The pauses of one table. Methods raise StorageError."""

    shared: SharedState
    throttles: Throttles

    def of(self, rule: str, now: datetime) -> Pause | None:
        """The pause that keeps a rule's actions from running. Reads nothing but what `throttles` reads."""
        values = self.throttles.values(now)
        for name in (rule, EVERY_RULE):
            if (value := values.get(_name(name))) and (pause := Pause.of(value, now)):
                return None if name == EVERY_RULE and rule.startswith("-") else pause
        return None

    def all(self, now: datetime) -> list[Pause]:
        """The pauses now, with one request; that of all rules comes first."""
        found = (Pause.of(value, now) for value in self.shared.all(_PREFIX).values())
        return sorted((pause for pause in found if pause), key=lambda pause: pause.rule)

    def begin(self, pause: Pause) -> None:
        """Pause a rule, or all. A pause that the rule has is replaced."""
        until = pause.until.isoformat() if pause.until else ""
        value = {"rule": pause.rule, "by": pause.by, "at": pause.at.isoformat(), "until": until}
        keep = pause.until - pause.at if pause.until else _FOREVER
        self.shared.change(_name(pause.rule), lambda _: dict(value), pause.at, keep)

    def end(self, rule: str, by: str, now: datetime) -> Pause | None:
        """End the pause of a rule, or of all, and record who ended it; returns it, None if there is none."""
        [value] = [*self.shared.all(_name(rule)).values()] or [{}]
        pause = Pause.of(value, now)
        if pause:
            ended = {"rule": rule, "resumed_by": by, "resumed_at": now.isoformat()}
            self.shared.change(_name(rule), lambda _: ended, now)
        return pause


def _name(rule: str) -> str:
    return f"{_PREFIX}{hashed(rule)}"
