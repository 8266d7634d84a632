"""What somebody should look at: problems of an app, in sentences, for people."""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta
from types import MappingProxyType

from dispatch.inbox.shared_state import SharedState
from dispatch.rules.rule import Rules

LATE = timedelta(minutes=15)  # since the last sweep, which runs every five


def problems(
    rules: Rules,
    swept: datetime | None,
    failing: int,
    now: datetime,
    queues: Mapping[str, int | None] = MappingProxyType({}),
) -> list[str]:
    """The problems of an app: of its rules, its queues, its sweep, and its actions, so many of which are failing.

    `queues` are messages by queue; None if there is no such queue.
    """
    found = []
    if not rules.knows_workspaces:
        found.append("workspaces.yaml is invalid, so no rule acts: see `mlevents check`")
    found += [f"{file} is invalid, so its rules do not act: see `mlevents check`" for file in sorted(rules.refused)]
    for name, count in queues.items():
        if count and name.endswith("-poison"):
            messages = "1 message is" if count == 1 else f"{count} messages are"
            found.append(f"{messages} in the queue {name}, which the app's functions empty: do they run?")
    if swept is None:
        found.append("the timer function `sweep` has never run: is the app deployed and running?")
    elif now - swept > LATE:
        found.append(f"the timer function `sweep` last ran at {swept:%Y-%m-%d %H:%M:%S} UTC: is the app running?")
    if failing:
        found.append(f"{failing} {'action is' if failing == 1 else 'actions are'} retried without success so far")
    return found


def unseen_by_watch(shared: SharedState, now: datetime) -> list[str]:
    """What the watch could not see when it looked last, and the events that never came, in sentences.

    Makes two queries. Raises StorageError.

    What it has not looked at for a day is left out: no rule asks for it any more.
    """
    states = [state for state in shared.all("watch|").values() if "reason" in state]
    current = [state for state in states if now - datetime.fromisoformat(state["again"]) < timedelta(days=1)]
    lines = (
        f"the watch cannot {state['what']} of {state['workspace']}, since {state['since'][:16].replace('T', ' ')} UTC: "
        f"{state['reason']}"
        for state in current
    )
    return [*sorted(lines), *_missing(shared, now)]


def _missing(shared: SharedState, now: datetime) -> list[str]:
    """The days of the last week on which events never came, unless they were taken in."""
    counts: Counter[tuple[str, str]] = Counter()
    for value in shared.all("missing|").values():
        if "taken" not in value and value["day"] >= f"{now - timedelta(days=8):%Y-%m-%d}":
            counts[value["day"], value["workspace"]] += int(value["count"])
    return [
        f"{count} {'event' if count == 1 else 'events'} of {workspace} on {day} never came: "
        f"`mlevents watch --take-in {day}`"
        for (day, workspace), count in sorted(counts.items())
    ]
