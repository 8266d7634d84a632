"""``mlevents schema``: print the JSON Schema of rules files, of workspaces.yaml or of tests, for editors."""

import sys
from typing import Annotated, Literal, TypeAlias

import typer

from dispatch.rules.schema import SCHEMAS, as_text, schema_of
from mlevents.cli import command_line, examples
from mlevents.commands.rule_tests.model import TestsFile
from mlevents.console import Console

Kind: TypeAlias = Literal["rules", "workspaces", "tests"]

cli = command_line()


@cli.command(
    epilog=examples(
        "mlevents schema rules > docs/schemas/rules.schema.json",
        "mlevents schema workspaces > docs/schemas/workspaces.schema.json",
        "mlevents schema tests > docs/schemas/tests.schema.json",
    )
)
def schema(
    kind: Annotated[
        Kind,
        typer.Argument(
            metavar="KIND", help="`rules` for any rules file, `workspaces` for workspaces.yaml, `tests` for tests."
        ),
    ],
) -> int:
    """Print the JSON Schema of rules files, of workspaces.yaml or of tests, for editors.

    With the schema, an editor completes keys and underlines errors: see
    docs/rules.md. The schema includes the settings of the built-in handlers, so
    print it again after you have added one.
    Exit code: 0 for success, 2 for invalid arguments.
    """
    console = Console(sys.stdout, remember=0)
    found = schema_of(TestsFile) if kind == "tests" else SCHEMAS[f"{kind}.schema.json"]()
    for line in as_text(found).splitlines():
        console.print(line)
    return 0
