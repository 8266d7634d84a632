"""A template that would take all memory, or never end, is an error instead; what people write has room enough."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from jinja2 import TemplateError, TemplateRuntimeError, UndefinedError

from handlers.template import HtmlTemplate, Template
from schemas import RunStatusChanged

pytestmark = pytest.mark.no_cover  # the same lines many times; that they are reached, other tests show

ROOT = Path(__file__).resolve().parents[2]
EVENT = RunStatusChanged.example(
    id="e1",
    run_tags={
        "n": 10**9,
        "text": "a b&c " * 1_000,
        "list": list(range(1_000)),
        "format": "%1000000000d",
        "tree": {"tree": {"tree": {}}},
    },
)
GROW = "{% set a = a ~ a %}" * 60
ENDLESS = [
    "{{ 'a' * 10**9 }}",
    "{{ 10**9 * 'a' }}",
    "{{ [0] * 10**9 }}",
    "{{ (1, 2) * 10**9 }}",
    "{{ 'a' * data.runTags.n }}",
    "{% if 'a' * 10**10 %}x{% endif %}",
    "{% set x = ('a' * 10**7) %}" + "{{ x }}" * 100,
    "{% set a = 'a' * 10**6 %}" + GROW,
    "{% set a = ['a' * 10**6] %}" + GROW.replace("~", "+"),
    "{% set x = [['a' * 10**5] * 10**5] * 10**5 %}{{ x }}",
    "{% set x = [['a' * 10**5] * 10**5] * 10**5 %}{{ x | string | length }}",
    "{% set x = [['a' * 10**5] * 10**5] * 10**5 %}{{ x | tojson }}",
    "{% set x = [['a' * 10**5] * 10**5] * 10**5 %}{{ x | pprint }}",
    "{% set x = [['a' * 10**5] * 10**5] * 10**5 %}{{ 'x' ~ x }}",
    "{{ 9**(9**9) }}",
    "{{ 10**10000000 % 7 }}",
    "{% set n = 10**2000 %}{% set n = n * n %}{% set n = n * n %}{{ n }}",
    "{{ 1.5 | round(10**9, 'floor') }}",
    "{{ 'x' | center(10**9) }}",
    "{{ 'x' | center(width=data.runTags.n) }}",
    "{{ ('x\n' * 10**4) | indent(10**5) }}",
    "{{ ('x\n' * 10**4) | indent('y' * 10**5) }}",
    "{{ 'x' | indent(width=10**9, first=true) }}",
    "{{ ('x ' * 10**5) | wordwrap(1, wrapstring='y' * 10**4) }}",
    "{{ ('x' * 10**5) | wordwrap(1, true, 'y' * 10**4) }}",
    "{{ ('x' * 10**5) | replace('x', 'y' * 10**5) }}",
    "{{ ('x' * 10**5) | replace('', 'y' * 10**5) }}",
    "{{ range(10**5) | join('y' * 10**5) }}",
    "{{ (['x' * 10**5] * 10**5) | join }}",
    "{{ '%1000000000d' | format(1) }}",
    "{{ '%*d' | format(10**9, 1) }}",
    "{{ '%.1000000000f' | format(1) }}",
    "{{ data.runTags.format | format(1) }}",
    "{{ '%1000000000d' % 1 }}",
    "{{ '%*d' % (10**9, 1) }}",
    "{{ ('%(a)s' * 10**5) | format(a='x' * 10**5) }}",
    "{{ [1] | batch(10**9, 'x') | list }}",
    "{{ [1] | slice(10**9) | list }}",
    "{{ data.runTags | tojson(indent=10**9) }}",
    "{{ ('http://a.example ' * 10**4) | urlize(target='x' * 10**5) }}",
    "{{ (['x' * 10**6] * 10**4) | map('upper') | list }}",
    "{% for a in range(10**5) %}{% for b in range(10**5) %}{% endfor %}{% endfor %}",
    "{% for a in range(10**5) %}{% for b in range(10**5) if b < 0 %}{% endfor %}{% endfor %}",
    "{% for a in range(10**5) %}{{ 'a' * 10**5 }}{% endfor %}",
    "{% for a in range(10**5) %}" + "constant " * 10_000 + "{% endfor %}",
    "{% for a in range(10**5) %}{{ range(10**5) | list | length }}{% endfor %}",
    "{% set x %}{% for a in range(10**5) %}{{ data.runTags.text }}{% endfor %}{% endset %}{{ x | length }}",
    "{% filter upper %}{% for a in range(10**5) %}{{ data.runTags.text }}{% endfor %}{% endfilter %}",
    "{% macro m(n) %}{% if n %}{{ m(n - 1) }}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(60) }}",
    "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "{% macro m(x) %}{{ x }}{{ caller() }}{% endmacro %}{% call m('a' * 10**8) %}{% endcall %}",
    "{% for x in range(99999) | list recursive %}{{ loop(range(99999) | list) }}{% endfor %}",
    "{% for a in range(10**5) %}{% for b in range(9) %}{% if range(3) %}{% endif %}{% endfor %}{% endfor %}",
    "{% for x in range(10**9) %}{% endfor %}",
    "{{ range(10**30) }}",
]
CHILD = """
import json, resource
from tests.handlers.test_template_limits import EVENT, ENDLESS, Template
resource.setrlimit(resource.RLIMIT_AS, (2**30, 2**30))
ends = []
for source in ENDLESS:
    if "{% for" not in source and "{% macro" not in source:  # those take time
        try:
            ends.append(f"{source[:100]}: {Template(source).render(EVENT)[:100]}")
        except Exception as error:
            ends.append(type(error).__name__ + str(error)[:40])
print(json.dumps(ends))
"""


@pytest.mark.parametrize("source", ENDLESS)
def test_what_takes_too_much_is_an_error(source: str) -> None:
    """Of Jinja's kind, like every mistake in a template: it is not tried again."""
    with pytest.raises(TemplateRuntimeError):
        Template(source).render(EVENT)


def test_nothing_is_worked_out_when_rules_load() -> None:
    """A constant that takes too much is compiled like any other; it is an error once an event comes."""
    assert [Template(source).source for source in ENDLESS] == ENDLESS


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits the memory of a process so")
@pytest.mark.services
def test_it_takes_little_memory_to_find_out() -> None:
    """In a process that may have a gigabyte, of which Python and Jinja take a part."""
    done = subprocess.run([sys.executable, "-c", CHILD], cwd=ROOT, capture_output=True, text=True, check=True)
    ends = json.loads(done.stdout)
    assert [end for end in ends if not end.startswith("TemplateRuntimeError") or "MemoryError" in end] == []


@pytest.mark.parametrize(
    ("source", "length"),
    [
        ("{{ '-' * 80 }}", 80),
        ("{{ data.runTags.text | upper | replace('A', 'bb') | truncate(5_000, true) }}", 5_000),
        ("{{ data.runTags.text | center(10_000) }}", 10_000),
        ("{% for n in data.runTags.list %}{{ n }},{% endfor %}", 3_890),
        ("{{ data.runTags.list | join(', ') }}", 4_888),
        ("{{ '%5d' | format(7) }}{{ '%s' % 'x' }}{{ 2 ** 64 }}{{ 7 % 3 }}{{ 'a' + 'b' }}{{ [1] + [2] }}", 35),
        ("{% for a in range(100) %}{% for b in range(100) %}x{% endfor %}{% endfor %}", 10_000),
        ("{{ data | tojson(indent=2) | length > 10_000 }}", 4),
    ],
)
def test_what_people_write_has_room_enough(source: str, length: int) -> None:
    assert len(Template(source).render(EVENT)) == length


@pytest.mark.parametrize("kind", [Template, HtmlTemplate])
def test_the_largest_event_has_room_enough(kind: type[Template]) -> None:
    """A million characters, each of which escaping makes six of, shown in several ways."""
    event = RunStatusChanged.example(run_tags={"note": "<" * 1_000_000})
    source = "{{ data.runTags.note }}{{ data.runTags.note | upper }}{{ data | tojson }}"
    assert len(kind(source).render(event)) > 8_000_000


def test_each_rendering_has_a_budget_of_its_own() -> None:
    """What one has used up is not missing to the next."""
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
    ],
)
def test_what_is_missing_is_still_named(source: str) -> None:
    """Paying for it does not hide that it is not there."""
    with pytest.raises(UndefinedError, match="'missing'"):
        Template(source).render(EVENT)


@pytest.mark.parametrize(
    "source", ["{{ 'x' | center('wide') }}", "{{ 5 | indent }}", "{{ 'x' | replace }}", "{{ 'x' * 'y' }}"]
)
def test_what_does_not_fit_is_still_an_error(source: str) -> None:
    with pytest.raises(TemplateError):
        Template(source).render(EVENT)
