"""``mlevents events``: list the recorded events, newest first, with how their actions stand."""

import sys
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, get_args

import typer

from dispatch.inbox.history.search import Cursor, Filter
from dispatch.inbox.rows import Status
from mlevents import PROJECT
from mlevents.cli import AppFolder, AsJson, command_line, examples, moment
from mlevents.console import Console
from mlevents.record import StorageAccount, open_record, reported
from mlevents.views import event_json, print_event, print_json
from schemas import EVENT_TYPES

_STATUSES = (*get_args(Status), "unmatched")
_TYPES = tuple(event.__name__ for event in EVENT_TYPES.values())
_MOST_PAGES = 20  # that one command reads while it finds no event

cli = command_line()


def _cursor(text: str) -> Cursor | None:
    try:
        return Cursor.parse(text) if text else None
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def _one_of(noun: str, words: tuple[str, ...]) -> Callable[[str], str]:
    """A parser of one of the words, in any case; an unknown one would find nothing."""

    def parse(text: str) -> str:
        name = text.rpartition(".")[2].casefold()  # the full name of a type ends in the short one
        found = next((word for word in words if word.casefold() == name), "")
        if text and not found:
            raise typer.BadParameter(f"there is no {noun} {text!r}; it is one of {', '.join(words)}")
        return found

    return parse


@cli.command(
    epilog=examples(
        "mlevents events --status failed --from 2026-11-22", "mlevents events --rule deploy-churn --json | jq .events"
    )
)
def events(
    *,
    workspace: Annotated[str, typer.Option(help="Only events of this workspace.")] = "",
    type: Annotated[
        str,
        typer.Option(
            parser=_one_of("type", _TYPES), metavar="TYPE", help="Only events of this type, like ModelRegistered."
        ),
    ] = "",
    object: Annotated[str, typer.Option(help="Only events about this run, model or endpoint.")] = "",
    rule: Annotated[str, typer.Option(help="Only events that this rule acts on.")] = "",
    status: Annotated[
        str,
        typer.Option(
            parser=_one_of("status", _STATUSES),
            metavar="STATUS",
            help="Only events with an action that is succeeded, failed, skipped, waiting … or `unmatched`.",
        ),
    ] = "",
    text: Annotated[str, typer.Option(help="Only events whose payload or outcome contains this text.")] = "",
    since: Annotated[
        datetime | None, typer.Option("--from", parser=moment, metavar="TIME", help="Not before this time.")
    ] = None,
    until: Annotated[datetime | None, typer.Option(parser=moment, metavar="TIME", help="Before this time.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=500, help="At most this many events.")] = 20,
    after: Annotated[
        Cursor | None,
        typer.Option(parser=_cursor, metavar="CURSOR", help="The events after this cursor, which the last page named."),
    ] = None,
    as_json: AsJson = False,
    storage: StorageAccount = "",
    app: AppFolder = PROJECT,
) -> int:
    """List the recorded events, newest first, with how their actions stand.

    All conditions must hold. Times are as in `mlevents replay --help`. To find an
    event by the name of a run, a model or an endpoint, `mlevents show` is faster.
    Exit code: 0 for success, 1 if storage cannot be read, 2 for invalid arguments.
    """
    filter = Filter(workspace, type, object, rule, status, text, since, until)
    console = Console(sys.stdout, remember=0)
    with reported(console) as outcome:
        record = open_record(app, storage)
        search = record.app.inbox.search(filter, limit)
        page = search.page(after)
        for _ in range(_MOST_PAGES):
            if page.events or page.cursor is None:
                break
            page = search.page(page.cursor)
        cursor = str(page.cursor) if page.cursor else None
        if as_json:
            print_json({"events": [event_json(event) for event in page.events], "cursor": cursor}, console)
            return 0
        for line in record.notes:
            console.print(line, "faint")
        for event in page.events:
            print_event(event, console)
        if not page.events:
            console.print(
                "no event is recorded" if filter == Filter() else "no recorded event satisfies the conditions"
            )
        if page.cursor and page.searched_to:
            console.print(f"older events, before {page.searched_to:%Y-%m-%d %H:%M:%S}: add --after {cursor}", "faint")
    return outcome.code
