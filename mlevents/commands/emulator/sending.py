"""A command to the emulator that a running `mlevents start` has."""

import json
import sys
from typing import Annotated, Any

import requests
import typer

from mlevents.cli import AppFolder
from mlevents.console import Console
from mlevents.local.emulator import NOTE
from mlevents.local.options import FOLDER

Workspace = Annotated[str | None, typer.Option(help="The workspace, by its name.", show_default="the first")]


def send(method: str, app: AppFolder, **arguments: Any) -> int:
    """Call the emulator, and print its answer; returns the exit code. Arguments that are None or empty are left out."""
    console = Console(sys.stdout, remember=0)
    given = {name: value for name, value in arguments.items() if value is not None and value != {}}
    try:
        where = json.loads((app / FOLDER / NOTE).read_text(encoding="utf-8"))
        answer = requests.post(f"{where['url']}/mlevents/{method}", json=given, verify=where["ca_file"], timeout=60)
    except (OSError, requests.RequestException):
        console.problem(
            f"no `mlevents start` with an emulated Azure ML runs in {app}: start it first, "
            "without --no-azure and without MLEVENTS_ARM_ENDPOINT in its settings"
        )
        return 1
    body = answer.json()
    if not answer.ok:
        console.problem(body["error"]["message"])
        return 1
    result = body["result"]
    text = "done" if result is None else result if isinstance(result, str) else json.dumps(result, indent=2)
    for line in text.splitlines():
        console.print(line)
    return 0
