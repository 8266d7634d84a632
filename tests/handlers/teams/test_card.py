"""The default cards for all events and outcomes, read by Microsoft's own reader of Adaptive Cards."""

import json
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from handlers.content.button import Button
from handlers.content.fit import NOTE
from handlers.content.summary import summarize
from handlers.teams.card import MESSAGE_LIMIT, default_message
from schemas import Context, Event, RunStatusChanged
from tests.handlers.content.cases import ACTION, CASES, summary_of
from tests.handlers.content.hostile import HOSTILE, run_known_by, run_with
from tests.kit.started import ROOT

HISTORY = Button("What the app did", "https://my-events.azurewebsites.net/api/web/find?name=x")
READER = Path(__file__).with_name("read_cards.cjs")


def card(name: str) -> Any:
    return default_message(summary_of(name), HISTORY)["attachments"][0]["content"]


def hostile_card(text: str, make: Callable[[str], Event] = run_with) -> Any:
    return default_message(summarize(make(text), ACTION), HISTORY)["attachments"][0]["content"]


def elements_of(body: Any) -> list[dict[str, Any]]:
    """Everything in a card that has a type, the card first."""
    if isinstance(body, list):
        return [element for item in body for element in elements_of(item)]
    if not isinstance(body, dict):
        return []
    inner = [element for value in body.values() for element in elements_of(value)]
    return [body, *inner] if "type" in body else inner


def texts_of(body: Any) -> list[str]:
    return [element["text"] for element in elements_of(body) if element["type"] == "TextRun"]


def problems_of(cards: dict[str, Any]) -> dict[str, list[str]]:
    """What Microsoft's reader says against cards, by their names."""
    done = subprocess.run(
        ["node", str(READER)],
        input=json.dumps(cards),
        env={"NODE_PATH": str(ROOT / "node_modules"), "PATH": "/usr/local/bin:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, list[str]] = json.loads(done.stdout)
    return found


@pytest.mark.services
def test_cards_are_valid() -> None:
    """Of all types of events, statuses, outcomes and alerts, and with hostile and very long texts."""
    cards = {name: card(name) for name in CASES} | {f"hostile: {name}": hostile_card(HOSTILE[name]) for name in HOSTILE}
    assert problems_of(cards) == {name: [] for name in cards}


@pytest.mark.services
def test_reader_finds_errors() -> None:
    body = [{"type": "TextBox"}, {"type": "Table", "rows": []}, {"type": "TextBlock", "text": "x", "size": "Huge"}]
    [problems] = problems_of({"bad": {"type": "AdaptiveCard", "version": "1.4", "body": body}}).values()
    assert len(problems) == 3


@pytest.mark.parametrize("name", CASES)
def test_message_fits(name: str) -> None:
    assert len(json.dumps(default_message(summary_of(name), HISTORY))) <= MESSAGE_LIMIT


@pytest.mark.parametrize("name", CASES)
def test_card_says_what_happened(name: str) -> None:
    found, summary = card(name), summary_of(name)
    assert texts_of(found)[0].startswith(summary.headline[:80])
    assert found["fallbackText"].startswith(summary.subject[:80])


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("make", [run_with, run_known_by])
def test_event_adds_neither_markup_nor_actions(text: str, make: Callable[[str], Event]) -> None:
    """All texts are in TextRuns, which know no Markdown; TextBlocks and Facts do."""
    found = hostile_card(text, make)
    kinds = {element["type"] for element in elements_of(found)}
    structure = {"AdaptiveCard", "Container", "ColumnSet", "Column", "RichTextBlock", "TextRun"}
    assert kinds <= structure | {"Action.OpenUrl", "Action.ToggleVisibility"}
    urls = [element["url"] for element in elements_of(found) if "url" in element]
    assert all(url.startswith(("https://ml.azure.com/", HISTORY.url)) for url in urls)
    assert not any("<at" in each.lower() or "{{" in each for each in [*texts_of(found), found["fallbackText"]])
    assert found["msteams"] == {"width": "Full"}


def test_card_of_a_failed_run() -> None:
    message = default_message(summary_of("RunStatusChanged"), HISTORY)
    assert message["type"] == "message"
    [attachment] = message["attachments"]
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    found = attachment["content"]
    assert found["version"] == "1.4"
    head, lead, facts, details = found["body"]
    assert head["style"] == "attention"
    assert texts_of(head) == ["Run brave_kiwi_t5m0xr7c4d failed (experiment churn-training)"]
    assert texts_of(lead)[0].startswith("The event does not have the reason")
    assert texts_of(facts)[0].startswith("churn-prod (env prod, team churn) · ")
    assert not details["isVisible"]
    assert texts_of(details)[:3] == ["Tags", "team", "churn"]
    assert [(action["type"], action["title"]) for action in found["actions"]] == [
        ("Action.OpenUrl", "Open the run"),
        ("Action.OpenUrl", "What the app did"),
        ("Action.ToggleVisibility", "Details"),
    ]


@pytest.mark.parametrize(
    ("name", "style"),
    [
        ("RunCompleted", "good"),
        ("model monitor", "warning"),
        ("ModelRegistered failed", "attention"),
        ("ModelRegistered skipped", "accent"),
        ("alert: failed actions", "attention"),
    ],
)
def test_color_says_how_it_went(name: str, style: str) -> None:
    assert card(name)["body"][0]["style"] == style


def test_card_without_pages_has_only_its_details() -> None:
    found = default_message(summary_of("alert: failed actions"))["attachments"][0]["content"]
    assert [action["title"] for action in found["actions"]] == ["Details"]


def test_card_has_no_line_without_facts() -> None:
    """Of an event without a time, in a workspace whose name is blank."""
    event = RunStatusChanged.example(run_tags={}).model_copy(update={"event_time": None})
    summary = summarize(Context(event, {"name": " \x00", "labels": {}}).event_for_handler(), ACTION)
    body = default_message(replace(summary, sections=()))["attachments"][0]["content"]["body"]
    assert [element["type"] for element in body] == ["Container", "RichTextBlock", "Container"]


def test_commands_are_in_monospace() -> None:
    [command] = [element for element in elements_of(card("alert: failed actions")) if "fontType" in element]
    assert command["text"] == "mlevents replay `id` --rule a-rule"


@pytest.mark.parametrize(("name", "is_cut"), [("huge", True), ("huge alert", True), ("RunStatusChanged", False)])
def test_card_that_is_cut_says_so(name: str, is_cut: bool) -> None:
    assert (NOTE in texts_of(card(name))) is is_cut
