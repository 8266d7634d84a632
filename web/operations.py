"""What an operator can do in the pages: replay, pause and resume. Each is a question first, and then a form."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from dispatch.app import App
from dispatch.inbox.history.records import StoredEvent
from dispatch.inbox.history.search import Page
from dispatch.inbox.pauses import EVERY_RULE
from dispatch.replay.failed import failed_rules
from dispatch.replay.pausing import pause, resume
from dispatch.replay.replay import Replayed, ReplayOptions, replay
from handlers.duration import parse_duration
from schemas.errors import shown
from web.events import FIELDS, cursor_of, filter_of
from web.exchange import AddressError, Missing

MOST = 100  # events that one form replays, so that the response comes before a client or a proxy gives up
MOST_CALLED = 200  # actions that one form calls

LENGTHS = {"30m": "30 minutes", "2h": "2 hours", "8h": "8 hours", "1d": "1 day", "": "until it is resumed"}
_STEPS = {
    "replayed": "runs again",
    "created": "runs for the first time",
    "requeued": "has not ended, and is called",
    "unchanged": "is left as it is",
    "refused": "cannot run",
}
_EFFECTS = {"replayed", "created", "requeued"}


@dataclass(frozen=True, slots=True)
class Question:
    """What a form would do. `fields` are sent back with it; without a `button`, there is nothing to do."""

    title: str
    text: str
    back: str  # the path of the page from which it was opened
    fields: Mapping[str, str] = field(default_factory=dict)
    button: str = ""
    rows: tuple[tuple[str, str, str], ...] = ()  # a rule, what happens to its action, and why
    lengths: Mapping[str, str] = field(default_factory=dict)  # to choose one


@dataclass(frozen=True, slots=True)
class Done:
    """What a form has done, and the path of the page to show next. `kind` is a key of `MESSAGES`."""

    kind: str
    path: str
    count: int = 0


MESSAGES: Mapping[str, Callable[[int], str]] = {
    "replayed": lambda n: f"To run again: {_counted(n, 'action')}.",
    "some": lambda n: f"To run again: {_counted(n, 'action')}. Others are left: repeat it.",
    "paused": lambda _: "Paused. Within ten seconds, all workers know of it; what has started goes on.",
    "resumed": lambda n: f"Resumed. To run in ten seconds: {_counted(n, 'action')}.",
    "still": lambda _: "Resumed, but all rules are paused.",
    "nothing": lambda _: "Nothing has changed.",
}


def message(query: Mapping[str, str]) -> str:
    """The message of the form that led to a page; empty if none did. No text of the address is a part of it."""
    text, count = MESSAGES.get(query.get("done", "")), query.get("count", "0")
    return text(int(count)) if text and count.isascii() and count.isdigit() and len(count) < 10 else ""


@dataclass(frozen=True, slots=True)
class Operation:
    """Asks, and acts for somebody. Both raise AddressError, Missing and StorageError."""

    ask: Callable[[App, Mapping[str, str]], Question]
    act: Callable[[App, Mapping[str, str], str], Done]


def _ask_replay(app: App, query: Mapping[str, str]) -> Question:
    event, options = _event(app, query), _options(query)
    steps = replay(event, app, options, dry_run=True).steps
    rows = tuple((step.rule, _STEPS[step.status], step.reason) for step in steps)
    acts = any(step.status in _EFFECTS for step in steps)
    what = f"the action of {options.rule}" if options.rule else "what did not succeed"
    return Question(
        f"Replay {what}?",
        f"Event {event.record.object or event.record.id}. Effects are repeated: a mail is sent once more."
        if acts
        else "No action would run. To repeat one that has succeeded, replay that action alone.",
        f"events/{event.day}/{event.key}",
        {"event": f"{event.day}/{event.key}", "rule": options.rule},
        "Replay" if acts else "",
        rows,
    )


def _replay(app: App, form: Mapping[str, str], by: str) -> Done:
    event = _event(app, form)
    count = _count(replay(event, app, _options(form), by=by))
    return Done("replayed" if count else "nothing", f"events/{event.day}/{event.key}", count)


def _event(app: App, given: Mapping[str, str]) -> StoredEvent:
    event = app.inbox.history.event(*cursor_of(given.get("event", "")))
    if event is None:
        raise Missing("This event is not recorded; it may be older than what the app keeps.")
    return event


def _options(given: Mapping[str, str]) -> ReplayOptions:
    return ReplayOptions(rule=given.get("rule", ""))


def _count(replayed: Replayed) -> int:
    return sum(step.status in _EFFECTS for step in replayed.steps)


def _ask_replay_failed(app: App, query: Mapping[str, str]) -> Question:
    given = _failed_only(query) | {"until": query.get("until", "") or app.now().isoformat(timespec="seconds")}
    page = _failed(app, given)
    rules = Counter(rule for event in page.events for rule in failed_rules(event, given["rule"]))
    number = rules.total()
    more = " There are older events to compare; repeat it for those that are left." if page.cursor else ""
    text = f"{_counted(number, 'failed action')} of {_counted(len(page.events), 'event')}."
    return Question(
        "Replay all that failed?",
        f"{text}{more}" + (" Effects are repeated: mails are sent once more." if number else ""),
        "events",
        given,
        f"Replay {number}" if number else "",
        tuple((rule, "runs again", f"{count} failed") for rule, count in rules.most_common()),
    )


def _replay_failed(app: App, form: Mapping[str, str], by: str) -> Done:
    given = _failed_only(form)
    page, count = _failed(app, given), 0
    for event in page.events:
        for rule in failed_rules(event, given["rule"]) if given["rule"] else ("",):
            count += _count(replay(event, app, ReplayOptions(rule=rule, failed=True), by=by))
    return Done(("some" if page.cursor else "replayed") if count else "nothing", "events", count)


def _failed_only(given: Mapping[str, str]) -> dict[str, str]:
    return {name: given.get(name, "").strip() for name in (*FIELDS, "from", "until")} | {"status": "failed"}


def _failed(app: App, given: Mapping[str, str]) -> Page:
    return app.inbox.search(filter_of(given), MOST).page()


def _ask_pause(app: App, query: Mapping[str, str]) -> Question:
    rule = _rule(app, query)
    text = "Events are received and recorded as before. Actions that have not started wait, and nothing is dropped."
    what = f"Pause {rule}?" if rule else "Pause all rules?"
    alerts = "" if rule else " Alerts are still sent."
    return Question(what, text + alerts, "rules", {"rule": rule}, "Pause", lengths=LENGTHS)


def _pause(app: App, form: Mapping[str, str], by: str) -> Done:
    length = form.get("for", "")
    if length not in LENGTHS:
        raise AddressError(f"for is {shown(length)}; choose a time of the form")
    pause(app, _rule(app, form), by, parse_duration(length) if length else None)
    return Done("paused", "rules")


def _ask_resume(app: App, query: Mapping[str, str]) -> Question:
    rule = query.get("rule", "")
    paused = [each for each in app.inbox.pauses.all(app.now()) if rule in (EVERY_RULE, each.rule)]
    rows = tuple((each.rule or "all rules", "is resumed", str(each)) for each in paused)
    what = f"Resume {rule}?" if rule else "Resume all rules?"
    text = "What has waited runs in ten seconds." if paused else "Nothing is paused."
    return Question(what, text, "rules", {"rule": rule}, "Resume" if paused else "", rows)


def _resume(app: App, form: Mapping[str, str], by: str) -> Done:
    done = resume(app, form.get("rule", ""), by, MOST_CALLED)
    if not done.ended:
        return Done("nothing", "rules")
    return Done("still" if done.still else "resumed", "rules", done.called)


def _rule(app: App, given: Mapping[str, str]) -> str:
    """The rule that is named, or EVERY_RULE."""
    rule = given.get("rule", "")
    if rule and rule not in app.rules.by_name:
        raise Missing(f"There is no rule {shown(rule)} in force.")
    return rule


def _counted(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"


OPERATIONS: Mapping[str, Operation] = {
    "replay": Operation(_ask_replay, _replay),
    "replay-failed": Operation(_ask_replay_failed, _replay_failed),
    "pause": Operation(_ask_pause, _pause),
    "resume": Operation(_ask_resume, _resume),
}
