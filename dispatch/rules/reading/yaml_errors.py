"""What ruamel.yaml's errors mean for people who write rules: where to look, what is wrong, what to do."""

import re

from ruamel.yaml.error import MarkedYAMLError

from dispatch.rules.errors import one_line

_QUOTE = 'Put it in quotes: "…".'
_INDENT = "Is it indented like its neighbours? A text with ': ' in it, or a quote first, needs quotes around it."

# what ruamel.yaml says (a regular expression) -> the message, the hint
_EXPLANATIONS = (
    (r"found character '\\t'", "a tab, where YAML knows only spaces", "Indent with spaces."),
    (r"found character '(.)' that cannot start", r"a text cannot begin with \1 unless it is quoted", _QUOTE),
    (r"mapping values are not allowed here", "a ':' that does not fit here", _INDENT),
    (r"could not find expected ':'", "a line that is no 'key: value' and no '- item'", _INDENT),
    (
        r"expected ',' or '([\]}])'",
        r"a list or mapping goes on here without ',' or \1",
        "Close it, or quote its texts.",
    ),
    (r"found unexpected end of stream", "a quote that is not closed", 'Close it; in double quotes, write \\" for ".'),
    (r"expected the node content", "something is missing or out of place here", _INDENT),
    (r"expected <block end>", "this does not fit what stands above it", _INDENT),
    (
        r"found unknown escape character",
        "a backslash means something in double quotes",
        "Use single quotes, or \\\\ for \\.",
    ),
    (r"found undefined tag handle|expected.*tag", "a text cannot begin with ! unless it is quoted", _QUOTE),
)
_BRACES = re.compile(r"(?<![\"'\w])\$\{\w*\}")


def explain(error: MarkedYAMLError, line_of: list[str]) -> tuple[int, int, str, str]:
    """Line and column (from 1), message and hint."""
    problem = error.problem or "not YAML"
    mark = error.problem_mark or error.context_mark
    if error.context_mark and ("expected ':'" in problem or "end of stream" in problem):
        mark = error.context_mark  # where it began says more than where the reader noticed
    line, column = (mark.line, mark.column) if mark else (0, 0)
    message, hint = _worded(problem)
    text = line_of[line] if line < len(line_of) else ""
    if setting := _BRACES.search(text):
        hint = f'Between {{ }} or [ ], a setting needs quotes: "{setting[0]}".'
    elif "{{" in text:
        hint = 'A text that begins with {{ needs quotes: "{{ … }}".'
    return line + 1, column + 1, message, hint


def _worded(problem: str) -> tuple[str, str]:
    for pattern, message, hint in _EXPLANATIONS:
        if match := re.search(pattern, problem):
            return match.expand(message), hint
    return f"not YAML: {one_line(problem)}", ""
