"""The examples of filters in docs/rules.md."""

import re
from pathlib import Path

import pytest

from handlers.template import Template
from handlers.templates.text_filters import FILTERS
from schemas import Context, RunStatusChanged

TEXT = (Path(__file__).parents[3] / "docs" / "rules.md").read_text(encoding="utf-8")
EXAMPLES = [
    (expression.replace("\\|", "|"), result)
    for expression, result in re.findall(r"^\| `(.* \\\| .*)` \| `(.*)` \|$", TEXT, re.MULTILINE)
]
TAGS = {"owners": "ann@example.com; bob@example.com", "data": "azureml:churn:3"}
EVENT = Context(
    RunStatusChanged.example(event_time="2026-11-22T23:41:07Z", run_tags=TAGS),
    {"name": "churn", "labels": {}, "timezone": "Europe/Berlin"},
).event_for_handler()


@pytest.mark.parametrize(("expression", "result"), EXAMPLES)
def test_example_renders_as_documented(expression: str, result: str) -> None:
    assert Template(f"{{{{ {expression} }}}}").render(EVENT) == result


def test_every_filter_has_an_example_and_a_description() -> None:
    assert len(EXAMPLES) >= 10
    for name in FILTERS:
        assert any(f"| {name}" in expression for expression, _ in EXAMPLES)
        assert f"* `{name}(" in TEXT
