"""`Backtest`: the events on record, tried with rules, and compared with a baseline or with what was done."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Set
from dataclasses import dataclass, field

from dispatch.inbox.history.records import StoredEvent
from dispatch.rules.rule import ALERTS
from mlevents.commands.backtest.simulation import Simulation
from schemas import Event, EventError
from schemas.alert import Alert

EXAMPLES = 3  # events that a report names


@dataclass(slots=True)
class Events:
    """A number of events, and the ids of the first ones that were read, which are the latest of their day."""

    count: int = 0
    examples: list[str] = field(default_factory=list)

    def add(self, id: str) -> None:
        """Count an event."""
        self.count += 1
        if len(self.examples) < EXAMPLES:
            self.examples.append(id)


@dataclass(slots=True)
class Difference:
    """The events on which a rule fires with one set of rules only."""

    newly: Events = field(default_factory=Events)
    no_longer: Events = field(default_factory=Events)


@dataclass
class Backtest:
    """Counts. Without a baseline, rules are compared with the actions on record."""

    rules: Simulation
    baseline: Simulation | None = None
    events: int = 0
    unreadable: int = 0
    done: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))  # by rule and status
    differences: defaultdict[str, Difference] = field(default_factory=lambda: defaultdict(Difference))

    def add(self, page: Iterable[StoredEvent]) -> None:
        """Try the events of a page. Alerts are no events for rules."""
        for stored in page:
            if stored.record.event_type == Alert.__name__:
                continue
            self.events += 1
            try:
                event = stored.record.event
            except EventError:
                self.unreadable += 1
            else:
                self._try(event, stored)

    def _try(self, event: Event, stored: StoredEvent) -> None:
        actions = {rule: row for rule, row in stored.actions.items() if not rule.startswith(ALERTS)}
        for rule, row in actions.items():
            self.done[rule][str(row.values.get("status", "unknown"))] += 1
        fired, unknown = self.rules.try_event(event, stored)
        before: Set[str] = actions.keys()
        if self.baseline:
            before, more = self.baseline.try_event(event, stored)
            unknown |= more
        for name in (fired - before) - unknown:
            self.differences[name].newly.add(stored.record.id)
        for name in (before - fired) - unknown:
            self.differences[name].no_longer.add(stored.record.id)

    @property
    def names(self) -> list[str]:
        """The rules in the order of their files, then those that are in the baseline or on record only."""
        known = [*self.rules.rules.by_name, *sorted(self.baseline.rules.by_name if self.baseline else ())]
        return list(dict.fromkeys([*known, *sorted(self.done)]))

    @property
    def errors(self) -> int:
        """The number of actions for which a template fails, or the handler has a defect."""
        return sum(tally.errors.count for tally in self.rules.tallies.values())
