"""The default messages for all events and outcomes, as Slack's own models of blocks accept them."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from slack_sdk.models.blocks import Block

from handlers.content.button import Button
from handlers.content.fit import NOTE
from handlers.content.summary import summarize
from handlers.slack.message import MESSAGE_LIMIT, default_message
from schemas import Event, RunStatusChanged
from tests.handlers.content.cases import ACTION, CASES, in_context, summary_of
from tests.handlers.content.hostile import HOSTILE, run_known_by, run_with

HISTORY = Button("What the app did", "https://my-events.azurewebsites.net/api/web/find?name=x")


def message(name: str) -> dict[str, Any]:
    return default_message(summary_of(name), HISTORY)


def texts_of(body: Any) -> list[dict[str, Any]]:
    """The text objects in a message."""
    if isinstance(body, list):
        return [text for item in body for text in texts_of(item)]
    if not isinstance(body, dict):
        return []
    if body.get("type") in ("mrkdwn", "plain_text"):
        return [body]
    return [text for item in body.values() for text in texts_of(item)]


def assert_valid(found: dict[str, Any]) -> None:
    """Within the limits of docs.slack.dev, of which slack-sdk's models know most."""
    assert len(json.dumps(found)) <= MESSAGE_LIMIT
    assert 0 < len(found["blocks"]) <= 50
    for block, parsed in zip(found["blocks"], Block.parse_all(found["blocks"]), strict=True):
        parsed.validate_json()
        assert parsed.to_dict() == block
    for text in texts_of(found["blocks"]):
        assert 0 < len(text["text"]) <= 3_000
        assert text.get("verbatim") is (True if text["type"] == "mrkdwn" else None)
    fields = [field for block in found["blocks"] for field in block.get("fields", ())]
    assert all(len(field["text"]) <= 2_000 for field in fields)


@pytest.mark.parametrize("name", CASES)
def test_message_is_valid(name: str) -> None:
    assert_valid(message(name))


@pytest.mark.parametrize("name", CASES)
def test_message_says_what_happened(name: str) -> None:
    found, summary = message(name), summary_of(name)
    [header] = [block["text"]["text"] for block in found["blocks"] if block["type"] == "header"]
    assert summary.headline[:80] in header
    assert found["text"].startswith(summary.subject[:80])


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("make", [run_with, run_known_by])
def test_event_notifies_nobody_and_adds_no_link(text: str, make: Callable[[str], Event]) -> None:
    found = default_message(summarize(make(text), ACTION), HISTORY)
    assert_valid(found)
    [links] = [each["text"] for each in texts_of(found["blocks"]) if "<" in each["text"]]
    assert links.count("<") == links.count(">") == links.count("|") == len(links.split("   "))
    assert all(part.startswith("https://") for part in links.split("<")[1:])
    assert not {"<", ">"} & set(found["text"])


def test_message_of_a_failed_run() -> None:
    found = message("RunStatusChanged")
    assert found["text"] == "[churn-prod] Run brave_kiwi_t5m0xr7c4d failed (experiment churn-training)"
    header, lead, facts, links, divider, tags, footer = found["blocks"]
    assert header["text"]["text"].startswith("\N{LARGE RED CIRCLE} Run brave_kiwi_t5m0xr7c4d failed")
    assert lead["text"]["text"].startswith("The event does not have the reason")
    assert "churn-prod (env prod, team churn) · " in facts["elements"][0]["text"]
    assert "|Open the run>   <https://my-events.azurewebsites.net/" in links["text"]["text"]
    assert divider == {"type": "divider"}
    assert [field["text"] for field in tags["fields"]][:2] == ["team\nchurn", "stage\nproduction"]
    assert footer["elements"][0]["text"].startswith("Sent by rule post-failed-runs (rules/churn.yaml:12) of ")


def test_message_has_no_block_without_facts_and_links() -> None:
    """Slack refuses empty texts."""
    found = default_message(replace(summary_of("alert: failed actions"), facts=()))
    assert [block["type"] for block in found["blocks"]] == ["header", "section", "section", "divider", "context"]


def test_commands_are_code() -> None:
    lines = texts_of(message("alert: failed actions")["blocks"])[2]["text"].split("\n")
    assert lines[1] == "`mlevents replay 'id' --rule a-rule`"


def test_message_that_is_cut_says_so() -> None:
    assert NOTE in texts_of(message("huge alert")["blocks"])[-1]["text"]
    assert not any(NOTE in text["text"] for text in texts_of(message("RunStatusChanged")["blocks"]))


def test_table_says_that_rows_are_left_out() -> None:
    event = in_context(RunStatusChanged.example(run_tags={f"tag {number}": "x" for number in range(12)}))
    found = default_message(summarize(event, ACTION))
    [table] = [block for block in found["blocks"] if "fields" in block]
    assert table["text"]["text"] == "*Tags*, the first 10"
    assert table["fields"][-1]["text"] == "tag 9\nx"
