"""The inputs of a job: rendered for an event, and converted to the declared types."""

from typing import Any

import pytest
from pydantic import TypeAdapter

from handlers.azure.ml.components import Input
from handlers.base import GiveUp
from handlers.pipeline.inputs import Inputs, RenderedInput, convert_inputs, render_inputs
from handlers.template import Template
from schemas import RunCompleted

INPUTS: TypeAdapter[Inputs] = TypeAdapter(Inputs)


def converted(declared: str, value: Any, *, depends_on_event: bool = True) -> Any:
    """A value, converted to the type of an input."""
    rendered = {"x": RenderedInput(value, depends_on_event)}
    return convert_inputs(rendered, {"x": Input(declared)}, "it").values.get("x")


@pytest.mark.parametrize(
    ("declared", "text", "value"),
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
        ("string", "-rf /", "rf /"),
        ("string", "a --upload=x - --5 b-c", "a upload=x -5 b-c"),
        ("string", "-0.5", "-0.5"),
        ("", "--reason -3", "reason -3"),
        ("uri_file", "azureml:churn:3", {"type": "uri_file", "path": "azureml:churn:3"}),
        ("mltable", "https://x.example/t?v=1", {"type": "mltable", "path": "https://x.example/t?v=1"}),
        ("", "12", "12"),
        ("integer", "5.0", 5),
    ],
)
def test_text_is_converted_to_the_declared_type(declared: str, text: str, value: Any) -> None:
    assert converted(declared, text) == value


@pytest.mark.parametrize(
    ("declared", "value"),
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
def test_value_of_another_type_is_an_error(declared: str, value: Any) -> None:
    with pytest.raises(GiveUp, match="the input 'x' should "):
        converted(declared, value)


@pytest.mark.parametrize(
    ("declared", "constant", "value"),
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
def test_constant_is_converted_to_the_declared_type(declared: str, constant: Any, value: Any) -> None:
    result = converted(declared, constant, depends_on_event=False)
    assert (result, type(result)) == (value, type(value))
    assert convert_inputs({"x": RenderedInput(constant)}, {"x": Input(declared)}, "it").changed == ()


@pytest.mark.parametrize(
    ("declared", "constant"),
    [("integer", 0.5), ("integer", True), ("number", False), ("boolean", 1), ("number", float("nan"))],
)
def test_constant_of_another_type_is_an_error(declared: str, constant: Any) -> None:
    with pytest.raises(GiveUp, match=f"the input 'x' should be a {declared}, not "):
        converted(declared, constant, depends_on_event=False)


@pytest.mark.parametrize("depends_on_event", [False, True])
@pytest.mark.parametrize(
    "path",
    [
        "azureml://datastores/x/paths/features/../../secret/",
        "azureml://datastores/x/paths/..",
        "https://x.example/a/./b",
        "https://x.example/a/%2E%2e/b",
        "azureml:..:1",
        "azureml:churn:..",
        "azureml:..@latest",
        "/subscriptions/x/../y",
    ],
)
def test_path_with_dots_as_a_part_is_an_error(path: str, depends_on_event: bool) -> None:
    with pytest.raises(GiveUp, match=r"the input 'x' should name data without \. and \.\."):
        converted("uri_folder", path, depends_on_event=depends_on_event)


def test_path_with_dots_in_a_name_is_valid() -> None:
    path = "azureml://datastores/x/paths/a..b/.hidden/c.csv"
    assert converted("uri_file", path) == {"type": "uri_file", "path": path}


def test_text_of_the_rule_is_unchanged() -> None:
    """The author of a rule may use shell characters, and a URL with a signature."""
    assert converted("string", "a | b; ${{parent.inputs.y}}", depends_on_event=False) == "a | b; ${{parent.inputs.y}}"
    path = "https://x.example/data?sv=1&sig=%2B"
    assert converted("uri_folder", path, depends_on_event=False) == {"type": "uri_folder", "path": path}


def test_numbers_and_data_without_declarations_are_passed_on() -> None:
    values = INPUTS.validate_python({"a": 1, "b": 0.5, "c": True, "d": {"type": "mltable", "path": "azureml:x:1"}})
    rendered = render_inputs(values, RunCompleted.example())
    assert convert_inputs(rendered, None, "it").values == {
        "a": 1,
        "b": 0.5,
        "c": True,
        "d": {"type": "mltable", "path": "azureml:x:1"},
    }


def test_empty_input_is_left_out() -> None:
    values = INPUTS.validate_python({"a": "{{ '' }}", "b": {"path": " {{ data.nothing | default('') }} "}, "c": 0})
    assert render_inputs(values, RunCompleted.example()) == {"c": RenderedInput(0)}


TYPES = ("", "string", "number", "integer", "boolean", "uri_file", "uri_folder", "mltable", "mlflow_model")


@pytest.mark.parametrize("declared", TYPES)
def test_empty_input_of_every_type_is_left_out(declared: str) -> None:
    """Whether the type is declared, as for a job, or not, as for a batch endpoint."""
    given = INPUTS.validate_python({"x": "{{ data.runTags.none | default('') }} ", "y": {"path": "{{ '' }}"}, "z": 0})
    rendered = render_inputs(given, RunCompleted.example())
    for inputs in ({"x": Input(declared), "y": Input(declared), "z": Input("number")}, None):
        assert convert_inputs(rendered, inputs, "it").values == {"z": 0}


def test_required_input_whose_text_loses_every_character_is_missing() -> None:
    with pytest.raises(GiveUp, match="it needs the input 'x'"):
        convert_inputs({"x": RenderedInput("$(;)", depends_on_event=True)}, {"x": Input("string", needed=True)}, "it")


def test_missing_required_input_is_an_error() -> None:
    with pytest.raises(GiveUp, match="the component train:1 needs the input 'data'"):
        convert_inputs({}, {"data": Input("uri_folder", needed=True), "rate": Input("number")}, "the component train:1")


def test_changed_texts_are_named() -> None:
    rendered = {
        "a": RenderedInput("x; y", depends_on_event=True),
        "b": RenderedInput("x y", depends_on_event=True),
        "c": RenderedInput("x; y"),
    }
    assert convert_inputs(rendered, None, "it").changed == ("a",)


def test_constant_template_does_not_depend_on_the_event() -> None:
    assert Template("a; b").is_constant
    assert render_inputs({"a": Template("a; b")}, RunCompleted.example()) == {"a": RenderedInput("a; b")}


@pytest.mark.parametrize(
    ("declared", "keys", "data_type"),
    [
        ("uri_file", {}, "uri_file"),
        ("mltable", {}, "mltable"),
        ("", {}, "uri_folder"),
        ("", {"type": "mltable"}, "mltable"),
        ("uri_file", {"type": "uri_file"}, "uri_file"),
    ],
)
def test_type_of_data_defaults_to_the_declared_one(declared: str, keys: dict[str, str], data_type: str) -> None:
    inputs = INPUTS.validate_python({"x": {**keys, "path": "azureml:churn:3"}})
    rendered = render_inputs(inputs, RunCompleted.example())
    result = convert_inputs(rendered, {"x": Input(declared)}, "it")
    assert result.values == {"x": {"type": data_type, "path": "azureml:churn:3"}}
    assert result.changed == ()


def test_data_of_another_type_is_an_error() -> None:
    with pytest.raises(GiveUp, match="the input 'x' should be a mltable, not a uri_file: leave out its type"):
        converted("mltable", {"type": "uri_file", "path": "azureml:churn:3"})
