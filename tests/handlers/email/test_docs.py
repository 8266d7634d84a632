"""docs/handlers/email.md agrees with the code: its rules, keys, app settings and numbers."""

import re
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from handlers.base import Action
from handlers.email.content import SUBJECT_LIMIT
from handlers.email.handler import MAX_RECIPIENTS, Email
from handlers.email.settings import EmailSettings
from schemas import EVENT_TYPES

PAGE = (Path(__file__).resolve().parents[3] / "docs/handlers/email.md").read_text(encoding="utf-8")
RULES: list[Any] = [
    rule for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL) for rule in YAML(typ="safe").load(block)
]  # fmt: skip - a pipeline


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule["name"]))
def test_rules_on_the_page_work(rule: dict[str, Any]) -> None:
    """With an example of each event type that they name."""
    email = Email.model_validate(rule["with"])
    names = [rule["on"]] if isinstance(rule["on"], str) else rule["on"]
    for name in names:
        event = EVENT_TYPES[f"Microsoft.MachineLearningServices.{name}"].example()
        assert "ml-team@example.com" in email.plan(event)
        assert email._content.render_html(event, Action())


def test_page_lists_every_key_of_a_rule() -> None:
    rows = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \|", PAGE.partition("## App settings")[0], re.MULTILINE)
    assert {name for row in rows for name in re.findall(r"\w+", row)} == set(Email.model_fields)


def test_page_lists_every_app_setting() -> None:
    rows = re.findall(r"^\| `(EMAIL_\w+)` \|", PAGE, re.MULTILINE)
    names = {field.validation_alias or f"EMAIL_{name.upper()}" for name, field in EmailSettings.model_fields.items()}
    assert set(rows) == names


def test_the_pages_numbers_are_the_codes() -> None:
    assert f"At most {MAX_RECIPIENTS} recipients" in PAGE
    assert f"at most {SUBJECT_LIMIT} characters" in PAGE
