"""What `mlevents init` writes: computed and validated before anything is written."""

import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dispatch.rules.loader import load
from dispatch.rules.models import WORKSPACES_FILE
from dispatch.rules.rule import Rules
from dispatch.rules.workspaces import Workspace
from mlevents import PROJECT
from mlevents.app_settings import FILE, LocalSettings
from mlevents.commands.init.texts import rules_yaml, settings_json, tests_yaml, workspaces_yaml
from mlevents.commands.init.wanted import Wanted
from mlevents.commands.init.yaml_text import CannotAdd, Entry, added
from mlevents.project.first_files import FIRST_FILES, has_only_first_files, is_first_file
from mlevents.project.schemas import schema_line

FIRST_RULES = "mail.yaml"
_YAML = (".yaml", ".yml")


class Refused(Exception):  # noqa: N818 - the name says what has happened
    """Nothing can be written; the message has the reasons, one a line."""


@dataclass(slots=True)
class Plan:
    """The files to write, the examples of the project to remove, and lines about both and about what is left."""

    app: Path
    texts: dict[Path, bytes] = field(default_factory=dict)
    before: dict[Path, bytes] = field(default_factory=dict)
    removed: list[Path] = field(default_factory=list)
    done: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)

    @property
    def rules(self) -> Path:
        """The folder of the user's rules."""
        return self.app / "rules"

    def create(self, path: Path, kind: str, text: str, line: str) -> None:
        """Write a new YAML file of this kind, with its schema for editors."""
        self.write(path, schema_line(path, kind) + text, line)

    def write(self, path: Path, text: str, line: str) -> None:
        """Write a file; `line` says what is in it."""
        if path.exists():
            self.before[path] = path.read_bytes()
        self.texts[path] = text.encode("utf-8")
        self.done.append(line)


class Present:
    """The user's files as they are."""

    def __init__(self, app: Path) -> None:
        self.app = app
        self.rules = app / "rules"
        self.file = self.rules / WORKSPACES_FILE
        self.has_settings = (app / FILE).exists()
        self.is_first = not self.file.exists() or has_only_first_files(self.rules)
        self.loaded: Rules | None = None
        if not self.is_first:
            self.loaded = load(self.rules, _environment(app), app)
            if self.loaded.workspaces is None:
                errors = [error for error in self.loaded.errors if error.file == f"rules/{WORKSPACES_FILE}"]
                raise Refused("\n".join(["rules/workspaces.yaml has errors; fix them first:", *map(str, errors)]))

    @property
    def workspaces(self) -> Iterable[Workspace]:
        """The workspaces that are listed."""
        return self.loaded.workspaces or () if self.loaded else ()

    @property
    def has_alerts(self) -> bool:
        """Is there a handler of alerts?"""
        return self.loaded is not None and self.loaded.alerts is not None

    @property
    def has_rules(self) -> bool:
        """Is there a rules file of the user?"""
        names = [path.name for path in self.rules.glob("*") if path.suffix.lower() in _YAML]
        own = [name for name in names if name != WORKSPACES_FILE]
        return any(not (self.is_first and is_first_file(self.rules / name, name)) for name in own)


def plan(present: Present, wanted: Sequence[Wanted], recipients: Sequence[str], sender: str) -> Plan:
    """What to write. Raises Refused if the loader would refuse it."""
    found = Plan(present.app)
    alerts = {"do": "email", "with": {"to": list(recipients)}} if recipients else None
    if present.is_first:
        listed = {name: {"id": str(each.id), **each.labels} for name, each in _names(wanted, ()).items()}
        line = f"wrote rules/{WORKSPACES_FILE}: {', '.join(listed)}"
        found.create(present.file, "workspaces", workspaces_yaml(listed, alerts), line)
    else:
        listed = {each.name: {} for each in present.workspaces}
        _add(found, present, wanted, alerts)
    if present.has_rules:
        found.left.append("your rules are left as they are")
    elif recipients:
        _add_rules(found, recipients, next(iter(listed)))
        examples = [found.rules / name for name in FIRST_FILES if is_first_file(found.rules / name, name)]
        found.removed = [path for path in examples if present.is_first and path not in found.texts]
    if present.has_settings:
        found.left.append(f"{FILE} is left as it is")
    else:
        example = (PROJECT / f"{FILE}.example").read_text(encoding="utf-8")
        found.write(present.app / FILE, settings_json(example, sender), f"wrote {FILE}: settings for this machine")
    _check(found)
    return found


def _add_rules(found: Plan, recipients: Sequence[str], workspace: str) -> None:
    """Write the first rules file and its tests."""
    path, tests = found.rules / FIRST_RULES, found.rules / "tests" / FIRST_RULES
    line = f"wrote rules/{FIRST_RULES}: mail about failed runs, in dry run"
    found.create(path, "rules", rules_yaml(recipients), line)
    if tests.exists():
        found.left.append(f"rules/tests/{FIRST_RULES} is left as it is")
    else:
        line = f"wrote rules/tests/{FIRST_RULES}: its tests, for mlevents test"
        found.create(tests, "tests", tests_yaml(recipients, workspace), line)


def _add(found: Plan, present: Present, wanted: Sequence[Wanted], alerts: Mapping[str, object] | None) -> None:
    """Add to workspaces.yaml what it lacks."""
    known = {each.id: each for each in present.workspaces}
    entries = []
    for each in wanted:
        if (workspace := known.get(each.id)) is not None:
            entries += _labels(found, workspace, each.labels)
    new = _names([each for each in wanted if each.id not in known], [each.name for each in known.values()])
    entries += [Entry(("workspaces",), name, {"id": str(each.id), **each.labels}) for name, each in new.items()]
    lines = [*(f"{'.'.join(entry.path[1:])} {entry.key}".strip() for entry in entries)]
    if alerts and not present.has_alerts:
        entries.append(Entry((), "alerts", alerts))
        lines.append("alerts")
    elif alerts:
        found.left.append("the alerts in rules/workspaces.yaml are left as they are")
    if not entries:
        found.left.append("rules/workspaces.yaml is left as it is: nothing is missing")
        return
    try:
        text = added(present.file.read_bytes().decode("utf-8"), entries)
    except CannotAdd as error:
        missing = "\n".join(f"{'.'.join(entry.path) or 'the file'}: {entry.inline()}" for entry in entries)
        raise Refused(f"rules/workspaces.yaml: {error}; add this yourself:\n{missing}") from error
    found.write(present.file, text, f"added to rules/{WORKSPACES_FILE}: {', '.join(lines)}")


def _labels(found: Plan, workspace: Workspace, labels: Mapping[str, str]) -> list[Entry]:
    """The labels that a listed workspace lacks."""
    has = {label.casefold(): value for label, value in workspace.labels.items()}
    for label, value in labels.items():
        if has.get(label.casefold(), value) != value:
            found.left.append(f"label {label} of {workspace.name} is left as it is, and not {value}")
    missing = {label: value for label, value in labels.items() if label.casefold() not in has}
    return [Entry(("workspaces", workspace.name), label, value) for label, value in missing.items()]


def _names(wanted: Iterable[Wanted], taken: Iterable[str]) -> dict[str, Wanted]:
    """The workspaces by names for workspaces.yaml: their own, with the resource group where two would be equal."""
    found: dict[str, Wanted] = {}
    used = set(taken)
    for each in wanted:
        name = each.name if each.name not in used else f"{each.name}-{each.id.resource_group}"
        used.add(name)
        found[name] = each
    return found


def _check(plan: Plan) -> None:
    """Load what would be written, beside the files that are there. Raises Refused with the errors in it."""
    with tempfile.TemporaryDirectory() as folder:
        rules = Path(folder) / "rules"
        rules.mkdir()
        for path in plan.rules.glob("*"):
            if path.suffix.lower() in _YAML and path.is_file() and path not in plan.removed:
                shutil.copyfile(path, rules / path.name)
        written = [path for path in plan.texts if path.parent == plan.rules]
        for path in written:
            (rules / path.name).write_bytes(plan.texts[path])
        loaded = load(rules, _environment(plan.app), plan.app)
        names = {f"rules/{path.name}" for path in written}
        if errors := [str(error) for error in loaded.errors if error.file in names]:
            raise Refused("\n".join(["nothing was written, because the app would refuse it:", *errors]))


def _environment(app: Path) -> Mapping[str, str]:
    return LocalSettings.load(app).environment(os.environ)[0]
