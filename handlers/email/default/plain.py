"""The default text part of a mail: the same order as the page, in lines of at most `WIDTH` characters."""

from collections.abc import Iterator
from textwrap import wrap

from handlers.content.alerts import COMMAND
from handlers.content.summary import Section, Summary

WIDTH = 72  # characters of a line; a longer word, such as a link, stays whole
_NO_BREAK = "\N{NO-BREAK SPACE}"  # within a fact
_NAMES = 30  # characters of the longest name that values are aligned behind


def plain_text(summary: Summary) -> str:
    """Write a summary as text."""
    blocks = [_wrapped(summary.headline)]
    blocks += ["\n".join(map(_wrapped, lines)) for lines in (summary.lead, summary.notes)]
    blocks.append("\n".join(map(_step, summary.steps)))
    blocks.append(_wrapped(", ".join(fact.replace(" ", _NO_BREAK) for fact in summary.facts)).replace(_NO_BREAK, " "))
    if summary.button:
        blocks.append(f"{summary.button.label}:\n{summary.button.url}")
    if summary.log:
        blocks.append("\n".join([summary.log_title, *(f"  {line}".rstrip() for line in summary.log)]))
    blocks += ["\n".join(_table(section)) for section in summary.sections]
    blocks.append("\n".join(["-- ", *summary.footer]))
    return "\n\n".join(filter(None, blocks)) + "\n"


def _wrapped(text: str, first: str = "", indent: str = "") -> str:
    lines = wrap(
        text, WIDTH, initial_indent=first, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
    return "\n".join(lines)


def _step(line: str) -> str:
    return f"  {line}" if line.startswith(COMMAND) else _wrapped(line)


def _table(section: Section) -> Iterator[str]:
    """The title, and a line or more for each row; values are aligned."""
    yield section.title
    width = min(max(len(name) for name, _ in section.rows), _NAMES)
    for name, value in section.rows:
        first = f"  {name.ljust(width)}  "
        yield _wrapped(value, first, " " * (width + 4)) or first.rstrip()
