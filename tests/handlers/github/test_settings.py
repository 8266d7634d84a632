"""The settings of a rule, and what they are for."""

from typing import Any

import pytest
from pydantic import ValidationError

from handlers.github.handler import GitHub
from tests.handlers.github.conftest import EVENT

RULE = {"repository": "acme/churn", "token": "secret", "workflow": "validate.yml"}


def rule(**changes: Any) -> GitHub:
    return GitHub.model_validate({key: value for key, value in (RULE | changes).items() if value is not None})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"workflow": None}, "name one of workflow, event_type, issue"),
        ({"event_type": "x"}, "name one of workflow, event_type, issue, not workflow and event_type"),
        ({"client_payload": {}}, "workflow has no client_payload: it is a setting of event_type"),
        ({"workflow": None, "event_type": "x", "wait": True}, "event_type has no wait: it is a setting of workflow"),
        ({"token": None}, "needs a token, or an app with its id and private_key, and not both"),
        ({"timeout": "1h"}, "timeout has no effect without wait: true"),
        ({"repository": "acme"}, "repository"),
        ({"repository": "acme/.."}, "repository"),
        ({"repository": "{{ data.runId }}/x"}, "repository"),
        ({"workflow": "../x.yml"}, "workflow"),
        ({"ref": "{{ data.runTags.branch }}"}, "ref depends on the event"),
        ({"inputs": ["a"]}, "inputs should be a mapping"),
        ({"inputs": {"{{ data.runId }}": 1}}, "a key is a literal text"),
        (
            {"api": "https://github.acme.com/{{ data.runId }}"},
            "should be a URL without a query, and the same for every event",
        ),
        ({"api": "https://github.acme.com/?x=1"}, "should be a URL without a query"),
        ({"api": "http://github.acme.com/api/v3"}, "should begin with https://"),
        ({"api": "https://github.com"}, "the API of github.com is https://api.github.com"),
        ({"workflow": None, "issue": {"title": "x", "label": "a,b"}}, "label"),
    ],
)
def test_rule_that_cannot_work_is_an_error(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError) as error:
        rule(**changes)
    assert message in str(error.value)
    assert "secret" not in str(error.value)


@pytest.mark.parametrize(
    ("api", "web"),
    [
        ("https://api.github.com", "https://github.com/acme/churn"),
        ("https://github.acme.com/api/v3/", "https://github.acme.com/acme/churn"),
        ("https://api.acme.ghe.com", "https://acme.ghe.com/acme/churn"),
    ],
)
def test_pages_are_those_of_the_server(api: str, web: str) -> None:
    assert rule(api=api)._web == web


def test_plan_and_destination() -> None:
    handler = rule(inputs={"run": "{{ data.runId }}", "key": "{{ key }}"}, wait=True, ref="{{ workspace.name }}")
    assert handler.plan(EVENT).startswith(
        f"run validate.yml at {EVENT.workspace.name} in acme/churn "
        'with {"run": "brave_kiwi", "key": "mle-…"}; wait at most 1d'
    )
    assert rule(workflow=None, event_type="x").plan(EVENT) == "send the event x in acme/churn"
    assert handler.destination(EVENT) == "https://api.github.com acme"


@pytest.mark.parametrize("changes", [{}, {"repository": "octocat_acme/churn"}, {"workflow": 161335}])
def test_rule_for_github_com_has_no_findings(changes: dict[str, Any]) -> None:
    """Also if the owner is a managed user of an enterprise, and if YAML reads the workflow as a number."""
    assert list(rule(**changes).findings()) == []


def test_empty_ref_is_refused() -> None:
    with pytest.raises(Exception, match="ref is empty"):
        rule(ref="{{ '' }}").plan(EVENT)
