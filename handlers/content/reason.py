"""Why a run failed, in a few words: the clause of an error's message, or of a log, that says most."""

import re

from handlers.content.text import one_line

_LONGEST = 120  # characters
_READ = 20_000  # characters of a message or a log that are looked at
_FEWEST = 3  # words after the name of an exception that say enough without it

# The last line of a Python traceback: the exception and its text.
_EXCEPTION = re.compile(
    r"(?m)^[ \t]*((?:[A-Za-z_]\w{0,80}\.){0,8}[A-Z]\w{0,80}(?:Error|Exception|Exit|Interrupt))\b: ?(.*)$"
)
# What Azure ML writes around the message of the user's code, which says nothing about the cause.
_FRAME = re.compile(
    r"(?i)^(?:execution failed|.{0,40}job failed|job execution failed|pipeline (?:has|contains) failed (?:child )?jobs?"
    r"|failed nodes?:|user process|process .{0,60}exited|user program failed|please check|for more details"
    r"|error details|logs? (?:is|are) |exited with|see the log|stack ?trace)"
)
_SENTENCE = re.compile(r"(?<=[.;!?])\s+|\n+")
# An absolute path, up to its last part: that one says which file it is about.
_FOLDERS = re.compile(r"(?<![\w:/.…])/(?:[^\s/'\"]+/){2,}(?=[^\s/'\"])")
_ERRNO = re.compile(r"^\[Errno -?\d+\] ")
_PREFIX = re.compile(r"^(?:error|exception|message|reason|user error)\s*[:=]\s*", re.IGNORECASE)


def reason_in_short(message: str | None, log: str | None = None, code: str | None = None) -> str:
    """The reason in one clause: that of the last exception in the message or the log; empty if there is none."""
    for text in (message or "", log or ""):
        if found := _EXCEPTION.findall(text[-_READ:]):
            return _of_exception(*found[-1])
    sentences = _sentences(message or "")
    telling = next((each for each in sentences if not _FRAME.match(each)), "")
    return _short(telling or next(iter(sentences), "") or code or "")


def explanation(message: str | None, reason: str) -> str:
    """What the message says beside the reason: the whole text of its last exception, or the message without its frame.

    Empty if that is no more than the reason.
    """
    if found := _EXCEPTION.findall((message or "")[-_READ:]):
        text = ": ".join(filter(None, (found[-1][0].rpartition(".")[2], found[-1][1])))
    else:
        text = " ".join(each for each in _sentences(message or "") if not _FRAME.match(each))
    return "" if _short(text) == reason or text.endswith(reason) else text


def _sentences(text: str) -> list[str]:
    found = (_PREFIX.sub("", each.strip()) for each in _SENTENCE.split(text[:_READ]))
    return [each for each in found if each]


def _of_exception(name: str, text: str) -> str:
    first = _ERRNO.sub("", _SENTENCE.split(text.strip())[0])
    if len(first.split()) >= _FEWEST:
        return _short(first)
    return _short(f"{name.rpartition('.')[2]}: {first}".rstrip(": "))


def _short(text: str) -> str:
    return one_line(_FOLDERS.sub("…/", text), _LONGEST).rstrip(".;:, ")
