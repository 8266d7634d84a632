"""Load the app again when its files change: rules, handlers and settings."""

import asyncio
import os
import sys
from pathlib import Path

from dispatch.settings import Environment, SettingsError
from mlevents import PROJECT
from mlevents.app_rules import has_rules
from mlevents.app_settings import BadFile, LocalSettings
from mlevents.local.changes import Watch
from mlevents.local.host.functions import AppBroken, WorkerDied
from mlevents.local.output import lines
from mlevents.local.running import Running

_MOST_NAMED = 3  # files in the line about a change


def rules_folders(app_dir: Path) -> list[Path]:
    """The folder of the rules, if a setting names one: it may be outside the app's folder. Raises BadFile."""
    named = Environment(LocalSettings.load(app_dir).environment(os.environ)[0]).raw("MLEVENTS_RULES")
    return [app_dir / named] if named else []


async def reload_on_change(running: Running, watch: Watch) -> None:
    """Load the app again after each change, until it is cancelled. An app that cannot be loaded goes on as it was."""
    console = running.console
    while True:
        changed = await watch.change()
        console.event("changed", _names(changed, running.options.app_dir))
        functions = {name: function.trigger for name, function in running.host.functions.items()}
        try:
            await _check(running)
            await running.reload()
        except (AppBroken, BadFile, SettingsError, WorkerDied) as error:
            console.problem(f"{error}. The app goes on as it was", getattr(error, "stack", ""))
            continue
        console.event("reloaded", "the app is as its files are now", "success")
        if functions != {name: function.trigger for name, function in running.host.functions.items()}:
            console.event("reloaded", "its functions or their triggers have changed: restart to apply that", "warning")
        elif any(path.name == "host.json" for path in changed):
            console.event("reloaded", "what host.json says of queues and routes applies after a restart", "warning")


async def _check(running: Running) -> None:
    """Print the errors in the rules. A process of its own loads the handlers as they are now."""
    if not has_rules(running.options.app_dir, running.environment):
        return
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "mlevents.app_rules", str(running.options.app_dir)),
        cwd=PROJECT,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert process.stdout is not None  # noqa: S101 - it is a pipe
    try:
        printed = [line async for line in lines(process.stdout)]
        code = await process.wait()
    except asyncio.CancelledError:
        process.kill()
        await process.wait()
        raise
    for line in printed:
        running.console.print(line, "error" if code else "success", indent=4)


def _names(paths: list[Path], folder: Path) -> str:
    names = [str(path.relative_to(folder)) if path.is_relative_to(folder) else str(path) for path in paths]
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(names[:_MOST_NAMED]) + more
