"""Rules files are YAML 1.2, with positions; syntax errors have plain messages."""

import math
from typing import Any

import pytest
from hypothesis import strategies as st

from dispatch.rules.reading.nodes import Node, Position, RuleFile, Sequence, Table
from dispatch.rules.reading.yaml import parse
from handlers.bounded_yaml import MAX_BYTES
from tests.kit.any_input import any_input

INDENT = "Is it indented like its neighbours? A text that contains ': ' or begins with a quote needs quotes around it."
BRACES = 'A text that begins with {{ needs quotes: "{{ … }}".'
HEAD = "rules:\n  - name: a\n"


def read(text: str | bytes) -> RuleFile:
    return parse(text if isinstance(text, bytes) else text.encode(), "x.yaml", {"RULES_X": "v"})


def errors_of(file: RuleFile) -> list[str]:
    return [str(error).removeprefix("x.yaml:") for error in file.errors]


def plain(text: str | bytes) -> Any:
    file = read(text)
    assert errors_of(file) == []
    assert file.root
    return file.root.plain()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("on", "on"),
        ("yes", "yes"),
        ("No", "No"),
        ("true", True),
        ("FALSE", False),
        ("~", None),
        ("null", None),
        ("", None),
        ("'null'", "null"),
        ('"5"', "5"),
        ("007", 7),
        ("0o17", 15),
        ("0x1F", 31),
        ("-3", -3),
        ("1_000", "1_000"),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("-.Inf", -math.inf),
        ("12:30", "12:30"),
        ("2026-11-22", "2026-11-22"),
        ("=", "="),
        (">-\n    a\n    b", "a b"),
    ],
)
def test_scalars_follow_the_core_schema_of_yaml_1_2(text: str, value: object) -> None:
    """A YAML 1.1 directive does not change that."""
    assert plain(f"it: {text}") == {"it": value}
    assert plain(f"%YAML 1.1\n---\non: {text}") == {"on": value}


def test_nan_is_a_number() -> None:
    assert math.isnan(plain(".nan"))


def test_keys_and_values_have_positions() -> None:
    """Lines and columns count characters, from 1."""
    root = read("\ufeff# a\r\n'é é': { ü: [x, y] }\n").root
    assert isinstance(root, Table)
    inner = root.fields["é é"]
    assert isinstance(inner, Table)
    letters = inner.fields["ü"]
    assert isinstance(letters, Sequence)
    assert (root.keys["é é"], inner.keys["ü"]) == (Position(2, 1), Position(2, 10))
    assert [item.position for item in letters.items] == [Position(2, 14), Position(2, 17)]


def test_missing_value_has_the_position_of_its_key() -> None:
    """The parser gives the position of the next token."""
    root = read("a:\n\n\nb: 1\n").root
    assert isinstance(root, Table)
    assert root.fields["a"].position == Position(1, 1)


def test_alias_has_the_value_and_position_of_its_anchor() -> None:
    file = read("a: &x [1, 2]\nb: *x\n")
    assert isinstance(file.root, Table)
    assert file.root.plain() == {"a": [1, 2], "b": [1, 2]}
    assert file.root.fields["b"].position == Position(1, 4)


SYNTAX_ERRORS = [
    ("    on: x\n\tdo: y\n", "4:1: a tab, where YAML allows only spaces. Indent with spaces."),
    (
        "    subject: {{ data.x }} failed\n",
        f"3:14: a key should be a text. {BRACES}",
        f"3:27: this does not match the lines above it. {BRACES}",
    ),
    ("    message: {{ subject }}\n", f"3:14: a key should be a text. {BRACES}"),
    (
        "    with: { id: ${RULES_X} }\n",
        "3:18: a list or mapping continues here without ',' or }. "
        'Between { } or [ ], a setting needs quotes: "${RULES_X}".',
    ),
    (
        "    to: @Microsoft.KeyVault(x)\n",
        '3:9: a text cannot begin with @ unless it is quoted. Put it in quotes: "…".',
    ),
    ("    a: `x`\n", '3:8: a text cannot begin with ` unless it is quoted. Put it in quotes: "…".'),
    ("    a: b: c\n", f"3:9: a ':' that does not fit here. {INDENT}"),
    ("      c: 3\n", f"3:8: a ':' that does not fit here. {INDENT}"),
    ('    a: "x\n    b: 1\n', '3:8: a quote that is not closed. Close it; in double quotes, write \\" for ".'),
    ("    a: 'it's'\n", f"3:12: this does not match the lines above it. {INDENT}"),
    ("   c: 3\n", f"3:4: this does not match the lines above it. {INDENT}"),
    ("    b 2\n    c: 3\n", f"3:5: a line that is neither 'key: value' nor '- item'. {INDENT}"),
    ("    a: [x\n    b: 1\n", "4:6: a list or mapping continues here without ',' or ]. Close it, or quote its texts."),
    ("    a: }\n", f"3:8: something is missing or out of place here. {INDENT}"),
    ('    a: "\\d"\n', "3:10: in double quotes, a backslash begins an escape. Use single quotes, or \\\\ for \\."),
    ("    a: - b\n", "3:8: not YAML: sequence entries are not allowed here"),
    ("    a: !!str x\n", "3:8: rules files do not allow a tag ('tag:yaml.org,2002:str'). Remove it."),
    ("    a: !e!x y\n", '3:8: a text cannot begin with ! unless it is quoted. Put it in quotes: "…".'),
    ("    a: *q\n", "3:8: *q is not defined above. A text that begins with * needs quotes."),
    ("    a: &q [*q]\n", "3:12: *q contains itself. A text that begins with * needs quotes."),
    ("    a: 1\n    a: 2\n", "4:5: duplicate key 'a'. The first is in line 3."),
    (
        "    <<: {a: b}\n",
        "3:5: '<<' cannot be a key. YAML 1.2 has no merge keys: repeat the keys, or use an alias for a whole value.",
    ),
    ("    [a]: b\n", "3:5: a key should be a text"),
    ("    : x\n", "3:5: a key should be a text"),
    (
        '    a: "\\ud83d"\n',
        "3:8: half of a surrogate pair (U+D83D), which is not a character. "
        "It comes from an escape such as \\ud83d, or from a setting that is not UTF-8.",
    ),
    ('    "\\ud83d": a\n', "3:5: a key should be a text"),
    ("    !x y: z\n", "3:5: a key should be a text"),
    ("---\na: b\n", "3:1: a second document begins here. Remove the line '---', or make two files."),
]


@pytest.mark.parametrize(
    ("text", "expected"), [(text, list(e)) for text, *e in SYNTAX_ERRORS], ids=[m[1] for m in SYNTAX_ERRORS]
)
def test_syntax_error_has_a_plain_message_and_a_hint(text: str, expected: list[str]) -> None:
    assert errors_of(read(HEAD + text)) == expected


try:
    chr(0x99999999)
except (OverflowError, ValueError) as error:  # the latter from Python 3.13 on
    TOO_LARGE_CODE_POINT = type(error).__name__

UNREADABLE = [
    (b"a: \xff", "1:4: byte 0xff is not UTF-8. Save the file as UTF-8."),
    ("ä: ö".encode("latin-1"), "1:1: byte 0xe4 is not UTF-8. Save the file as UTF-8."),
    ("a: b".encode("utf-16"), "1:1: byte 0xff is not UTF-8. Save the file as UTF-8."),
    (b"a: 1\r\nb: \0", "2:4: YAML does not allow the character U+0000. Remove it."),
    (b"a: \x1b[0m", "1:4: YAML does not allow the character U+001B. Remove it."),
    (b"#" * (MAX_BYTES + 1), "1:1: the file is larger than 256 KiB. Split it into several files."),
    (b'a: "\\U99999999"', f"1:1: the file cannot be read as YAML: {TOO_LARGE_CODE_POINT}"),
    (b"[" * 1000, "1:42: more than 40 levels"),
    (b"- " * 1000, "1:83: more than 40 levels"),
]


@pytest.mark.parametrize(("raw", "expected"), UNREADABLE, ids=[expected for _, expected in UNREADABLE])
def test_binary_or_oversized_content_is_refused(raw: bytes, expected: str) -> None:
    file = read(raw)
    assert errors_of(file) == [expected]
    assert not file.readable


def test_expanded_aliases_count_against_the_limit() -> None:
    """Ten levels of ten aliases each would be ten thousand million entries."""
    lines = ["a: &a [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"{b}: &{b} [{', '.join([f'*{a}'] * 10)}]" for a, b in zip("abcdefghi", "bcdefghij", strict=True)]
    assert errors_of(read("\n".join(lines))) == [
        "5:8: more than 20000 entries, with aliases expanded. Split it into several files."
    ]


def test_levels_of_aliases_count_against_the_limit() -> None:
    """Each anchor adds a list around the one before, which is many levels in few characters."""
    lines = ["a0: &a0 [x]", *(f"a{n}: &a{n} [*a{n - 1}]" for n in range(1, 60))]
    assert errors_of(read("\n".join(lines))) == ["1:10: more than 40 levels"]


def test_errors_above_a_syntax_error_are_reported() -> None:
    text = "a: ${RULES_NONE}\nb:\n  - c: !!str x\n    c: 1\n   d: 2\n"
    assert [error.partition(". ")[0] for error in errors_of(read(text))] == [
        "1:4: the app setting RULES_NONE is not set",
        "3:8: rules files do not allow a tag ('tag:yaml.org,2002:str')",
        "4:5: duplicate key 'c'",
        "5:4: this does not match the lines above it",
    ]


def test_empty_file_has_no_errors() -> None:
    for text in ("", "# nothing\n", "---\n", "\ufeff"):
        file = read(text)
        assert (errors_of(file), file.readable) == ([], True)


MARKS = "-:?[]{},#&*!|>%@`'\"\n\t ~<="
WORDS = ["rules", "  ", "a", "1", "${", "${RULES_X}", "}", "\n  ", "- ", ": ", "---", "\r"]


@pytest.mark.slow
@any_input(200, 10_000, text=st.lists(st.sampled_from([*MARKS, *WORDS]), max_size=60).map("".join))
def test_reading_never_raises_and_positions_are_in_the_text(text: str) -> None:
    file = read(text)
    lines = text.splitlines() or [""]
    for error in file.errors:
        assert 1 <= error.line <= len(lines) + 1
        assert 1 <= error.column <= max(map(len, lines)) + 2
    if file.root:
        assert all(1 <= node.position.line <= len(lines) + 1 for node in nodes(file.root))


def nodes(node: Node) -> list[Node]:
    inner = node.items if isinstance(node, Sequence) else node.fields.values() if isinstance(node, Table) else ()
    return [node, *(found for child in inner for found in nodes(child))]
