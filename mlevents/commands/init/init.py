"""``mlevents init``: write the first rules, workspaces and settings of a user, or add what they lack."""

import sys
from dataclasses import replace
from pathlib import Path
from shlex import quote
from typing import Annotated

import typer

from mlevents import PROJECT
from mlevents.app_settings import FILE, BadFile, LocalSettings
from mlevents.cli import AppFolder, UsageError, command_line, examples
from mlevents.commands.init import questions
from mlevents.commands.init.plan import Plan, Present, Refused, plan
from mlevents.commands.init.wanted import AzError, Wanted, az_list, in_file, labels_of, of_text, unique
from mlevents.commands.init.writing import Changed, write
from mlevents.console import Console

_ID = "/subscriptions/ID/resourceGroups/NAME/providers/Microsoft.MachineLearningServices/workspaces/NAME"

cli = command_line()


@cli.command(
    epilog=examples(
        "mlevents init",
        "mlevents init --workspaces workspaces.txt --alerts ml-team@example.com --yes",
        "mlevents init --workspace 'churn-prod env=prod team=churn'",
    )
)
def init(
    *,
    workspace: Annotated[
        list[str] | None,
        typer.Option(metavar="'ID LABEL=VALUE …'", help="A workspace, by id or by a name that az lists; repeatable."),
    ] = None,
    workspaces: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A file with one on each line, or JSON as az prints it.")
    ] = None,
    az: Annotated[bool, typer.Option("--az", help="All workspaces that `az resource list` prints.")] = False,
    label: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="A label of all these workspaces; repeatable.")
    ] = None,
    alerts: Annotated[
        str, typer.Option(metavar="ADDRESSES", help="Who is mailed about problems of the app and failed runs.")
    ] = "",
    sender: Annotated[str, typer.Option(metavar="ADDRESS", help=f"The sender of mails, in {FILE}.")] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Ask nothing: the options say all.")] = False,
    app: AppFolder = PROJECT,
) -> int:
    """Write your first rules, workspaces and settings, or add workspaces and labels.

    It asks on a terminal for what no option says. It writes workspaces.yaml,
    a first rules file that mails about failed runs, in dry run, its tests, and
    local.settings.json. Run again, it adds the workspaces, labels and files that
    are missing, and changes nothing else. It writes no file that has errors.
    Exit code: 0 if all is written or there, 1 if not, 2 for invalid arguments.
    """
    console = Console(sys.stdout, remember=0)
    if not yes and not sys.stdin.isatty():
        raise UsageError("there is no terminal to ask questions: add --yes, and say everything in options")
    try:
        present = Present(app)
        wanted = _wanted(workspace or [], workspaces, label or [], console, az=az, ask=not yes, present=present)
        recipients = _recipients(alerts, console, present, ask=not yes)
        planned = plan(present, wanted, recipients, _sender(sender, console, present, ask=not yes))
        write(planned.texts, planned.before)
        for path in planned.removed:
            path.unlink(missing_ok=True)
    except (Refused, Changed, BadFile, AzError) as error:
        for line in str(error).splitlines():
            console.print(line, "error")
        return 1
    except typer.Abort:  # Ctrl-C or the end of the input, at a question
        console.print()
        console.print("nothing was written", "error")
        return 130
    except OSError as error:
        console.print(f"cannot write {error.filename}: {error.strerror}", "error")
        return 1
    _report(planned, console)
    if present.is_first:
        _print_next(wanted[0], app, console)
    return 0


def _wanted(
    texts: list[str], file: Path | None, label: list[str], console: Console, *, az: bool, ask: bool, present: Present
) -> list[Wanted]:
    """The workspaces of the options, or else of a terminal, with their labels. Raises UsageError and AzError."""
    known = az_list() if az or any("/" not in text.partition(" ")[0] for text in texts) else []
    try:
        labels = labels_of(label)
        given = [of_text(text, known) for text in texts] + (in_file(file) if file else []) + (known if az else [])
    except ValueError as error:
        raise UsageError(str(error)) from error
    listed = {each.id for each in present.workspaces}
    if ask and not given:
        given = questions.workspaces(console, optional=bool(listed))
    given = [replace(each, labels={**labels, **each.labels}) for each in unique(given)]
    if not given and not listed:
        raise UsageError(f"no workspace is given: add --workspace {_ID}, --workspaces FILE or --az")
    return [
        questions.labels(console, each) if ask and not each.labels and each.id not in listed else each for each in given
    ]


def _recipients(text: str, console: Console, present: Present, *, ask: bool) -> list[str]:
    needed = not (present.has_alerts and present.has_rules)
    try:
        if text:
            return questions.addresses(text)
    except ValueError as error:
        raise UsageError(f"--alerts: {error}") from error
    if needed and ask:
        return questions.recipients(console)
    if present.is_first:
        raise UsageError("nobody is mailed about problems: add --alerts ADDRESS")
    return []


def _sender(text: str, console: Console, present: Present, *, ask: bool) -> str:
    try:
        if text:
            return questions.sender_of(text)
    except ValueError as error:
        raise UsageError(f"--sender: {error}") from error
    if present.has_settings or not ask:
        return ""
    return questions.sender(console, LocalSettings.read(PROJECT / f"{FILE}.example").values["EMAIL_FROM"])


def _report(done: Plan, console: Console) -> None:
    for line in done.done:
        console.print(line, "success")
    for path in done.removed:
        console.print(f"removed rules/{path.name}: an example of the project that you had not changed", "success")
    for line in done.left:
        console.print(line, "faint")


def _print_next(first: Wanted, app: Path, console: Console) -> None:
    """Print the next three commands, as they can be run from the current folder."""
    tool = PROJECT / ".venv/bin/mlevents"
    command = str(tool.relative_to(Path.cwd())) if tool.is_relative_to(Path.cwd()) else str(tool)
    ends = "" if app == PROJECT else f" --app {quote(str(app))}"
    console.print()
    console.print("Next, in this order; the app runs in a terminal of its own:")
    console.print()
    console.print(f"  {command} check{ends}")
    console.print(f"  {command} start{ends}")
    console.print(f"  {command} send run_status_changed topic={quote(str(first.id))}{ends}", indent=4)
    console.print()
    console.print("The record then shows the mail that the rule would send. docs/rules.md goes on from there.")
