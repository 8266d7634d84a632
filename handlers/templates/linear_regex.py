"""`LinearRegex`: regular expressions in the syntax of `re`, matched in time linear in the text.

`re` tries one way to match after the other, and some patterns have exponentially many. This module follows all ways at
once, in the order of preference in which `re` tries them (R. Cox, "Regular Expression Matching: the Virtual Machine
Approach", swtch.com/~rsc/regexp). So it finds the same match, and takes at most `program × text` steps. What cannot be
matched like that is refused: backreferences, lookarounds, atomic groups, possessive repetitions and conditions.
"""

import re
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeAlias

from handlers.templates.regex_parser import Node, Test, parsed

MAX_PATTERN = 500  # characters
_MAX_PROGRAM = 2_000  # instructions; repetitions are written out
_MAX_GROUPS = 20

_REFERENCE = re.compile(r"\\(?:(\d{1,2})|g<(\w+)>|(\\))")

_Spans: TypeAlias = tuple[int | None, ...]  # start and end of the match, and of each group


class LinearRegex:
    """A compiled pattern. Raises ValueError for one that is invalid, too large, or not supported."""

    def __init__(self, pattern: str) -> None:
        if len(pattern) > MAX_PATTERN:
            raise ValueError(f"the pattern has {len(pattern)} characters; at most {MAX_PATTERN} are allowed")
        try:
            with warnings.catch_warnings(action="ignore"):  # re warns about sets that may mean something else one day
                compiled = re.compile(pattern)
        except (re.error, OverflowError, RecursionError) as error:
            raise ValueError(f"the pattern {pattern!r} is not valid: {error}") from error
        if compiled.groups > _MAX_GROUPS:
            raise ValueError(f"the pattern has {compiled.groups} groups; at most {_MAX_GROUPS} are allowed")
        self.groups, self.names = compiled.groups, dict(compiled.groupindex)
        self._program = _Compiler(parsed(pattern), pattern).program

    def group(self, reference: int | str) -> int:
        """The number of a group. Raises ValueError if the pattern has no such group."""
        number = self.names.get(reference, -1) if isinstance(reference, str) else int(reference)
        if not 0 <= number <= self.groups:
            raise ValueError(f"the pattern has no group {reference!r}")
        return number

    def replacement(self, text: str) -> list[str | int]:
        r"""The parts of a replacement: texts and numbers of groups, written ``\1`` or ``\g<name>``."""
        parts: list[str | int] = []
        end = 0
        for match in _REFERENCE.finditer(text):
            number, name, backslash = match.groups()
            parts.append(text[end : match.start()])
            parts.append(backslash or self.group(int(number) if number else int(name) if name.isdigit() else name))
            end = match.end()
        return [*parts, text[end:]]

    def search(self, text: str, spend: Callable[[int], None], start: int = 0, *, empty: bool = True) -> _Spans | None:
        """The first match from `start` on; None if there is none. Without `empty`, no empty match at `start`.

        `spend` is called with the steps at each character, and may raise to end the search.
        """
        found: _Spans | None = None
        nothing: _Spans = (None,) * (2 * self.groups + 2)
        front = _Front(self._program, text, start)
        for at in range(start, len(text) + 1):
            if found is None:
                front.follow(0, nothing)
            spend(len(front.seen) + 1)
            following = _Front(self._program, text, at + 1)
            for where, spans in front.waiting:
                test = self._program[where].test
                if test is None:  # the end of the pattern
                    if empty or at > start or spans[0] != at:
                        found = spans
                        break
                elif at < len(text) and test(text[at]):
                    following.follow(where + 1, spans)
            front = following
            if found is not None and not front.waiting:
                break
        return found


class _Front:
    """The instructions that wait at a position of the text, in their order of preference, each with its spans."""

    __slots__ = ("_at", "_program", "_text", "seen", "waiting")

    def __init__(self, program: "list[_Step]", text: str, at: int) -> None:
        self._program, self._text, self._at = program, text, at
        self.waiting: list[tuple[int, _Spans]] = []
        self.seen: set[int] = set()

    def follow(self, where: int, spans: _Spans) -> None:
        """Add the instructions from `where` on that wait for a character, or end the pattern."""
        todo = [(where, spans)]
        while todo:
            where, spans = todo.pop()
            if where in self.seen:
                continue
            self.seen.add(where)
            step = self._program[where]
            if step.assertion:
                if _holds(step.assertion, self._text, self._at):
                    todo.append((where + 1, spans))
            elif step.targets:
                todo.extend((target, spans) for target in reversed(step.targets))
            elif step.save is not None:
                todo.append((where + 1, (*spans[: step.save], self._at, *spans[step.save + 1 :])))
            else:
                self.waiting.append((where, spans))


def _holds(assertion: str, text: str, at: int) -> bool:
    match assertion:
        case "^" | r"\A":
            return at == 0
        case r"\Z":
            return at == len(text)
        case "$":
            return at == len(text) or (at == len(text) - 1 and text[at] == "\n")
        case "m^":
            return at == 0 or text[at - 1] == "\n"
        case "m$":
            return at == len(text) or text[at] == "\n"
    before, after = (_is_word(text[n]) if 0 <= n < len(text) else False for n in (at - 1, at))
    return (before != after) == (assertion == r"\b")


def _is_word(character: str) -> bool:
    return character.isalnum() or character == "_"


@dataclass(slots=True)
class _Step:
    """An instruction: match a character, check an assertion, go to other instructions, save a position, or end."""

    test: Test | None = None
    assertion: str = ""
    targets: tuple[int, ...] = ()
    save: int | None = None


class _Compiler:
    def __init__(self, root: Node, pattern: str) -> None:
        self.program: list[_Step] = []
        self._pattern = pattern
        self._emit(Node("group", [root], group=0), is_whole=True)
        self._add(_Step())

    def _add(self, step: _Step) -> _Step:
        if len(self.program) >= _MAX_PROGRAM:
            raise ValueError(f"the pattern {self._pattern!r} repeats too much: write fewer or smaller repetitions")
        self.program.append(step)
        return step

    def _emit(self, node: Node, *, is_whole: bool = False) -> None:
        match node.kind:
            case "character":
                self._add(_Step(test=node.test))
            case "assertion":
                self._add(_Step(assertion=node.name))
            case "group" if node.group or is_whole:
                self._add(_Step(save=2 * node.group))
                self._emit_all(node.parts)
                self._add(_Step(save=2 * node.group + 1))
            case "alternatives":
                self._emit_alternatives(node.parts)
            case "repetition":
                self._emit_repetition(node)
            case _:
                self._emit_all(node.parts)

    def _emit_all(self, parts: Iterable[Node]) -> None:
        for part in parts:
            self._emit(part)

    def _emit_alternatives(self, branches: list[Node]) -> None:
        ends = []
        for branch in branches[:-1]:
            split = self._add(_Step())
            split.targets = (len(self.program), 0)
            self._emit(branch)
            ends.append(self._add(_Step()))
            split.targets = (split.targets[0], len(self.program))
        self._emit(branches[-1])
        for end in ends:
            end.targets = (len(self.program),)

    def _emit_repetition(self, node: Node) -> None:
        for _ in range(node.low):
            self._emit(node.parts[0])
        splits = []
        for _ in range(1 if node.high is None else node.high - node.low):
            start = len(self.program)
            splits.append((self._add(_Step()), start + 1))
            self._emit(node.parts[0])
            if node.high is None:
                self._add(_Step(targets=(start,)))
        for split, inside in splits:
            after = len(self.program)
            split.targets = (after, inside) if node.lazy else (inside, after)
