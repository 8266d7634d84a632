"""The filters that Jinja lacks: `split`, `regex_search`, `regex_replace` and `date`."""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache, wraps
from typing import Any

from jinja2 import StrictUndefined, TemplateRuntimeError, Undefined, pass_context
from jinja2.runtime import Context

from handlers.templates import dates
from handlers.templates.budget import ITEM, OPERATION, spend
from handlers.templates.linear_regex import LinearRegex
from schemas.errors import shown

STEP = 100  # units of work of a step in a search
_DIRECTIVE = 100  # units of work of a character in a format of `date`

# In a text of a template, \b is a backspace, and \1 to \7 are control characters, if the backslash is single.
_MEANT = {"\b": r"\b"}
_REFERENCES = {chr(number): f"\\{number}" for number in range(1, 8)}


class Missing(StrictUndefined):
    """A key that the event lacks, or the result of a search that finds nothing.

    It is false in ``if``, ``not``, ``and`` and ``or``, and replaced by `default`; anything else is an error.
    """

    __slots__ = ()

    def __bool__(self) -> bool:  # type: ignore[override]
        return False


class Absent(Undefined):
    """What the service does not know about the object of an event: an empty text, and false.

    It is no error: a mail that mentions the reason of a failure goes out without it.
    """

    __slots__ = ()


def _text_filter(function: Callable[..., Any]) -> Callable[..., Any]:
    """Report an invalid argument like every other error of a template, and a missing one by the key that is missing."""

    @wraps(function)
    def checked(*args: Any, **options: Any) -> Any:
        for argument in (*args, *options.values()):
            if isinstance(argument, Undefined):
                str(argument)  # raises the error that names the key
        try:
            return function(*args, **options)
        except ValueError as error:
            raise TemplateRuntimeError(str(error)) from error

    return checked


def _text(value: Any, name: str) -> str:
    """A value as text. Raises ValueError for what is neither a text nor a number."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(f"{name} takes a text, not {shown(value)}")  # noqa: TRY004 - as documented
    return str(value)


def checked_separator(separator: Any) -> str | None:
    """Raises ValueError for what cannot separate the parts of a text."""
    if separator is None or (isinstance(separator, str) and separator):
        return separator
    raise ValueError(f"split takes a separator such as ';', not {shown(separator)}")


@_text_filter
def split(value: Any, separator: str | None = None, maxsplit: int = -1) -> list[str]:
    """The parts of a text between separators, or its words."""
    return _text(value, "split").split(checked_separator(separator), maxsplit)


def added_by_split(value: Any, separator: Any = None, *_: Any, **__: Any) -> int:
    """What the list of parts costs, beside the text."""
    text = str(value)
    return ITEM * (text.count(separator) + 1 if isinstance(separator, str) else len(text) // 2)


@lru_cache(maxsize=1_000)
def compiled(pattern: Any) -> LinearRegex:
    """The regular expression of a pattern. Raises ValueError."""
    if not isinstance(pattern, str):
        raise ValueError(f"a pattern is a text, not {shown(pattern)}")  # noqa: TRY004 - as documented
    return LinearRegex(_with_backslashes(pattern, _MEANT))


def _with_backslashes(text: str, meant: Mapping[str, str]) -> str:
    return re.sub(r"[\x01-\x08]", lambda match: meant.get(match[0], match[0]), text)


def _pay(steps: int) -> None:
    spend(STEP * steps)


@_text_filter
def regex_search(value: Any, pattern: str, group: int | str = 0) -> Any:
    """The text of the first match, or of one of its groups."""
    regex, text = compiled(pattern), _text(value, "regex_search")
    number = regex.group(group)
    spans = regex.search(text, _pay)
    start, end = spans[2 * number : 2 * number + 2] if spans else (None, None)
    return Missing(hint=f"{pattern!r} does not match {shown(text)}") if start is None else text[start:end]


@_text_filter
def regex_replace(value: Any, pattern: str, replacement: str, count: int = 0) -> str:
    """The text with its matches, or the first `count` of them, replaced."""
    regex, text = compiled(pattern), _text(value, "regex_replace")
    parts = regex.replacement(_with_backslashes(replacement, _REFERENCES))
    pieces: list[str] = []
    copied, start, is_empty = 0, 0, False
    while not count or len(pieces) < 2 * count:
        spans = regex.search(text, _pay, start, empty=not is_empty)
        if spans is None:
            break
        first, start = spans[0] or 0, spans[1] or 0
        is_empty = first == start
        new = "".join(part if isinstance(part, str) else _group(text, spans, part) for part in parts)
        pieces += text[copied:first], new
        copied = start
        spend(OPERATION + len(new))
    return "".join((*pieces, text[copied:]))


def _group(text: str, spans: tuple[int | None, ...], number: int) -> str:
    start, end = spans[2 * number : 2 * number + 2]
    return "" if start is None else text[start:end]


@_text_filter
@pass_context
def date(context: Context, value: Any, format: str = dates.DEFAULT_FORMAT, zone: str = "", **shifts: float) -> str:
    """A time, shifted, in a format, as the clocks of a time zone show it; by default, that of the event's workspace."""
    dates.check_format(format)
    spend(_DIRECTIVE * len(format))
    return dates.date(value, format, zone or context.parent["workspace"]["timezone"], shifts)


FILTERS: Mapping[str, Callable[..., Any]] = {
    "split": split,
    "regex_search": regex_search,
    "regex_replace": regex_replace,
    "date": date,
}
