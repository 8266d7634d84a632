"""What can be done about an event: one handler a file, and the contract they share (`handlers.base`)."""

from importlib import import_module
from inspect import isabstract
from pkgutil import iter_modules
from typing import Any

from handlers.base import Handler

_SHARED = {  # what handlers are made with
    "azureml",
    "base",
    "bounds",
    "credential",
    "datafactory",
    "duration",
    "files",
    "launch",
    "lineage",
    "mail",
    "rollout",
    "run",
    "steps",
    "target",
    "template",
}


def builtin() -> list[str]:
    """The names that ``do:`` knows without an import path: the files of this folder."""
    return sorted({module.name for module in iter_modules(__path__)} - _SHARED)


def find(do: str) -> type[Handler[Any]]:
    """What a rule's ``do:`` names: ``email`` is the Handler in handlers/email.py, ``acme.pager:Pager`` any other.

    Nothing is registered: a file in handlers/ is a handler, and only what a rule names is imported.
    Raises LookupError, which says why, for all that does not end in exactly one handler class.
    """
    path, _, name = do.partition(":")
    if not name and path not in builtin():
        raise LookupError(
            f"there is no handler {do!r}; built in: {', '.join(builtin())}; yours: 'package.module:Class'"
        )
    try:
        module = import_module(path if name else f"handlers.{path}")
    except Exception as error:
        raise LookupError(f"importing {path!r} failed: {type(error).__name__}: {error}") from error
    classes = [v for v in vars(module).values() if isinstance(v, type) and issubclass(v, Handler) and not isabstract(v)]
    found = {c for c in classes if (c.__name__ == name if name else c.__module__ == module.__name__)}
    if len(found) != 1:
        raise LookupError(f"{module.__name__} has {len(found)} handlers {name or 'of its own'}; one is needed")
    return found.pop()
