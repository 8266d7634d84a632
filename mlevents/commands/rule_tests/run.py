"""Run one test of rules. Nothing is carried out, and nothing is written."""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dispatch.rules.errors import did_you_mean
from dispatch.rules.explain import Verdict, explain
from dispatch.rules.rule import Rules
from handlers.base import Result
from mlevents.commands.rule_tests.files import FileCase
from mlevents.commands.rule_tests.results import Failure, Outcome, listed
from mlevents.event_files import BadEvent, change_event, read_event, spelled
from mlevents.firings import BadPlan, Firing, firings_of
from mlevents.samples import AnyDetails
from schemas import EventError, parse_event
from schemas.context import Context
from schemas.errors import shown

_PLAN = "plan"  # the name under which a test expects a handler's plan; others are names of what it sends


class BadTest(Exception):  # noqa: N818 - the name says what is bad
    """A test cannot run; `failure` says why."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


class _Example(Result):
    """The end of an action in a test, in which details that the test does not give have a placeholder."""

    def view(self) -> dict[str, Any]:
        return {**Result.view(self), "details": AnyDetails(self.details)}


@dataclass(frozen=True, slots=True)
class Tried:
    """What rules do about an event: the firings, and the verdict of every rule."""

    firings: Mapping[str, Firing]
    verdicts: Mapping[str, Verdict]

    def why(self, rule: str) -> str:
        """Why a rule fires, or does not, as a line."""
        verdict = self.verdicts[rule]
        reason = "matches" if verdict.matches else f"{verdict.key}: {verdict.reason}"
        return f"{rule}: {reason}  ({verdict.source})"


def try_rules(rules: Rules, context: Context, ends: Mapping[str, Result] | None = None) -> Tried:
    """What the rules do about an event. Actions end as in `ends`; others are skipped in a dry run, or succeed."""
    ended: dict[str, Result] = {}

    def end_of(firing: Firing) -> Result:
        name = firing.rule.name
        given = (ends or {}).get(name)
        ended[name] = given or _Example(name, "skipped" if firing.is_dry_run else "succeeded", "an example")
        return ended[name]

    firings = {firing.rule.name: firing for firing in firings_of(rules, context, end_of)}
    verdicts = {verdict.rule: verdict for verdict in explain(rules, context, [*ended.values()])}
    return Tried(firings, verdicts)


def run_case(case: FileCase, rules: Rules, folders: Iterable[Path], recorded: Callable[[str], str]) -> Outcome:
    """Run a test. `recorded` returns the event on record with an id, or raises BadEvent."""
    keys = case.case
    try:
        event = _event(case, rules, folders, recorded)
        context = replace(rules.context(event), facts=keys.facts)
        ends = {name: _Example(name, end.status, end.summary, end.details) for name, end in keys.ends.items()}
        _check_names(case, rules)
    except BadTest as error:
        return Outcome(keys.name, case.file, case.line, (), (error.failure,), is_error=True)
    tried = try_rules(rules, context, ends)
    return Outcome(keys.name, case.file, case.line, tuple(tried.firings), tuple(_failures(case, tried)))


def _event(case: FileCase, rules: Rules, folders: Iterable[Path], recorded: Callable[[str], str]) -> Any:
    keys, key = case.case, "event" if case.case.event else "recorded"
    try:
        event = json.loads(recorded(keys.recorded)) if keys.recorded else read_event(keys.event, case.folder, *folders)
        if isinstance(event, list):  # as Event Grid delivers it
            [event] = event
    except BadEvent as error:
        raise BadTest(Failure(case.position(key), str(error))) from error
    if keys.workspace:
        workspace = rules.workspaces.by_name.get(keys.workspace) if rules.workspaces else None
        if workspace is None:
            hint = did_you_mean(keys.workspace, rules.workspaces.by_name if rules.workspaces else (), "There is")
            raise _bad(case, "workspace", f"there is no workspace {shown(keys.workspace)}. {hint}")
        event[spelled(event, "source" if "specversion" in event else "topic")] = str(workspace.id)
    try:
        change_event(event, keys.changes)
    except BadEvent as error:
        raise _bad(case, "changes", str(error)) from error
    try:
        return parse_event(json.dumps(event))
    except EventError as error:
        changed = "changes" if keys.changes else key
        raise _bad(case, changed, f"the app would reject the event: {error}") from error


def _bad(case: FileCase, key: str, message: str) -> BadTest:
    return BadTest(Failure(case.position(key), message))


def _check_names(case: FileCase, rules: Rules) -> None:
    for key in ("fires", "includes", "not", "ends"):
        for name in getattr(case.case, "not_" if key == "not" else key) or ():
            if name not in rules.by_name:
                hint = did_you_mean(name, rules.by_name, "The rules are")
                raise BadTest(Failure(case.position(key, name), f"there is no rule {shown(name)}. {hint}".strip()))


def _failures(case: FileCase, tried: Tried) -> Iterator[Failure]:
    keys, fired = case.case, tried.firings
    if keys.fires is not None and set(keys.fires) != set(fired):
        different = [name for name in tried.verdicts if (name in keys.fires) != (name in fired)]
        yield Failure(
            case.position("fires"), "fires", listed(keys.fires), listed(fired), tuple(map(tried.why, different))
        )
    if missing := [name for name in keys.includes if name not in fired]:
        notes = tuple(map(tried.why, missing))
        yield Failure(case.position("includes"), "includes", listed(keys.includes), listed(fired), notes)
    yield from _unexpected(case, tried)
    for key, expected in (("fires", keys.fires or {}), ("includes", keys.includes)):
        for rule, parts in expected.items():
            if rule in fired:
                yield from _different(case, key, fired[rule], parts)
    named = {*(keys.fires or ()), *keys.includes}
    for rule, firing in fired.items():
        if error := _error(firing):
            key = "fires" if rule in (keys.fires or ()) else "includes" if rule in named else "name"
            yield Failure(case.position(key, rule), f"{rule} cannot act on the event", "", "", (error,))


def _unexpected(case: FileCase, tried: Tried) -> Iterator[Failure]:
    for rule, reason in case.case.not_.items():
        verdict, at = tried.verdicts[rule], case.position("not", rule)
        expected = f"it does not fire{f': {reason}' if reason else ''}"
        if rule in tried.firings:
            yield Failure(at, f"not: {rule}", expected, "it fires", (tried.why(rule),))
        elif reason and reason != verdict.key and reason.casefold() not in verdict.reason.casefold():
            yield Failure(at, f"not: {rule}", expected, f"it does not fire: {verdict.key}: {verdict.reason}")


def _different(case: FileCase, key: str, firing: Firing, expected: Mapping[str, str | list[str]]) -> Iterator[Failure]:
    """What a handler would do or send otherwise than a test expects."""
    rule = firing.rule.name
    for name, text in expected.items():
        at = case.position(key, rule, name)
        try:
            parts = {_PLAN: firing.plan()} if name == _PLAN else firing.sends()
        except BadPlan as error:
            yield Failure(at, f"{rule}: {name}", _written(text), f"nothing: {error}")
            continue
        if name not in parts:
            hint = did_you_mean(name, {_PLAN, *parts}, f"A test of {firing.rule.do} expects")
            yield Failure(at, f"{rule}: {firing.rule.do} sends no {shown(name)}. {hint}")
        elif not _is_like(parts[name], text):
            yield Failure(at, f"{rule}: {name}", _written(text), _written(parts[name]))


def _is_like(found: str | tuple[str, ...], expected: str | list[str]) -> bool:
    """Is the text the expected one, in which ``*`` stands for any text? The order of several texts does not matter."""
    if isinstance(found, str):
        return isinstance(expected, str) and _matches(found, expected)
    wanted = [expected] if isinstance(expected, str) else expected
    pairs = zip(sorted(found), sorted(wanted), strict=False)
    return len(found) == len(wanted) and all(_matches(text, pattern) for text, pattern in pairs)


def _matches(text: str, pattern: str) -> bool:
    parts = map(re.escape, pattern.rstrip("\n").split("*"))
    return re.fullmatch(".*".join(parts), text.rstrip("\n"), re.DOTALL) is not None


def _written(value: str | tuple[str, ...] | list[str]) -> str:
    return value if isinstance(value, str) else ", ".join(sorted(value)) or "nothing"


def _error(firing: Firing) -> str:
    try:
        firing.plan()
    except BadPlan as error:
        return str(error)
    return ""
