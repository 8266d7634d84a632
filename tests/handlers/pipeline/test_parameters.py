"""Inputs, tags, names of experiments: texts that come from anywhere, as the service takes them."""

from typing import Any

import pytest
from pydantic import TypeAdapter

from handlers.azure.ml.components import Input
from handlers.base import GiveUp
from handlers.pipeline.inputs import Inputs, RenderedInput, convert_inputs, render_inputs
from handlers.pipeline.parameters import convert_parameter
from handlers.pipeline.tags import experiment_name, fit_tags
from handlers.template import Template
from schemas import RunCompleted

INPUTS: TypeAdapter[Inputs] = TypeAdapter(Inputs)


def given(kind: str, value: Any, *, foreign: bool = True) -> Any:
    """What becomes of a value for an input of a type."""
    return dict(convert_inputs({"x": RenderedInput(value, foreign)}, {"x": Input(kind)}, "it").values).get("x")


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("number", "0.5", 0.5),
        ("number", "-3", -3),
        ("Number", "1e-3", 0.001),
        ("integer", "12", 12),
        ("boolean", "True", True),
        ("boolean", "false", False),
        ("string", "12", "12"),
        ("string", "a  b\n\tc", "a b c"),
        ("string", "größer=1,2:3@x/y%20+z-_", "größer=1,2:3@x/y%20+z-_"),
        ("string", "`$(;|&<>)'\"\\#!*?[]{}~^", None),
        ("uri_file", "azureml:churn:3", {"type": "uri_file", "path": "azureml:churn:3"}),
        ("mltable", "https://x.example/t?v=1", {"type": "mltable", "path": "https://x.example/t?v=1"}),
        ("", "12", "12"),
        ("integer", "5.0", 5),
    ],
)
def test_a_text_is_made_what_is_declared(kind: str, text: str, value: Any) -> None:
    assert given(kind, text) == value


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("number", "fast"),
        ("number", "nan"),
        ("number", "inf"),
        ("integer", "1.5"),
        ("integer", "9" * 30),
        ("boolean", "yes"),
        ("number", {"type": "uri_file", "path": "azureml:churn:3"}),
        ("uri_folder", "churn"),
        ("uri_folder", "https://x.example/&reboot"),
        ("uri_folder", "azureml://datastores/x/paths/$(id)"),
    ],
)
def test_what_is_not_of_its_type_is_refused(kind: str, value: Any) -> None:
    with pytest.raises(GiveUp, match="the input 'x' should "):
        given(kind, value)


@pytest.mark.parametrize(
    ("kind", "said", "value"),
    [
        ("integer", 5, 5),
        ("integer", 5.0, 5),
        ("number", 5, 5),
        ("number", 0.5, 0.5),
        ("boolean", True, True),
        ("string", True, "true"),
        ("string", False, "false"),
        ("string", 5, "5"),
        ("string", 0.5, "0.5"),
        ("", True, True),
        ("", 5.0, 5.0),
    ],
)
def test_a_constant_is_made_what_is_declared(kind: str, said: Any, value: Any) -> None:
    """As YAML writes it: a string that is said to be true is "true"."""
    made = given(kind, said, foreign=False)
    assert (made, type(made)) == (value, type(value))
    assert convert_inputs({"x": RenderedInput(said)}, {"x": Input(kind)}, "it").changed == ()


@pytest.mark.parametrize(
    ("kind", "said"), [("integer", 0.5), ("integer", True), ("number", False), ("boolean", 1), ("number", float("nan"))]
)
def test_a_constant_that_is_of_another_type_is_refused(kind: str, said: Any) -> None:
    with pytest.raises(GiveUp, match=f"the input 'x' should be a {kind}, not "):
        given(kind, said, foreign=False)


def test_what_the_rule_itself_says_is_left_as_it_is() -> None:
    """The author of a rule may write what a shell reads, and a URL with a signature."""
    assert given("string", "a | b; ${{parent.inputs.y}}", foreign=False) == "a | b; ${{parent.inputs.y}}"
    path = "https://x.example/data?sv=1&sig=%2B"
    assert given("uri_folder", path, foreign=False) == {"type": "uri_folder", "path": path}


def test_inputs_that_are_no_texts_are_passed_on() -> None:
    values = INPUTS.validate_python({"a": 1, "b": 0.5, "c": True, "d": {"type": "mltable", "path": "azureml:x:1"}})
    rendered = render_inputs(values, RunCompleted.example())
    assert convert_inputs(rendered, None, "it").values == {
        "a": 1,
        "b": 0.5,
        "c": True,
        "d": {"type": "mltable", "path": "azureml:x:1"},
    }


def test_what_comes_out_empty_is_not_given() -> None:
    values = INPUTS.validate_python({"a": "{{ '' }}", "b": {"path": " {{ data.nothing | default('') }} "}, "c": 0})
    assert render_inputs(values, RunCompleted.example()) == {"c": RenderedInput(0)}


def test_an_input_that_is_needed_must_be_given() -> None:
    with pytest.raises(GiveUp, match="the component train:1 needs the input 'data'"):
        convert_inputs({}, {"data": Input("uri_folder", needed=True), "rate": Input("number")}, "the component train:1")


def test_which_inputs_are_changed_is_known() -> None:
    rendered = {
        "a": RenderedInput("x; y", depends_on_event=True),
        "b": RenderedInput("x y", depends_on_event=True),
        "c": RenderedInput("x; y"),
    }
    assert convert_inputs(rendered, None, "it").changed == ("a",)


@pytest.mark.parametrize(
    ("text", "suffix", "name"),
    [
        ("churn-training", "", "churn-training"),
        ("drift of 'x'!", "", "drift-of-x"),
        ("-_a_-", "", "a"),
        ("x" * 300, "", "x" * 255),
        ("churn", "mle-1-x", "churn-mle-1-x"),
        ("x" * 300, "mle-1-x", "x" * 247 + "-mle-1-x"),
        ("!!!", "mle-1-x", "mle-1-x"),
    ],
)
def test_names_of_experiments(text: str, suffix: str, name: str) -> None:
    assert experiment_name(text, suffix) == name
    assert len(experiment_name(text, suffix)) <= 255


def test_tags_that_fit_are_kept_and_what_an_earlier_group_says_counts() -> None:
    assert fit_tags({"a": "1"}, {"a": "2", "b": "3"}) == ({"a": "1", "b": "3"}, [])


def test_tags_that_do_not_fit_are_cut_and_named() -> None:
    tags, cut = fit_tags({"k" * 101: "v", "long": "v" * 1_001}, {f"t{n}": "v" for n in range(50)})
    assert len(tags) == 50
    assert (tags["k" * 100], tags["long"]) == ("v", "v" * 1_000)
    assert cut == ["k" * 100, "long", "t48", "t49"]


def test_a_template_with_only_text_is_not_the_event_s() -> None:
    assert Template("a; b").is_constant
    assert render_inputs({"a": Template("a; b")}, RunCompleted.example()) == {"a": RenderedInput("a; b")}


@pytest.mark.parametrize(
    ("declared", "said", "kind"),
    [
        ("uri_file", {}, "uri_file"),
        ("mltable", {}, "mltable"),
        ("", {}, "uri_folder"),
        ("", {"type": "mltable"}, "mltable"),
        ("uri_file", {"type": "uri_file"}, "uri_file"),
    ],
)
def test_data_is_of_the_declared_type_unless_another_is_said(declared: str, said: dict[str, str], kind: str) -> None:
    inputs = INPUTS.validate_python({"x": {**said, "path": "azureml:churn:3"}})
    rendered = render_inputs(inputs, RunCompleted.example())
    made = convert_inputs(rendered, {"x": Input(declared)}, "it")
    assert made.values == {"x": {"type": kind, "path": "azureml:churn:3"}}
    assert made.changed == ()


def test_data_of_another_type_is_refused() -> None:
    with pytest.raises(GiveUp, match="the input 'x' should be a mltable, not a uri_file: leave out its type"):
        given("mltable", {"type": "uri_file", "path": "azureml:churn:3"})


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("Float", "NaN"),
        ("Float", "1e999"),
        ("Float", "-Infinity"),
        ("Array", "[NaN, 1]"),
        ("Object", '{"a": Infinity}'),
        ("Object", '{"a": 1e999}'),
        ("Array", "[" * 100_000),
    ],
)
def test_what_is_no_json_is_no_parameter(kind: str, text: str) -> None:
    """Python takes it for JSON; no service does. Or it cannot be read at all, and an event may have brought it."""
    with pytest.raises(GiveUp, match=f"the parameter 'x' should be of type {kind}, not "):
        convert_parameter("x", text, kind)
