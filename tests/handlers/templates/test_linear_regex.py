"""`LinearRegex` finds what `re` finds, in linear time."""

import re
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.templates.linear_regex import MAX_PATTERN, LinearRegex


def steps_of(pattern: str, text: str) -> int:
    steps: list[int] = []
    LinearRegex(pattern).search(text, steps.append)
    return sum(steps)


def spans_of(pattern: str, text: str, start: int = 0) -> list[tuple[int, int]] | None:
    """The spans of the match and its groups, as `re.Match.span` gives them."""
    regex = LinearRegex(pattern)
    found = regex.search(text, lambda steps: None, start)
    if found is None:
        return None
    return [(-1 if a is None else a, -1 if b is None else b) for a, b in zip(found[::2], found[1::2], strict=True)]


def expected(pattern: str, text: str) -> list[tuple[int, int]] | None:
    with warnings.catch_warnings(action="ignore"):
        found = re.compile(pattern).search(text)
    return found and [found.span(group) for group in range(found.re.groups + 1)]


CASES = [
    (r"a|ab", "xab"),
    (r"(a+)(b*)", "caabbb"),
    (r"(a+?)(b*?)c", "aabbc"),
    (r"^(\w+)-(?P<env>dev|prod)-(\d{2,4})$", "churn-prod-2026"),
    (r"(\d{4})-(\d\d)", "on 2026-11-22"),
    (r"[^@\s]+@([\w.-]+)", "by ml-team@example.com!"),
    (r"(?i)FAILED", "it failed"),
    (r"(?m)^b$", "a\nb\nc"),
    (r"(?s)a.b", "a\nb"),
    (r"a.b", "a\nb"),
    (r"b$", "ab\n"),
    (r"b\Z", "ab\n"),
    (r"\Aa", "ba"),
    (r"\bcat\b", "concat cat"),
    (r"\Bat", "at cat"),
    (r"(a|b|)c", "xbc"),
    (r"(?:ab){2,3}", "abababab"),
    (r"(?:ab){,2}c", "ababc"),
    (r"a{2,}?", "aaaa"),
    (r"x{}", "x{}"),
    (r"x{a}", "x{a}"),
    (r"[]a]+", "x]a"),
    (r"[^]]", "]b"),
    (r"[\]\[]+", "a[]"),
    (r"[[a]", "["),
    (r"\x41\u0042\101\N{BULLET}", "ABA\u2022"),
    (r"\.\*\\", r"a.*\\"),
    (r"(a)|(b)", "b"),
    (r"", "abc"),
    (r"(a?)(a?)a", "aa"),
    (r"ß", "SSß"),
    (r"(?i)[a-c]+", "xABC"),
    (r"nothing", "else"),
]


@pytest.mark.parametrize(("pattern", "text"), CASES)
def test_it_finds_what_re_finds(pattern: str, text: str) -> None:
    assert spans_of(pattern, text) == expected(pattern, text)


PARTS = st.sampled_from(["a", "b", ".", "[ab]", "[^a]", r"\w", "^", "$", r"\b", "a", "c"])
PATTERNS = st.recursive(
    PARTS,
    lambda inner: st.one_of(
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, inner).map("|".join).map("({})".format),
        inner.map("(?:{})".format),
        st.tuples(inner, st.sampled_from(["*", "+", "?", "*?", "+?", "??", "{2}", "{1,2}", "{0,3}?"])).map(
            lambda pair: f"(?:{pair[0]}){pair[1]}"
        ),
    ),
    max_leaves=8,
)


@given(PATTERNS, st.text("abc\n", max_size=8))
def test_it_finds_what_re_finds_for_any_pattern(pattern: str, text: str) -> None:
    """Unless it refuses the pattern, because a repeated part can be empty."""
    try:
        LinearRegex(pattern)
    except ValueError as error:
        assert "can be empty" in str(error)  # noqa: PT017 - other patterns are accepted
        return
    assert spans_of(pattern, text) == expected(pattern, text)


HOSTILE = [
    "(a+)+b",
    "(a|a)+b",
    "(a|aa)+b",
    "(?:a+)+$x",
    "(.+)+(.+)+(.+)+x",
    "a?" * 30 + "a" * 30,
    "(?:a{1,5}){1,5}b",
    ".*.*.*.*.*.*.*x",
    "([a-z]+)+[^a-z]x",
    r"(\w+\s?)+\d",
    "(a?b?)c" * 20,
    "^(([a-z])+.)+[A-Z]([a-z])+$",
    "(?i)(a|A|[aA])+z",
]


@pytest.mark.parametrize("pattern", HOSTILE)
def test_hostile_patterns_take_linear_time(pattern: str) -> None:
    """`re` would take exponential or polynomial time for most of them."""
    short, long = (steps_of(pattern, "a" * size) for size in (100, 1_000))
    assert long <= 11 * short


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("(a", "is not valid: missing ), unterminated subpattern at position 0"),
        ("[a", "is not valid: unterminated character set at position 0"),
        ("*a", "is not valid: nothing to repeat at position 0"),
        ("a{3,2}", "is not valid: min repeat greater than max repeat"),
        (r"\q", r"is not valid: bad escape \q"),
        ("a{99999999999}", "is not valid: the repetition number is too large"),
        (r"(a)\1", r"has '\\1', which cannot be used"),
        (r"(?P<x>a)(?P=x)", "has '(?P=', which cannot be used"),
        ("a(?=b)", "has '(?=b', which cannot be used"),
        ("(?<!b)a", "has '(?<!', which cannot be used"),
        ("(?>a)", "has '(?>a', which cannot be used"),
        ("a++", "has '++', which cannot be used"),
        ("(?x)a b", "has '(?x)', which cannot be used"),
        ("(a)?(?(1)b|c)", "has '(?(1', which cannot be used"),
        ("(?i:a)", "has '(?i:', which cannot be used"),
        ("(a*)*", "repeats a part that can be empty: '*'"),
        ("(?:a?|b){2,}", "repeats a part that can be empty: '{2,}'"),
        ("(?:a{0}){9}", "repeats a part that can be empty: '{9}'"),
        ("(?:a{1000}){1000}", "repeats too much"),
        ("a{3000}", "repeats too much"),
        ("(" * 40 + "a" + ")" * 40, "has 40 groups; at most 20 are allowed"),
        ("(?:" * 40 + "a" + ")" * 40, "has more than 30 groups in each other"),
        ("a" * (MAX_PATTERN + 1), "the pattern has 501 characters; at most 500 are allowed"),
    ],
)
def test_other_patterns_are_refused(pattern: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        LinearRegex(pattern)


def test_a_replacement_refers_to_groups() -> None:
    regex = LinearRegex(r"(?P<user>\w+)@(\w+)")
    assert regex.replacement(r"\2: \g<user>/\g<1> \\ \n") == ["", 2, ": ", 1, "/", 1, " ", "\\", r" \n"]
    for text in (r"\3", r"\g<host>", r"\g<3>"):
        with pytest.raises(ValueError, match="the pattern has no group"):
            regex.replacement(text)


def test_a_search_can_begin_in_the_middle_and_skip_an_empty_match() -> None:
    regex = LinearRegex("a*")
    assert regex.search("baa", lambda steps: None, 0) == (0, 0)
    assert regex.search("baa", lambda steps: None, 0, empty=False) == (1, 3)
