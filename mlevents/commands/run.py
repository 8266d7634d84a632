"""``python -m mlevents.commands.run``: carry out one deploy rule from this machine, and print every step.

    az login
    python -m mlevents.commands.run deploy-churn churn:7 --workspace churn-dev         # prints what it would do
    python -m mlevents.commands.run deploy-churn churn:7 --workspace churn-dev --yes   # does it

The handler runs as in the function app, with the app settings of this machine and your own login. There is no queue,
so that you can watch, and no inbox, so nothing continues the roll-out if you interrupt it. Your login and the app's
identity may have different permissions.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from dispatch.rules import load
from dispatch.rules.rule import Rule
from dispatch.rules.workspaces import Workspace
from dispatch.settings import Environment
from handlers.azure.ml.resources import ModelRef
from handlers.azure.ml.workspace import connect
from handlers.base import Action, CheckBack, GiveUp
from handlers.deploy.handler import Deploy
from handlers.errors import classify
from mlevents.app_settings import LocalSettings
from schemas import ModelRegistered, WorkspaceId
from schemas.context import Context

PROJECT = Path(__file__).resolve().parents[2]
MOST_FAILURES = 20  # consecutive, of one step
RETRY_PAUSE = timedelta(seconds=30)  # where the service names none

Sleep = Callable[[float], object]


class Wrong(Exception):  # noqa: N818 - told to whoever typed the command
    """The command cannot be carried out; says why."""


def main(arguments: Sequence[str] | None = None, sleep: Sleep = time.sleep) -> int:
    """Run the command; returns the exit code: 0 if the model was deployed, or there was nothing to do."""
    given = _command_line().parse_args(arguments)
    try:
        rule, workspace = _find(given.app.resolve(), given.rule, given.workspace)
        event = _event(given.model, workspace)
    except Wrong as error:
        print(error)
        return 2
    context = Context(event, workspace.view())
    print(rule.handler.plan(context.event_for_handler()))
    if not rule.when.matches(context):
        print(f"but the rule's when does not hold: its tags are {dict(event.data.model_tags)}")
        return 1
    if not given.yes:
        print("Add --yes to do it.")
        return 0
    return follow(rule, context, sleep)


def follow(rule: Rule, context: Context, sleep: Sleep) -> int:
    """Take step after step, with the pauses that the handler asks for; return the exit code."""
    event = context.event_for_handler()
    action = Action(rule=rule.name, source=rule.source, event=event.id)
    action = replace(action, matches=lambda changed: rule.when.matches(replace(context, event=changed)))
    while True:
        try:
            outcome = rule.handler.run(event, action)
        except Exception as error:  # classified as in the app
            verdict = classify(error)
            if isinstance(verdict, GiveUp) or action.failures >= MOST_FAILURES:
                print(f"failed: {verdict}")
                return 1
            print(f"retrying later: {verdict}")
            action = after_pause(replace(action, failures=action.failures + 1), verdict.after or RETRY_PAUSE, sleep)
            continue
        if not isinstance(outcome, CheckBack):
            print(
                f"{type(outcome).__name__.lower()}: {getattr(outcome, 'summary', '') or getattr(outcome, 'reason', '')}"
            )
            return 0
        print(f"{datetime.now():%H:%M:%S} {outcome.note}")
        action = after_pause(replace(action, state=outcome.state, failures=0), outcome.after, sleep)


def after_pause(action: Action, pause: timedelta, sleep: Sleep) -> Action:
    """Sleep; return the action for the next call. Its time has moved by the pause at least, whatever the clock says."""
    sleep(pause.total_seconds())
    return replace(action, now=max(datetime.now(UTC), action.now + pause))


def _command_line() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m mlevents.commands.run", description=__doc__.partition("\n")[0])
    parser.add_argument("rule", help="the name of a rule that does deploy")
    parser.add_argument("model", help="a registered model: name:version")
    parser.add_argument("--workspace", help="where the model is, as workspaces.yaml names it; default: its only one")
    parser.add_argument("--yes", action="store_true", help="deploy; without it, only print what would be done")
    parser.add_argument("--app", type=Path, default=PROJECT, help="the app's folder; default: this project")
    return parser


def _find(app: Path, name: str, workspace: str | None) -> tuple[Rule, Workspace]:
    """The rule and the workspace that are meant. The app settings of this machine become the environment."""
    settings, _ = LocalSettings.load(app).environment(os.environ)
    os.environ.update(settings)
    rules = load(app / Environment(settings).get("MLEVENTS_RULES", "rules"), settings, app)
    print(*rules.errors, sep="\n", end="\n" if rules.errors else "")
    rule = rules.get(name)
    if rule is None or not isinstance(rule.handler, Deploy):
        deploying = [each.name for each in rules.by_name.values() if isinstance(each.handler, Deploy)]
        raise Wrong(f"no rule {name!r} deploys; these do: {', '.join(deploying) or 'none'}")
    known = {each.name: each for each in rules.workspaces or () if rule.is_for(each)}
    chosen = known.get(workspace) if workspace else next(iter(known.values())) if len(known) == 1 else None
    if chosen is None:
        raise Wrong(f"say --workspace and one of {', '.join(known) or 'none, for the rule is for none'}")
    return rule, chosen


def _event(model: str, workspace: Workspace) -> ModelRegistered:
    """The event that Azure ML would raise if the model were registered now."""
    name, _, version = model.rpartition(":")
    if not name:
        raise Wrong(f"{model!r} is not a model version; write name:version")
    found = connect(WorkspaceId.parse(str(workspace.id))).model(ModelRef(name, version, workspace=str(workspace.id)))
    if found is None:
        raise Wrong(f"there is no model {model} in {workspace.id}")
    about = {"model_name": name, "model_version": version, "model_tags": dict(found.tags)}
    about |= {"model_properties": dict(found.properties), "event_time": datetime.now(UTC).isoformat()}
    return ModelRegistered.example(id=f"by-hand-{time.time_ns()}", topic=str(workspace.id), **about)


if __name__ == "__main__":
    sys.exit(main())
