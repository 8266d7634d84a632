"""``mlevents azure``: control the emulated Azure ML that `mlevents start` runs: register models, raise drift …"""

from pathlib import Path
from typing import Annotated, Literal, TypeAlias

import typer

from mlevents import PROJECT
from mlevents.cli import AppFolder, UsageError, command_line, examples, pairs
from mlevents.commands.emulator import beside
from mlevents.commands.emulator.sending import Workspace, send

Tags = Annotated[list[str] | None, typer.Option("--tag", metavar="NAME=VALUE", help="A tag; repeatable.")]
JobGlob = Annotated[str, typer.Argument(help="A pattern of the job's name, experiment or display name: 'churn-*'.")]
Registry = Annotated[str | None, typer.Option(help="Of this registry, by its name, instead of a workspace.")]
ModelName = Annotated[str, typer.Argument(help="The model's name.")]
ModelVersion = Annotated[str, typer.Argument(help="Its version.")]
ModelType: TypeAlias = Literal["mlflow_model", "custom_model"]

cli = command_line()


@cli.callback(epilog=examples("mlevents azure register-model churn 8 --tag stage=production", "mlevents azure state"))
def azure() -> None:
    """Control the emulated Azure ML of a running `mlevents start`: models, jobs, drift, failures.

    Each command prints the response of the emulator.
    Exit code: 0 for success, 1 if the emulator returns an error or is not
    running, 2 for invalid arguments.
    """


@cli.command(epilog=examples("mlevents azure register-model churn 8 --tag stage=production"))
def register_model(
    name: ModelName,
    version: ModelVersion,
    *,
    tags: Tags = None,
    type: Annotated[ModelType | None, typer.Option(help="The type.", show_default="mlflow_model")] = None,
    registry: Registry = None,
    workspace: Workspace = None,
    app: AppFolder = PROJECT,
) -> int:
    """Register a model version, which raises ModelRegistered, except in a registry."""
    about = {"name": name, "version": version, "registry": registry, "workspace": workspace}
    return send("register_model", app, **about, tags=pairs("--tag", tags), type=type)


@cli.command(epilog=examples("mlevents azure tag-model churn 8 --tag stage=production"))
def tag_model(
    name: ModelName,
    version: ModelVersion,
    tags: Tags = None,
    *,
    registry: Registry = None,
    workspace: Workspace = None,
    app: AppFolder = PROJECT,
) -> int:
    """Change tags of a model version, which raises no event; an empty value removes one."""
    about = {"name": name, "version": version, "registry": registry, "workspace": workspace}
    return send("tag_model", app, **about, tags=pairs("--tag", tags))


@cli.command(epilog=examples("mlevents azure archive-model churn 7", "mlevents azure archive-model churn 7 --restore"))
def archive_model(
    name: ModelName,
    version: ModelVersion,
    *,
    restore: Annotated[bool, typer.Option("--restore", help="Restore the version instead.")] = False,
    registry: Registry = None,
    workspace: Workspace = None,
    app: AppFolder = PROJECT,
) -> int:
    """Archive a model version, or restore it, which raises no event."""
    command = "restore_model" if restore else "archive_model"
    return send(command, app, name=name, version=version, registry=registry, workspace=workspace)


@cli.command(epilog=examples("mlevents azure add-schedule nightly '0 3 * * *' --experiment churn-training"))
def add_schedule(
    name: Annotated[str, typer.Argument(help="The schedule's name.")],
    cron: Annotated[str, typer.Argument(help="When it is due, as five fields of cron.")],
    *,
    experiment: Annotated[str | None, typer.Option(help="The experiment of its jobs.")] = None,
    workspace: Workspace = None,
    app: AppFolder = PROJECT,
) -> int:
    """Add a schedule that starts no job when it is due."""
    return send("add_schedule", app, name=name, cron=cron, experiment=experiment, workspace=workspace)


@cli.command(epilog=examples("mlevents azure drift", "mlevents azure drift --signal feature_drift"))
def drift(
    monitor: Annotated[str | None, typer.Option(help="The monitor's experiment.", show_default="churn-monitor")] = None,
    signal: Annotated[
        str | None, typer.Option(help="The monitoring signal.", show_default="churn_monitor_data_drift")
    ] = None,
    workspace: Workspace = None,
    app: AppFolder = PROJECT,
) -> int:
    """Run a model monitor that finds drift, which raises RunStatusChanged with a tag."""
    return send("raise_drift", app, monitor=monitor, signal=signal, workspace=workspace)


@cli.command(epilog=examples("mlevents azure run churn-training --tag team=churn"))
def run(
    experiment: Annotated[str, typer.Argument(help="The experiment of the pipeline job.")],
    tags: Tags = None,
    workspace: Workspace = None,
    app: AppFolder = PROJECT,
) -> int:
    """Start a pipeline job, as a user of the workspace would."""
    return send("start_job", app, experiment=experiment, tags=pairs("--tag", tags), workspace=workspace)


@cli.command(epilog=examples("mlevents azure job-registers 'churn-*' churn --tag stage=production"))
def job_registers(
    glob: JobGlob,
    model: Annotated[str, typer.Argument(help="The name of the model to register.")],
    tags: Tags = None,
    app: AppFolder = PROJECT,
) -> int:
    """Make jobs register a model when they complete."""
    return send("job_registers", app, glob=glob, model=model, tags=pairs("--tag", tags))


@cli.command(epilog=examples("mlevents azure job-metrics 'churn-*' --metric auc=0.93"))
def job_metrics(
    glob: JobGlob,
    metrics: Annotated[list[str] | None, typer.Option("--metric", metavar="NAME=NUMBER", help="Repeatable.")] = None,
    app: AppFolder = PROJECT,
) -> int:
    """Make jobs log metrics that start from now on."""
    try:
        values = {name: float(value) for name, value in pairs("--metric", metrics).items()}
    except ValueError as error:
        raise UsageError(f"A value of --metric is a number: {error}") from error
    return send("job_metrics", app, glob=glob, metrics=values)


@cli.command(epilog=examples("mlevents azure fail-job nightly --message 'no data' --log log.txt"))
def fail_job(
    glob: JobGlob,
    *,
    message: Annotated[str | None, typer.Option(help="The error message of the jobs.")] = None,
    error: Annotated[str | None, typer.Option(help="The code of the error.", show_default="UserError")] = None,
    reason: Annotated[str | None, typer.Option(help="The more specific code within it: OutOfMemory.")] = None,
    step: Annotated[str | None, typer.Option(help="The step that fails.", show_default="the first")] = None,
    log: Annotated[Path | None, typer.Option(metavar="FILE", exists=True, dir_okay=False, help="Its log.")] = None,
    app: AppFolder = PROJECT,
) -> int:
    """Make jobs fail that start from now on."""
    text = log.read_text(encoding="utf-8", errors="replace") if log else None
    return send("fail_job", app, glob=glob, message=message, code=error, reason=reason, step=step, log=text)


@cli.command(epilog=examples("mlevents azure cancel-job weekly"))
def cancel_job(
    glob: Annotated[
        str,
        typer.Argument(help="A pattern of the job's name, experiment or display name, or of a Data Factory pipeline."),
    ],
    app: AppFolder = PROJECT,
) -> int:
    """Cancel jobs from now on, as a user of the workspace would."""
    return send("cancel_job", app, glob=glob)


@cli.command(epilog=examples("mlevents azure job-takes 0.5 --glob 'churn-*'"))
def job_takes(
    seconds: Annotated[float, typer.Argument(help="The duration in seconds.")],
    glob: Annotated[
        str | None,
        typer.Option(help="A pattern of the job's name, experiment or display name.", show_default="all jobs"),
    ] = None,
    app: AppFolder = PROJECT,
) -> int:
    """Set how long jobs take that start from now on."""
    return send("job_takes", app, seconds=seconds, glob=glob)


@cli.command(epilog=examples("mlevents azure add-component retrain 3 --input rate=number --node train"))
def add_component(
    name: Annotated[str, typer.Argument(help="The component's name.")],
    version: Annotated[str, typer.Argument(help="Its version.")],
    *,
    inputs: Annotated[
        list[str] | None, typer.Option("--input", metavar="NAME=TYPE", help="An input; repeatable.")
    ] = None,
    nodes: Annotated[
        list[str] | None,
        typer.Option("--node", metavar="NAME", help="A node; repeatable. Without one, it is a command component."),
    ] = None,
    workspace: Workspace = None,
    app: AppFolder = PROJECT,
) -> int:
    """Register a component."""
    values = pairs("--input", inputs)
    return send(
        "add_component", app, name=name, version=version, inputs=values, nodes=nodes or None, workspace=workspace
    )


@cli.command(epilog=examples("mlevents azure add-pipeline adf-churn copy --parameter mlevents_key=String"))
def add_pipeline(
    factory: Annotated[str, typer.Argument(help="The data factory or Synapse workspace, by name or resource id.")],
    name: Annotated[str, typer.Argument(help="The pipeline's name.")],
    parameters: Annotated[
        list[str] | None, typer.Option("--parameter", metavar="NAME=TYPE", help="A parameter; repeatable.")
    ] = None,
    app: AppFolder = PROJECT,
) -> int:
    """Add a pipeline to a data factory or Synapse workspace, which is created if it does not exist."""
    return send("add_pipeline", app, factory=factory, name=name, parameters=pairs("--parameter", parameters))


@cli.command(epilog=examples("mlevents azure add-batch-endpoint churn-batch retrain --component retrain:3"))
def add_batch_endpoint(
    name: Annotated[str, typer.Argument(help="The endpoint's name.")],
    deployment: Annotated[str, typer.Argument(help="The deployment's name.")],
    *,
    model: Annotated[str | None, typer.Option(metavar="NAME:VERSION", help="The model to deploy.")] = None,
    component: Annotated[str | None, typer.Option(metavar="NAME:VERSION", help="Or the pipeline component.")] = None,
    workspace: Workspace = None,
    app: AppFolder = PROJECT,
) -> int:
    """Add a batch endpoint with a deployment, its default one."""
    if (model is None) == (component is None):
        raise UsageError("Name what the endpoint deploys: either --model or --component")
    arguments = {"name": name, "deployment": deployment, "model": model, "component": component}
    return send("add_batch_endpoint", app, **arguments, workspace=workspace)


@cli.command("requests", epilog=examples("mlevents azure requests 60 --deployment 'churn-9-*' --failed 6"))
def requests_per_minute(
    per_minute: Annotated[float, typer.Argument(help="How many requests users send each minute.")],
    *,
    failed: Annotated[float | None, typer.Option(help="How many of them fail.", show_default="0")] = None,
    p95: Annotated[float | None, typer.Option(help="The latency in milliseconds.", show_default="80")] = None,
    deployment: Annotated[str | None, typer.Option(help="A pattern of the name.", show_default="all")] = None,
    app: AppFolder = PROJECT,
) -> int:
    """Have deployments get requests, as Azure Monitor's metrics show them, for guard of deploy."""
    return send("set_requests", app, per_minute=per_minute, failed=failed, p95=p95, deployment=deployment)


@cli.command(epilog=examples("mlevents azure fail-deployment 'churn-9-*' --logs 'no module named sklearn'"))
def fail_deployment(
    name: Annotated[str, typer.Argument(help="A pattern of the deployment's name: 'churn-9-*'.")],
    message: Annotated[str | None, typer.Option(help="The error message of Azure ML.")] = None,
    logs: Annotated[str | None, typer.Option(help="The log of the container.")] = None,
    app: AppFolder = PROJECT,
) -> int:
    """Make deployments fail that are created from now on."""
    return send("fail_deployment", app, name=name, message=message, logs=logs)


@cli.command(epilog=examples("mlevents azure state"))
def state(app: AppFolder = PROJECT) -> int:
    """Show the endpoints with their traffic, the models, the jobs and the runs of Data Factory."""
    return send("state", app)


cli.add_typer(beside.cli)
