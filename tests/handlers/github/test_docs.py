"""docs/handlers/github.md agrees with the code."""

from pathlib import Path

from handlers.github.handler import MAX_INPUT_CHARACTERS, MAX_INPUTS, MAX_PAYLOAD_KEYS, GitHub
from handlers.github.issue import Issue
from schemas import ModelRegistered, RunStatusChanged
from tests.kit.handler_pages import page, rules_of

SETTINGS = {
    "RULES_GITHUB_TOKEN": "secret",
    "RULES_GITHUB_APP": "Iv23liApp",
    "RULES_GITHUB_APP_KEY": r"-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----",
}


def test_rules_on_the_page_load_and_plan(tmp_path: Path) -> None:
    rules = rules_of("github", tmp_path, SETTINGS)
    assert rules.errors == ()
    ours = {name: rule.handler for name, rule in rules.by_name.items() if rule.do == "github"}
    assert set(ours) == {"validate-candidates", "report-failed-runs", "issue-for-failing-experiments"}
    events = {"validate-candidates": ModelRegistered.example()}
    for name, handler in ours.items():
        assert handler.plan(events.get(name, RunStatusChanged.example()))


def test_settings_and_limits_are_on_the_page() -> None:
    text = page("github")
    for name in (*GitHub.model_fields, *Issue.model_fields):
        assert f"`{name}`" in text, name
    assert f"at most {MAX_INPUTS} and {MAX_INPUT_CHARACTERS:,} characters" in text
    assert f"at most {MAX_PAYLOAD_KEYS} keys" in text
