"""Load the rules of a folder."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from dispatch.rules import workspaces_file as places
from dispatch.rules.cross_checks import check_links
from dispatch.rules.errors import did_you_mean
from dispatch.rules.reading.nodes import START, RuleFile
from dispatch.rules.reading.yaml import read
from dispatch.rules.rule import Rule, Rules
from dispatch.rules.rule_entry import Draft, read_rules
from handlers.file_field import APP_FOLDER, FOLDERS


def load(folder: Path, settings: Mapping[str, str], app: Path = APP_FOLDER) -> Rules:
    """The rules of a folder's YAML files; `settings` are the app settings that they may read, `app` is its folder.

    What is wrong with them is in `Rules.errors`; nothing that a file contains is raised.
    """
    folder = folder.absolute()  # for its name
    files = _read_all(folder, settings)
    workspaces_file = next((file for file in files if file.name == f"{folder.name}/{places.FILE}"), None)
    if workspaces_file is None:
        workspaces_file = _missing(folder, files)
        files.append(workspaces_file)
    for file in files:
        file.context[FOLDERS] = (folder, app.absolute())
    workspaces = places.read_workspaces(workspaces_file)
    alerts = places.read_alerts(workspaces_file)
    drafts = [draft for file in files if file is not workspaces_file for draft in read_rules(file, workspaces)]
    check_links(drafts, workspaces, all_readable=all(file.readable for file in files))
    known = workspaces if not workspaces_file.errors else None
    return Rules(
        by_name={draft.name: rule for draft in drafts if (rule := _rule(draft)) is not None},
        workspaces=known,
        alerts=alerts,
        errors=tuple(sorted(mistake for file in files for mistake in file.errors)),
        refused={file.name: file.digest for file in files if file.errors or known is None},
        read=frozenset(file.name for file in files),
    )


def _read_all(folder: Path, settings: Mapping[str, str]) -> list[RuleFile]:
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in (".yaml", ".yml"))
    except OSError:
        return []
    paths = [path for path in paths if not path.name.startswith(".") and not path.is_dir()]
    return [read(path, f"{folder.name}/{_printable(path.name)}", settings) for path in paths]


def _missing(folder: Path, files: Iterable[RuleFile]) -> RuleFile:
    """Stands for a workspaces.yaml that is not there."""
    file = RuleFile(f"{folder.name}/{places.FILE}", digest="missing", readable=False)
    if not folder.is_dir():
        file.error(START, "there is no such folder", "It holds workspaces.yaml and the rules files.")
        return file
    hint = did_you_mean(file.name, [other.name for other in files])
    file.error(START, "there is no such file", hint or "It lists the workspaces whose events are handled.")
    return file


def _printable(name: str) -> str:
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _rule(draft: Draft) -> Rule | None:
    """The rule, unless its file is refused."""
    if draft.file.errors or draft.doing is None or draft.doing.handler is None:
        return None
    return Rule(
        name=draft.name,
        handler=draft.doing.handler,
        do=draft.doing.do,
        file=draft.file.name,
        source=draft.source,
        settings_hash=draft.doing.settings_hash,
        guards=draft.keys.guards(draft.doing.handler),
        retry=draft.keys.retry,
        on=frozenset(draft.on),
        workspaces=draft.chosen,
        when=draft.when,
        after=frozenset(draft.after.places if draft.after else ()),
        outcome=draft.after.outcome if draft.after else "succeeded",
        allow_loops=draft.keys.allow_loops,
        max_depth=draft.keys.max_depth,
    )
