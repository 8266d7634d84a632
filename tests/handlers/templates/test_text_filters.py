"""The filters `split`, `regex_search`, `regex_replace` and `date`: what they render, and what they refuse."""

import re
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import TemplateRuntimeError, UndefinedError

from handlers.template import HtmlTemplate, Template
from handlers.templates.text_filters import regex_replace
from schemas import Context, RunStatusChanged

EVENT = RunStatusChanged.example(
    event_time="2026-11-22T23:41:07.5841035Z",
    run_tags={
        "owners": "ann@example.com; bob@example.com",
        "zone": "Asia/Tokyo",
        "until": 1764000000,
        "width": "8",
        "html": "<a>;<b>",
        "null": None,
        "text": "x",
        "aaa": "a" * 100_000,
    },
)


def render(source: str, workspace_zone: str = "UTC", *, kind: type[Template] = Template) -> str:
    context = Context(EVENT, {"name": "churn", "labels": {}, "timezone": workspace_zone})
    return kind(source).render(context.event_for_handler())


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{{ data.runTags.owners | split(';') | first }}", "ann@example.com"),
        ("{{ data.runTags.owners | split(';') | map('trim') | join(',') }}", "ann@example.com,bob@example.com"),
        ("{{ 'a b  c' | split | join('-') }} {{ 'a-b-c' | split('-', 1) | last }}", "a-b-c b-c"),
        ("{{ 'a-b' | split(separator='-', maxsplit=1) | length }} {{ 1.5 | split('.') | last }}", "2 5"),
        (r"{{ data.runTags.owners | regex_search('@([\w.]+)', 1) }}", "example.com"),
        (r"{{ data.runTags.owners | regex_search('(?P<user>\w+)@', 'user') }}", "ann"),
        (r"{{ data.runTags.owners | regex_search('b\w+') }}", "bob"),
        (r"{{ 'concat cat' | regex_replace('\bcat\b', 'dog') }}", "concat dog"),
        (r"{{ 'concat cat' | regex_replace('\\bcat\\b', 'dog') }}", "concat dog"),
        (r"{{ 'churn-3' | regex_replace('^(\w+)-(\d+)$', '\2 of \1') }}", "3 of churn"),
        (r"{{ 'churn-3' | regex_replace('^(\w+)-(\d+)$', '\\2 of \\g<1>') }}", "3 of churn"),
        ("{{ 'azureml:churn:3' | regex_replace('^azureml:', '') }}", "churn:3"),
        ("{{ 'aaa' | regex_replace('a', 'b', 2) }} {{ 'abc' | regex_replace('x*', '-') }}", "bba -a-b-c-"),
        ("{{ 'ab' | regex_replace('(a)|b', '[\\\\1]') }}", "[a][]"),
        ("{{ 'x' | regex_search('y') | default('nobody') }}", "nobody"),
        ("{{ 'ab' | regex_search('(a)|(b)', 2) | default('no group') }}", "no group"),
        ("{% if 'prod-1' | regex_search('^prod') %}yes{% endif %}{% if 'x' | regex_search('y') %}no{% endif %}", "yes"),
        ("{{ ['a1', 'b2'] | map('regex_replace', '[0-9]', '') | join }}", "ab"),
        ("{{ eventTime | date }}", "2026-11-22 23:41 UTC"),
        ("{{ eventTime | date('%Y-%m-%d', days=-1) }} {{ eventTime | date('%H', hours=2) }}", "2026-11-21 01"),
        ("{{ eventTime | date('%d.%m.%Y %H:%M %Z', 'Europe/Berlin') }}", "23.11.2026 00:41 CET"),
        ("{{ eventTime | date('%-d/%-m %I %p %j %F %T %R', zone=data.runTags.zone) }}", None),
        (
            "{{ data.runTags.until | date('%FT%TZ') }} {{ '1764000000' | date('%s') }}",
            "2025-11-24T16:00:00Z 1764000000",
        ),
        ("{{ 1764000000000 | date }} {{ '2026-11-22' | date('%a %b %y %%') }}", "2025-11-24 16:00 UTC Sun Nov 26 %"),
        ("{{ eventTime | date('%F', days=data.runTags.width | int * -1) }}", "2026-11-14"),
        ("{{ '2026-11-22T08:00:00+02:00' | date('%H:%M %z', weeks=1, minutes=30) }}", "06:30 +0000"),
        ("{{ 0.5 | date('%T.%f', seconds=0.25) }} {{ -1 | date('%T') }}", "00:00:00.750000 23:59:59"),
    ],
)
def test_filter_renders(source: str, text: str | None) -> None:
    expected = "23/11 08 AM 327 2026-11-23 08:41:07 08:41" if text is None else text
    assert render(source) == expected


def test_the_default_zone_is_that_of_the_workspace() -> None:
    assert render("{{ eventTime | date('%H:%M %Z') }}", "Europe/Berlin") == "00:41 CET"


def test_days_are_shifted_by_the_calendar_and_hours_by_the_clock() -> None:
    """On 25 October 2026, clocks in Berlin go back an hour at three."""
    noon = "{{ '2026-10-24T10:00:00Z' | date('%d %H:%M %Z', 'Europe/Berlin', SHIFT) }}"
    assert render(noon.replace("SHIFT", "days=1")) == "25 12:00 CET"
    assert render(noon.replace("SHIFT", "hours=24")) == "25 11:00 CET"


def test_results_are_escaped_in_html() -> None:
    source = "{{ data.runTags.html | split(';') | first }}{{ data.runTags.html | regex_search('<b>') }}"
    assert render(source, kind=HtmlTemplate) == "&lt;a&gt;&lt;b&gt;"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("{{ data.runTags.nothing | split(';') }}", "no 'nothing' here"),
        ("{{ eventTime | date(zone=data.runTags.nowhere) }}", "no 'nowhere' here"),
        ("{{ data.runTags.text | regex_search('y') }}", "'y' does not match 'x'"),
    ],
)
def test_a_missing_key_or_match_is_an_error(source: str, message: str) -> None:
    with pytest.raises(UndefinedError, match=message):
        render(source)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("{{ data.runTags.null | split(';') }}", "split takes a text, not null"),
        (
            "{{ 'a' | split(data.runTags.null | string | replace('None', '')) }}",
            "takes a separator such as ';', not ''",
        ),
        ("{{ true | regex_search('x') }}", "regex_search takes a text, not True"),
        ("{{ [eventTime] | map('regex_search', '(') | list }}", "bad template|is not valid"),
        ("{{ data.runTags.text | date }}", "date takes a time like 2026-11-22T08:41:07Z, or a unix number, not 'x'"),
        ("{{ data.runTags.null | date }}", "not null"),
        ("{{ eventTime | date(zone=data.runTags.text) }}", "there is no time zone 'x'"),
        ("{{ eventTime | date(data.runTags.text) }}", "the format 'x' has no directive"),
        ("{{ eventTime | date(days=data.runTags.text) }}", "days is a number such as -1, not 'x'"),
        ("{{ eventTime | date(days=data.runTags.until * 10) }}", "days is a number such as -1, not 17640000000"),
        ("{{ eventTime | date(days=data.runTags.until / 10) }}", "out of range: years are 1 to 9999"),
        ("{{ 1e300 | date }}", "not 1e"),
        ("{% set name = 'regex_search' %}{{ ['a'] | map(name, 5) | list }}", "a pattern is a text, not 5"),
    ],
)
def test_an_invalid_value_of_an_event_is_an_error(source: str, message: str) -> None:
    with pytest.raises((TemplateRuntimeError, ValueError), match=message):
        render(source)


@pytest.mark.slow
@pytest.mark.no_cover  # slow with coverage, and other tests reach the same lines
@pytest.mark.parametrize(
    "source",
    [
        "{{ data.runTags.aaa | regex_search('(a+)+b') }}",
        "{{ data.runTags.aaa | regex_search('.*.*.*.*x') }}",
        "{{ data.runTags.aaa | regex_replace('a*?a*?a*?a*?b', '') }}",
        "{{ data.runTags.aaa | regex_replace('a', '" + "b" * 2000 + "') }}",
        "{% for n in range(999) %}{{ data.runTags.aaa | split('a') | length }}{% endfor %}",
        "{% for n in range(99999) %}{{ eventTime | date('%F %T %F %T %F %T %F %T') }}{% endfor %}",
    ],
)
def test_work_that_takes_too_long_is_an_error(source: str) -> None:
    """Each ends within seconds: the steps of a search are paid like everything else."""
    with pytest.raises((TemplateRuntimeError, ValueError), match="the template does too much"):
        render(source)


PATTERN = st.sampled_from(["a", "a*", "ab|b", "(a)(b)?", "", "b+", "$", "^", r"\b", "[^a]", "a+?"])


@given(PATTERN, st.sampled_from(["", "-", r"[\g<0>]"]), st.text("ab ", max_size=8), st.integers(0, 3))
def test_replacing_does_what_re_does(pattern: str, replacement: str, text: str, count: int) -> None:
    from handlers.templates.budget import limited

    with limited(), warnings.catch_warnings(action="ignore"):
        assert regex_replace(text, pattern, replacement, count) == re.sub(pattern, replacement, text, count=count)
