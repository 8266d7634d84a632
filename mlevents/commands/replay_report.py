"""What ``mlevents replay`` prints: a line for everything that it did, or all of it as JSON."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from dispatch.replay.deadletters import BlobResult
from dispatch.replay.redeliver import Ingested
from dispatch.replay.replay import Replayed
from mlevents.console import Console
from mlevents.findings import counted

# The status of a step -> its word and its style.
_STEPS = {
    "replayed": ("replayed", "success"),
    "created": ("new", "success"),
    "requeued": ("queued again", "warning"),
    "unchanged": ("left", "faint"),
    "refused": ("not replayed", "error"),
}
_EVENTS = {"new": "success", "duplicate": "faint", "rejected": "error"}


@dataclass
class Report:
    """Prints a line for everything that is done, and counts it. Keeps it, too, for JSON."""

    console: Console
    as_json: bool = False
    count: Counter[str] = field(default_factory=Counter)
    failed: bool = False  # True if something in the request was not done
    events: list[dict[str, Any]] = field(default_factory=list)  # these three only for JSON
    blobs: list[dict[str, Any]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def replayed(self, replayed: Replayed) -> None:
        """Print a line for the event, and one for each of its rules."""
        record = replayed.event.record
        time = f"{replayed.event.time:%Y-%m-%d %H:%M:%S}"
        self.console.print(f"{time}  {record.event_type}  {record.workspace}  {record.object}  {record.id}", indent=4)
        self.count["events"] += 1
        if self.as_json:
            about = {"id": record.id, "day": replayed.event.day, "key": replayed.event.key}
            self.events.append({**about, "actions": [step._asdict() for step in replayed.steps]})
        for step in replayed.steps:
            word, style = _STEPS[step.status]
            before = "before: " if step.status in ("replayed", "requeued") else ""  # the reason is the outcome so far
            self.console.print(f"    {step.rule:<30}  {word:<12}  {before}{step.reason}", style, indent=8)
            self.count[word] += 1
            self.failed = self.failed or step.status == "refused"

    def unmatched(self) -> None:
        """Count an event that matches no rule today."""
        self.count["events"] += 1
        self.count["match no rule"] += 1

    def accepted(self, event: Ingested, margin: str = "") -> None:
        """Print a line for an event that was rejected or dead-lettered."""
        words = (f"{event.status:<9}", event.event_type, event.object, event.id, event.reason)
        self.console.print(margin + "  ".join(word for word in words if word), _EVENTS[event.status], indent=8)
        self.count["events"] += 1
        self.count[event.status] += 1
        if self.as_json:
            about = {"id": event.id, "type": event.event_type, "object": event.object}
            self.events.append({**about, "status": event.status, "reason": event.reason})
        self.failed = self.failed or event.status == "rejected"

    def blob(self, blob: BlobResult) -> None:
        """Print a line for the blob, and one for each event in it."""
        self.count["blobs"] += 1
        if self.as_json:
            self.blobs.append({"name": blob.name, "deleted": blob.deleted, "problem": blob.problem})
        line = "  ".join(filter(None, (blob.name, "deleted" if blob.deleted else "", blob.problem)))
        self.console.print(line, "error" if blob.problem else "", indent=4)
        for event in blob.events:
            self.accepted(event, "    ")
        self.failed = self.failed or bool(blob.problem)

    def problem(self, text: str) -> None:
        """Print why something was not done."""
        self.console.print(text, "error", indent=4)
        self.problems.append(text)
        self.failed = True

    def counts(self) -> str:
        """The number of events, and of everything else that was counted."""
        singular = {"blobs": "blob", "match no rule": "matches no rule"}
        counts = (
            (count, singular.get(what, what) if count == 1 else what) for what, count in sorted(self.count.items())
        )
        others = ", ".join(f"{count} {what}" for count, what in counts if what != "events")
        return f"{counted(self.count['events'], 'event')}{': ' if others else ''}{others}"

    def json(self, *, dry_run: bool) -> dict[str, Any]:
        """Everything that was done, or in a dry run would be done, as ``--json`` prints it."""
        return {
            "dryRun": dry_run,
            "events": self.events,
            "blobs": self.blobs,
            "problems": self.problems,
            "counts": dict(self.count),
        }
