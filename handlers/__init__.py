"""Handlers: what a rule can do about an event. The contract is `handlers.base`; this module finds them by name."""

from collections.abc import Mapping
from difflib import get_close_matches
from importlib import import_module
from inspect import isabstract, isasyncgenfunction, iscoroutinefunction, isgeneratorfunction, unwrap
from typing import Any, cast

from handlers.base import Handler

_BUILT_IN = {
    "azure_devops": "handlers.azure_devops.handler",
    "blob": "handlers.streams.blob",
    "deploy": "handlers.deploy.handler",
    "email": "handlers.email.handler",
    "event_grid": "handlers.streams.event_grid",
    "event_hub": "handlers.streams.event_hub",
    "fabric": "handlers.fabric",
    "github": "handlers.github.handler",
    "log": "handlers.log",
    "pipeline": "handlers.pipeline.handler",
    "service_bus": "handlers.streams.service_bus",
    "slack": "handlers.slack.handler",
    "storage_queue": "handlers.streams.storage_queue",
    "teams": "handlers.teams.handler",
    "webhook": "handlers.webhook",
}


def builtin() -> list[str]:
    """The names of the built-in handlers, which ``do:`` takes without an import path."""
    return sorted(_BUILT_IN)


def find(do: str) -> type[Handler[Any]]:
    """Import the handler class that a rule's ``do:`` names: ``email``, or ``acme.pager:Pager`` for one of your own.

    Raises LookupError, with the reason, if the module cannot be imported or does not have such a class.
    """
    path, _, name = do.partition(":")
    if not name and path not in _BUILT_IN:
        module_name, _, class_name = path.rpartition(".")
        hint = f"; did you mean {module_name}:{class_name}?" if module_name and class_name[:1].isupper() else ""
        raise LookupError(
            f"there is no handler {do!r}; built in: {', '.join(builtin())}; yours: 'package.module:Class'{hint}"
        )
    try:
        module = import_module(path if name else _BUILT_IN[path])
    except Exception as error:
        why = f"importing {path!r} failed: {type(error).__name__}: {error}"
        raise LookupError(f"{why}{_missing(path, error)}") from error
    handlers = {key: v for key, v in vars(module).items() if isinstance(v, type) and issubclass(v, Handler)}
    if not name:
        [handler] = [v for v in handlers.values() if v.__module__ == module.__name__ and not isabstract(v)]
        return handler
    found = handlers.get(name) or next((v for v in handlers.values() if v.__name__ == name), None)
    if reason := _reason_against(found, name, vars(module), handlers):
        raise LookupError(f"{module.__name__} {reason}")
    return cast("type[Handler[Any]]", found)


def _missing(path: str, error: Exception) -> str:
    """What to do if a module is missing: the handler's own, or one that it imports."""
    if not isinstance(error, ModuleNotFoundError) or not error.name:
        return ""
    if f"{path}.".startswith(f"{error.name}."):
        return f"; a module of yours belongs in the app's folder: {path.replace('.', '/')}.py"
    return "; add its package to requirements.txt, and run make install"


def _reason_against(
    found: type[Handler[Any]] | None,
    name: str,
    members: Mapping[str, object],
    handlers: Mapping[str, type[Handler[Any]]],
) -> str:
    """Why the class cannot be used; empty if it can."""
    if found is None and name in members:
        return f"has {name}, which is no handler; write class {name}(Handler[Event])"
    if found is None:
        known = sorted(key for key, value in handlers.items() if not isabstract(value))
        close = get_close_matches(name, known, n=1)
        return f"has no handler {name}" + (f"; did you mean {close[0]}?" if close else "")
    if isabstract(found):
        return f"has {name} without a method run; write def run(self, event: Event, action: Action) -> Outcome"
    run = unwrap(found.run)
    if iscoroutinefunction(run) or isgeneratorfunction(run) or isasyncgenfunction(run):
        return f"has {name}, whose run is async or a generator, so that its body would not be run; write def run"
    if run.__annotations__.get("return", "") in (None, "None"):
        return f"has {name}, whose run returns None; return Succeeded, Skipped or CheckBack"
    return ""
