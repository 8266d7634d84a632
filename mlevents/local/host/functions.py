"""The functions of an app as the host sees them, and the errors of calling them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self, TypeAlias

Data: TypeAlias = dict[str, Any]  # a value: its kind ("json", "string", "bytes" in Base64, "http"), and the value


class AppBroken(Exception):  # noqa: N818 - the app is broken, not the tool
    """The app's functions cannot be indexed; carries Python's stack trace."""

    def __init__(self, message: str, stack: str = "") -> None:
        super().__init__(message)
        self.stack = stack


class CallFailed(Exception):  # noqa: N818 - the function's failure, not the tool's
    """A call of a function failed: it raised, ran out of time, or its worker died. Carries its stack trace."""

    def __init__(self, message: str, stack: str = "") -> None:
        super().__init__(message)
        self.stack = stack


class WorkerDied(CallFailed):
    """The worker process ended while it was needed."""


@dataclass(frozen=True, slots=True)
class Function:
    """A function of the app, as the worker found it."""

    name: str
    id: str
    trigger: Mapping[str, Any]
    other_bindings: tuple[Mapping[str, Any], ...] = field(default=())

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> Self:
        """The function that the worker describes."""
        triggers = [b for b in found["bindings"] if str(b["type"]).lower().endswith("trigger")]
        others = tuple(b for b in found["bindings"] if b not in triggers and b["name"] != "$return")
        return cls(found["name"], found["id"], triggers[0], others)

    @property
    def kind(self) -> str:
        """The trigger's type in lower case: ``queuetrigger``."""
        return str(self.trigger["type"]).lower()
