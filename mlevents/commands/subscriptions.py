"""``mlevents subscriptions``: the event subscriptions that the rules need, to create them or to compare them."""

import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

import typer

from dispatch.rules.rule import Rules
from dispatch.settings import Environment, SettingsError
from dispatch.settings import Names as StorageNames
from mlevents import PROJECT
from mlevents.app_rules import load_rules
from mlevents.app_settings import BadFile, LocalSettings
from mlevents.cli import AppFolder, AsJson, UsageError, command_line, examples, pairs
from mlevents.console import Console
from mlevents.findings import counted
from mlevents.subscriptions import arm, az, bicep
from mlevents.subscriptions.deployed import Difference, Unreadable, differences, read_deployed
from mlevents.subscriptions.model import CONTAINER, Delivery, Names, Plan, Via, plan
from schemas import ResourceId

Emitted: TypeAlias = Literal["az", "arm", "bicep", "json"]

cli = command_line()


@cli.command(
    epilog=examples(
        "mlevents subscriptions  # the commands of az",
        "mlevents subscriptions --format bicep --output infra",
        "mlevents subscriptions --filter --format arm --output subscriptions.json",
        "mlevents subscriptions --diff live  # in a workflow",
    )
)
def subscriptions(
    *,
    format: Annotated[
        Emitted, typer.Option(help="Commands of the Azure CLI, an ARM template, Bicep, or the model.")
    ] = "az",
    filter: Annotated[
        bool,
        typer.Option(
            "--filter", help="Let Event Grid drop events that no rule matches. Rules of later find no history of them."
        ),
    ] = False,
    via: Annotated[Via, typer.Option(help="Deliver to the function, or to the queue that the app reads.")] = "function",
    identity: Annotated[
        bool,
        typer.Option("--identity", help="Write dead letters with the system topic's identity, as always with a queue."),
    ] = False,
    function_app: Annotated[
        str, typer.Option(metavar="ID", help="The ARM id of the function app.", show_default="a variable or parameter")
    ] = "",
    storage: Annotated[
        str,
        typer.Option(metavar="ID", help="The ARM id of the storage account.", show_default="a variable or parameter"),
    ] = "",
    container: Annotated[str, typer.Option(help="The container for dead letters.")] = CONTAINER,
    name: Annotated[
        str, typer.Option(help="The subscriptions' name.", show_default="azureml-event or queued-event")
    ] = "",
    topic: Annotated[
        list[str] | None,
        typer.Option(metavar="WORKSPACE=NAME", help="The name of a workspace's system topic, if it has one already."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(help="The file to write, or the folder of Bicep's files.", show_default="standard output"),
    ] = None,
    diff: Annotated[
        str,
        typer.Option(
            metavar="FILE|-|live", help="Compare with what is deployed: JSON of az or of Azure, or Azure itself."
        ),
    ] = "",
    as_json: AsJson = False,
    app: AppFolder = PROJECT,
) -> int:
    """Print the event subscriptions that the rules need, or compare them with those that exist.

    Each workspace on whose events rules act needs one, with the event types of
    these rules. By default it has no other filter, so that a new rule finds its
    history. --filter adds what all rules imply, and says which rule keeps a key
    from being filtered.
    Exit code: 0 for success; 1 if the rules have errors, az cannot say it, or
    --diff has found a difference; 2 for invalid arguments.
    """
    console = Console(sys.stdout, remember=0)
    try:
        environment = LocalSettings.load(app).environment(os.environ)[0]
        rules = load_rules(app, environment)
    except (BadFile, SettingsError) as failure:
        console.print(str(failure), "error")
        return 1
    if rules.errors:
        for error in rules.errors:
            console.print(str(error), "error")
        console.print("the subscriptions follow from all rules: see `mlevents check`", "error")
        return 1
    names = Names(name, pairs("--topic", topic))
    if unknown := sorted(set(names.topics) - set(rules.workspaces.by_name if rules.workspaces else ())):
        raise UsageError(f"--topic: workspaces.yaml has no workspace {unknown[0]!r}")
    queue = StorageNames.of(Environment(environment)).events
    ids = {"function_app": _id("--function-app", function_app), "storage": _id("--storage", storage)}
    delivery = Delivery(via, queue, container, identity=identity or via == "queue", **ids)
    found = plan(rules, delivery, names, with_filters=filter)
    if diff:
        return _compare(found, rules, diff, console, as_json=as_json)
    return _emit(found, "json" if as_json else format, output, console)


def _id(option: str, text: str) -> str:
    parts = text.rstrip("/").split("/")
    if text and (len(parts) < 9 or parts[0] or parts[1].lower() != "subscriptions" or "" in parts[1:]):
        raise UsageError(f"{option}: {text!r} is not an ARM id: /subscriptions/…/resourceGroups/…/providers/…")
    return text.rstrip("/")


def _emit(found: Plan, format: Emitted, output: Path | None, console: Console) -> int:
    if format == "bicep" and output is None:
        raise UsageError("--format bicep writes several files: name their folder with --output")
    try:
        files = bicep.files(found) if format == "bicep" else {"": _text(found, format)}
    except az.Unsayable as failure:
        console.print(str(failure), "error")
        return 1
    if output is None:
        sys.stdout.write(files[""])
        return 0
    try:
        for path, text in files.items():
            (output / path).parent.mkdir(parents=True, exist_ok=True)
            (output / path).write_text(text, encoding="utf-8")
            console.print(f"written: {output / path}")
    except OSError as failure:
        console.print(f"{failure.filename} cannot be written: {failure.strerror}", "error")
        return 1
    return 0


def _text(found: Plan, format: Emitted) -> str:
    if format == "az":
        return az.script(found)
    return f"{arm.as_text(found) if format == 'arm' else _as_json(found)}\n"


def _as_json(found: Plan) -> str:
    subscriptions = [
        {
            "workspace": each.workspace,
            "source": each.source.text,
            "topic": each.topic,
            "name": each.name,
            "rules": each.rules,
            "filter": each.filter(),
            "notes": each.notes,
        }
        for each in found.subscriptions
    ]
    whole = {"delivery": asdict(found.delivery), "subscriptions": subscriptions, "notes": found.notes}
    return json.dumps(whole, indent=2, ensure_ascii=False)


def _compare(found: Plan, rules: Rules, source: str, console: Console, *, as_json: bool) -> int:
    workspaces = {each.name: each.id for each in rules.workspaces or ()}
    try:
        deployed = read_deployed(_read(source, [id for id in workspaces.values() if id.topic_type]))
    except Unreadable as failure:
        console.print(f"{source} cannot be compared: {failure}", "error")
        return 1
    different = differences(found, deployed, workspaces)
    if as_json:
        sys.stdout.write(json.dumps([asdict(each) for each in different], indent=2, ensure_ascii=False) + "\n")
    else:
        _print(different, found, console)
    return 1 if different else 0


def _read(source: str, workspaces: list[ResourceId]) -> str:
    """The JSON of what is deployed. Raises Unreadable, and UsageError for a file that cannot be read."""
    if source == "live":
        from mlevents.subscriptions.live import Unavailable, read_live

        try:
            return read_live(workspaces)
        except Unavailable as failure:
            raise Unreadable(str(failure)) from failure
    if source == "-":
        return sys.stdin.read()
    try:
        return Path(source).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as failure:
        raise UsageError(f"--diff: {source} cannot be read: {failure}") from failure


def _print(different: list[Difference], found: Plan, console: Console) -> None:
    for each in different:
        console.print(f"{each.workspace}  {each.subscription}  {each.kind}: {each.text}", "error", indent=4)
    for note in found.notes:
        console.print(note, "faint")
    same = f"{counted(len(found.subscriptions), 'subscription')} needed"
    console.print(
        f"{same}, {counted(len(different), 'difference') if different else 'no differences'}",
        "error" if different else "success",
    )
