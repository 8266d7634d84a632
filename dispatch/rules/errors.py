"""`RuleError`: something wrong in a rules file: where it is, what it is, what to do about it."""

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches

_LIMIT = 500  # characters of a message: it is one line of a log


@dataclass(frozen=True, slots=True, order=True)
class RuleError:
    """`file` as ``rules/churn.yaml``; line and column count from 1. `hint` says what to do, and may be empty."""

    file: str
    line: int
    column: int
    message: str
    hint: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "message", one_line(self.message))

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.message}" + (f". {self.hint}" if self.hint else "")


def one_line(text: str) -> str:
    """A text without line breaks and final full stop, and not too long."""
    line = " ".join(text.split()).rstrip(".")
    return line if len(line) <= _LIMIT else line[: _LIMIT - 1] + "…"


def closest(word: str, known: Iterable[str]) -> str | None:
    """The known word that is most like this one, whatever its letters' case; None if none is like it."""
    folded = {candidate.casefold(): candidate for candidate in known}
    close = get_close_matches(word.casefold(), folded, n=1)
    return folded[close[0]] if close else None


def did_you_mean(word: str, known: Iterable[str], all_of: str = "") -> str:
    """A hint: the known word that is like this one; if there is none, all of them, behind the text `all_of`."""
    words = sorted(set(known))
    if meant := closest(word, words):
        return f"Did you mean {meant}?"
    return f"{all_of} {', '.join(words)}." if all_of and words else ""
