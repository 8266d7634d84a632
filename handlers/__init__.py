"""Handlers: what a rule can do about an event. The contract is `handlers.base`; this module finds them by name."""

from importlib import import_module
from inspect import isabstract
from typing import Any

from handlers.base import Handler

_BUILT_IN = {
    "deploy": "handlers.deploy.handler",
    "email": "handlers.email.handler",
    "log": "handlers.log",
    "pipeline": "handlers.pipeline.handler",
}


def builtin() -> list[str]:
    """The names of the built-in handlers, which ``do:`` takes without an import path."""
    return sorted(_BUILT_IN)


def find(do: str) -> type[Handler[Any]]:
    """Import the handler class that a rule's ``do:`` names: ``email``, or ``acme.pager:Pager`` for one of your own.

    Raises LookupError, with the reason, if the module cannot be imported or does not have exactly one such class.
    """
    path, _, name = do.partition(":")
    if not name and path not in _BUILT_IN:
        raise LookupError(
            f"there is no handler {do!r}; built in: {', '.join(builtin())}; yours: 'package.module:Class'"
        )
    try:
        module = import_module(path if name else _BUILT_IN[path])
    except Exception as error:
        raise LookupError(f"importing {path!r} failed: {type(error).__name__}: {error}") from error
    classes = [v for v in vars(module).values() if isinstance(v, type) and issubclass(v, Handler) and not isabstract(v)]
    found = {c for c in classes if (c.__name__ == name if name else c.__module__ == module.__name__)}
    if len(found) != 1:
        raise LookupError(f"{module.__name__} has {len(found)} handlers {name or 'of its own'}; one is needed")
    return found.pop()
