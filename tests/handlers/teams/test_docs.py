"""docs/handlers/teams.md agrees with the code: its rules, keys, hosts, numbers and errors."""

import json
from pathlib import Path

from handlers.content.fit import NOTE
from handlers.teams.card import MESSAGE_LIMIT
from handlers.teams.handler import OWN_LIMIT, Teams
from schemas import ModelRegistered
from tests.handlers.content.cases import in_context
from tests.handlers.content.pages import keys_of, page_of, rules_of
from tests.kit.started import ROOT

PAGE = page_of("teams.md")
TEXT = " ".join(PAGE.split())
URL = {"RULES_TEAMS_URL": "https://prod-07.westeurope.logic.azure.com/workflows/0f?sig=SECRET"}


def test_rules_on_the_page_work(tmp_path: Path) -> None:
    """The last one with the card on the page."""
    rules = rules_of(PAGE, tmp_path, URL, "cards/model.json")
    assert rules.errors == ()
    assert rules.alerts is not None
    assert isinstance(rules.alerts.handler, Teams)
    own = rules.by_name["post-models"].handler
    assert isinstance(own, Teams)
    assert own.card is not None
    [text, facts] = own.card.render(in_context(ModelRegistered.example()))["body"]
    assert text["text"].startswith("**churn** has version 7, made by [this run](https://ml.azure.com/")
    assert facts["facts"] == [{"title": "stage", "value": "production"}]


def test_page_lists_every_key() -> None:
    assert keys_of(PAGE) == set(Teams.model_fields)


def test_page_has_the_numbers_of_the_code() -> None:
    assert f"at most {MESSAGE_LIMIT:,} bytes, cards of your own {OWN_LIMIT:,}" in TEXT
    assert f"*{NOTE}*" in TEXT


def test_page_has_the_errors_of_the_code() -> None:
    assert all(f"{meaning.status} `{meaning.text}`" in TEXT for meaning in Teams.meanings)


def test_picture_is_small() -> None:
    """`python -m tests.handlers.teams.rendered docs/handlers/teams.png` draws it."""
    assert "](teams.png)" in PAGE
    assert (ROOT / "docs/handlers/teams.png").stat().st_size < 40_000


def test_the_card_on_the_page_is_one() -> None:
    card = json.loads(PAGE.partition("```json\n")[2].partition("```")[0])
    assert Teams.model_validate({"url": URL["RULES_TEAMS_URL"], "card": card})
