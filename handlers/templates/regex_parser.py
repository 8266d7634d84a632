"""Parse a regular expression into its parts."""

import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

Test: TypeAlias = Callable[[str], object]  # of one character

_MAX_DEPTH = 30  # of groups in groups
_FLAGS = re.compile(r"\(\?([ims]+)\)")
_GROUP = re.compile(r"\((?:\?P<\w+>|\?:|(?!\?))")
_ATOM = re.compile(
    r"\[\^?\]?(?:[^\]\\]|\\.)*\]"
    r"|\\(?:x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|N\{[^}]*\}|0[0-7]{0,2}|[1-3][0-7]{2}|[^0-9N]|N)"
    r"|[^()|*+?\\[]",
    re.DOTALL,
)
_REPEAT = re.compile(r"(?:([*+?])|\{(\d*),(\d*)\}|\{(\d+)\})([?+]?)")
_ASSERTIONS = ("^", "$", r"\A", r"\Z", r"\b", r"\B")


@dataclass(slots=True)
class Node:
    """A part of a pattern: a character, an assertion, a group, or a sequence, alternatives or repetitions of others."""

    kind: str
    parts: "list[Node]" = field(default_factory=list)
    test: Test | None = None  # of a character
    name: str = ""  # of an assertion
    group: int = 0  # its number; 0: not a group that is kept
    low: int = 1
    high: int | None = 1
    lazy: bool = False

    @property
    def may_be_empty(self) -> bool:
        """Can it match the empty text?"""
        match self.kind:
            case "character":
                return False
            case "assertion":
                return True
            case "alternatives":
                return any(part.may_be_empty for part in self.parts)
            case "repetition":
                return self.low == 0 or self.parts[0].may_be_empty
        return all(part.may_be_empty for part in self.parts)


def parsed(pattern: str) -> Node:
    """The parts of a pattern that `re` accepts. Raises ValueError for constructs that are not supported."""
    return _Parser(pattern).alternatives(0)


class _Parser:
    """Reads a pattern that `re` accepts."""

    def __init__(self, pattern: str) -> None:
        self._pattern, self._at, self._groups = pattern, 0, 0
        flags = _FLAGS.match(pattern)
        self._letters = set(flags[1]) if flags else set()
        self._flags = ("i" in self._letters and re.IGNORECASE) | ("s" in self._letters and re.DOTALL)
        if flags:
            self._at = flags.end()

    def _refuse(self, at: int) -> ValueError:
        what = self._pattern[at : at + 4]
        return ValueError(
            f"the pattern {self._pattern!r} has {what!r}, which cannot be used: of the constructs with a backslash and "
            "a digit, or with (?, there are (?:…), (?P<name>…), and (?i), (?m) and (?s) at its beginning"
        )

    def alternatives(self, depth: int) -> Node:
        if depth > _MAX_DEPTH:
            raise ValueError(f"the pattern has more than {_MAX_DEPTH} groups in each other")
        branches = [self._sequence(depth)]
        while self._pattern.startswith("|", self._at):
            self._at += 1
            branches.append(self._sequence(depth))
        return Node("alternatives", branches)

    def _sequence(self, depth: int) -> Node:
        parts: list[Node] = []
        while self._at < len(self._pattern) and self._pattern[self._at] not in "|)":
            part = self._one(depth)
            if repeat := _REPEAT.match(self._pattern, self._at):
                part = self._repeated(part, repeat)
            parts.append(part)
        return Node("sequence", parts)

    def _one(self, depth: int) -> Node:
        start = self._at
        if opening := _GROUP.match(self._pattern, start):
            self._at = opening.end()
            self._groups += (kept := not opening[0].endswith(":"))
            number = self._groups if kept else 0
            inner = self.alternatives(depth + 1)
            self._at += 1  # the closing parenthesis
            return Node("group", [inner], group=number)
        atom = _ATOM.match(self._pattern, start)
        if atom is None:
            raise self._refuse(start)
        self._at = atom.end()
        if atom[0] in _ASSERTIONS:
            name = f"m{atom[0]}" if "m" in self._letters and atom[0] in "^$" else atom[0]
            return Node("assertion", name=name)
        with warnings.catch_warnings(action="ignore"):
            return Node("character", test=re.compile(atom[0], self._flags).fullmatch)

    def _repeated(self, part: Node, repeat: re.Match[str]) -> Node:
        symbol, low, high, times, mode = repeat.groups()
        if mode == "+":
            raise self._refuse(repeat.start())
        self._at = repeat.end()
        if symbol:
            least, most = {"*": (0, None), "+": (1, None), "?": (0, 1)}[symbol]
        elif times:
            least, most = int(times), int(times)
        else:
            least, most = int(low or 0), int(high) if high else None
        if (most is None or most > 1) and part.may_be_empty:
            raise ValueError(f"the pattern {self._pattern!r} repeats a part that can be empty: {repeat[0]!r}")
        return Node("repetition", [part], low=least, high=most, lazy=mode == "?")
