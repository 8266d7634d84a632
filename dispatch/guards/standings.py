"""How the guards of a rule stand for an event now: `mlevents explain` and the page show it for rules that match."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from dispatch.app import App
from dispatch.facts.kept import kept_source
from dispatch.guards.base import HasStanding, Situation, Standing
from dispatch.guards.pause import Paused
from dispatch.guards.throttle import Throttle
from dispatch.inbox.errors import StorageError
from dispatch.inbox.history.records import StoredEvent
from dispatch.inbox.keys import ActionId
from dispatch.rules.rule import Rule
from handlers.base import GiveUp, Result, RetryLater
from schemas.context import Context


def standings_now(
    rule: Rule, context: Context, ends: Sequence[Result], app: App, stored: StoredEvent | None = None
) -> list[Standing]:
    """How the guards of a rule stand that matches an event, of whose actions some have ended. Raises StorageError."""
    id = ActionId(stored.day, stored.key, rule.name) if stored else None
    followed = next((end for end in ends if end.rule in rule.after), None)
    seen = rule.previewed(context.with_result(followed.view()) if followed else context)
    if stored and rule.late:
        seen = replace(seen, facts=kept_source(app.inbox.table, stored))
    return standings(rule, Situation(rule.name, seen, seen.event_for_handler(), app.inbox, app.now(), id))


def standings(rule: Rule, at: Situation) -> list[Standing]:
    """How each guard of the rule stands. Changes nothing. Raises StorageError.

    What a handler's own method raises is shown in place of the guard that calls it: it may need settings that only the
    app has.
    """
    guards: tuple[Any, ...] = (Paused(), *rule.guards, Throttle(rule.handler))
    return [found for guard in guards if isinstance(guard, HasStanding) and (found := _standing(guard, at))]


def _standing(guard: HasStanding, at: Situation) -> Standing | None:
    try:
        return guard.standing(at)
    except StorageError:
        raise
    except (RetryLater, GiveUp) as error:  # a setting is missing, which only this process may lack
        return Standing(type(guard).__name__.lower(), f"unknown here: {error}", False)
    except Exception as error:  # a handler's `lock`, `destination` or `plan` may raise anything
        name, reason = type(guard).__name__.lower(), f"{type(error).__name__}: {error}"
        return Standing(name, f"unknown, because the handler raises {reason}", False)
