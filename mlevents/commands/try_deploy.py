"""``mlevents try-deploy``: carry out one deploy rule from this machine, and print every step."""

import os
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import sleep
from typing import Annotated

import typer

from dispatch.rules import load
from dispatch.rules.rule import Rule
from dispatch.rules.workspaces import Workspace
from dispatch.settings import Environment
from handlers.azure.ml.resources import ModelRef
from handlers.azure.ml.workspace import connect
from handlers.base import Action, CheckBack, GiveUp
from handlers.deploy.handler import Deploy
from handlers.errors import classify
from mlevents import PROJECT
from mlevents.app_settings import LocalSettings
from mlevents.cli import AppFolder, UsageError, command_line, examples
from mlevents.console import Console
from schemas import ModelRegistered, WorkspaceId
from schemas.context import Context

MOST_FAILURES = 20  # consecutive, of one step
RETRY_PAUSE = timedelta(seconds=30)  # if the service requests none

cli = command_line()


@cli.command(
    epilog=examples(
        "az login",
        "mlevents try-deploy deploy-churn churn:7 --workspace churn-dev",
        "mlevents try-deploy deploy-churn churn:7 --workspace churn-dev --yes",
    )
)
def try_deploy(
    rule: Annotated[str, typer.Argument(metavar="RULE", help="The name of a rule with do: deploy.")],
    model: Annotated[str, typer.Argument(metavar="NAME:VERSION", help="A registered model version.")],
    workspace: Annotated[
        str | None,
        typer.Option(help="The model's workspace, as workspaces.yaml names it.", show_default="the rule's only one"),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Deploy. Without it, only print what would be done.")] = False,
    app: AppFolder = PROJECT,
) -> int:
    """Run one deploy rule against real Azure from this machine, and print every step.

    The handler runs as in the function app, with the app settings of this machine
    and your own login, which may have other permissions than the app's identity.
    If you interrupt the command, nothing continues the deployment.
    Exit code: 0 if the model was deployed or needs no deployment, 1 if the
    deployment failed or the rule does not match, 2 for invalid arguments.
    """
    console = Console(sys.stdout, remember=0)
    found, place = _find(app, rule, workspace, console)
    event = _event(model, place)
    context = Context(event, place.view())
    console.print(found.handler.plan(context.event_for_handler()))
    if not found.when.matches(context):
        console.print(f"the rule does not match this model, whose tags are {dict(event.data.model_tags)}", "error")
        return 1
    if not yes:
        console.print("Nothing was done. Add --yes to deploy.")
        return 0
    return _follow(found, context, console)


def _follow(rule: Rule, context: Context, console: Console) -> int:
    """Take step after step, with the pauses that the handler requests; returns the exit code."""
    event = context.event_for_handler()
    action = Action(rule=rule.name, source=rule.source, event=event.id)
    action = replace(action, matches=lambda changed: rule.matches(changed, context))
    while True:
        try:
            outcome = rule.handler.run(event, action)
        except Exception as error:  # classified as in the app
            verdict = classify(error)
            if isinstance(verdict, GiveUp) or action.failures >= MOST_FAILURES:
                console.print(f"failed: {verdict}", "error")
                return 1
            console.print(f"retrying later: {verdict}", "warning")
            action = _after_pause(replace(action, failures=action.failures + 1), verdict.after or RETRY_PAUSE)
            continue
        if not isinstance(outcome, CheckBack):
            text = getattr(outcome, "summary", "") or getattr(outcome, "reason", "")
            console.print(f"{type(outcome).__name__.lower()}: {text}", "success")
            return 0
        console.print(f"{datetime.now():%H:%M:%S} {outcome.note}", indent=9)
        action = _after_pause(replace(action, state=outcome.state, failures=0), outcome.after)


def _after_pause(action: Action, pause: timedelta) -> Action:
    """Sleep; return the action for the next call. Its time advances by the pause, even if the clock is set back."""
    sleep(pause.total_seconds())
    return replace(action, now=max(datetime.now(UTC), action.now + pause))


def _find(app: Path, name: str, workspace: str | None, console: Console) -> tuple[Rule, Workspace]:
    """The named rule and workspace. Copies the app settings into the environment. Raises UsageError."""
    settings, _ = LocalSettings.load(app).environment(os.environ)
    os.environ.update(settings)
    rules = load(app / Environment(settings).get("MLEVENTS_RULES", "rules"), settings, app)
    for error in rules.errors:
        console.print(str(error), "error")
    rule = rules.get(name)
    if rule is None or not isinstance(rule.handler, Deploy):
        deploying = [each.name for each in rules.by_name.values() if isinstance(each.handler, Deploy)]
        raise UsageError(f"no rule {name!r} deploys; these do: {', '.join(deploying) or 'none'}")
    known = {each.name: each for each in rules.workspaces or () if rule.is_for(each)}
    chosen = known.get(workspace) if workspace else next(iter(known.values())) if len(known) == 1 else None
    if chosen is None:
        raise UsageError(
            f"add --workspace with one of these: {', '.join(known) or 'none, because the rule matches no workspace'}"
        )
    return rule, chosen


def _event(model: str, workspace: Workspace) -> ModelRegistered:
    """The event that Azure ML would raise if the model were registered now. Raises UsageError."""
    name, _, version = model.rpartition(":")
    if not name:
        raise UsageError(f"{model!r} is not a model version; write name:version")
    found = connect(WorkspaceId.parse(str(workspace.id))).model(ModelRef(name, version, workspace=str(workspace.id)))
    if found is None:
        raise UsageError(f"there is no model {model} in {workspace.id}")
    data = {"model_name": name, "model_version": version, "model_tags": dict(found.tags)}
    data |= {"model_properties": dict(found.properties), "event_time": datetime.now(UTC).isoformat()}
    return ModelRegistered.example(id=f"manual-{time.time_ns()}", topic=str(workspace.id), **data)
