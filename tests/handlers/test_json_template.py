"""`JsonTemplate`: JSON whose texts are templates; types of values, limits, and errors with their positions."""

import json
from typing import Any

import pytest
from jinja2 import TemplateError
from pydantic import BaseModel, ValidationError

from handlers.base import GiveUp
from handlers.json_template import MAX_LEAVES, MAX_LEVELS, JsonTemplate, Leaf, json_bytes
from handlers.template import encoding
from schemas import ModelRegistered, RunStatusChanged

EVENT = ModelRegistered.example(
    model_name="churn", model_tags={"n": "7", "html": "<b>&\"'</b>", "inject": '", "admin": true, "x": "{{ id }}'}
)


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("text", "text"),
        ("text\n", "text\n"),
        ("{{ data.modelName }}", "churn"),
        ("{{ data.modelName }} is new", "churn is new"),
        ("{{ data.modelTags.n }}", "7"),
        ("{{ data.modelTags.n | int }}", 7),
        ("  {{ data.modelTags.n | int }}\n", 7),
        ("{{ data.modelTags.n | float }}", 7.0),
        ("n={{ data.modelTags.n | int }}", "n=7"),
        ("{{ 7 | string }}", "7"),
        ("{{ 1 == 1 }}", True),
        ("{{ none }}", None),
        ("{{ data.modelTags }}", dict(EVENT.data.model_tags)),
        ("{{ data.modelTags | list }}", ["n", "html", "inject"]),
        ("{{ [1, 'a', (2, 3)] }}", [1, "a", [2, 3]]),
        ("{{ {'a': 1} }}", {"a": 1}),
        ("{{ range(3) }}", [0, 1, 2]),
        ("{{ data.modelTags.html }}", "<b>&\"'</b>"),
        ("{{ data.modelTags.html | e }}", "&lt;b&gt;&amp;&#34;&#39;&lt;/b&gt;"),
        ("{{ data.modelTags.inject }}", '", "admin": true, "x": "{{ id }}'),
        ("{% if data %}{{ 1 }}{% endif %}", "1"),
        ("{{ 1 }}{{ 2 }}", "12"),
        ("{{ mine }}", 5),
        (True, True),
        (3, 3),
        (1.5, 1.5),
        (None, None),
        ([], []),
        ({"a": {"b": ["{{ 1 + 1 }}", None]}}, {"a": {"b": [2, None]}}),
    ],
)
def test_each_text_is_a_template_and_one_expression_keeps_its_type(source: Any, value: Any) -> None:
    found = JsonTemplate(source).render(EVENT, mine=5)
    assert found == value
    assert type(found) is type(value)
    json.dumps(found)


def test_an_event_cannot_add_a_key() -> None:
    found = JsonTemplate({"name": "{{ data.modelTags.inject }}", "admin": False}).render(EVENT)
    assert json.loads(json_bytes(found)) == {"name": EVENT.data.model_tags["inject"], "admin": False}


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("{{ data.none }}", "no 'none' here"),
        ("{{ [data.none] }}", "no 'none' here"),
        ("{{ '1e400' | float }}", "not a value of JSON"),
        ("{{ data.modelTags.n + 1 }}", "TypeError"),
    ],
)
def test_a_value_that_json_cannot_hold_is_an_error_of_the_template(source: str, reason: str) -> None:
    with pytest.raises(TemplateError, match=reason):
        JsonTemplate([source]).render(EVENT)


def test_all_leaves_share_one_budget() -> None:
    costly = "{% for n in range(90000) %}{{ n }}{% endfor %}"
    JsonTemplate([costly]).render(EVENT)
    with pytest.raises(TemplateError, match="does too much"):
        JsonTemplate([costly] * 3).render(EVENT)
    JsonTemplate([costly]).render(EVENT)  # each rendering has a budget of its own


class Settings(BaseModel):
    body: JsonTemplate


def errors(body: Any) -> dict[tuple[Any, ...], str]:
    with pytest.raises(ValidationError) as error:
        Settings.model_validate({"body": body})
    return {each["loc"]: each["msg"] for each in error.value.errors()}


def test_errors_have_the_position_of_their_leaf() -> None:
    body = {"a": ["{{ data.", "{{ x | nope }}"], "b": {"{{ key }}": 1}, "c": {1: 2}, "d": b"x", "e": float("nan")}
    found = errors(body)
    assert set(found) == {
        ("body", "a", 0),
        ("body", "a", 1),
        ("body", "b", "{{ key }}"),
        ("body", "c", "1"),
        ("body", "d"),
        ("body", "e"),
    }
    assert "bad template, line 1" in found["body", "a", 0]
    assert "nope" in found["body", "a", 1]
    assert "a key is a literal text" in found["body", "b", "{{ key }}"]
    assert "should be JSON" in found["body", "d"]


def test_a_body_is_limited() -> None:
    assert "at most 1,000" in errors(["{{ id }}"] * (MAX_LEAVES + 1))[("body",)]
    deep: Any = 1
    for _ in range(MAX_LEVELS + 2):
        deep = [deep]
    [(path, message)] = errors(deep).items()
    assert (len(path), message) == (MAX_LEVELS + 2, "more than 32 levels of nesting")


def test_json_that_is_too_long_is_refused() -> None:
    assert json_bytes({"a": "ü"}) == '{"a": "ü"}'.encode()
    with pytest.raises(GiveUp, match="the card has 12 bytes; at most 10"):
        json_bytes("x" * 10, 10, "the card")


def test_a_setting_is_compared_and_written_by_its_source() -> None:
    settings = Settings.model_validate({"body": {"a": "{{ id }}", "b": "c"}})
    assert settings.model_dump_json() == '{"body":{"a":"{{ id }}","b":"c"}}'
    assert settings == Settings(body=JsonTemplate({"a": "{{ id }}", "b": "c"}))
    assert settings.body != JsonTemplate({})
    assert settings.body != {}
    assert hash(settings.body) == hash(JsonTemplate({"b": "c", "a": "{{ id }}"}))
    assert repr(JsonTemplate(["a"])) == "JsonTemplate(['a'])"
    assert [template.source for template in settings.body.templates] == ["{{ id }}"]
    assert Settings.model_json_schema()["properties"]["body"] == {"title": "Body"}


def test_a_result_can_be_a_value() -> None:
    event = RunStatusChanged.example().for_handler(None, {"details": {"body.id": "7"}})
    assert JsonTemplate("{{ result }}").render(event) == {"details": {"body.id": "7"}}


class _UpperLeaf(Leaf):
    _environment = encoding(str.upper)


class Upper(JsonTemplate):
    """JSON that has the values of an event in capitals."""

    leaf = _UpperLeaf


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("{{ data.modelName }} is new", "CHURN is new"),
        ("{{ data.modelName }}", "CHURN"),
        ("{{ ['a', {'k': data.modelName}] }}", ["A", {"k": "CHURN"}]),
        ("{{ 7 }}", 7),
        ("constant", "constant"),
    ],
)
def test_kinds_of_json_can_encode_the_values_of_an_event(source: str, value: Any) -> None:
    """Also those that keep their type, and never the rule's own text."""
    assert Upper(source).render(EVENT) == value
