"""`RuleError`: an error in a rules file, with its position, a message and a hint for the fix."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from types import MappingProxyType

_LIMIT = 500  # characters of a message: it is one line of a log
_WORD_LIMIT = 100  # characters of a word for which a similar one is looked for
_WORDS_LIMIT = 500  # words among which a similar one is looked for
_LISTED = 50  # words that a hint lists


@dataclass(frozen=True, slots=True, order=True)
class RuleError:
    """`file` is a name like ``rules/churn.yaml``; line and column count from 1. `hint` is how to fix it, or empty."""

    file: str
    line: int
    column: int
    message: str
    hint: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "message", one_line(self.message))
        object.__setattr__(self, "hint", " ".join(self.hint.split()))  # it may quote a label, which may have lines

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.message}" + (f". {self.hint}" if self.hint else "")


def one_line(text: str) -> str:
    """The text on one line, without a final full stop, and shortened."""
    line = " ".join(text.split()).rstrip(".")
    return line if len(line) <= _LIMIT else line[: _LIMIT - 1] + "…"


def closest(word: str, known: Iterable[str]) -> str | None:
    """The known word most similar to this one, ignoring case; None if none is similar.

    Comparing two words takes time that grows with the product of their lengths. So words of more than `_WORD_LIMIT`
    characters are similar to none, and of more than `_WORDS_LIMIT` words only those of about the same length count.
    """
    if len(word) > _WORD_LIMIT:
        return None
    folded = {candidate.casefold(): candidate for candidate in known if len(candidate) <= _WORD_LIMIT}
    if word.casefold() in folded:
        return folded[word.casefold()]
    nearest = sorted(folded, key=lambda candidate: abs(len(candidate) - len(word)))[:_WORDS_LIMIT]
    close = get_close_matches(word.casefold(), nearest, n=1)
    return folded[close[0]] if close else None


def did_you_mean(
    word: str, known: Iterable[str], all_of: str = "", written: Mapping[str, str] = MappingProxyType({})
) -> str:
    """A hint that names the similar word; if none is similar, it lists all words after the text `all_of`.

    `written` has the words that came from app settings, with the text to show in their place.
    """
    words = set(known)
    if meant := closest(word, sorted(words)):
        return f"Did you mean {written.get(meant, meant)}?"
    listed = sorted({written.get(each, each) for each in words})
    more = f" and {len(listed) - _LISTED} more" if len(listed) > _LISTED else ""
    return f"{all_of} {', '.join(listed[:_LISTED])}{more}." if all_of and listed else ""
