"""Write a test from an event on record: ``mlevents test --record``."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dispatch.inbox.history.records import StoredEvent, actions_of
from dispatch.inbox.rows import ActionRecord
from dispatch.rules.rule import ALERTS, Rules
from mlevents.commands.rule_tests.run import Tried, try_rules
from mlevents.commands.rule_tests.sources import RecordedEvents, errors_of
from mlevents.commands.show import find
from mlevents.console import Console
from mlevents.event_files import spelled
from mlevents.findings import counted
from mlevents.project.schemas import schema_line
from schemas import EventError, parse_event

EVENTS = "events"  # the folder of events, in that of the tests
_ADDRESS = re.compile(r"[\w.+%'-]+@(?=[\w-]+(\.[\w-]+)+)")


def write_case(
    id: str, folder: Path, rules: Rules, events: RecordedEvents, console: Console, *, keep_addresses: bool
) -> int:
    """Write the event with an id, and a test of what the rules do about it now; returns the exit code.

    The event gets the id that its workspace has in the tests' settings, in place of the real one. Secrets are masked,
    and the names in mail addresses replaced. Raises StorageError, BadFile and SettingsError.
    """
    if errors := list(errors_of(rules, folder.parent)):
        console.print(f"no test is written, because the rules have errors: {errors[0].text}", "error", indent=4)
        return 1
    found = [event for event in find(id, events.record.app)[0] if id in (event.record.id, event.key)]
    if len(found) != 1:
        console.print(f"{counted(len(found), 'event')} on record with the id {id}: see `mlevents events`", "error")
        return 1
    [stored] = found
    workspace = rules.workspaces.by_name.get(stored.record.workspace) if rules.workspaces else None
    if workspace is None:
        name = stored.record.workspace
        console.print(
            f"the workspace {name} is not known to tests: give the setting of its id a value in "
            "local.settings.json.example",
            "error",
        )
        return 1
    addresses: dict[str, str] = {}
    mask = events.record.app.secrets.mask
    event = _masked(
        json.loads(stored.record.raw), lambda text: mask(text if keep_addresses else _hide(text, addresses))
    )
    event = event[0] if isinstance(event, list) else event
    event[spelled(event, "source" if "specversion" in event else "topic")] = str(workspace.id)
    try:
        tried = try_rules(rules, rules.context(parse_event(json.dumps(event))))
    except EventError as error:
        console.print(f"the event cannot be read: {error}", "error")
        return 1
    code = _write(stored, event, tried, folder, console)
    for line in [] if code else _notes(stored, tried, addresses):
        console.print(line, "warning", indent=4)
    return code


def _write(stored: StoredEvent, event: Any, tried: Tried, folder: Path, console: Console) -> int:
    slug = re.sub(r"[^a-z0-9]+", "-", f"{stored.record.event_type}-{stored.record.object}".lower())[:60]
    short = re.sub(r"[^A-Za-z0-9]", "", stored.record.id)[:8].lower()
    name = f"{slug}-{short}".strip("-")
    texts = {
        folder / EVENTS / f"{name}.json": json.dumps([event], indent=2, ensure_ascii=False) + "\n",
        folder / f"{name}.yaml": schema_line(folder / name, "tests") + _text_of(stored, f"{EVENTS}/{name}.json", tried),
    }
    if exist := [path for path in texts if path.exists()]:
        console.print(f"{exist[0]} exists, and is not overwritten", "error")
        return 1
    for path, text in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
        console.print(f"wrote {path}")
    return 0


def _text_of(stored: StoredEvent, file: str, tried: Tried) -> str:
    fires = ", ".join(tried.firings)
    title = json.dumps(f"{stored.record.event_type} of {stored.record.object}", ensure_ascii=False)
    lines = ["tests:\n", f"  - name: {title}\n", f"    event: {json.dumps(file)}\n"]
    ends = {rule: action for rule, action in actions_of(stored).items() if action.ended and rule in tried.firings}
    if any(action.status != "succeeded" for action in ends.values()):
        lines += ["    ends:\n", *(f"      {rule}: {action.status}\n" for rule, action in ends.items())]
    lines.append(f"    fires: [{fires}]\n")
    return "".join(lines)


def _notes(stored: StoredEvent, tried: Tried, addresses: dict[str, str]) -> list[str]:
    done = {rule for rule in _own(actions_of(stored)) if rule not in tried.firings}
    new = [rule for rule in tried.firings if rule not in stored.actions]
    notes = [
        f"{rule} acted on the event then, and does not fire now: {tried.why(rule)}"
        for rule in sorted(done)
        if rule in tried.verdicts
    ]
    notes += [f"{rule} fires now, and did not act on the event then" for rule in new]
    if addresses:
        number = counted(len(addresses), "name")
        notes.append(f"the names in mail addresses were replaced ({number}); --keep-addresses keeps them")
    return [
        *notes,
        "names of people, runs and experiments in the event are as they were recorded: read the files before you "
        "commit them",
    ]


def _own(actions: dict[str, ActionRecord]) -> list[str]:
    return [rule for rule in actions if not rule.startswith(ALERTS)]


def _hide(text: str, addresses: dict[str, str]) -> str:
    """The text, in which the name of each mail address is replaced, the same one by the same; the domain stays."""
    return _ADDRESS.sub(lambda found: addresses.setdefault(found[0].casefold(), f"person{len(addresses) + 1}@"), text)


def _masked(value: Any, mask: Callable[[str], str]) -> Any:
    match value:
        case str():
            return mask(value)
        case dict():
            return {mask(key): _masked(inner, mask) for key, inner in value.items()}
        case list():
            return [_masked(inner, mask) for inner in value]
    return value
