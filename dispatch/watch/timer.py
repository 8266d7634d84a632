"""Look for what raises no event; a timer runs the watch every five minutes, between two sweeps.

Each part of the watch looks for something else, and raises events of the app through `dispatch.receive.receive`. An
error in one part does not stop the others. They run in random order, and each ends when its share of the time is
over: the watch ends before the host would kill it together with its process.
"""

import random
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TypeAlias

from dispatch.app import App
from dispatch.evidence.deadlines import decide_deadlines
from dispatch.inbox.errors import StorageError
from dispatch.log import log_event
from dispatch.watch.looks import look_at_all
from dispatch.watch.reconcile import reconcile

HasTime: TypeAlias = Callable[[], bool]  # is there time left for this part?
Part: TypeAlias = Callable[[App, HasTime], int]  # looks once, and returns how many events it has raised

PARTS: tuple[Part, ...] = (look_at_all, reconcile, decide_deadlines)


def watch(app: App) -> None:
    """Run all parts once. Raises the first error at the end; the next watch does the rest of the work."""
    began, raised = app.now(), 0
    errors: list[Exception] = []
    end = app.inbox.lease / 2  # a lease is a minute longer than functionTimeout
    for number, part in enumerate(random.sample(PARTS, len(PARTS)), 1):
        deadline = began + end * number / len(PARTS)
        try:
            raised += part(app, _until(deadline, app))
        except StorageError as error:
            errors.append(error)
        except Exception as error:
            app.secrets.log_defect("in the watch", error)
            errors.append(error)
    seconds = (app.now() - began) // timedelta(seconds=1)
    log_event("watch.done", raised=raised, errors=len(errors), seconds=seconds)
    if errors:
        raise errors[0]


def _until(deadline: datetime, app: App) -> HasTime:
    return lambda: app.now() <= deadline
