"""The commands of `mlevents azure` about services beside Azure ML: Azure Monitor and storage."""

from typing import Annotated

import typer

from mlevents import PROJECT
from mlevents.cli import AppFolder, command_line, examples
from mlevents.commands.emulator.sending import Workspace, send

cli = command_line()


@cli.command(epilog=examples("mlevents azure alert churn-5xx --endpoint churn --value 31 --threshold 5"))
def alert(
    rule: Annotated[str, typer.Argument(help="The name of the alert rule.")],
    *,
    endpoint: Annotated[str | None, typer.Option(help="The endpoint; else it is about the workspace.")] = None,
    metric: Annotated[
        str | None, typer.Option(help="The metric.", show_default="RequestsPerMinute or Failed Runs")
    ] = None,
    value: Annotated[float | None, typer.Option(help="Its value.", show_default="1")] = None,
    threshold: Annotated[float | None, typer.Option(help="The threshold.", show_default="0")] = None,
    severity: Annotated[int | None, typer.Option(min=0, max=4, help="The severity.", show_default="1")] = None,
    resolved: Annotated[bool, typer.Option("--resolved", help="What it reports is over.")] = False,
    workspace: Workspace = None,
    app: AppFolder = PROJECT,
) -> int:
    """Let an alert of Azure Monitor fire, or be resolved, which the app receives as AlertFired or AlertResolved."""
    condition = {"metric": metric, "value": value, "threshold": threshold, "severity": severity}
    return send("fire_alert", app, rule=rule, endpoint=endpoint, **condition, resolved=resolved, workspace=workspace)


Account = Annotated[str | None, typer.Option(help="The storage account, by its name.", show_default="the first")]
Lake = Annotated[bool, typer.Option("--lake", help="The account is a data lake.")]


@cli.command(epilog=examples("mlevents azure put-blob exports/daily/churn.csv"))
def put_blob(
    path: Annotated[str, typer.Argument(help="The container and the path: exports/daily/churn.csv.")],
    *,
    size: Annotated[int | None, typer.Option(min=0, help="Its size in bytes.", show_default="524288")] = None,
    lake: Lake = False,
    account: Account = None,
    app: AppFolder = PROJECT,
) -> int:
    """Upload a blob, which raises BlobCreated: in a data lake twice. Its content is not kept."""
    return send("put_blob", app, path=path, size=size, lake=lake, account=account)


@cli.command(epilog=examples("mlevents azure delete-blob exports/daily/churn.csv"))
def delete_blob(
    path: Annotated[str, typer.Argument(help="The container and the path.")],
    *,
    lake: Lake = False,
    account: Account = None,
    app: AppFolder = PROJECT,
) -> int:
    """Delete a blob, which raises BlobDeleted."""
    return send("delete_blob", app, path=path, lake=lake, account=account)
