"""Make what a service says about an object safe to keep and to show: masked, without control characters, and bounded.

Logs and error messages are written by anybody's code: they may hold secrets, colours of terminals, progress bars, and
lines of any length.
"""

import re
from collections.abc import Callable, Mapping
from math import isfinite
from typing import Any, TypeVar

from schemas.facts import Facts

F = TypeVar("F", bound=Facts)

MASK = "***"
LOG_LINES = 20

_TEXT = 300  # characters of a text
_LONGER = {"message": 4_000, "description": 1_000, "unavailable": 500, "url": 2_000}  # of a text with this name
_LINE = 500  # characters of a line of a log
_READ = 200_000  # characters of a text that are looked at: of a log the last, of others the first
_NAMES, _ITEMS = 100, 50  # members of an object with free names, items of a list

# Escape sequences of terminals (ECMA-48): those with parameters, commands of operating systems, and short ones.
_ANSI = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[@-Z\\-_]|\x9b[0-?]*[ -/]*[@-~]")
# What hides, reorders or breaks a text, as handlers/content/text.py lists it; tabs and line ends stay.
_HARMFUL = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]"
)
_LINE_END = re.compile("\r\n|[\n\u2028\u2029\x85]")

_VALUE = r"[^\s\"'`,;&<>]+"
_SECRETS = (
    re.compile(r"-----BEGIN[A-Z ]*PRIVATE KEY-----.*?(?:-----END[A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL),
    re.compile(rf"(?i)((?:[?&\s]|^|%3F|%26)sig(?:=|%3D)){_VALUE}"),  # of a shared access signature
    re.compile(rf"(?i)(\b(?:bearer|basic)\s+)(?=[^\s]*[\d._+/=-]){_VALUE}"),
    re.compile(rf"(?i)((?:AccountKey|SharedAccessKey|SharedAccessSignature)[\"']?\s*[=:]\s*[\"']?){_VALUE}"),
    re.compile(
        r"(?i)((?:passw(?:or)?d|pwd|passphrase|secret|token|api[-_]?key|access[-_]?key(?:[-_]id)?|account[-_]?key"
        rf"|private[-_]?key|credential)[\"']?\s*(?:=>|[=:])\s*[\"']?){_VALUE}"
    ),
    re.compile(r"(?<=://)[^\s/@:]*:[^\s/@]+(?=@)"),  # of a URL
    re.compile(r"\beyJ[\w-]{6,}(?:\.[\w-]*){0,4}"),  # a JSON Web Token
    re.compile(r"\b(?:gh[pousr]_|github_pat_|hf_|glpat-|sk-|xox[abprs]-|dapi|AKIA|ASIA)[\w-]{16,}"),
    re.compile(r"[A-Za-z0-9+/]{86}=="),  # a key of a storage account
)


def mask_known(text: str) -> str:
    """Mask what looks like a secret: signatures, keys, tokens and passwords in the forms in which logs show them."""
    for pattern in _SECRETS:
        text = pattern.sub(lambda match: (match[1] if match.re.groups else "") + MASK, text)
    return text


def made_safe(facts: F, mask: Callable[[str], str]) -> F:
    """The facts with safe texts. `mask` masks the secrets that the app knows.

    Texts are cleaned first, so that nothing invisible hides a secret; then masked; and cut at last, so that no part of
    a secret is left.
    """
    safe = {name: _safe(name, value, mask) for name, value in facts.model_dump().items()}
    known = {name: value for name, value in safe.items() if value is not None}
    return type(facts).model_validate(known | {"transient": facts.transient})


def _safe(name: str, value: Any, mask: Callable[[str], str]) -> Any:
    match value:
        case str() if name == "log_tail":
            return _log(value, mask) or None
        case str():
            return _text(value, _LONGER.get(name, _TEXT), mask)
        case float() if not isfinite(value):
            return None
        case Mapping():
            inner = {_text(key, _TEXT, mask): _safe(key, each, mask) for key, each in [*value.items()][:_NAMES]}
            return {key: each for key, each in inner.items() if each is not None}
        case list() | tuple():
            return [_safe(name, each, mask) for each in value[:_ITEMS]]
    return value


def _text(text: str, limit: int, mask: Callable[[str], str]) -> str:
    masked = mask_known(mask(_clean(text[:_READ]))).strip()
    return masked if len(masked) <= limit else masked[: limit - 1].rstrip() + "…"


def _log(text: str, mask: Callable[[str], str]) -> str:
    """The last lines. Of a line that a program has written over, such as a progress bar, the last state."""
    lines = [line.rstrip("\r").rpartition("\r")[2] for line in _LINE_END.split(_ANSI.sub("", text[-_READ:]))]
    masked = mask_known(mask(_HARMFUL.sub("", "\n".join(lines)).rstrip()))
    return "\n".join(_shortened(line.rstrip()) for line in masked.split("\n")[-LOG_LINES:])


def _shortened(line: str) -> str:
    return line if len(line) <= _LINE else line[: _LINE - 1] + "…"


def _clean(text: str) -> str:
    return _HARMFUL.sub("", _ANSI.sub("", _LINE_END.sub("\n", text)).replace("\r", "\n"))
