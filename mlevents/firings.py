"""`firings_of`: the rules that act on an event, those that follow others included, without carrying anything out."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Self

from jinja2 import TemplateError

from dispatch.guards.dry_run import DryRun
from dispatch.rules.rule import Rule, Rules
from handlers.base import GIVES_UP, GiveUp, Result
from schemas.context import Context


@dataclass(frozen=True, slots=True)
class Firing:
    """A rule that acts on an event. Its context has the result that it follows, if any."""

    rule: Rule
    context: Context
    follows: Result | None = None

    @property
    def is_dry_run(self) -> bool:
        """Does the rule only record what it would do?"""
        return any(isinstance(guard, DryRun) for guard in self.rule.guards)

    def plan(self) -> str:
        """What the handler would do. Raises BadPlan."""
        try:
            plan = self.rule.handler.plan(self.rule.previewed(self.context).event_for_handler())
        except Exception as error:  # of a handler of the app's own, too
            raise BadPlan.of(self.rule, error) from error
        if plan.startswith(GIVES_UP):
            raise BadPlan(plan.removeprefix(GIVES_UP), gives_up=True)
        return plan

    def sends(self) -> dict[str, str | tuple[str, ...]]:
        """What the handler would send, by name. Raises BadPlan."""
        try:
            return dict(self.rule.handler.sends(self.rule.previewed(self.context).event_for_handler()))
        except Exception as error:  # of a handler of the app's own, too
            raise BadPlan.of(self.rule, error) from error


class BadPlan(Exception):  # noqa: N818 - the name says what is bad
    """A handler cannot act on the event; the message is the reason.

    `gives_up` says that it would give up, which a value of the event may cause; else a template fails, or the handler
    has a defect.
    """

    def __init__(self, reason: str, *, gives_up: bool) -> None:
        super().__init__(reason)
        self.gives_up = gives_up

    @classmethod
    def of(cls, rule: Rule, error: Exception) -> Self:
        """The error that a handler's method has raised."""
        if isinstance(error, TemplateError | GiveUp):
            return cls(str(error), gives_up=isinstance(error, GiveUp))
        return cls(f"{rule.do} cannot say what it would do: {type(error).__name__}: {error}", gives_up=False)


def firings_of(rules: Rules, context: Context, end_of: Callable[[Firing], Result | None]) -> Iterator[Firing]:
    """The rules that act on an event; each rule once, after those that it follows.

    `end_of` says how an action ends; None means that it is not known, and then no rule follows it. Late conditions are
    taken as true unless the context has the facts that they read.
    """
    todo = [Firing(rule, context) for rule in rules.matching(context)]
    known = {firing.rule.name for firing in todo}
    for firing in todo:
        name, late = firing.rule.name, firing.rule.late
        reason = late.obstacle(firing.context) if late else ""
        if not reason:
            yield firing
        end = Result(name, "skipped", reason) if reason else end_of(firing) if rules.followers(name) else None
        if end is None:
            continue
        followed = context.with_result(end.view())
        for rule in rules.following(firing.rule.name, end.status, followed):
            if rule.name not in known:
                known.add(rule.name)
                todo.append(Firing(rule, followed, end))
