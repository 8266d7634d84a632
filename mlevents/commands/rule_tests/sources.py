"""What `mlevents test` reads beside the tests: rules, with the settings of tests, and events on record."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from dispatch.rules import load
from dispatch.rules.reading.app_settings import PREFIX
from dispatch.rules.rule import Rules
from mlevents.app_settings import FILE, LocalSettings
from mlevents.commands.show import find
from mlevents.event_files import BadEvent
from mlevents.findings import Finding, of_loader, path_from_here
from mlevents.record import Record, open_record


def example_settings(app: Path) -> dict[str, str]:
    """The settings for rules in local.settings.json.example: the same on every machine. Raises BadFile."""
    path = app / f"{FILE}.example"
    values = LocalSettings.read(path).values if path.is_file() else {}
    return {name: value for name, value in values.items() if name.startswith(PREFIX)}


@dataclass
class RulesBySettings:
    """The rules of a folder, loaded once for each set of settings."""

    folder: Path
    app: Path
    base: Mapping[str, str]
    _loaded: dict[tuple[tuple[str, str], ...], Rules] = field(default_factory=dict)

    def __call__(self, settings: Mapping[str, str]) -> Rules:
        """The rules with these settings over the base."""
        values = {**self.base, **settings}
        key = tuple(sorted(values.items()))
        if key not in self._loaded:
            self._loaded[key] = load(self.folder, values, self.app)
        return self._loaded[key]


def errors_of(rules: Rules, folder: Path) -> Iterator[Finding]:
    """Errors of the rules as a test loads them: a missing setting, for example."""
    for finding in of_loader(rules):
        if finding.severity == "error":
            file = path_from_here(finding.file, folder.parent) if finding.file else None
            hint = finding.hint
            if "the app setting" in finding.message and "is not set" in finding.message:
                hint = "Give it a value in settings of the test, or in local.settings.json.example."
            yield replace(finding, file=file, hint=hint)


@dataclass
class RecordedEvents:
    """Events on record, by their ids. The record is opened when the first is needed."""

    app: Path
    storage: str
    _record: Record | None = None

    @property
    def record(self) -> Record:
        """The record. Raises BadFile and SettingsError."""
        self._record = self._record or open_record(self.app, self.storage)
        return self._record

    def __call__(self, id: str) -> str:
        """The payload of the event with an id. Raises BadEvent, StorageError, BadFile and SettingsError."""
        found = [event for event in find(id, self.record.app)[0] if id in (event.record.id, event.key)]
        if len(found) != 1:
            many = f"{len(found)} events have the id {id}: write the key" if found else f"no event has the id {id}"
            raise BadEvent(f"{many}, as `mlevents show {id}` shows it")
        return found[0].record.raw
