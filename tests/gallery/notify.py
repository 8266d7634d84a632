"""samples/gallery/notify: who is notified of what."""

import json
from typing import Any

import jsonschema

from schemas import ModelDeployed
from tests.gallery.need import (
    CANDIDATE,
    IN_DEV,
    MODEL_IN_DEV,
    PRODUCTION,
    STEP,
    SUCCESS,
    at,
    breach,
    completed,
    model,
    need,
    status,
)
from tests.gallery.services import FLOWS, GIVEN, Services
from tests.handlers.pipeline.site import DEV
from tests.handlers.webhook.test_docs import JIRA, PAGERDUTY

STRANGER = status("of-a-stranger", run_tags={"owner": "mallory@evil.example"})


@need(
    "notify/owner-of-failed-run",
    (status("of-kim", run_tags={"owner": "kim@example.com"}), status("of-nobody", run_tags={}), STRANGER),
    (STEP, SUCCESS),
)
def mail_the_owner(services: Services) -> None:
    """Nobody outside of the allowed domain gets mail."""
    mails = {mail.recipients: mail.subject for mail in services.mails}
    assert mails.keys() == {("kim@example.com",), ("ml-team@example.com",)}
    assert len(services.mails) == 3
    assert "of-kim failed" in mails["kim@example.com",]


@need(
    "notify/finished-training",
    (completed("done", run_tags={"auc": "0.91", "team": "churn"}),),
    (completed("step", run_type="azureml.StepRun"), completed("other", "churn-features")),
)
def mail_the_tags(services: Services) -> None:
    [mail] = services.mails
    assert (mail.recipients, mail.subject) == (("ml-team@example.com",), "churn-training has finished")
    assert "auc: 0.91\nteam: churn\n" in mail.text
    assert "https://ml.azure.com/runs/done?" in mail.text


def card(services: Services) -> str:
    """The only card, as text."""
    [request] = services.requests
    assert (request.headers["Host"], request.query["sig"]) == (FLOWS, "SECRET")
    [attachment] = request.json()["attachments"]
    assert attachment["content"]["type"] == "AdaptiveCard"
    return json.dumps(attachment["content"], ensure_ascii=False)


@need("notify/card-when-production-changes", (ModelDeployed.example(),), (ModelDeployed.example(topic=DEV),))
def post_a_card(services: Services) -> None:
    assert "churn:7, churn-features:3" in card(services)


@need("notify/slack-thread-per-failure", (status("f", run_tags={"team": "churn", "owner": "kim"}),), (STEP, SUCCESS))
def post_into_the_thread(services: Services) -> None:
    first, second = services.bodies("slack.com")
    assert (first["channel"], first["text"]) == ("ml-runs", "churn-training failed in churn-prod")
    assert "thread_ts" not in first
    assert (second["channel"], second["thread_ts"]) == ("ml-runs", "1503435956.000247")
    assert second["text"].startswith("owner = kim\nteam = churn\nhttps://ml.azure.com/runs/f?")


@need("notify/channel-of-the-team", (PRODUCTION,), (MODEL_IN_DEV,))
def post_to_the_team(services: Services) -> None:
    [body] = services.bodies("slack.com")
    assert body["channel"] == "ml-churn"
    assert body["text"] == "[churn-prod] Model churn:8 registered"


@need(
    "notify/page-on-production-failure",
    (status("first", event_time=at(9)), status("second", event_time=at(10)), completed("good", event_time=at(11))),
    (STEP, IN_DEV, SUCCESS, completed("step", run_type="azureml.StepRun"), completed("dev", topic=DEV)),
    dies_after={1, 4},
)
def page_and_resolve(services: Services) -> None:
    """PagerDuty has one alert for each dedup_key."""
    open_alerts: dict[str, Any] = {}
    for body in services.bodies("events.pagerduty.com"):
        assert body["routing_key"] == GIVEN["RULES_PAGERDUTY_KEY"]
        if body["event_action"] == "trigger":
            jsonschema.validate(body, PAGERDUTY)
            open_alerts[body["dedup_key"]] = body["payload"]["summary"]
            assert open_alerts == {"churn-prod/churn-training": "churn-training failed in churn-prod"}
        else:
            open_alerts.pop(body["dedup_key"], "")
    assert open_alerts == {}
    assert len(services.requests) >= 3


@need(
    "notify/jira-ticket-for-drift",
    (breach("monday", at(9, 16)), breach("tuesday", at(9, 17)), breach("next-week", at(10, 23))),
    (status("fails"), STEP),
)
def open_a_ticket(services: Services) -> None:
    """One a week."""
    assert len(services.requests) == 2
    for request in services.requests:
        assert request.path == "/rest/api/2/issue"
        assert request.headers["Authorization"] == f"Basic {GIVEN['RULES_JIRA_LOGIN']}"
        jsonschema.validate(request.json(), JIRA)
        assert request.json()["fields"]["summary"] == "Drift: churn_monitor_data_drift"


@need(
    "notify/github-issue-per-experiment",
    (status("first", event_time=at(9)), status("second", event_time=at(10))),
    (STEP, SUCCESS),
    dies_after={1, 3},
)
def open_an_issue(services: Services) -> None:
    [issue] = services.github.issues
    assert issue["title"] == "churn-training fails"
    assert "Run **first** ended as Failed" in issue["body"]
    [comment] = services.github.comments["1"]
    assert "Run **second** ended" in comment["body"]


@need(
    "notify/azure-devops-bug",
    (status("first", event_time=at(9)), status("second", event_time=at(10))),
    (STEP, SUCCESS, IN_DEV),
    dies_after={1},
)
def open_a_bug(services: Services) -> None:
    [bug] = services.devops.work_items
    assert (bug["type"], bug["fields"]["System.Title"]) == ("Bug", "churn-training fails in churn-prod")
    assert bug["fields"]["Microsoft.VSTS.TCM.ReproSteps"].startswith("<p>Run first: https://ml.azure.com/")


@need("notify/drift-with-features", (breach("nine", at(9)), breach("ten", at(10))), (status("fails"), STEP))
def mail_the_features(services: Services) -> None:
    [mail] = services.mails
    assert mail.recipients == ("data-science@example.com",)
    assert mail.subject == "churn_monitor_data_drift: data has drifted"
    assert "monthly_charges: NormalizedWassersteinDistance " in mail.text


@need(
    "notify/model-without-owner",
    (model("untagged", model_tags={"stage": "production"}),),
    (PRODUCTION, CANDIDATE, model("untagged", model_tags={}, topic=DEV)),
)
def mail_the_platform_team(services: Services) -> None:
    [mail] = services.mails
    assert (mail.recipients, mail.subject) == (("ml-platform@example.com",), "churn:8 has no owner")
