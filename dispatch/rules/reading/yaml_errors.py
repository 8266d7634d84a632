"""Errors of ruamel.yaml in plain words, each with a position and a hint."""

import re

from ruamel.yaml.error import MarkedYAMLError

from dispatch.rules.errors import one_line
from handlers.bounded_yaml import MAX_LEVELS, MAX_NODES

_QUOTE = 'Put it in quotes: "…".'
_INDENT = "Is it indented like its neighbours? A text that contains ': ' or begins with a quote needs quotes around it."

# ruamel.yaml's message (a regular expression), ours, and the hint
_EXPLANATIONS = (
    (r"found character '\\t'", "a tab, where YAML allows only spaces", "Indent with spaces."),
    (r"found character '(.)' that cannot start", r"a text cannot begin with \1 unless it is quoted", _QUOTE),
    (r"mapping values are not allowed here", "a ':' that does not fit here", _INDENT),
    (r"could not find expected ':'", "a line that is neither 'key: value' nor '- item'", _INDENT),
    (
        r"expected ',' or '([\]}])'",
        r"a list or mapping continues here without ',' or \1",
        "Close it, or quote its texts.",
    ),
    (r"found unexpected end of stream", "a quote that is not closed", 'Close it; in double quotes, write \\" for ".'),
    (r"expected the node content", "something is missing or out of place here", _INDENT),
    (r"expected <block end>", "this does not match the lines above it", _INDENT),
    (
        r"found unknown escape character",
        "in double quotes, a backslash begins an escape",
        "Use single quotes, or \\\\ for \\.",
    ),
    (r"found undefined tag handle|expected.*tag", "a text cannot begin with ! unless it is quoted", _QUOTE),
    (r"found another document", "a second document begins here", "Remove the line '---', or make two files."),
    (r"maximum depth", f"more than {MAX_LEVELS} levels", ""),
    (r"too many nodes", f"more than {MAX_NODES} entries, with aliases expanded", "Split it into several files."),
)
_NO_SPACE = re.compile(r"\s*(?:- +)?([a-z_]+):[^\s/:]")
_BRACES = re.compile(r"(?<![\"'\w])\$\{\w*\}")


def explain(error: MarkedYAMLError, line_of: list[str]) -> tuple[int, int, str, str]:
    """Line and column (from 1), message and hint."""
    problem = error.problem or "not YAML"
    mark = error.problem_mark or error.context_mark
    if error.context_mark and ("expected ':'" in problem or "end of stream" in problem):
        mark = error.context_mark  # the beginning helps more than the position at which the parser noticed
    line, column = (mark.line, mark.column) if mark else (0, 0)
    message, hint = _worded(problem)
    text = line_of[line] if line < len(line_of) else ""
    if setting := _BRACES.search(text):
        hint = f'Between {{ }} or [ ], a setting needs quotes: "{setting[0]}".'
    elif missing := _without_space(line_of[max(line - 1, 0) : line + 1]):
        hint = f"A space is missing after '{missing}:'."
    elif "{{" in text:
        hint = 'A text that begins with {{ needs quotes: "{{ … }}".'
    return line + 1, column + 1, message, hint


def _without_space(lines: list[str]) -> str:
    """The key of a line such as ``name:value``; empty if there is none."""
    found = (_NO_SPACE.match(line) for line in lines)
    return next((match[1] for match in found if match), "")


def _worded(problem: str) -> tuple[str, str]:
    for pattern, message, hint in _EXPLANATIONS:
        if match := re.search(pattern, problem):
            return match.expand(message), hint
    return f"not YAML: {one_line(problem)}", ""
