"""`Reader`: reads the facts of one event, from the record or from the service. Imported at their first use."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from threading import Thread

from dispatch.facts.safe import made_safe
from dispatch.facts.source import Ask
from dispatch.inbox.errors import StorageError
from dispatch.inbox.history.facts import keep_facts, read_facts
from dispatch.inbox.keys import ActionId
from dispatch.inbox.tables import Table
from dispatch.log import log_event
from dispatch.secrets import Secrets
from schemas import Event
from schemas.facts import FACTS, Facts

SECONDS = 10.0  # for all facts of an action: a mail must not wait long for what it can go without
GRACE = 2.0  # seconds after which a request that does not end in its time is left alone


@dataclass
class Reader:
    """The facts of one event, each read once."""

    event: Event
    id: ActionId
    table: Table | None  # None: the facts are not kept
    ask: Ask
    secrets: Secrets
    now: Callable[[], datetime]
    is_kept: bool = False  # is a fact of this event in the record?
    _found: dict[str, Facts] = field(default_factory=dict)
    _spent: float = 0.0  # seconds

    def read(self, name: str) -> Facts:
        """The fact of this name: the kept one, or what the service says now. Raises nothing."""
        found = self._found.get(name)
        if found is None:
            found = self._found[name] = self._kept(name) or self._asked(name)
        return found

    def _kept(self, name: str) -> Facts | None:
        if self.table is None:
            return None
        try:
            kept = read_facts(self.table, self.id.day, self.id.event)
        except StorageError as error:
            log_event("facts.unread", logging.WARNING, **self._about(name, f"{error.reason}: {error}"))
            return None
        self._found = kept | self._found
        self.is_kept = self.is_kept or bool(kept)
        return self._found.get(name)

    def _asked(self, name: str) -> Facts:
        if not self.event.fact_id(name):
            return FACTS[name](missing=(f"the event names no {name}",))
        began, left = self.now(), SECONDS - self._spent
        facts = self._answer(name, left) if left > 0 else FACTS[name].without("no time was left", transient=True)
        self._spent += (self.now() - began).total_seconds()
        if reason := facts.unavailable or "; ".join(facts.missing):
            log_event("facts.missing", logging.WARNING, **self._about(name, reason))
        return facts if facts.transient else self._keep(name, facts)

    def _answer(self, name: str, within: float) -> Facts:
        """What the service says. A request that does not end is left to its thread, which ends with the process."""
        answers: list[Facts] = []

        def ask() -> None:
            try:
                answers.append(made_safe(self.ask(self.event, name, within), self.secrets.mask))
            except Exception as error:
                self.secrets.log_defect(f"asking for the {name} of event {self.event.id}", error)
                answers.append(FACTS[name].without(f"the app failed: {type(error).__name__}", transient=True))

        thread = Thread(target=ask, name=f"facts-{name}", daemon=True)
        thread.start()
        thread.join(within + GRACE)
        return answers[0] if answers else FACTS[name].without(f"no answer within {within:.0f} s", transient=True)

    def _keep(self, name: str, facts: Facts) -> Facts:
        if self.table is None:
            return facts
        try:
            kept = keep_facts(self.table, self.id.day, self.id.event, name, facts)
        except StorageError as error:
            log_event("facts.unkept", logging.WARNING, **self._about(name, f"{error.reason}: {error}"))
            return facts
        self.is_kept = True
        return kept

    def _about(self, name: str, reason: str) -> dict[str, str]:
        about = {"rule": self.id.rule, "event": self.event.id, "fact": name}
        return {**about, "reason": self.secrets.mask(reason)}
