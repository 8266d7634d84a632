"""``mlevents erase``: find, export and erase what the record keeps about a person."""

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from dispatch.erasure import outside
from dispatch.erasure.erase import Erased
from dispatch.erasure.erase import erase as erase_found
from dispatch.erasure.find import Found, FoundEvent, find
from dispatch.erasure.needle import SHORTEST, Needle, texts_of
from dispatch.inbox.tables import Row
from dispatch.replay.who import user
from mlevents import PROJECT
from mlevents.cli import AppFolder, AsJson, UsageError, command_line, examples
from mlevents.console import Console
from mlevents.findings import counted
from mlevents.record import Record, StorageAccount, open_record, reported
from mlevents.subscriptions.model import CONTAINER
from mlevents.views import print_json

cli = command_line()


@cli.command(
    epilog=examples(
        "mlevents erase alice@example.com  # what is kept",
        "mlevents erase alice@example.com --export alice.json",
        "mlevents erase alice@example.com --yes --storage mystorage",
    )
)
def erase(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="An address, a user's name or id, or a run, a model or an endpoint.")
    ],
    *,
    export: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write everything that is found to a JSON file.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Erase it. Without this, it is only shown.")] = False,
    dead_letters: Annotated[
        bool, typer.Option("--dead-letters", help="With --yes: delete dead letters that have it, too.")
    ] = False,
    container: Annotated[str, typer.Option(help="The container of dead letters.")] = CONTAINER,
    as_json: AsJson = False,
    storage: StorageAccount = "",
    app: AppFolder = PROJECT,
) -> int:
    """Find, export and erase what the record keeps about a person.

    The whole record is read. NAME is found whole and in any case, in payloads,
    outcomes, mails, rejected events and names in the index. Erasing keeps the keys
    of events, so that a redelivery does not act again, and records when and by
    whom it was erased. Events with open actions are refused.
    Exit code: 0 if nothing of it is left, or if it was only shown; 1 otherwise.
    """
    try:
        needle = Needle(name)
    except ValueError as error:
        raise UsageError(f"NAME: {error}; at least {SHORTEST}") from error
    console = Console(None if as_json else sys.stdout, remember=0)
    with reported(console) as outcome:
        record = open_record(app, storage)
        for line in record.notes:
            console.print(line, "faint")
        found = find(needle, record.app)
        beside = _Beside.of(record, needle, container)
        if export:
            _write(export, _exported(found, beside))
            console.print(f"written: {export}, which has personal data: store and send it accordingly", "warning")
        _print_found(found, beside, console)
        result: dict[str, Any] = {"found": _counts(found, beside)}
        if yes:
            where = container if dead_letters else ""
            done, left = _carry_out(found, beside, needle, record, where)
            _print_done(done, left, console)
            refused = [{"day": day, "key": key, "reason": text} for (day, key), text in done.refused.items()]
            result |= {"erased": {**asdict(done), "refused": refused}, "left": _counts(*left)}
            outcome.code = 0 if left[0].is_empty and left[1].is_empty else 1
        elif not found.is_empty:
            console.print("nothing was changed: add --yes to erase it", "faint")
        if as_json:
            print_json(result, Console(sys.stdout, remember=0))
    return outcome.code


class _Beside:
    """What is outside of the table."""

    def __init__(self, blobs: list[tuple[str, str]], queues: list[outside.Messages]) -> None:
        self.blobs, self.queues = blobs, queues

    @classmethod
    def of(cls, record: Record, needle: Needle, container: str) -> "_Beside":
        with record.storage.container(container) as client:
            blobs = list(outside.dead_letters(client, needle))
        queues = []
        for name in (record.names.events, f"{record.names.events}-poison"):
            with record.storage.queue(name) as client_of_queue:
                found = outside.messages(client_of_queue, needle)
            if found and (found.found or found.unseen):
                queues.append(found)
        return cls(blobs, queues)

    @property
    def is_empty(self) -> bool:
        return not self.blobs and not any(each.found for each in self.queues)


def _carry_out(
    found: Found, beside: _Beside, needle: Needle, record: Record, container: str
) -> tuple[Erased, tuple[Found, _Beside]]:
    """Erase, with the dead letters in a container if it is named, and look again: what is found then is left."""
    done = erase_found(found, needle, record.app, user())
    left = _Beside([] if container else beside.blobs, beside.queues)
    if container and beside.blobs:
        with record.storage.container(container) as client:
            outside.delete_dead_letters(client, beside.blobs)
    return done, (find(needle, record.app), left)


def _counts(found: Found, beside: _Beside) -> dict[str, int]:
    return {
        "events": sum(each.whole and not each.key.startswith("x|") for each in found.events),
        "actions": sum(not each.whole for each in found.events),
        "rejected": sum(each.key.startswith("x|") for each in found.events),
        "names": len(found.index),
        "shared": len(found.shared),
        "watched": found.watched,
        "deadLetters": len(beside.blobs),
        "messages": sum(each.found for each in beside.queues),
    }


_NOUNS = {
    "events": "event",
    "actions": "event of others whose actions have it",
    "rejected": "rejected event",
    "names": "name in the index",
    "shared": "shared state",
    "watched": "thing that the watch remembers",
    "deadLetters": "blob of dead letters",
    "messages": "message in a queue",
}


def _print_found(found: Found, beside: _Beside, console: Console) -> None:
    counts = {name: count for name, count in _counts(found, beside).items() if count}
    for event in found.events:
        console.print(_line(event), "warning" if event.open else "", indent=4)
    for blob, _ in beside.blobs:
        console.print(f"dead letter {blob}", indent=4)
    for each in beside.queues:
        if each.found:
            console.print(f"{counted(each.found, 'message')} of the queue {each.queue}, which the app reads", indent=4)
        if each.unseen:
            text = f"{counted(each.unseen, 'message')} of the queue {each.queue} cannot be looked at: look again later"
            console.print(text, "warning", indent=4)
    if found.watched:
        text = "the watch remembers it as Azure ML has it: remove it there, and the next look forgets it"
        console.print(text, "warning", indent=4)
    texts = [f"{count} {_NOUNS[name] if count == 1 else _plural(_NOUNS[name])}" for name, count in counts.items()]
    console.print(", ".join(texts) if texts else "nothing is kept", "bold")


def _plural(noun: str) -> str:
    first, *rest = noun.split(" ")
    if first in ("rejected", "shared"):
        return " ".join([first, *(f"{word}s" for word in rest)])
    return " ".join([f"{first}s", *rest])


def _line(event: FoundEvent) -> str:
    row = event.rows.get(event.key)
    kind = str(row.values.get("event_type") or row.values.get("kind")) if row else "rows without an event"
    received = str(row.values.get("received", ""))[:19].replace("T", " ") if row else event.day
    part = "" if event.whole else ": what its actions have"
    waits = f": open: {', '.join(event.open)}" if event.open else ""
    return f"{received}  {kind}  {event.day} {event.key}{part}{waits}"


def _print_done(done: Erased, left: tuple[Found, _Beside], console: Console) -> None:
    for (day, key), reason in done.refused.items():
        console.print(f"not erased: {day} {key}: {reason}", "error", indent=4)
    if any("open" in reason for reason in done.refused.values()):
        console.print(
            "to end open actions: docs/guarantees.md, a rule that was renamed or removed; then again", indent=4
        )
    parts = {"event": done.events, "action": done.actions, "mail": done.sent, "rejected event": done.rejected}
    parts |= {"name in the index": done.names, "shared state": done.shared}
    counts = [f"{count} {noun if count == 1 else _plural(noun)}" for noun, count in parts.items() if count]
    console.print(f"erased: {', '.join(counts) or 'nothing'}")
    if not left[1].is_empty:
        text = "dead letters and messages are left: --dead-letters deletes those; the app takes messages in"
        console.print(text, "warning", indent=4)
    if left[0].is_empty and left[1].is_empty:
        console.print("nothing of it is left", "success")
    else:
        console.print("something is left: run the command again", "error")


def _exported(found: Found, beside: _Beside) -> Mapping[str, Any]:
    """Everything that was found, with JSON in columns as JSON."""
    return {
        "events": [
            {"day": each.day, "key": each.key, "rows": [_shown(row) for row in each.rows.values()]}
            for each in found.events
        ],
        "index": [{"partition": partition, **_shown(row)} for partition, row in found.index],
        "shared": [_shown(row) for row in found.shared],
        "deadLetters": [name for name, _ in beside.blobs],
        "messages": [asdict(each) for each in beside.queues],
    }


def _shown(row: Row) -> dict[str, Any]:
    values: dict[str, Any] = {name: _decoded(v) for name, v in row.values.items() if not isinstance(v, bytes)}
    if any(isinstance(value, bytes) for value in row.values.values()):
        values["raw"] = [_decoded(text) for text in texts_of(row)][-1]
    return {"key": row.key, "values": values}


def _decoded(value: str | int) -> Any:
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def _write(path: Path, value: Mapping[str, Any]) -> None:
    """Write JSON for the owner of the file only. Raises UsageError."""
    try:
        path.touch(mode=0o600)
        path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8", errors="replace")
    except OSError as error:
        raise UsageError(f"--export: {path} cannot be written: {error.strerror}") from error
