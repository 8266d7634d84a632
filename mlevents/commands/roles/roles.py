"""``mlevents roles``: the roles that the app's identity needs, as its rules are."""

import os
import sys
from enum import StrEnum
from typing import Annotated

import typer

from dispatch.settings import SettingsError
from mlevents import PROJECT
from mlevents.app_rules import load_rules, print_rules
from mlevents.app_settings import BadFile, LocalSettings
from mlevents.cli import AppFolder, command_line, examples
from mlevents.commands.roles.bicep import as_bicep
from mlevents.commands.roles.model import Assignment, assignments
from mlevents.console import Console
from mlevents.views import print_json


class Format(StrEnum):
    """The formats of the output."""

    text = "text"
    json = "json"
    bicep = "bicep"


cli = command_line()


@cli.command(epilog=examples("mlevents roles", "mlevents roles --format bicep > infra/generated/roles.bicep"))
def roles(
    app: AppFolder = PROJECT,
    format: Annotated[Format, typer.Option(help="text for people, json for programs, bicep for infra/.")] = Format.text,
) -> int:
    """List the roles that the app's identity needs, for the app itself and for its rules.

    Each handler in the rules declares the roles that it needs. The settings are
    those of `mlevents start`. The Bicep module assigns each role whose resource the
    rules name, and lists the others in comments.
    Exit code: 0 for success, 1 if rules, settings or host.json have errors,
    2 for invalid arguments.
    """
    errors = Console(sys.stderr, remember=0)
    try:
        environment = LocalSettings.load(app).environment(os.environ)[0]
        rules = load_rules(app, environment)
    except (BadFile, SettingsError) as error:
        errors.print(str(error), "error")
        return 1
    if rules.errors:
        print_rules(rules, environment, errors)
        return 1
    console, found = Console(sys.stdout, remember=0), assignments(rules)
    if format is Format.json:
        print_json([each.view() for each in found], console)
    elif format is Format.bicep:
        print(as_bicep(found), end="")
    else:
        for each in found:
            _print(each, console)
    return 0


def _print(assignment: Assignment, console: Console) -> None:
    role = assignment.role
    where = assignment.resource if assignment.resource.startswith("/") else role.where
    console.print(f"{role.name} {role.id}{' (optional)' if role.optional else ''}")
    console.print(f"    on {where}: {role.purpose}", indent=4)
    if assignment.rules:
        console.print(f"    for {', '.join(assignment.rules)}", "faint", indent=4)
