"""`Outcome`: what a test found, with each failure's expected and found values beside each other."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from dispatch.rules.reading.nodes import Position
from schemas.errors import printable

MOST = 2_000  # characters of a value that a failure shows


@dataclass(frozen=True, slots=True)
class Failure:
    """A difference between a test and what the rules do. `notes` explain it, one line each."""

    at: Position
    message: str
    expected: str = ""
    found: str = ""
    notes: tuple[str, ...] = ()

    @property
    def lines(self) -> list[str]:
        """The failure as lines: what differs, what was expected and found, and why."""
        values = [f"expected  {_shown(self.expected)}", f"found     {_shown(self.found)}"]
        return [printable(self.message), *(values if self.expected or self.found else []), *map(_shown, self.notes)]


@dataclass(frozen=True, slots=True)
class Outcome:
    """A test that has run. `is_error` says that it could not run, because of what the test or a rules file says."""

    name: str
    file: str  # as reports show it
    line: int
    rules: tuple[str, ...]  # that fired
    failures: tuple[Failure, ...] = ()
    is_error: bool = False
    seconds: float = field(default=0.0, compare=False)

    @property
    def status(self) -> Literal["passed", "failed", "error"]:
        """How it ended."""
        return "error" if self.is_error else "failed" if self.failures else "passed"

    def position(self, failure: Failure) -> str:
        """The file, line and column of a failure."""
        return f"{self.file}:{failure.at.line}:{failure.at.column}"


def listed(names: Iterable[str]) -> str:
    """Names in order, or "no rule"."""
    return ", ".join(names) or "no rule"


def _shown(text: str) -> str:
    short = text if len(text) <= MOST else f"{text[: MOST - 1]}…"
    return printable(short)
