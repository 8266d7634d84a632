"""``mlevents azure``: play with the stand-in for Azure ML that `mlevents start` runs: register models, raise drift …"""

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mlevents.console import Console

_HELP = "play with the stand-in for Azure ML of a `mlevents start` that runs"


def add_azure(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", shared: argparse.ArgumentParser) -> None:
    """Add the command to `mlevents`."""
    parser = commands.add_parser("azure", help=_HELP, description=_HELP)
    things = parser.add_subparsers(dest="thing", required=True)

    def add(name: str, method: str, help: str, tags: bool = False) -> argparse.ArgumentParser:
        thing = things.add_parser(name, parents=[shared], help=help, description=help)
        thing.set_defaults(method=method)
        if tags:
            thing.add_argument(
                "--tag", dest="tags", action="append", type=_tag, metavar="NAME=VALUE", help="repeatable"
            )
        return thing

    def in_workspace(thing: argparse.ArgumentParser) -> None:
        thing.add_argument("--workspace", help="by its name; default: the first")

    model = add("register-model", "register_model", "register a model version: raises ModelRegistered", tags=True)
    model.add_argument("name")
    model.add_argument("version")
    model.add_argument("--type", choices=["mlflow_model", "custom_model"], help="default: mlflow_model")
    in_workspace(model)
    drift = add("drift", "raise_drift", "have a model monitor find drift: raises RunStatusChanged with its tag")
    drift.add_argument("--monitor", help="the monitor's experiment; default: churn-monitor")
    drift.add_argument("--signal", help="default: churn_monitor_data_drift")
    in_workspace(drift)
    job = add("run", "start_job", "start a pipeline as somebody else would", tags=True)
    job.add_argument("experiment")
    in_workspace(job)
    trains = add("job-registers", "job_registers", "have jobs register a model when they complete", tags=True)
    trains.add_argument("glob", help="of a job's name, experiment or display name: 'churn-*'")
    trains.add_argument("model")
    fails = add("fail-job", "fail_job", "have jobs fail from now on")
    fails.add_argument("glob", help="of a job's name, experiment or display name: 'churn-*'")
    fails.add_argument("--message", help="what they say")
    canceled = add("cancel-job", "cancel_job", "have jobs be canceled by somebody from now on")
    canceled.add_argument("glob", help="of a job's name, experiment or display name, or of Data Factory's pipeline")
    takes = add("job-takes", "job_takes", "say how long jobs take that start from now on")
    takes.add_argument("seconds", type=float)
    takes.add_argument("--glob", help="of a job's name, experiment or display name; default: all")
    _add_inventory(add, in_workspace)
    broken = add("fail-deployment", "fail_deployment", "have deployments fail from now on")
    broken.add_argument("name", help="a glob: 'churn-9-*'")
    broken.add_argument("--message", help="what the service says")
    broken.add_argument("--logs", help="what the container says")
    add("state", "state", "show endpoints with their traffic, models, jobs and runs of Data Factory")


def _add_inventory(
    add: Callable[..., argparse.ArgumentParser], in_workspace: Callable[[argparse.ArgumentParser], None]
) -> None:
    """The commands that put there what pipelines need."""

    def pairs(thing: argparse.ArgumentParser, option: str, dest: str) -> None:
        thing.add_argument(option, dest=dest, action="append", type=_tag, metavar="NAME=TYPE", help="repeatable")

    component = add("add-component", "add_component", "register a component")
    component.add_argument("name")
    component.add_argument("version")
    pairs(component, "--input", "inputs")
    component.add_argument("--node", dest="nodes", action="append", help="of a pipeline; without any, it is a command")
    in_workspace(component)
    pipeline = add("add-pipeline", "add_pipeline", "add a pipeline to a data factory, which is made if need be")
    pipeline.add_argument("factory", help="its name, or its resource id")
    pipeline.add_argument("name")
    pairs(pipeline, "--parameter", "parameters")
    batch = add("add-batch-endpoint", "add_batch_endpoint", "add a batch endpoint with a deployment, its default one")
    batch.add_argument("name")
    batch.add_argument("deployment")
    deployed = batch.add_mutually_exclusive_group(required=True)
    deployed.add_argument("--model", help="NAME:VERSION")
    deployed.add_argument("--component", help="NAME:VERSION")
    in_workspace(batch)


def azure(app: Path, parsed: argparse.Namespace) -> int:
    """Ask for it, and print the answer; returns an exit code: 1 if it was refused, the reason being printed."""
    console = Console(sys.stdout, remember=0)
    beside = {"command", "thing", "method", "app"}
    given = {name: value for name, value in vars(parsed).items() if name not in beside and value is not None}
    given |= {name: dict(given[name]) for name in ("tags", "inputs", "parameters") if name in given}
    try:
        answer = _ask(app, parsed.method, given)
    except LookupError as error:
        console.problem(str(error))
        return 1
    text = "done" if answer is None else answer if isinstance(answer, str) else json.dumps(answer, indent=2)
    for line in text.splitlines():
        console.say(line)
    return 0


def _ask(app: Path, method: str, arguments: Mapping[str, Any]) -> Any:
    """Raises LookupError, which says why, if there is nobody to ask or it is refused."""
    import requests

    from mlevents.local.emulator import NOTE
    from mlevents.local.running import FOLDER

    try:
        where = json.loads((app / FOLDER / NOTE).read_text(encoding="utf-8"))
        answer = requests.post(f"{where['url']}/mlevents/{method}", json=arguments, verify=where["ca_file"], timeout=60)
    except (OSError, requests.RequestException) as error:
        raise LookupError(
            f"no `mlevents start` with a stand-in for Azure ML runs in {app}: start it first, "
            "without --no-azure and without MLEVENTS_ARM_ENDPOINT in its settings"
        ) from error
    body = answer.json()
    if not answer.ok:
        raise LookupError(body["error"]["message"])
    return body["result"]


def _tag(text: str) -> tuple[str, str]:
    name, mark, value = text.partition("=")
    if not name or not mark:
        raise argparse.ArgumentTypeError(f"{text!r} is no tag; write NAME=VALUE, like stage=production")
    return name, value
