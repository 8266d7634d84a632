"""`Memory`: what the watch has seen, in shared state, and the events that follow from it, until they are raised.

One write records that something was seen together with its events (an outbox); only then are they raised, and then
removed. So each change is decided by one watcher, and whatever dies in between, its events are raised, once: raising an
event again changes nothing, because its id is stored with it.
"""

import json
import zlib
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeAlias

from dispatch.app import App
from dispatch.inbox.shared_state import hashed
from dispatch.receive import receive

KEEP = timedelta(days=60)  # for which what was seen is kept without a change
REFRESH = timedelta(days=20)  # after which it is written again, so that it is kept
MOST = 20  # changes that one write records
FULL = 18_000  # characters of what was seen, compressed; a property holds 32 Ki
FULL_OUTBOX = 13_000  # characters of events that are about to be raised, compressed, beside what was seen

Wire: TypeAlias = dict[str, Any]  # of an event
Known: TypeAlias = dict[str, Any]  # plain data by the name of what was seen


@dataclass(frozen=True, slots=True)
class Step:
    """What is known after a look, and the events that follow from what has changed. `more`: not all fits one write."""

    known: Known
    events: Sequence[Wire] = ()
    more: bool = False


# From what is known, or None at the first look, to what is known now.
Compare: TypeAlias = Callable[[Known | None], Step]


@dataclass(frozen=True, slots=True)
class Memory:
    """The memory of one thing, such as the versions of a model, by its name in shared state."""

    app: App
    name: str

    @classmethod
    def of(cls, app: App, kind: str, *parts: str) -> "Memory":
        """The memory of a kind of thing. The parts, which identify it, can be of any length."""
        return cls(app, f"watched|{kind}|{hashed(*parts)}")

    def known(self) -> Known | None:
        """What is known; None if it was never looked at."""
        value = self.app.inbox.shared.all(self.name).get(self.name)
        return None if value is None or "known" not in value else unpacked(value["known"])

    def observe(self, compare: Compare, looked: datetime) -> int:
        """Record what was seen in a look that began at a time, and raise what follows; returns the number of events.

        What an earlier look left unraised is raised first. A look that began before the last one that was recorded is
        dropped: it may have seen an older state. Raises StorageError.
        """
        raised = 0
        while True:
            outcome = _Outcome()
            self.app.inbox.shared.change(self.name, _update(compare, looked, outcome), self.app.now(), KEEP)
            for event in outcome.outbox:
                receive(json.dumps(event), self.app)
            if outcome.outbox:
                self._sent([event["id"] for event in outcome.outbox])
            raised += len(outcome.outbox)
            if not outcome.more:
                return raised

    def _sent(self, ids: Sequence[str]) -> None:
        def remove(value: dict[str, str]) -> dict[str, str]:
            outbox = unpacked(value["outbox"])["events"] if "outbox" in value else []
            left = [event for event in outbox if event["id"] not in ids]
            if len(left) == len(outbox):
                return value
            rest = {key: text for key, text in value.items() if key != "outbox"}
            return {**rest, "outbox": packed({"events": left})} if left else rest

        self.app.inbox.shared.change(self.name, remove, self.app.now(), KEEP)


@dataclass(slots=True)
class _Outcome:
    outbox: list[Wire] = field(default_factory=list)
    more: bool = False


def _update(compare: Compare, looked: datetime, outcome: _Outcome) -> Callable[[dict[str, str]], dict[str, str]]:
    def update(value: dict[str, str]) -> dict[str, str]:
        outcome.outbox, outcome.more = [], False
        if "outbox" in value:  # of a watcher that died, or that is about to raise them
            outcome.outbox, outcome.more = unpacked(value["outbox"])["events"], True
            return value
        at = datetime.fromisoformat(value["at"]) if "at" in value else None
        if at and looked < at:
            return value
        known = unpacked(value["known"]) if "known" in value else None
        step = compare(known)
        if step.known == known and not step.events and at and looked - at < REFRESH:
            return value
        after = {"at": looked.isoformat(), "known": packed(step.known)}
        if step.events:
            outcome.outbox, outcome.more = [*step.events], step.more
            after["outbox"] = packed({"events": outcome.outbox})
        return after

    return update


def packed(value: Mapping[str, Any]) -> str:
    """Plain data as a compressed text without characters that JSON escapes."""
    raw = json.dumps(value, separators=(",", ":"), sort_keys=True).encode()
    return b64encode(zlib.compress(raw, 9)).decode()


def unpacked(text: str) -> dict[str, Any]:
    """The data that `packed` has written."""
    return dict(json.loads(zlib.decompress(b64decode(text))))


def fits(value: Mapping[str, Any], full: int = FULL) -> bool:
    """Can shared state hold this?"""
    return len(packed(value)) <= full


def as_many_as_fit(events: Sequence[Wire]) -> Sequence[Wire]:
    """The first events, as many as one write can record: at least one, which `bounded` has cut."""
    count = min(len(events), MOST)
    while count > 1 and not fits({"events": events[:count]}, FULL_OUTBOX):
        count -= 1
    return events[:count]


def bounded(event: Wire, log: Callable[[str], None]) -> Wire:
    """The event without its largest texts by name, if no write could record it otherwise with a second one."""
    names = [name for name, value in event["data"].items() if isinstance(value, dict)]
    for name in sorted(names, key=lambda name: len(packed(event["data"][name])), reverse=True):
        if fits({"events": [event]}, FULL_OUTBOX // 2):
            break
        log(f"{event['subject']}: {name} is left out, because it is too large")
        event = {**event, "data": {**event["data"], name: {}}}
    return event
