"""The parameters of a Data Factory pipeline. tests/handlers/pipeline/test_data_factory.py has those of each type."""

import pytest

from handlers.base import GiveUp
from handlers.pipeline.parameters import convert_parameter


@pytest.mark.parametrize(
    ("declared", "text"),
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
def test_invalid_json_is_no_parameter(declared: str, text: str) -> None:
    """Python accepts some of these texts as JSON, services accept none."""
    with pytest.raises(GiveUp, match=f"the parameter 'x' should be of type {declared}, not "):
        convert_parameter("x", text, declared)
