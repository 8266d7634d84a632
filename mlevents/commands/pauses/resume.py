"""``mlevents resume``: end a pause, and run what has waited."""

import sys

from dispatch.app import App
from dispatch.inbox.actions import read_action
from dispatch.inbox.pauses import EVERY_RULE
from dispatch.inbox.throttles import MAX_AGE
from mlevents import PROJECT
from mlevents.cli import AppFolder, command_line, examples
from mlevents.commands.pauses.pause import EveryRule, RuleName, chosen, user
from mlevents.console import Console
from mlevents.findings import counted
from mlevents.record import StorageAccount, open_record, reported

_NOTES = ("paused by ", "all rules are paused by ")  # how the notes of actions begin that wait for a pause

cli = command_line()


@cli.command(epilog=examples("mlevents resume deploy-churn", "mlevents resume --all"))
def resume(
    rule: RuleName = "",
    *,
    all: EveryRule = False,
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
        found, now = record.app, record.app.now()
        for line in record.notes:
            console.print(line, "faint")
        paused = found.inbox.pauses.all(now)
        ended = [pause for pause in paused if name in (EVERY_RULE, pause.rule)]
        for pause in ended:
            found.inbox.pauses.end(pause.rule, user(), now)
            console.print(f"{f'{pause.rule}: ' if pause.rule else ''}no longer {pause}", "success", indent=4)
        if not ended:
            console.print(f"{name} is not paused" if name else "no rule is paused", "error")
        still = next((pause for pause in paused if pause not in ended and pause.rule == EVERY_RULE), None)
        if still:
            console.print(f"{still}: `mlevents resume --all`", "warning", indent=4)
        elif ended:
            console.print(f"to run: {counted(_wake(name, found), 'action')}")
        return 0 if ended else 1
    return outcome.code


def _wake(rule: str, app: App) -> int:
    """Call the actions that wait for the pause of a rule, or of all; returns their number.

    They are due when all workers know that the pause has ended: else these would hold them again.
    """
    woken, due = 0, app.now() + MAX_AGE
    for day in app.inbox.history.days():
        for id in app.inbox.backlog.open_actions(day):
            if rule in (EVERY_RULE, id.rule):
                _, action = read_action(app.inbox.table, id)
                if action and action.status == "waiting" and action.note.startswith(_NOTES):
                    woken += app.inbox.backlog.wake(id, due, app.queue)
    return woken
