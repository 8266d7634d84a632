"""What to do about an alert."""

from typing import get_args

import pytest

from handlers.base import Action, Result
from handlers.content.alerts import next_steps
from handlers.content.summary import summarize
from handlers.email.content import Content
from handlers.email.headers import headers_of
from schemas import Context, Event, RunStatusChanged
from schemas.alert import Alert, Kind
from tests.handlers.conftest import SetSettings

ALERTS = Action(rule="-alerts", source="rules/workspaces.yaml:14")
FAILED = Result("mail-owner", "failed", "the mail has no recipient: to: 'alice' is not one mail address")


def failed(id: str = "e-1") -> Event:
    event = RunStatusChanged.example(id=id, run_id="r")
    return Context(event, {"name": "churn-prod", "labels": {}}, FAILED.view()).event_for_handler()


@pytest.mark.parametrize("kind", get_args(Kind))
def test_every_alert_says_what_to_do(kind: Kind) -> None:
    assert "docs/" in " ".join(next_steps(Alert.of(kind, "x", "summary"), ALERTS))


def test_command_of_an_alert_has_a_line_of_its_own() -> None:
    to_do = ["To run one of them again: mlevents replay e-1 --rule r", "Or wait."]
    alert = Alert.of("failed actions", "r", "3 actions of rule r failed", ["3 times: x"], to_do).naming("func", "r")
    expected = ("To run one of them again:", "mlevents replay e-1 --rule r", "Or wait.", "More: docs/replay.md")
    assert next_steps(alert, ALERTS) == expected
    found = summarize(alert, ALERTS)
    assert (found.subject, found.lead) == ("[func] 3 actions of rule r failed", ("3 times: x",))
    assert found.facts == ("app func",)


def test_alerts_about_one_rule_form_a_thread() -> None:
    one, other = (Alert.of("failed actions", f"r {hour}", "failed").naming("", "r") for hour in (1, 2))
    assert headers_of(one, ALERTS, "x.com")["References"] == headers_of(other, ALERTS, "x.com")["References"]


def test_alert_of_a_failed_action_says_how_to_run_it_again() -> None:
    assert next_steps(failed(), Action(rule="-alerts-mail-owner"))[1] == "mlevents replay e-1 --rule mail-owner"
    assert next_steps(failed("a b; rm"), Action(rule="-alerts-x"))[1] == "mlevents replay 'a b; rm' --rule mail-owner"


def test_other_mails_have_no_steps() -> None:
    assert next_steps(failed(), Action(rule="mail-failures")) == ()
    assert next_steps(RunStatusChanged.example(), Action(rule="-alerts")) == ()


def test_alert_mail_names_the_app_and_the_failed_rule(settings: SetSettings) -> None:
    settings(WEBSITE_SITE_NAME="func-ml-prod")
    found = summarize(failed(), Action(rule="-alerts-mail-owner", source="rules/workspaces.yaml:14"))
    assert found.headline == "Rule mail-owner failed for run r"
    assert found.lead == ("The mail has no recipient: to: 'alice' is not one mail address",)
    assert found.facts[0] == "app func-ml-prod"
    assert found.footer[0] == "Sent by alerts (rules/workspaces.yaml:14) of func-ml-prod"


def test_alert_about_the_app_names_the_app_in_its_subject(settings: SetSettings) -> None:
    settings(WEBSITE_SITE_NAME="func-ml-prod")
    to_do = ["Correct the cause, and then run this: mlevents replay --rejected --from 2026-11-22"]
    summary = "at least 5 events were rejected today: unknown"
    alert = Alert.of("rejected events", "unknown", summary, ["Reason: x"], to_do)
    assert Content().render_subject(alert) == "[func-ml-prod] At least 5 events were rejected today: unknown"
    assert summarize(alert, ALERTS).lead == ("Reason: x",)
    text = Content().render_text(alert, ALERTS)
    assert "\n  mlevents replay --rejected --from 2026-11-22\n" in text
