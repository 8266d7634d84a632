"""``do:`` and ``with:``: find a handler by its name, and validate its settings."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

from dispatch.rules.errors import did_you_mean
from dispatch.rules.reading.nodes import Node, RuleFile, Scalar, Table, is_broken, is_null, text_of
from dispatch.rules.reading.pydantic_errors import validated
from handlers import builtin, find
from handlers.base import Handler
from schemas import Event


@dataclass(frozen=True, slots=True)
class HandlerEntry:
    """A handler as a rule names it. `handler` is None if its settings have errors, or cannot be checked now."""

    node: Node  # of `do`
    do: str
    accepts: tuple[type[Event], ...]
    handler: Handler[Any] | None = None
    settings_hash: str = ""

    def refuses(self, events: Iterable[type[Event]]) -> list[str]:
        """The names of those event types that the handler cannot act on."""
        return [event.__name__ for event in events if not issubclass(event, self.accepts)]

    @property
    def written(self) -> str:
        """Its name for messages: as the file writes it, since it may come from an app setting."""
        return self.node.written if isinstance(self.node, Scalar) else self.do

    @property
    def takes(self) -> str:
        """The names of the event types that the handler acts on, as a phrase."""
        return " and ".join(event.__name__ for event in self.accepts)


def read_handler(node: Table, file: RuleFile) -> HandlerEntry | None:
    """The handler of a mapping with `do` and `with`; None if its class is not found, which is an error of the file."""
    at = node.fields.get("do")
    do = text_of(at)
    if at is None or do is None:
        return None
    try:
        handler_class = find(do)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # importing runs any code, which may also raise SystemExit
        why = str(error) if isinstance(error, LookupError) else f"importing {do!r} failed: {type(error).__name__}"
        file.error(at, why, lambda: did_you_mean(do, builtin()))
        return None
    accepts = _accepted(handler_class)
    if not accepts:
        hint = "Write class X(Handler[Event]), or its event types in place of Event."
        file.error(at, f"{do} does not declare the event types that it accepts", hint)
        return None
    return _with_settings(handler_class, HandlerEntry(at, do, accepts), node, file)


def _accepted(handler_class: type[Handler[Any]]) -> tuple[type[Event], ...]:
    """The event classes that a handler names; none if it names anything else, or nothing."""
    try:
        named = tuple(handler_class.accepts())
        return named if all(issubclass(each, Event) for each in named) else ()
    except KeyboardInterrupt:
        raise
    except BaseException:  # `accepts` may be overridden
        return ()


def _with_settings(handler_class: type[Handler[Any]], entry: HandlerEntry, node: Table, file: RuleFile) -> HandlerEntry:
    settings = node.fields.get("with")
    if settings is None or is_null(settings):
        settings = Table(entry.node.position, {}, {})
    if not isinstance(settings, Table):  # this error is reported already
        return entry
    at = node.keys.get("with", entry.node.position)
    handler = validated(handler_class, settings, file, "with", at)
    if handler is None or is_broken(settings):
        return entry
    try:
        return replace(entry, handler=handler, settings_hash=_hash(entry.do, handler))
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a handler may define its own serializer
        file.error(at, f"the settings of {entry.written} cannot be written as JSON: {type(error).__name__}")
        return entry


def _hash(do: str, handler: Handler[Any]) -> str:
    """A short hash of the handler and its settings, without secrets, which pydantic does not serialize."""
    text = handler.model_dump_json(fallback=lambda value: type(value).__name__)
    return sha256(f"{do}\n{text}".encode()).hexdigest()[:12]
