"""The headers by which mail programs thread and filter mails."""

import re

import pytest

from handlers.base import Action, Result
from handlers.email.handler import Email
from handlers.email.headers import headers_of
from schemas import Context, DatasetDriftDetected, Event, ModelDeployed, ModelRegistered, RunCompleted, RunStatusChanged
from schemas.alert import Alert
from schemas.examples import MODEL_MONITOR_BREACH
from tests.handlers.conftest import SetSettings
from tests.kit.smtp import MailServer

WORKSPACE = {"name": "churn-prod", "labels": {"env": "prod", "team": "churn"}}
ACTION = Action(rule="mail-failed-runs")


def headers(event: Event, action: Action = ACTION) -> dict[str, str]:
    return headers_of(event, action, "example.com")


# Filters


def test_headers_say_what_a_mail_is_about(settings: SetSettings) -> None:
    settings(WEBSITE_SITE_NAME="func-ml-prod")
    result = Result("deploy-churn", "failed", "no quota")
    event = Context(ModelRegistered.example(), WORKSPACE, result.view()).event_for_handler()
    found = headers(event)
    del found["In-Reply-To"], found["References"]
    assert found == {
        "List-Id": "<mail-failed-runs.func-ml-prod.example.com>",
        "Auto-Submitted": "auto-generated",
        "X-Auto-Response-Suppress": "OOF, AutoReply",
        "X-AzureML-App": "func-ml-prod",
        "X-AzureML-Rule": "mail-failed-runs",
        "X-AzureML-Event-Type": "ModelRegistered",
        "X-AzureML-Workspace": "churn-prod",
        "X-AzureML-Labels": "env=prod, team=churn",
        "X-AzureML-Object": "model churn:7",
        "X-AzureML-Outcome": "failed",
    }


def test_header_without_a_value_is_left_out() -> None:
    assert not {"X-AzureML-Labels", "X-AzureML-Outcome"} & set(headers(RunCompleted.example()))


def test_alerts_have_a_list_of_their_own() -> None:
    assert headers(RunCompleted.example(), Action(rule="-alerts"))["List-Id"].startswith("<alerts.")


def test_any_name_makes_a_valid_list_id(settings: SetSettings) -> None:
    settings(WEBSITE_SITE_NAME="Büro <x>\r\n" * 50)
    found = headers(RunCompleted.example(), Action(rule="a" * 300))["List-Id"]
    assert re.fullmatch(r"<a{60}\.[A-Za-z0-9-]{1,60}\.example\.com>", found)


def test_headers_arrive_as_written(server: MailServer, settings: SetSettings) -> None:
    settings(WEBSITE_SITE_NAME="func-ml-prod")
    event = RunStatusChanged.example(run_id="lauf-für-" + "x" * 300)
    workspace = {"name": "churn-prod", "labels": {f"label-{number}": "some value" for number in range(9)}}
    Email(to="ml-team@example.com").run(Context(event, workspace).event_for_handler(), ACTION)
    [mail] = server.accepted
    expected = headers_of(Context(event, workspace).event_for_handler(), ACTION, "example.com")
    assert {name: mail.message[name] for name in expected} == expected
    head = mail.content.partition(b"\r\n\r\n")[0]
    assert head.isascii()
    assert max(map(len, head.split(b"\r\n"))) <= 78
    assert b":\r\n" not in head


# Threads


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (RunStatusChanged.example(run_id="r"), RunCompleted.example(run_id="r")),
        (ModelRegistered.example(model_name="m", model_version="2"), ModelDeployed.example(model_ids="m:2")),
        (ModelDeployed.example(model_ids="a:1,b:1"), ModelDeployed.example(model_ids="a:2,b:2")),
        (
            RunStatusChanged.example(**MODEL_MONITOR_BREACH),
            RunStatusChanged.example(**{**MODEL_MONITOR_BREACH, "run_id": "tomorrow"}),
        ),
        (DatasetDriftDetected.example(), DatasetDriftDetected.example(run_id="tomorrow")),
    ],
)
def test_mails_about_one_object_form_a_thread(first: Event, second: Event) -> None:
    """Also those of several rules."""
    one, other = headers(first), headers(second, Action(rule="another"))
    assert one["References"] == one["In-Reply-To"] == other["References"] == other["In-Reply-To"]
    assert re.fullmatch(r"<thread-[0-9a-f]{32}@example\.com>", one["References"])


@pytest.mark.parametrize(
    "other",
    [
        RunStatusChanged.example(run_id="s"),
        RunStatusChanged.example(run_id="r", topic=RunCompleted.example().topic.replace("prod", "dev")),
        ModelRegistered.example(model_name="r"),
        Alert.of("refused rules", "r", "summary"),
    ],
)
def test_mails_about_different_objects_form_different_threads(other: Event) -> None:
    assert headers(other)["References"] != headers(RunStatusChanged.example(run_id="r"))["References"]


def test_workspace_is_the_same_in_any_spelling() -> None:
    shouted = RunCompleted.example(topic=RunCompleted.example().topic.replace("churn-prod", "CHURN-PROD"))
    assert headers(shouted)["References"] == headers(RunCompleted.example())["References"]
