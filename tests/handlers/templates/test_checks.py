"""What can never render is an error when a template is compiled, with a hint."""

import re

import pytest

from handlers.template import Template

ERRORS = [
    (
        "{{ data.x.split(';')[0] }}",
        "values have no methods, so .split() cannot be called. Use the filter split: value | ",
    ),
    ("{{ data.x.format(1) }}", "Use the filter format: '%s has %s' | format(a, b)"),
    ("{{ '{}'.format(data.x) }}", "Use the filter format: "),
    (
        "{% for k, v in data.runTags.items() %}{% endfor %}",
        "Use the filter items: {% for key, value in tags | items %}",
    ),
    ("{{ data.runTags['get']('x') }}", "so .get() cannot be called. Use the filter default: "),
    ("{{ (data.x | lower).strip() }}", "Use the filter trim: value | trim"),
    ("{{ eventTime.strftime('%Y') }}", "Use the filter date: eventTime | date('%Y-%m-%d')"),
    ("{% if data.x.startswith('a') %}{% endif %}", "Use the filter regex_search: value | regex_search('^prod-')"),
    ("{{ data.x.upper() }}", "Use the filter upper: value | upper"),
    ("{{ data.x.titel() }}", "Use the filter title: value | title"),
    ("{{ data.x.xyzzyq() }}", "cannot be called. Use a filter, such as value | lower"),
    ("{{ loop.frobnicate() }}", "values have no methods"),
    ("{{ now() }}", "there is no function now(). Use the time of the event: eventTime | date('%Y-%m-%d', days=-1)"),
    ("{{ upper(data.x) }}", "there is no function upper(). Use the filter upper: value | upper"),
    ("{{ data.list[0]() }}", "a value of an event cannot be called"),
    ("{{ data.x | splitt(';') }}", "there is no filter 'splitt': did you mean split?"),
    ("{{ data.x | Lower }}", "there is no filter 'Lower': did you mean lower?"),
    ("{{ data.x | xyzzyq }}", "there is no filter 'xyzzyq': there are abs, capitalize, center, "),
    ("{{ data.x | strftime('%Y') }}", "there is no filter 'strftime': use date: "),
    ("{{ data.x | map('splitt', ';') | list }}", "there is no filter 'splitt': did you mean split?"),
    ("{{ data.x | map('regex_replace', '(', '') | list }}", "is not valid: missing ), unterminated subpattern"),
    ("{{ data.x | select('defind') | list }}", "there is no test 'defind': did you mean defined?"),
    ("{{ data.x | rejectattr('a', 'equall', 1) | list }}", "there is no test 'equall': did you mean equalto?"),
    ("{% if data.x is defned %}{% endif %}", "there is no test 'defned': did you mean defined?"),
    ("{{ data.x | replace('a') }}", "the filter replace is used wrongly: missing a required argument: 'new'"),
    ("{{ data.x | lower(1) }}", "the filter lower is used wrongly: too many positional arguments"),
    ("{{ data.x | round(digits=1) }}", "the filter round is used wrongly: got an unexpected keyword argument 'digits'"),
    ("{{ data.x | split('') }}", "split takes a separator such as ';', not ''"),
    ("{{ data.x | split(1) }}", "split takes a separator such as ';', not 1"),
    ("{{ data.x | regex_search('[') }}", "the pattern '[' is not valid: unterminated character set at position 0"),
    ("{{ data.x | regex_search(data.y) }}", "the pattern of a regular expression must be a text in quotes"),
    ("{{ data.x | regex_search('a' ~ data.y) }}", "the pattern of a regular expression must be a text in quotes"),
    ("{{ data.x | regex_replace('a', data.y) }}", "the replacement of a regular expression must be a text in quotes"),
    ("{{ data.x | regex_search('(a)', 2) }}", "the pattern has no group 2"),
    ("{{ data.x | regex_replace('(a)', '\\\\2') }}", "the pattern has no group 2"),
    ("{{ data.x | regex_search }}", "missing a required argument: 'pattern'"),
    ("{{ data.x | regex_search(*data.y) }}", "the filter regex_search takes no *arguments or **arguments"),
    ("{{ data.x | date('%Q') }}", "there is no date directive %Q: there are %% %a "),
    ("{{ data.x | date('%Y %') }}", "there is no date directive %: there are "),
    ("{{ data.x | date('%-Y') }}", "there is no date directive %-Y: there are %-d "),
    ("{{ data.x | date('yyyy-MM-dd') }}", "the format 'yyyy-MM-dd' has no directive: write it like '%Y-%m-%d %H:%M'"),
    ("{{ data.x | date(5) }}", "date takes a format such as '%Y-%m-%d', not 5"),
    ("{{ data.x | date('" + "%Y" * 101 + "') }}", "the format has 202 characters; at most 200 are allowed"),
    ("{{ data.x | date(zone='Europa/Berlin') }}", "there is no time zone 'Europa/Berlin'. Did you mean Europe/Berlin?"),
    ("{{ data.x | date(zone=1) }}", "zone is the name of a time zone such as 'Europe/Berlin', not 1"),
    ("{{ data.x | date(day=1) }}", "date has no argument 'day': did you mean days?"),
    ("{{ data.x | date(timezone='UTC') }}", "date has no argument 'timezone': it takes format, zone, weeks, days, "),
    ("{{ data.x | date(days='1') }}", "days is a number such as -1, not '1'"),
    ("{{ data" + ".x" * 65 + " }}", "65 names in a row; at most 64 are allowed"),
    ("{% filter date('%Q') %}2026{% endfilter %}", "there is no date directive %Q"),
]


@pytest.mark.parametrize(("source", "message"), ERRORS)
def test_what_can_never_render_is_refused_with_a_hint(source: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)) as raised:
        Template(source)
    assert str(raised.value).startswith("bad template, line 1: ")


def test_the_line_in_the_template_is_named() -> None:
    with pytest.raises(ValueError, match="bad template, line 3: values have no methods"):
        Template("a\n{{ id }}\n{{ data.x.split() }}")


@pytest.mark.parametrize(
    "source",
    [
        "{% macro m(x) %}{{ caller() }}{% endmacro %}{% call m(1) %}{% endcall %}{{ m(2) }}",
        "{% macro m(f) %}{{ f() }}{% endmacro %}{% set g = m %}{{ g(m) }}",
        "{% for x in range(3) recursive %}{{ loop.cycle('a', 'b') }}{{ loop.changed(x) }}{{ loop([]) }}{% endfor %}",
        "{% block b %}{% endblock %}{{ self.b() }}",
        "{{ data.x | default(*[1]) }}{{ data.x | map(attribute='y') | list }}{{ data.x | list | join }}",
        "{{ data.x | date(data.format, zone=data.zone, days=-1, hours=+2) }}{{ data.x | map('date', '%Y') | list }}",
        "{{ data.x | select | list }}{{ data.x | selectattr('a') | list }}",
        "{{ data.x | regex_search('a', data.group) }}{{ data.x | split(data.separator) }}",
    ],
)
def test_calls_and_filters_that_may_work_are_accepted(source: str) -> None:
    assert Template(source).source == source
