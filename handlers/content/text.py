"""Make texts from an event safe to show: without characters that hide, reorder or break a text."""

import re

# Characters that hide, reorder or break a text: control characters (except tab and newline), lone surrogates,
# noncharacters, and the bidirectional embeddings, overrides and isolates (Unicode Standard Annex 9, section 2).
_HARMFUL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff\u202a-\u202e\u2066-\u2069]")
_LINE_END = re.compile("\r\n?|[\u2028\u2029\x85\x0b\x0c]")


def clean(text: str) -> str:
    """The text with newlines as line ends, and with U+FFFD in place of each harmful character."""
    return _HARMFUL.sub("\ufffd", _LINE_END.sub("\n", text))


def one_line(text: str, limit: int) -> str:
    """The text on one line of at most `limit` characters, with a space in place of line ends and harmful characters."""
    line = " ".join(_HARMFUL.sub(" ", _LINE_END.sub(" ", text[: limit * 20])).split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"
