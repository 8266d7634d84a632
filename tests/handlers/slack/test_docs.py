"""docs/handlers/slack.md agrees with the code: its rules, keys, numbers and errors."""

import re
from pathlib import Path

from handlers.content.fit import NOTE
from handlers.slack import answers
from handlers.slack.handler import Slack
from handlers.slack.message import FIELDS_LIMIT, MESSAGE_LIMIT
from schemas import ModelRegistered
from tests.handlers.content.cases import in_context
from tests.handlers.content.pages import keys_of, page_of, rules_of

PAGE = page_of("slack.md")
TEXT = " ".join(PAGE.split())
SETTINGS = {"RULES_SLACK_URL": "https://hooks.slack.com/services/T/B/SECRET", "RULES_SLACK_TOKEN": "xoxb-SECRET"}


def test_rules_on_the_page_work(tmp_path: Path) -> None:
    """The last one with the blocks on the page."""
    rules = rules_of(PAGE, tmp_path, SETTINGS, "blocks/model.json")
    assert rules.errors == ()
    assert rules.alerts is not None
    assert isinstance(rules.alerts.handler, Slack)
    event = in_context(ModelRegistered.example())
    assert "post a message to team-churn: " in rules.by_name["post-to-the-team"].handler.plan(event)
    own = rules.by_name["post-models"].handler
    assert isinstance(own, Slack)
    assert own.blocks is not None
    [block] = own.blocks.render(event)
    assert re.fullmatch(r"\*churn\* has version 7: <https://ml\.azure\.com/\S+\|open it>", block["text"]["text"])


def test_page_lists_every_key() -> None:
    assert keys_of(PAGE) == set(Slack.model_fields)


def test_page_has_the_numbers_of_the_code() -> None:
    assert f"{MESSAGE_LIMIT:,} bytes" in TEXT
    assert FIELDS_LIMIT == 10
    assert "ten rows of each" in TEXT
    assert f"*{NOTE}*" in TEXT


def test_page_has_the_errors_that_are_not_permanent() -> None:
    assert all(f"`{error}`" in TEXT for error in answers._THROTTLED | answers._TRANSIENT)
