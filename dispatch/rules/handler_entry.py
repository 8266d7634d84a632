"""``do:`` and ``with:``: from a handler's name and settings to the handler."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

from dispatch.rules.errors import did_you_mean
from dispatch.rules.reading.nodes import Node, RuleFile, Table, is_broken, is_null
from dispatch.rules.reading.pydantic_errors import validated
from handlers import builtin, find
from handlers.base import Handler
from schemas import Event


@dataclass(frozen=True, slots=True)
class Doing:
    """What a rule does. `handler` is None if its settings have mistakes, or while they cannot be understood."""

    at: Node
    do: str
    accepts: tuple[type[Event], ...]
    handler: Handler[Any] | None = None
    settings_hash: str = ""

    def refuses(self, events: Iterable[type[Event]]) -> list[str]:
        """The names of those event types that the handler cannot act on."""
        return [event.__name__ for event in events if not issubclass(event, self.accepts)]

    @property
    def takes(self) -> str:
        """The names of the event types that it can act on, for people."""
        return " and ".join(event.__name__ for event in self.accepts)


def read_doing(node: Table, file: RuleFile, what: str) -> Doing | None:
    """The `do` and `with` of a mapping; None, and mistakes, if not even the handler's class can be found."""
    if "do" not in node.fields:
        file.error(node, f"{what} has no 'do'", f"It names a handler: {', '.join(builtin())}, or package.module:Class.")
        return None
    at = node.fields["do"]
    do = file.text(at, "do")
    if do is None:
        return None
    try:
        handler_class = find(do)
    except (Exception, SystemExit) as error:  # importing runs code that may be anybody's
        why = str(error) if isinstance(error, LookupError) else f"importing {do!r} failed: {type(error).__name__}"
        file.error(at, why, did_you_mean(do, builtin()))
        return None
    accepts = _accepted(handler_class)
    if not accepts:
        hint = "Write class X(Handler[Event]), or the event types that it takes in place of Event."
        file.error(at, f"{do} does not say which events it takes", hint)
        return None
    return _with_settings(handler_class, Doing(at, do, accepts), node, file)


def _accepted(handler_class: type[Handler[Any]]) -> tuple[type[Event], ...]:
    """The event classes that a handler names; none if it names anything else, or nothing."""
    try:
        named = tuple(handler_class.accepts())
        return named if all(issubclass(each, Event) for each in named) else ()
    except Exception:  # it may be anybody's, and anything
        return ()


def _with_settings(handler_class: type[Handler[Any]], doing: Doing, node: Table, file: RuleFile) -> Doing:
    given = node.fields.get("with")
    if given is None or is_null(given):
        settings: Table | None = Table(doing.at.at, {}, {})
    else:
        settings = file.table(given, "with")
    if settings is None:
        return doing
    at = node.keys.get("with", doing.at.at)
    handler = validated(handler_class, settings, file, "with", at)
    if handler is None or is_broken(settings):
        return doing
    try:
        return replace(doing, handler=handler, settings_hash=_hash(doing.do, handler))
    except Exception as error:  # a handler may have a serializer of its own
        file.error(at, f"the settings of {doing.do} cannot be written as JSON: {type(error).__name__}")
        return doing


def _hash(do: str, handler: Handler[Any]) -> str:
    """A short hash of the handler and its settings; secrets are not in it, for pydantic does not write them."""
    text = handler.model_dump_json(fallback=lambda value: type(value).__name__)
    return sha256(f"{do}\n{text}".encode()).hexdigest()[:12]
