"""The settings of a rule, and how the app logs in."""

from typing import Any

import pytest
from azure.core.credentials import AccessToken
from pydantic import ValidationError

from handlers.azure import credential
from handlers.azure_devops.handler import AzureDevOps
from handlers.base import Succeeded
from tests.handlers.azure_devops.conftest import EVENT, MakeCalls
from tests.handlers.azure_devops.fake import FakeAzureDevOps

RULE = {"organization": "acme", "project": "churn", "pat": "secret", "pipeline": "retrain"}
TITLE = {"System.Title": "x"}


def rule(**changes: Any) -> AzureDevOps:
    return AzureDevOps.model_validate({key: value for key, value in (RULE | changes).items() if value is not None})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pipeline": None}, "name one of pipeline, work_item"),
        ({"pipeline": None, "work_item": {"type": "Bug", "fields": TITLE}, "wait": True}, "work_item has no wait"),
        ({"cancel_on_timeout": True}, "cancel_on_timeout has no effect without wait: true"),
        ({"ref": "{{ data.runTags.branch }}"}, "ref depends on the event"),
        ({"parameters": ["a"]}, "should be a mapping"),
        ({"variables": "a"}, "should be a mapping"),
        (
            {"organization": "https://dev.azure.com/{{ data.runId }}"},
            "should be a URL without a query, and the same for every event",
        ),
        ({"organization": "http://devops.acme.com/tfs"}, "should begin with https://"),
        ({"organization": "https://dev.azure.com/acme/churn"}, "should be the name of an organization, or its URL"),
        ({"organization": "https://dev.azure.com"}, "should be the name of an organization, or its URL"),
        ({"project": "a/b"}, "project"),
        ({"pipeline": None, "work_item": {"type": "Bug", "fields": {}}}, "a work item needs a title"),
        ({"pipeline": None, "work_item": {"type": "Bug", "fields": "x"}}, "Input should be a mapping"),
        ({"pipeline": None, "work_item": {"type": "Bug", "fields": {**TITLE, "a": [1]}}}, "a should be a text"),
        ({"pipeline": None, "work_item": {"type": "Bug", "fields": {**TITLE, "System.Tags": "a, b"}}}, "semicolons"),
        ({"pipeline": None, "work_item": {"type": "a/b", "fields": TITLE}}, "type"),
    ],
)
def test_rule_that_cannot_work_is_an_error(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError) as error:
        rule(**changes)
    assert message in str(error.value)
    assert "secret" not in str(error.value)


def test_plan_and_destination() -> None:
    handler = rule(parameters={"run": "{{ data.runId }}", "key": "{{ key }}"}, wait=True)
    assert handler.plan(EVENT) == (
        'run retrain in churn with {"templateParameters": {"run": "brave_kiwi", "key": "mle-…"}}; '
        "wait at most 1d for its end"
    )
    assert rule().plan(EVENT) == "run retrain in churn"
    assert handler.destination(EVENT) == "https://dev.azure.com/acme"
    assert rule(organization="https://acme.visualstudio.com/").destination(EVENT) == "https://acme.visualstudio.com"
    assert "secret" not in repr(handler)


def test_empty_ref_is_refused() -> None:
    with pytest.raises(Exception, match="ref is empty"):
        rule(ref="{{ '' }}").plan(EVENT)


def test_apps_identity_logs_in_without_a_token_in_the_rule(
    calls: MakeCalls, fake: FakeAzureDevOps, monkeypatch: pytest.MonkeyPatch
) -> None:
    scopes: list[str] = []

    class Identity:
        def get_token(self, *asked: str) -> AccessToken:
            scopes.extend(asked)
            return AccessToken("of-entra", 2**31)

    monkeypatch.setattr(credential, "credential", Identity)
    fake.tokens = ("Bearer of-entra",)
    assert isinstance(calls(pipeline="12", pat=None).end(), Succeeded)
    assert set(scopes) == {"499b84ac-1321-427f-aa17-267ca6975798/.default"}
