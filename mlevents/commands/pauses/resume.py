"""``mlevents resume``: end a pause, and run what has waited."""

import sys
from typing import Any

from dispatch.replay.pausing import Resumed
from dispatch.replay.pausing import resume as resume_rule
from dispatch.replay.who import user
from mlevents import PROJECT
from mlevents.cli import AppFolder, AsJson, command_line, examples
from mlevents.commands.pauses.pause import EveryRule, RuleName, chosen
from mlevents.console import Console
from mlevents.findings import counted
from mlevents.record import StorageAccount, open_record, reported
from mlevents.views import pause_json, print_json

cli = command_line()


@cli.command(epilog=examples("mlevents resume deploy-churn", "mlevents resume --all"))
def resume(
    rule: RuleName = "",
    *,
    all: EveryRule = False,
    as_json: AsJson = False,
    storage: StorageAccount = "",
    app: AppFolder = PROJECT,
) -> int:
    """End the pause of a rule, or of all rules, and run what has waited.

    --all ends the pause of all rules, and those of single rules, too. What has
    waited runs after ten seconds, when all workers know that the pause has ended.
    Exit code: 0 for success, 1 if nothing was paused or storage cannot be
    written, 2 for invalid arguments.
    """
    console = Console(sys.stdout, remember=0)
    with reported(console) as outcome:
        name = chosen(rule, all)
        record = open_record(app, storage)
        done = resume_rule(record.app, name, user())
        if as_json:
            print_json(_json(done), console)
            return 0 if done.ended else 1
        for line in record.notes:
            console.print(line, "faint")
        for pause in done.ended:
            console.print(f"{f'{pause.rule}: ' if pause.rule else ''}no longer {pause}", "success", indent=4)
        if not done.ended:
            console.print(f"{name} is not paused" if name else "no rule is paused", "error")
        if done.still:
            console.print(f"{done.still}: `mlevents resume --all`", "warning", indent=4)
        elif done.ended:
            console.print(f"to run: {counted(done.called, 'action')}")
        return 0 if done.ended else 1
    return outcome.code


def _json(done: Resumed) -> dict[str, Any]:
    """What was done as ``--json`` prints it. `still` is the pause of all rules, if it holds the rule's actions."""
    still = pause_json(done.still) if done.still else None
    return {"ended": [pause_json(pause) for pause in done.ended], "still": still, "actionsToRun": done.called}
