"""docs/handlers/email.md agrees with the code: its rules, keys, app settings, example mail and numbers."""

import re
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from handlers.base import Action, Result
from handlers.email import acs, smtp
from handlers.email.content import HTML_LIMIT, SUBJECT_LIMIT, TEXT_LIMIT, Content
from handlers.email.handler import Email
from handlers.email.headers import headers_of
from handlers.email.recipients import MAX_RECIPIENTS
from handlers.email.settings import PORTS, EmailSettings
from handlers.errors import DENIED, PERMANENT, PROPAGATION, THROTTLED
from schemas import EVENT_TYPES, Context, RunStatusChanged
from schemas.facts import RunFacts
from tests.handlers.content.known_cases import RUN

PAGE = (Path(__file__).resolve().parents[3] / "docs/handlers/email.md").read_text(encoding="utf-8")
TEXT = " ".join(PAGE.split())  # without line breaks
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


def test_page_shows_the_default_mail() -> None:
    workspace = {"name": "churn-prod", "labels": {"env": "prod"}, "timezone": "Europe/Berlin"}
    log = f"Epoch 3/20  loss 0.3794\n{RUN['error']['message'].splitlines()[-1]}"
    known = RunFacts.model_validate({**RUN, "log_tail": log, "metrics": {"val_auc": 0.8471}})
    event = Context(RunStatusChanged.example(), workspace, None, lambda name: known).event_for_handler()
    [text] = re.findall(r"```text\n(.*?)\n```", PAGE, re.DOTALL)
    link = str(known.failing_step.url)
    text = text.replace(f"{link.partition('=')[0]}=…", link)
    assert Content().render_text(event, Action()).startswith(f"{text}\n\n-- \n")
    assert f"`{Content().render_subject(event)}`" in TEXT


def test_page_lists_every_key_of_a_rule() -> None:
    rows = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \|", PAGE.partition("## App settings")[0], re.MULTILINE)
    assert {name for row in rows for name in re.findall(r"\w+", row)} == set(Email.model_fields)


def test_page_lists_every_app_setting() -> None:
    rows = re.findall(r"^\| `(EMAIL_\w+)` \|", PAGE, re.MULTILINE)
    names = {field.validation_alias or f"EMAIL_{name.upper()}" for name, field in EmailSettings.model_fields.items()}
    assert set(rows) == names


def test_page_has_the_limits_of_the_code() -> None:
    assert f"at most {MAX_RECIPIENTS} recipients" in TEXT
    assert f"at most {SUBJECT_LIMIT} characters" in TEXT
    assert f"A text part over {TEXT_LIMIT:,} characters is truncated" in TEXT
    assert f"An HTML part over {HTML_LIMIT:,} characters is left out" in TEXT


def test_page_has_the_ports_of_the_code() -> None:
    assert ", ".join(f"{port} for `{security}`" for security, port in PORTS.items()) in TEXT


def test_page_has_the_delays_of_the_code() -> None:
    first, second = (int(delay.total_seconds()) for delay in acs.POLL_DELAYS)
    assert f"polls for the result after {first} seconds, and again after {second}" in TEXT
    assert f"retries these after {smtp.RETRY_DELAY.total_seconds() / 60:.0f} minutes" in TEXT
    assert f"retries for {smtp.LOGIN_MAX_ELAPSED.total_seconds() / 60:.0f} minutes, since" in TEXT
    assert f"retries 401 and 403 for {PROPAGATION.total_seconds() / 60:.0f} minutes" in TEXT


def test_page_has_the_status_codes_of_the_code() -> None:
    codes = [str(code) for code in sorted(smtp.LOGIN_CODES)]
    assert f"rejects the login: {', '.join(codes[:-1])} or {codes[-1]} |" in TEXT
    assert f"rejects the identity or the key: {' or '.join(map(str, sorted(DENIED)))} |" in TEXT
    assert f"the service answers {' or '.join(map(str, sorted(THROTTLED)))} |" in TEXT
    assert 400 in PERMANENT
    assert "the service answers 400 | the app sends the mail again with fewer headers; after another 400," in TEXT


def test_page_lists_every_header() -> None:
    workspace = {"name": "churn-prod", "labels": {"env": "prod"}}
    result = Result("a-rule", "failed", "reason")
    event = Context(RunStatusChanged.example(), workspace, result.view()).event_for_handler()
    rows = re.findall(r"^\| ((?:`[A-Z][\w-]+`(?:, )?)+) \|", PAGE.partition("## App settings")[0], re.MULTILINE)
    assert {name for row in rows for name in re.findall(r"[\w-]+", row)} == set(headers_of(event, Action(), "x.com"))
