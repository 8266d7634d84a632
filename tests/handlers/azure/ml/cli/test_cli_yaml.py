"""YAML files of the CLI are read as azure-ai-ml reads them, or refused with a position."""

import warnings
from pathlib import Path
from typing import Any

import pytest

from handlers.azure.ml.cli.cli_yaml import CliYaml
from handlers.azure.ml.workspace import client_class

# Scalars and structures that YAML 1.1 and 1.2 read differently, or that only one of them has.
READ = [
    *(
        "1e-4",
        "1.0e-4",
        "1.0e+4",
        "1e4",
        "1E4",
        "1.e+3",
        ".5",
        "5.",
        "1_000",
        "1_000.5",
        "0777",
        "0o777",
        "0x1F",
        "0b101",
    ),
    *("1:30", "1:30:45", "1:30.5", "-0:30", "08", "+1", "-.5", "0.1", "1.2.3", "3.11", "0_7", "0x_1"),
    *("yes", "Yes", "YES", "no", "on", "off", "On", "y", "n", "true", "True", "TRUE", "tRue", "'yes'"),
    *(".inf", "-.inf", "+.INF", ".Inf", ".NaN", ".nan", "inf", "nan"),
    *("~", "null", "Null", "NULL", "", "nil"),
    *("2026-01-01", "2026-1-1", "2026-01-01T10:00:00Z", "2026-01-01 10:00:00 +2", "'2026-01-01'", "10:00"),
    *("!!str 1", "!!int '1'", "!!float 1", "!!binary aGk=", "!!set {a, b}", "!!omap [a: 1]", "[1, yes]", "{yes: no}"),
    *("{<<: {a: 1}, b: 2}", "{<<: [{a: 1}, {a: 2}], a: 3}", "'a\\tb'", '"\\u0041"', "a # b", "a#b", "@x", "%x", "a: b"),
    *("|\n    a\n    b", ">-\n    a\n    b", '"a\n    b"', "=a", "<<", "! 12"),
    *("${{inputs.x}}", "${{parent.inputs.x}}", "azureml:churn@latest", "\N{BALLOON}"),
]
REFUSED = [
    ("x: =", ":1:4 is not YAML: could not determine a constructor for the tag 'tag:yaml.org,2002:value'"),
    ("x: 2026-02-31", ":1:4 is not YAML: day is out of range for month"),
    ("x: !!python/name:os.system", ":1:4 is not YAML: could not determine a constructor"),
    ("x: !!int abc", ":1:4 is not YAML: invalid literal for int()"),
    ("x: 1\ny: 2\nx: 3", ":3:1 is not YAML: the key 'x' occurs twice"),
    ("x:\n  - {a: 1, a: 2}", ":2:12 is not YAML: the key 'a' occurs twice"),
    ("a: 1\n---\nb: 2", ":2:1 is not YAML: but found another document"),
    ("x: {[1]: 2}", ":1:5 is not YAML: found unhashable key"),
    ("x: &a [*a]", ":1:4 is not YAML: an anchor contains an alias of itself"),
    ("x: *nothing", ":1:4 is not YAML: found undefined alias"),
    ("x: [", ":1:5 is not YAML: expected the node content"),
    ("\tx: 1", ":1:1 is not YAML: found character '\\t'"),
    ("x: @y", ":1:4 is not YAML: found character '@'"),
    ("x: \x00", " is not YAML: unacceptable character"),
    (f"x: {'[' * 60}{']' * 60}", "is not YAML: more than 40 levels"),
    (f"x: {'[' * 5000}{']' * 5000}", "is not YAML: too many levels"),
    (f"x: [{'a, ' * 20_000}]", "is not YAML: too many nodes"),
    ("- 1", "should contain a mapping"),
    ("", "should contain a mapping"),
]


def theirs(text: str, folder: Path) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        client_class()
        from azure.ai.ml._utils.utils import load_yaml
    file = folder / "file.yml"
    file.write_text(text, encoding="utf-8")
    return load_yaml(file)


@pytest.mark.parametrize("scalar", READ)
def test_values_are_read_as_azure_ai_ml_reads_them(scalar: str, tmp_path: Path) -> None:
    text = f"x: {scalar}\n"
    try:
        expected = theirs(text, tmp_path)
    except Exception:
        with pytest.raises(ValueError, match=r"^f\.yml:1:\d+ is not YAML: "):
            CliYaml.parse(text.encode(), "f.yml")
    else:
        assert repr(CliYaml.parse(text.encode(), "f.yml").content) == repr(expected)


def test_learning_rate_without_a_point_is_a_text_without_warnings() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert CliYaml.parse(b"learning_rate: 1e-4", "f.yml").content == {"learning_rate": "1e-4"}


@pytest.mark.parametrize(("text", "message"), REFUSED, ids=[message for _, message in REFUSED])
def test_what_is_not_read_is_refused_with_its_position(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=r"^f\.yml") as caught:
        CliYaml.parse(text.encode(), "f.yml")
    assert message in str(caught.value)


def test_encoding_is_that_of_azure_ai_ml() -> None:
    assert CliYaml.parse("\N{ZERO WIDTH NO-BREAK SPACE}x: é".encode(), "f.yml").content == {"x": "é"}
    with pytest.raises(ValueError, match=r"f\.yml is not YAML: byte 4 is not UTF-8"):
        CliYaml.parse("x: é".encode("latin-1"), "f.yml")


def test_aliases_within_the_limits_are_expanded() -> None:
    file = CliYaml.parse(b"a: &a {b: 1}\nc: *a\nd: [*a, *a]", "f.yml")
    assert file.content["c"] == file.content["d"][1] == {"b": 1}


def test_line_of_a_path_is_that_of_its_key() -> None:
    file = CliYaml.parse(b"a: 1\nb:\n  c:\n    - x\n    - d: 1\n", "f.yml")
    paths = {("a",): 1, ("b",): 2, ("b", "c"): 3, ("b", "c", 1): 5, ("b", "c", 1, "d"): 5, ("b", "z", "y"): 2, (): 1}
    assert {path: file.line(path) for path in paths} == paths
    assert file.at(("b", "c", 7)) == "f.yml:3"
    assert (file.line_with(["zz", "- d"]), file.line_with([])) == (5, 1)


def test_a_number_with_too_many_digits_is_an_error() -> None:
    """YAML 1.1 reads 1:30 as 90; a number of 100,000 such parts took seconds."""
    assert CliYaml.parse(b"a: 1:30", "x.yml").content == {"a": 90}
    with pytest.raises(ValueError, match=r"x\.yml:1:4 is not YAML: a number of more than 400 digits"):
        CliYaml.parse(f"a: 1{':1' * 250}".encode(), "x.yml")
