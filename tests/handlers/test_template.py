"""`Template` and `HtmlTemplate` render plain data to text, and reach no Python object."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import TemplateError, UndefinedError
from pydantic import BaseModel, ValidationError

from dispatch.filters.keys import find_across_dots
from handlers.template import HtmlTemplate, Template
from schemas import Context, Event, ModelRegistered, RunStatusChanged
from schemas.plain import MISSING

IN_PROD = Context(
    RunStatusChanged.example(
        id="e1",
        run_id="bold_ant_42",
        run_tags={
            "items": "3",
            "Owner": "ml-team@example.com",
            "keys": ["a", "b"],
            "deep": {"Er": {"still": 1}},
            "dotted.name": "d",
            "tpl": "{{ id }}",
            "html": "<b>&\"'",
            "nothing": None,
        },
    ),
    {"name": "churn-prod", "labels": {"env": "prod"}},
)
EVENT = IN_PROD.event_for_handler()


def render(source: str, event: Event = EVENT) -> str:
    return Template(source).render(event)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{{ id }} {{ ID }} {{ Id }}", "e1 e1 e1"),
        ("{{ data.runId }} {{ DATA.RUNID }} {{ Data.RunID }}", "bold_ant_42 bold_ant_42 bold_ant_42"),
        ("{{ data.runTags.owner }}", "ml-team@example.com"),
        ("{{ data['RunTags']['OWNER'] }}", "ml-team@example.com"),
        ("{{ data.runTags.deep.er.STILL }}", "1"),
        ("{{ data.runTags['dotted.name'] }}", "d"),
        ("{{ data.runTags.items }}", "3"),
        ("{{ data.runTags.keys[1] }} {{ data.runTags.keys.0 }}", "b a"),
        ("{{ id[0] }} {{ data.runId[:4] }}", "e bold"),
        ("{{ workspace.name }} {{ workspace.labels.ENV }}", "churn-prod prod"),
        ("{{ object }} {{ drift }}", "bold_ant_42 None"),
    ],
)
def test_template_sees_the_event_like_when(source: str, text: str) -> None:
    """Keys of every level match without regard to case; a tag called `items` is the tag."""
    assert render(source) == text


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{{ data.runTags.team | default('ml') }}", "ml"),
        ("{{ data.nope.deeper.still | default('x') }}", "x"),
        ("{{ nope | default('x') }} {{ nope.deeper | default('y') }}", "x y"),
        ("{{ data.runTags.nothing | default('x') }} {{ data.runTags.nothing | default('x', true) }}", "None x"),
        ("{% if data.runTags.team is defined %}yes{% else %}no{% endif %}", "no"),
        ("{% if data.runTags.Owner is defined %}yes{% endif %}", "yes"),
        ("{% if data.runTags.team %}yes{% else %}no{% endif %}", "no"),
        ("{% if not data.runTags.team and data.runTags.owner %}yes{% endif %}", "yes"),
        ("{{ data.runTags.team or data.runTags.azureml.nope or 'x' }}", "x"),
        ("{{ 'yes' if nope.deeper else 'no' }}", "no"),
    ],
)
def test_missing_key_can_have_a_default(source: str, text: str) -> None:
    assert render(source) == text


@pytest.mark.parametrize(
    ("source", "key"),
    [
        ("{{ team }}", "'team'"),
        ("{{ data.runTags.team }}", "'team'"),
        ("{{ data.nope.deeper }}", "'nope'"),
        ("{{ data['no such'] }}", "'no such'"),
        ("{{ data.runTags.keys[7] }}", "element 7"),
        ("{{ data[0] }}", "0"),
        ("{% for tag in data.modelTags %}{% endfor %}", "'modelTags'"),
        ("{{ 'x' ~ result.summary }}", "'result'"),
        ("{{ data.runTags.team | upper }}", "'team'"),
    ],
)
def test_error_names_the_first_missing_key(source: str, key: str) -> None:
    with pytest.raises(UndefinedError, match=key):
        render(source)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        (
            "{% for key in data.runTags['keys'] %}{{ loop.index }}{{ key }}{{ '' if loop.last else ',' }}{% endfor %}",
            "1a,2b",
        ),
        ("{% for n, v in data.runTags.deep | items %}{{ n }}={{ v.still }}{% endfor %}", "Er=1"),
        ("{% set n = 2 %}{{ n * 3 }} {{ range(3) | join(',') }}", "6 0,1,2"),
        ("{% macro hi(name) %}hi {{ name }}{% endmacro %}{{ hi(id) }}", "hi e1"),
        ("{{ data.runId | upper | replace('_', ' ') | truncate(5, true, '…', 0) }}", "BOLD…"),
        ("{{ data.runTags.deep | tojson }}", '{"Er": {"still": 1}}'),
        ("{{ [data, data] | map(attribute='runId') | unique | join }}", "bold_ant_42"),
        ("{% raw %}{{ id }}{% endraw %}", "{{ id }}"),
        ("two\nlines", "two\nlines"),
    ],
)
def test_jinja_syntax_and_filters_work(source: str, text: str) -> None:
    assert render(source) == text


@pytest.mark.parametrize(
    "source",
    [
        "{{ data.__class__ }}",
        "{{ data['__class__'] }}",
        "{{ subject.__class__ }}",
        "{{ ''.__class__.__mro__ }}",
        "{{ none.__class__ }}",
        "{{ (1).real }}",
        "{{ self.__init__ }}",
        "{{ self._TemplateReference__context }}",
        "{{ lipsum.__globals__ }}",
        "{{ config }}",
        "{{ request }}",
        "{{ context.parent }}",
        "{{ range.__class__ }}",
        "{{ range(3).start }}",
        "{% for x in [1] %}{{ loop.__class__ }}{% endfor %}",
        "{% for x in [1] %}{{ loop._iterator }}{% endfor %}",
        "{% macro m() %}{% endmacro %}{{ m.__globals__ }}",
        "{% macro m() %}{% endmacro %}{{ m.name }}",
        "{{ [id] | map(attribute='__class__') | first }}",
        "{{ [id] | sum(attribute='__class__') }}",
        "{% set data.x = 1 %}",
        "{{ range(1000000) | list }}",
        "{{ 1 + id }}",
        "{{ 1 / 0 }}",
        "{{ data.runTags.deep < 3 }}",
        "{{ data.runTags.deep[:2] }}",
        "{{ 'abc' | int('x', base=99) | round }}",
    ],
)
def test_access_to_python_objects_and_failing_operations_are_errors(source: str) -> None:
    """A TemplateError, whatever failed inside: the template fails again on the same event."""
    with pytest.raises(TemplateError):
        render(source)


@pytest.mark.parametrize(
    "source",
    [
        "{{ data.keys() }}",
        "{{ data.items() }}",
        "{{ data.runTags.pop('items') }}",
        "{{ subject.format(1) }}",
        "{{ subject.upper() }}",
        "{{ '{0.__class__}'.format(id) }}",
        "{{ ().__class__.__bases__[0].__subclasses__() }}",
        "{{ [].append(1) }}",
        "{{ cycler('a').next() }}",
        "{{ joiner().__class__ }}",
        "{{ namespace(a=1).a }}",
        "{{ dict(a=1) }}",
        "{{ id() }}",
        "{{ data.runTags | map('attr', '__class__') | list }}",
        "{% block a %}{{ super() }}{% endblock %}",
    ],
)
def test_calls_of_methods_and_unknown_functions_are_refused_at_load(source: str) -> None:
    """No event makes them work."""
    with pytest.raises(ValueError, match=r"bad template, line 1: (values have no meth|there is no (func|filt))"):
        Template(source)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{{ data.runTags.azureml.pipelineid }}", "p1"),
        ("{{ data.runTags.AzureML['PipelineId'] }}", "p1"),
        ("{{ data['runTags']['azureml']['pipelineid'] }}", "p1"),
        ("{{ data.runTags['azureml.pipelineid'] }}", "p1"),
        ("{{ (data.runTags).azureml.pipelineid }}", "p1"),
        ("{% set tags = data.runTags %}{{ tags.azureml.pipelineid }}", "p1"),
        ("{{ data.runTags.ml.owner }} {{ data.runTags.ml.owner.team }}", "nested longest"),
        ("{{ data.runTags.ml.cost.centre }}", "42"),
        ("{{ data.runTags.ml.nothing | default('x') }} {{ data.runTags.azureml is defined }}", "x False"),
        ("{{ data.runTags.a.b.c.d }}", "deep"),
        ("{% for x in [1] %}{{ loop.index }}{% endfor %} {{ data.runTags.list.0.x.y }}", "1 in a list"),
    ],
)
def test_the_name_of_a_tag_may_have_dots(source: str, text: str) -> None:
    """A nested member comes first, then the longest name: as in conditions."""
    tags = {
        "azureml.pipelineid": "p1",
        "ml": {"owner": "nested", "cost.centre": 42},
        "ml.owner": "dotted",
        "ml.owner.team": "longest",
        "a.b": {"c": 1, "c.d": "deep"},
        "list": [{"x.y": "in a list"}],
    }
    event = RunStatusChanged.example(run_tags=tags)
    assert render(source, event) == text


NAMES = st.sampled_from(["a", "b", "a.b", "B", "b.a", "ß", "SS"])
VALUES = st.recursive(st.integers(0, 9), lambda inner: st.dictionaries(NAMES, inner, max_size=4), max_leaves=12)


@given(
    st.dictionaries(NAMES, VALUES, max_size=4), st.lists(st.sampled_from(["a", "b", "A", "ss"]), min_size=1, max_size=4)
)
def test_a_template_finds_what_a_condition_finds(tags: dict[str, Any], names: list[str]) -> None:
    event = RunStatusChanged.example(run_tags=tags)
    key = ".".join(["data", "runTags", *names])
    expected = find_across_dots(event.view(), key)
    assert render(f"{{{{ {key} | default('missing') }}}}", event) == (
        "missing" if expected is MISSING else str(expected)
    )


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("{{ id", 1),
        ("\n\n{% if %}", 3),
        ("{{ id | nosuchfilter }}", 1),
        ("{{ id is nosuchtest }}", 1),
        ("\n{{ id | attr('x') }}", 2),
        ("{{ id | safe }}", 1),
        ("{% include 'x' %}", 1),
        ("{% import 'x' as y %}", 1),
        ("{% from 'x' import y %}", 1),
        ("\n{% extends 'x' %}", 2),
        ("{% autoescape false %}{{ id }}{% endautoescape %}", 1),
        ("{% unknown %}", 1),
    ],
)
@pytest.mark.parametrize("kind", [Template, HtmlTemplate])
def test_invalid_template_is_an_error_at_load(source: str, line: int, kind: type[Template]) -> None:
    """Also one that uses other templates, or switches escaping off."""
    with pytest.raises(ValueError, match=f"bad template, line {line}: "):
        kind(source)


def test_text_of_an_event_is_not_a_template() -> None:
    assert render("{{ data.runTags.tpl }} {{ data.runTags | tojson }}").startswith("{{ id }} ")
    assert HtmlTemplate("{{ data.runTags.tpl }}").render(EVENT) == "{{ id }}"


@pytest.mark.parametrize(
    "source",
    [
        "{{ data.runTags.html }}",
        "{{ data.runTags['html'] | upper | lower }}",
        "{% set copy %}{{ data.runTags.html }}{% endset %}{{ copy }}",
        "{% macro show(x) %}{{ x }}{% endmacro %}{{ show(data.runTags.html) }}",
        "{% filter trim %}{{ data.runTags.html }}{% endfilter %}",
    ],
)
def test_html_template_escapes_values(source: str) -> None:
    assert HtmlTemplate(f"<p>{source}</p>").render(EVENT) == "<p>&lt;b&gt;&amp;&#34;&#39;</p>"


@pytest.mark.parametrize(
    "source",
    [
        "{{ data.runTags.html | striptags }}",
        "{{ data.runTags | tojson }}",
        "{{ '<b>' ~ data.runTags.html }}",
        "{{ data.runTags.html | urlize }}",
        "{{ data.runTags.html | e | center(20) | indent | replace('x', 'y') }}",
        "{{ data.runTags.html | forceescape }}",
        "{{ ['<i>', data.runTags.html] | join }}",
        "{{ '%s' | format(data.runTags.html) }}",
        "{{ data.runTags.html | replace('x', 'y') }}",
        "{{ data.runTags.html | indent | wordwrap }}",
    ],
)  # fmt: skip - one a line would be two pages
def test_no_filter_passes_markup_of_an_event(source: str) -> None:
    assert "<b>" not in HtmlTemplate(source).render(EVENT)
    assert "<i>" not in HtmlTemplate(source).render(EVENT)


@pytest.mark.parametrize(
    "source",
    ['<p title="{{ data.runTags | tojson }}">', '<p title="{{ data.runTags | tojson(indent=2) | indent(2) }}">'],
)
def test_event_cannot_end_an_attribute(source: str) -> None:
    """JSON has quotes, which HTML templates escape like any other text."""
    event = RunStatusChanged.example(run_tags={"x": '" onmouseover=alert(1) y="'})
    assert HtmlTemplate(source).render(event).count('"') == 2


def test_text_template_does_not_escape() -> None:
    assert render("{{ data.runTags.html }}") == "<b>&\"'"


def test_rendering_takes_more_values_and_changes_nothing() -> None:
    template = Template("{{ id }}{{ result.summary | default('') }}{{ extra | default('') }}")
    bound = IN_PROD.with_result({"summary": " done"}).event_for_handler()
    assert [template.render(EVENT, extra="!"), template.render(bound), template.render(EVENT)] == [
        "e1!",
        "e1 done",
        "e1",
    ]


@pytest.mark.parametrize(
    ("source", "constant"),
    [
        ("plain", True),
        ("", True),
        ("100 % {x}", True),
        ("{{ id }}", False),
        ("{% if 1 %}{% endif %}", False),
        ("{# a comment #}", False),
    ],
)  # fmt: skip - a table
def test_template_without_markup_is_constant(source: str, constant: bool) -> None:
    assert Template(source).is_constant is constant


class Model(BaseModel):
    text: Template = Template("{{ id }}")
    page: HtmlTemplate | None = None


def test_template_is_a_field_of_a_model() -> None:
    """It is written as its source; templates of the same class and source are equal."""
    model = Model.model_validate({"text": "{{ subject }}", "page": "<p>"})
    assert model.text == Template("{{ subject }}")
    assert Model(text=model.text) == Model.model_validate({"text": "{{ subject }}"})
    assert model.model_dump(mode="json") == {"text": "{{ subject }}", "page": "<p>"}
    assert Model.model_validate_json(model.model_dump_json()) == model
    assert hash(Template("a")) == hash(Template("a"))
    assert HtmlTemplate("a") != Template("a")
    assert repr(HtmlTemplate("a")) == "HtmlTemplate('a')"
    assert Template("a") != "a"


@pytest.mark.parametrize("value", [None, 5, ["x"], {"a": 1}, "{{ id"])
def test_invalid_template_is_an_error_of_its_field(value: object) -> None:
    with pytest.raises(ValidationError):
        Model.model_validate({"text": value})


def test_event_cannot_hide_the_workspace_or_the_result() -> None:
    """Keys of the event's envelope that have these names are ignored."""
    forged = ModelRegistered.model_validate(
        {**ModelRegistered.example().wire(), "Workspace": "forged", "RESULT": "forged"}
    )
    assert render("{{ workspace.name }}", forged) == "churn-prod"
    with pytest.raises(TemplateError):
        render("{{ result.status }}", forged)
