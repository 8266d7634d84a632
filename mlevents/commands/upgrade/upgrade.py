"""``mlevents upgrade --check``: find what an upgrade would meet: changed files of the project, and rules to change."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from dispatch.settings import SettingsError
from mlevents import PROJECT
from mlevents.app_rules import load_rules, of_settings, print_findings
from mlevents.app_settings import BadFile, LocalSettings
from mlevents.cli import AppFolder, UsageError, command_line, examples
from mlevents.console import Console
from mlevents.findings import Summary, of_loader
from mlevents.project.schemas import MARK, schema_line

_MINE = ("rules/", "infra/main.bicepparam", "infra/ml-alerts.bicepparam", "infra/generated/", "local.settings.json")
_NOT_SHIPPED = {".git", ".venv", ".mlevents", "node_modules", "__pycache__"}
_BRANCHES = ("upstream/main", "upstream/master", "origin/main", "origin/master")

cli = command_line()


@cli.command(epilog=examples("mlevents upgrade --check", "mlevents upgrade --check --against ../azureml-events-0.1.0"))
def upgrade(
    *,
    check: Annotated[bool, typer.Option("--check", help="Find what an upgrade would meet; change nothing.")] = False,
    upstream: Annotated[
        str,
        typer.Option(
            metavar="REF", help="The project's branch or tag in git.", show_default="upstream/main or origin/main"
        ),
    ] = "",
    against: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Without git: an unchanged copy of the version that you have.")
    ] = None,
    app: AppFolder = PROJECT,
) -> int:
    """Find what an upgrade would meet: files of the project that you changed, and rules with errors.

    docs/upgrading.md has the steps of an upgrade.
    Exit code: 0 if there is nothing to do, 1 if files of the project were changed or
    rules have errors, 2 for invalid arguments.
    """
    if not check:
        raise UsageError("add --check; docs/upgrading.md has the steps of an upgrade")
    console = Console(sys.stdout, remember=0)
    changed = sorted(_differences(app, against) if against else _git_changes(app, upstream, console))
    for line in changed:
        console.print(line, "warning")
    if not changed:
        console.print("no file of the project was changed", "success")
    for line in _old_lines(app):
        console.print(line, "faint")
    try:
        environment = LocalSettings.load(app).environment(os.environ)[0]
        rules = load_rules(app, environment)
    except (BadFile, SettingsError) as error:
        console.print(str(error), "error")
        return 1
    found = of_loader(rules) + of_settings(environment)
    print_findings(found, Summary.of(rules, found), console)
    return 1 if changed or rules.errors else 0


def _differences(app: Path, copy: Path) -> Iterator[str]:
    """A line for each file of an unchanged copy that the app has differently. Raises UsageError."""
    if not (copy / "pyproject.toml").is_file():
        raise UsageError(f"--against: {copy} is no copy of the project: it has no pyproject.toml")
    for folder, folders, files in os.walk(copy):
        folders[:] = [name for name in folders if name not in _NOT_SHIPPED]
        for file in files:
            name = (Path(folder) / file).relative_to(copy).as_posix()
            if name.startswith(_MINE):
                continue
            if not (app / name).is_file():
                yield f"{name}: you deleted this file of the project"
            elif (app / name).read_bytes() != (copy / name).read_bytes():
                yield f"{name}: you changed this file of the project"


def _git_changes(app: Path, upstream: str, console: Console) -> Iterator[str]:
    """A line for each file of the project that differs from the commit at which the app left its branch."""
    refs = [upstream] if upstream else _BRANCHES
    found = ((ref, base) for ref in refs if (base := _git(app, "merge-base", "HEAD", ref)))
    ref, base = next(found, ("", ""))
    if not base:
        wanted = f"git knows no {upstream}" if upstream else "git knows no branch of the project"
        raise UsageError(f"{wanted}: name it with --upstream REF, or an unchanged copy with --against FOLDER")
    console.print(f"compared with {ref} at {base[:12]}", "faint")
    for line in _git(app, "diff", "--name-status", "--no-renames", "--relative", base).splitlines():
        status, _, name = line.partition("\t")
        if status in ("M", "D", "T") and not name.startswith(_MINE):
            yield f"{name}: you {'deleted' if status == 'D' else 'changed'} this file of the project"


def _git(app: Path, *arguments: str) -> str:
    """What git prints; nothing if it fails."""
    if (git := shutil.which("git")) is None:
        return ""
    done = subprocess.run([git, *arguments], cwd=app, capture_output=True, text=True, check=False)  # noqa: S603 - no shell
    return done.stdout.strip() if done.returncode == 0 else ""


def _old_lines(app: Path) -> Iterator[str]:
    """A line for each rules file whose first line names the schemas where version 0.1 had them."""
    for path in sorted((app / "rules").glob("*.y*ml")):
        with path.open(encoding="utf-8", errors="replace") as file:
            first = file.readline()
        kind, _, end = first.removeprefix(MARK).partition(".")
        if first.startswith(MARK) and end.strip() == "schema.json" and kind in ("rules", "workspaces"):
            yield f"rules/{path.name}: its first line works; today's is {schema_line(path, kind).strip()}"
