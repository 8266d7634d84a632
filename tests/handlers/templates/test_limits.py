"""A template that would take all time or all memory is an error instead; templates for people stay far from that."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import jinja2.filters
import pytest
from jinja2 import TemplateError, TemplateRuntimeError, UndefinedError

from handlers.template import HtmlTemplate, Template
from handlers.templates import budget, text_filters
from handlers.templates.budget import MAX_WORK, OPERATION
from handlers.templates.filters import FILTERS, INSTEAD, TESTS
from schemas import RunStatusChanged
from tests.handlers.templates.hostile import (
    ENDLESS,
    EVENT,
    FROM_EVENT,
    LARGE,
    REFUSED_AT_LOAD,
    TOO_MUCH_OF_LARGE,
    WITHIN_LIMIT,
)
from tests.kit.any_input import one_in

ROOT = Path(__file__).resolve().parents[3]
HOSTILE = [*(source for sources in ENDLESS.values() for source in sources), *FROM_EVENT]
WITH_MARKUP = [*ENDLESS["doubling"], *ENDLESS["nested values"], *ENDLESS["replacing"], *ENDLESS["blocks"]]
SMALL_RESULTS = ("values that contain themselves twice", "loops", "recursion", "comparisons", "filters")
LARGE_RESULTS = [source for kind, sources in ENDLESS.items() if kind not in SMALL_RESULTS for source in sources]
CALLS = 60  # that Python and Jinja make for an operation, at most
CHILD = """
import json, resource
from tests.handlers.templates.test_limits import EVENT, LARGE_RESULTS, Template
resource.setrlimit(resource.RLIMIT_AS, (2**30, 2**30))
ends = []
for source in LARGE_RESULTS:
    try:
        ends.append(f"{source[:100]}: {Template(source).render(EVENT)[:100]}")
    except Exception as error:
        ends.append(type(error).__name__ + str(error)[:40])
print(json.dumps(ends))
"""


@pytest.fixture
def small_budget(monkeypatch: pytest.MonkeyPatch) -> int:
    """A fiftieth of the budget, so that hundreds of templates can use it up in a test."""
    monkeypatch.setattr(budget, "MAX_WORK", MAX_WORK // 50)
    return MAX_WORK // 50


def test_more_than_a_hundred_hostile_templates_are_tried() -> None:
    assert len(set(HOSTILE)) > 100


@pytest.mark.slow
@pytest.mark.no_cover  # slow with coverage, and other tests reach the same lines
@pytest.mark.parametrize(
    ("source", "kind"),
    [(source, Template) for source in HOSTILE] + [(source, HtmlTemplate) for source in WITH_MARKUP],
)
def test_hostile_template_is_stopped(source: str, kind: type[Template], small_budget: int) -> None:
    """By an error that dispatch does not retry. Counting calls shows that the budget does limit the work."""
    template, calls = kind(source), 0

    def count(_: Any, event: str, __: Any) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        with pytest.raises(TemplateRuntimeError):
            template.render(EVENT)
    finally:
        sys.setprofile(None)
    assert calls <= CALLS * small_budget // OPERATION


@pytest.mark.slow
@pytest.mark.no_cover  # slow with coverage, and other tests reach the same lines
@pytest.mark.parametrize("source", one_in(3, TOO_MUCH_OF_LARGE))
def test_template_that_does_too_much_with_a_large_event_is_stopped(source: str) -> None:
    with pytest.raises(TemplateRuntimeError):
        Template(source).render(LARGE)


@pytest.mark.slow
@pytest.mark.no_cover  # slow with coverage, and other tests reach the same lines
@pytest.mark.parametrize("kind", [Template, HtmlTemplate])
@pytest.mark.parametrize("source", one_in(3, WITHIN_LIMIT))
def test_large_event_is_within_the_limit_of_every_filter(source: str, kind: type[Template]) -> None:
    kind(source).render(LARGE)


@pytest.mark.parametrize(("source", "reason"), REFUSED_AT_LOAD.items())
def test_template_that_cannot_be_compiled_within_limits_is_refused_at_load(source: str, reason: str) -> None:
    with pytest.raises(ValueError, match="bad template") as refused:
        Template(source)
    assert reason in str(refused.value)


@pytest.mark.no_cover  # slow with coverage, and other tests reach the same lines
def test_no_constant_is_evaluated_at_load() -> None:
    """A constant that takes too much is compiled like any other; it is an error once there is an event."""
    assert [Template(source).source for source in HOSTILE] == HOSTILE


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits the memory of a process so")
@pytest.mark.services
def test_hostile_templates_are_stopped_before_they_use_memory() -> None:
    """In a process that may have a gigabyte, of which Python and Jinja take a part."""
    done = subprocess.run([sys.executable, "-c", CHILD], cwd=ROOT, capture_output=True, text=True, check=True)
    ends = json.loads(done.stdout)
    assert len(ends) == len(LARGE_RESULTS)
    assert [end for end in ends if not end.startswith("TemplateRuntimeError") or "MemoryError" in end] == []


def test_every_filter_is_allowed_or_has_a_substitute() -> None:
    """What Jinja has and templates may not use says what to use instead."""
    jinja_filters = jinja2.filters.FILTERS
    assert set(jinja_filters) - set(FILTERS) <= set(INSTEAD)
    assert set(FILTERS) - set(jinja_filters) == set(text_filters.FILTERS)
    assert not set(FILTERS) & set(INSTEAD)
    assert {"defined", "none", "in", "=="} <= set(TESTS)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("{{ 'x' * 10**9 }}", r"the template does too much.*\[data.runTags.width | int, 80\] | min"),
        ("{{ range(10**6) }}", "range makes at most 100,000 numbers"),
        ("{{ 9 ** 9 ** 9 ** 9 ** 9 }}", "more than 4,300 digits"),
        ("{{ ('%d' * 1001) % 1 }}", "a format has at most 1,000 values"),
        ("{{ '%9999d' % 1 }}", "the width in the format '%9999d' must be a number of at most three digits"),
        ("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "calls itself too often"),
        ("{{ 1.5 | round(999) }}", "a precision of at most 100"),
        ("{{ data | tojson(indent=80) }}", "an indent of at most 10"),
        ("{{ ['a'] | sum(start='') }}", "sum adds numbers; use join for texts"),
        ("{{ 'x' | indent('y') }}", "a number of spaces"),
        ("{% for x in 5 %}{% endfor %}", "a loop cannot go through int"),
        ("{{ 'x' | urlize(rel='y') }}", "trim_url_limit and nofollow only"),
    ],
)
def test_error_names_the_limit_that_was_exceeded(source: str, reason: str) -> None:
    with pytest.raises(TemplateRuntimeError, match=reason):
        Template(source).render(EVENT)


@pytest.mark.parametrize(
    ("source", "length"),
    [
        ("{{ '-' * 80 }}", 80),
        ("{{ data.runTags.text | upper | replace('A', 'bb') | truncate(5_000, true) }}", 5_000),
        ("{{ data.runTags.text | center(10_000) }}", 10_000),
        ("{% for n in data.runTags.list %}{{ n }},{% endfor %}", 3_890),
        ("{{ data.runTags.list | join(', ') }}", 4_888),
        ("{{ '%5d' | format(7) }}{{ '%s' % 'x' }}{{ 2 ** 64 }}{{ 7 % 3 }}{{ 'a' + 'b' }}{{ [1] + [2] }}", 35),
        ("{{ '%(a)s %%' | format(a=1) }}{{ '100 %' }}{{ 'x' | format }}{{ '%05.1f' % 2.5 }}", 14),
        ("{% for a in range(100) %}{% for b in range(100) %}x{% endfor %}{% endfor %}", 10_000),
        ("{{ data | tojson(indent=2) | length > 10_000 }}", 4),
        ("{{ [1, 2.5] | sum(start=1.5) }}{{ 2.345 | round(2) }}{{ 'a\nb' | indent(2, true) }}", 14),
        ("{{ 'a b' | wordwrap(1, wrapstring='; ') }}{{ 'a b' | wordwrap(1, true, '+') }}", 7),
    ],
)
def test_templates_for_people_are_within_the_limit(source: str, length: int) -> None:
    assert len(Template(source).render(EVENT)) == length


@pytest.mark.no_cover  # slow with coverage, and other tests reach the same lines
@pytest.mark.parametrize("kind", [Template, HtmlTemplate])
def test_largest_event_can_be_shown_in_several_ways(kind: type[Template]) -> None:
    """A million characters, each of which JSON makes six of."""
    event = RunStatusChanged.example(run_tags={"note": "<" * 1_000_000})
    source = "{{ data.runTags.note }}{{ data.runTags.note | upper }}{{ data | tojson }}"
    assert len(kind(source).render(event)) > 8_000_000


def test_each_rendering_has_a_budget_of_its_own() -> None:
    """What one rendering spends, the next one has again."""
    template = Template("{{ 'a' * 60_000_000 }}")
    with pytest.raises(TemplateRuntimeError):
        template.render(EVENT)
    modest = Template("{{ ('a' * 30_000_000) | length }}")
    assert {modest.render(EVENT) for _ in range(4)} == {"30000000"}


@pytest.mark.parametrize(
    "source",
    [
        "{{ missing ~ 'x' }}",
        "{{ missing | center(10) }}",
        "{{ 'x' | center(missing) }}",
        "{{ 'x' * missing }}",
        "{% for x in missing %}{% endfor %}",
        "{{ missing | join }}",
        "{{ 'x' in missing }}",
        "{{ missing == 1 }}",
        "{{ missing[1:] }}",
        "{{ '%r' | format(missing) }}",
        "{{ '%(a)r' | format(a=missing) }}",
        "{{ '%r %s' % (missing, 1) }}",
    ],
)
def test_error_names_the_missing_key(source: str) -> None:
    """Charging for a value does not hide that the event does not have it."""
    with pytest.raises(UndefinedError, match="'missing'"):
        Template(source).render(EVENT)


@pytest.mark.parametrize(
    "source",
    ["{{ 'x' | center('wide') }}", "{{ 5 | indent }}", "{{ 'x' * 'y' }}", "{{ [1, []] | sum }}"],
)
def test_argument_of_a_wrong_type_is_still_an_error(source: str) -> None:
    with pytest.raises(TemplateError):
        Template(source).render(EVENT)
