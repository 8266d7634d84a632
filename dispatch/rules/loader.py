"""Load the rules of a folder."""

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from difflib import get_close_matches
from itertools import islice
from pathlib import Path

from dispatch.guards.late import Late
from dispatch.rules.cross_checks import check_together
from dispatch.rules.errors import RuleError
from dispatch.rules.models import WORKSPACES_FILE
from dispatch.rules.reading.nodes import START, RuleFile
from dispatch.rules.reading.yaml import read
from dispatch.rules.rule import Rule, Rules
from dispatch.rules.rule_entry import RuleEntry, read_rules
from dispatch.rules.when import ALWAYS, split
from dispatch.rules.workspaces_file import read_workspaces_file
from handlers.file_field import APP_FOLDER, FOLDERS

_SUFFIXES = (".yaml", ".yml")
_RULES = re.compile(rb"^rules: *(?:#.*)?\r?$", re.MULTILINE)  # what only rules files have, and no file of the Azure CLI
_BEGINNING = 4_096  # bytes of a file in which it is looked for
_MAX_INSIDE = 200  # files in folders that are looked at
_CONTENT_OF_WORKSPACES = (
    "It lists the workspaces whose events are handled: workspaces: { churn-dev: { id: /subscriptions/…, env: dev } }. "
    "mlevents init writes it."
)


def load(folder: Path, settings: Mapping[str, str], app: Path = APP_FOLDER) -> Rules:
    """The rules of a folder's YAML files. They may read the app settings `settings`, and name files in `app`.

    Errors in the files are in `Rules.errors`, and what is probably not meant in `Rules.warnings`. Loading raises no
    error, whatever a file contains.
    """
    folder = folder.absolute()  # for its name
    files = _read_all(folder, settings)
    workspaces_file = next((file for file in files if file.name == f"{folder.name}/{WORKSPACES_FILE}"), None)
    if workspaces_file is None:
        workspaces_file = _missing(folder, files)
        files.append(workspaces_file)
    for file in files:
        file.context[FOLDERS] = (folder, app.absolute())
    workspaces, alerts = read_workspaces_file(workspaces_file)
    entries = [entry for file in files if file is not workspaces_file for entry in read_rules(file, workspaces)]
    check_together(entries, workspaces, all_readable=all(file.readable for file in files))
    known = None if workspaces_file.refused else workspaces
    in_order = sorted(files, key=lambda file: file.name)
    return Rules(
        by_name={entry.name: rule for entry in entries if (rule := _rule(entry)) is not None},
        workspaces=known,
        alerts=alerts,
        errors=tuple(error for file in in_order for error in file.errors),
        warnings=(
            *_ignored(folder),
            *_in_folders(folder),
            *(warning for file in in_order for warning in file.warnings),
        ),
        refused={file.name: file.digest for file in files if file.refused or known is None},
        read=frozenset(file.name for file in files),
    )


def _read_all(folder: Path, settings: Mapping[str, str]) -> list[RuleFile]:
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in _SUFFIXES)
    except OSError:
        return []
    paths = [path for path in paths if not path.name.startswith(".") and not path.is_dir()]
    return [read(path, f"{folder.name}/{_printable(path.name)}", settings) for path in paths]


def _ignored(folder: Path) -> list[RuleError]:
    """A warning for each file that is not read as a rules file, but whose name looks like one's."""
    try:
        names = sorted(path.name for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    except OSError:
        return []
    hint = "Rules files end in .yaml or .yml: rename it, or move it out of this folder."
    return [
        RuleError(f"{folder.name}/{_printable(name)}", 1, 1, "the file is ignored because of its name", hint)
        for name in names
        if _looks_like_yaml(Path(name.lower()))
    ]


def _in_folders(folder: Path) -> Iterator[RuleError]:
    """A warning for each file with rules in a folder inside of this one, which is not read."""
    hint = "The app does not read folders inside of it: move the file here."
    with suppress(OSError):
        for path in sorted(islice(folder.glob("*/*"), _MAX_INSIDE)):
            if path.suffix.lower() in _SUFFIXES and path.is_file() and _RULES.search(_beginning(path)):
                name = _printable(f"{folder.name}/{path.relative_to(folder).as_posix()}")
                yield RuleError(
                    name, 1, 1, f"the rules are ignored, because the file is not in {folder.name}/ itself", hint
                )


def _beginning(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_BEGINNING)
    except OSError:
        return b""


def _looks_like_yaml(name: Path) -> bool:
    """Does the name end in a misspelt ``.yaml``, or in ``.yaml.txt``, as Windows Explorer shows it as ``.yaml``?"""
    if name.suffix in _SUFFIXES or name.suffix.endswith("~"):  # the latter is an editor's backup
        return False
    suffix = name.with_suffix("").suffix if name.suffix == ".txt" else name.suffix
    return bool(get_close_matches(suffix, _SUFFIXES, n=1, cutoff=0.8))


def _missing(folder: Path, files: Iterable[RuleFile]) -> RuleFile:
    """An empty file in place of a missing workspaces.yaml, with the error."""
    file = RuleFile(f"{folder.name}/{WORKSPACES_FILE}", digest="missing", readable=False)
    if not folder.is_dir():
        file.error(
            START,
            f"there is no folder {folder}",
            "It holds workspaces.yaml and the rules files: mlevents init writes the first ones.",
        )
        return file
    close = [other.name for other in files if get_close_matches(other.name, [file.name], cutoff=0.9)]
    hint = f"Did you mean {close[0]}?" if close else _CONTENT_OF_WORKSPACES
    file.error(START, f"there is no file {WORKSPACES_FILE}", hint)
    return file


def _printable(name: str) -> str:
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _rule(entry: RuleEntry) -> Rule | None:
    """The rule; None if its file is refused, or its handler depends on workspaces that are not known."""
    keys = entry.keys
    if entry.file.refused or keys is None or entry.handler is None or entry.handler.handler is None:
        return None
    when, late = split(keys.conditions if keys.when else ALWAYS)
    guards = keys.guards(entry.handler.handler)
    return Rule(
        name=entry.name,
        handler=entry.handler.handler,
        do=entry.handler.do,
        file=entry.file.name,
        source=entry.source,
        settings_hash=entry.handler.settings_hash,
        guards=(Late(late), *guards) if late.tests else guards,
        retry=keys.retry,
        on=frozenset(entry.on),
        workspaces=entry.chosen,
        when=when,
        after=frozenset(entry.after),
        outcome=entry.outcome,
        allow_loops=keys.allow_loops,
        max_depth=keys.max_depth,
        expect=keys.expect,
        unless=keys.unless.pattern if keys.unless else None,
    )
