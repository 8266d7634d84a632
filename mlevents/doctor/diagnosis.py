"""`Diagnosis`: what a check of `mlevents doctor` has found, and what the checks are given."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

from dispatch.rules.rule import Rules
from schemas.errors import printable

Severity: TypeAlias = Literal["ok", "warning", "error"]


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One finding: what is so, where, and what to do about it. Texts are one line each, and hold no secrets."""

    group: str
    severity: Severity
    what: str
    where: str = ""
    to_do: str = ""

    def __post_init__(self) -> None:
        for name in ("what", "where", "to_do"):
            object.__setattr__(self, name, printable(" ".join(getattr(self, name).split())))


@dataclass(frozen=True, slots=True)
class Group:
    """Makes the diagnoses of one group of checks."""

    name: str

    def ok(self, what: str, where: str = "") -> Diagnosis:
        """What is well."""
        return Diagnosis(self.name, "ok", what, where)

    def warning(self, what: str, where: str = "", to_do: str = "") -> Diagnosis:
        """What may be meant so, or harms later; or a check that could not be made."""
        return Diagnosis(self.name, "warning", what, where, to_do)

    def error(self, what: str, where: str = "", to_do: str = "") -> Diagnosis:
        """What keeps the app, or a part of it, from working."""
        return Diagnosis(self.name, "error", what, where, to_do)


Diagnoses: TypeAlias = Iterator[Diagnosis]


@dataclass(frozen=True, slots=True)
class Subject:
    """The app that is examined: its folder, its settings, and its rules if these could be loaded."""

    folder: Path
    environment: Mapping[str, str]  # what the app reads, with the variables of this process on one machine
    own: Mapping[str, str] = field(default_factory=dict)  # the settings that somebody has written for the app
    source: str = "the environment"  # where these are
    rules: Rules | None = None
    deployed: bool = False  # are the settings those of a deployed app?
