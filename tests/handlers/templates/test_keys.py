"""`reads`: the keys that a template reads, from its syntax tree."""

import pytest

from handlers.template import Template
from handlers.templates.keys import Path, Read


def paths(source: str) -> list[Path]:
    return [read.path for read in Template(source).reads]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("no key", []),
        ("{{ object }}", [("object",)]),
        ("{{ data.runTags.owner }}", [("data", "runTags", "owner")]),
        ("{{ data['runTags']['a b'] }}", [("data", "runTags", "a b")]),
        ("{{ drift.violations[0].metric }}", [("drift", "violations", 0, "metric")]),
        ("{{ data.runId | lower | truncate(data.n) }}", [("data", "runId"), ("data", "n")]),
        ("{{ data[object] }}", [("data",), ("object",)]),
        ("{{ (a.b ~ 'x').c }}", [("a", "b")]),
        ("{{ a.b if c.d else e.f }}", [("c", "d"), ("a", "b"), ("e", "f")]),
        ("{{ [a.b, {'k': c.d}] }}", [("a", "b"), ("c", "d")]),
        (
            "{% for v in drift.violations %}{{ v.metric }}{{ loop.index }}{% endfor %}",
            [("drift", "violations"), ("drift", "violations", 0, "metric")],
        ),
        ("{% for k, v in data.runTags | dictsort %}{{ k }}{{ v.x }}{% endfor %}", [("data", "runTags")]),
        ("{% set tags = data.runTags %}{{ tags.owner }}", [("data", "runTags"), ("data", "runTags", "owner")]),
        ("{% set x = a.b %}{% set x = c.d %}{{ x.y }}", [("a", "b"), ("c", "d")]),
        ("{% macro m(v) %}{{ v.x }}{{ a.b }}{% endmacro %}{{ m(c.d) }}", [("a", "b"), ("c", "d")]),
        ("{% with v = a.b %}{{ v.x }}{% endwith %}", [("a", "b")]),
        (
            "{{ drift.violations | map(attribute='metric') | join }}",
            [("drift", "violations"), ("drift", "violations", 0, "metric")],
        ),
        (
            "{{ drift.violations | selectattr('a.b', 'eq', c.d) | list }}",
            [("drift", "violations"), ("drift", "violations", 0, "a", "b"), ("c", "d")],
        ),
        ("{{ drift.violations | map('upper') | list }}", [("drift", "violations")]),
        ("{% for x in a.b %}{{ loop.cycle('x', c.d) }}{% endfor %}", [("a", "b"), ("c", "d")]),
        ("{% filter upper %}{{ a.b }}{% endfilter %}", [("a", "b")]),
    ],
)
def test_keys_are_the_chains_of_names_that_a_template_reads(source: str, expected: list[Path]) -> None:
    """Through variables that stand for one key; what other variables stand for is not known."""
    assert paths(source) == expected


@pytest.mark.parametrize(
    ("source", "guarded"),
    [
        ("{{ x }}", []),
        ("{{ x | default('') }}", ["x"]),
        ("{{ x | d(y) }}", ["x", "y"]),
        ("{{ x is defined }}", ["x"]),
        ("{{ x is undefined }}", ["x"]),
        ("{{ x is number }}", []),
        ("{% if x %}{{ y }}{% elif z %}{{ u }}{% else %}{{ v }}{% endif %}", ["x", "y", "z", "u", "v"]),
        ("{{ y if x else z }}", ["x", "y", "z"]),
        ("{{ y if x == 1 else 2 }}", ["y"]),
        ("{{ 1 if x and not z else 2 }}", ["x", "z"]),
        ("{{ 1 if x == 1 or z else 2 }}", ["z"]),
        ("{{ x and y }}", ["y"]),
        ("{{ x or y }}", ["x", "y"]),
        ("{{ not x }}", ["x"]),
        ("{% for i in x %}{{ y }}{% endfor %}", ["y"]),
        ("{% macro m() %}{{ x }}{% endmacro %}", ["x"]),
    ],
)
def test_a_key_that_may_be_missing_is_guarded(source: str, guarded: list[str]) -> None:
    """By a default, by a test, or because the template may not get there."""
    assert [read.path[0] for read in Template(source).reads if read.is_guarded] == guarded


def test_reads_have_the_line_in_the_template_and_functions_are_none() -> None:
    assert Template("{{ range(3) }}\n{{ range(a.b) }}\n{{ '\\d' ~ x }}").reads == [
        Read(("a", "b"), 2),
        Read(("x",), 3),
    ]
