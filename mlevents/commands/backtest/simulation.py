"""`Simulation`: what the rules of a folder would have done with an event on record."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from dispatch.facts.kept import kept_source
from dispatch.inbox.history.records import StoredEvent
from dispatch.inbox.rows import ActionRecord
from dispatch.inbox.tables import Table
from dispatch.rules.rule import Rules
from dispatch.secrets import Secrets
from handlers.base import Result
from handlers.email.handler import Email
from mlevents.commands.backtest.guards import SimulatedGuards
from mlevents.firings import BadPlan, Firing, firings_of
from schemas import Event

MOST_RECIPIENTS = 1_000  # that are counted for a rule, each once


@dataclass(slots=True)
class Example:
    """How often something happened, with the first event and the reason."""

    count: int = 0
    event: str = ""
    reason: str = ""

    def add(self, event: str, reason: str) -> None:
        """Count it."""
        if not self.count:
            self.event, self.reason = event, reason
        self.count += 1


@dataclass(slots=True)
class Tally:
    """What a rule would have done. `unknown` are events on which it depends on an end that is not on record."""

    fires: int = 0
    unknown: int = 0
    errors: Example = field(default_factory=Example)  # templates that fail, and defects of handlers
    gives_up: Example = field(default_factory=Example)
    without_recipient: int = 0
    recipients: set[str] = field(default_factory=set)


@dataclass
class Simulation:
    """Tries rules on events, and counts. Nothing is carried out.

    A rule that follows another one follows the end that is on record; one that is in dry run is always skipped.
    """

    rules: Rules
    secrets: Secrets
    table: Table | None = None  # has the facts that are kept beside events
    contents: bool = True  # are plans made, too? The baseline needs none
    tallies: dict[str, Tally] = field(default_factory=dict)
    guards: dict[str, SimulatedGuards] = field(default_factory=dict)
    unlisted: int = 0  # events of workspaces that workspaces.yaml does not list

    def __post_init__(self) -> None:
        self.tallies = {name: Tally() for name in self.rules.by_name}
        found = {name: SimulatedGuards.of(rule.guards) for name, rule in self.rules.by_name.items()}
        self.guards = {name: guards for name, guards in found.items() if guards}

    def try_event(self, event: Event, stored: StoredEvent) -> tuple[set[str], set[str]]:
        """The names of the rules that would have acted on an event, and of those of which it is not known."""
        context, unknown = self.rules.context(event), set[str]()
        if self.table is not None:
            context = replace(context, facts=kept_source(self.table, stored))
        if context.workspace is None:
            self.unlisted += 1
            return set(), unknown

        def end_of(firing: Firing) -> Result | None:
            name = firing.rule.name
            if firing.is_dry_run:
                return Result(name, "skipped", "dry run")
            if end := recorded_end(stored, name):
                return end
            unknown.update(rule.name for rule in self.rules.followers(name))
            return None

        fired = set[str]()
        for firing in firings_of(self.rules, context, end_of):
            fired.add(firing.rule.name)
            self._count(firing, stored)
        unknown -= fired
        for name in unknown:
            self.tallies[name].unknown += 1
        return fired, unknown

    def _count(self, firing: Firing, stored: StoredEvent) -> None:
        name, tally = firing.rule.name, self.tallies[firing.rule.name]
        tally.fires += 1
        if guards := self.guards.get(name):
            guards.add(firing.context, stored.record.received)
        if not self.contents:
            return
        try:
            if isinstance(firing.rule.handler, Email):  # its default texts cannot fail, and take most of a plan's time
                _count_recipients(firing.sends(), tally)
            else:
                firing.plan()
        except BadPlan as error:
            reason = self.secrets.including(firing.rule.handler).mask(str(error))
            (tally.gives_up if error.gives_up else tally.errors).add(stored.record.id, reason)


def _count_recipients(mail: Mapping[str, str | tuple[str, ...]], tally: Tally) -> None:
    tally.without_recipient += not mail["to"]
    if len(tally.recipients) < MOST_RECIPIENTS:
        tally.recipients.update(address.lower() for name in ("to", "cc", "bcc") for address in mail[name])


def recorded_end(stored: StoredEvent, rule: str) -> Result | None:
    """How the action of a rule on an event ended; None if it is not on record, or has not ended."""
    row = stored.actions.get(rule)
    record = ActionRecord.read(row) if row else None
    return Result(rule, record.status, record.note, record.details) if record and record.ended else None
