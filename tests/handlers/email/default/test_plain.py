"""The default text part, as people read it."""

from uuid import UUID

import pytest

from handlers.base import Action, Result
from handlers.email.content import Content
from handlers.email.default.plain import WIDTH
from schemas import EVENT_TYPES, Context, Event, ModelRegistered, RunStatusChanged
from tests.handlers.conftest import SetSettings

ACTION = Action("mail-deployments", "rules/churn.yaml:40", UUID("5d105e8c-04ca-4935-a044-d305d239dc0f"))
WORKSPACE = {"name": "churn-prod", "labels": {"env": "prod", "team": "churn"}, "timezone": "Europe/Berlin"}
FAILED = """\
churn:3 was not deployed

The smoke test failed: HTTP 500: could not convert string to float:
'yearly'. Now 100 % of the traffic goes to churn-2.

rule deploy-tagged-models failed, churn-prod (env prod, team churn),
2026-11-22 09:42 CET

Open the endpoint:
https://ml.azure.com/endpoints/realtime/churn/logs?wsid=x

Tags
  stage     production
  team      churn
  endpoint  churn

Properties
  auc  0.871

--\x20
Sent by rule mail-deployments (rules/churn.yaml:40) of func-ml-prod
Event ModelRegistered 5e92c0f7-8b41-4d6a-a3c8-90f1d7e4b265
Action 5d105e8c-04ca-4935-a044-d305d239dc0f
"""


def text(event: Event, result: Result | None = None) -> str:
    context = Context(event, WORKSPACE, result.view() if result else None)
    return Content().render_text(context.event_for_handler(), ACTION)


def test_text_of_a_failed_deployment(settings: SetSettings) -> None:
    settings(WEBSITE_SITE_NAME="func-ml-prod")
    reason = (
        "churn:3 was not deployed: the smoke test failed: HTTP 500: could not convert string to float: 'yearly'. "
        "Now 100 % of the traffic goes to churn-2. "
        "The container's log: https://ml.azure.com/endpoints/realtime/churn/logs?wsid=x"
    )
    assert text(ModelRegistered.example(model_version=3), Result("deploy-tagged-models", "failed", reason)) == FAILED


@pytest.mark.parametrize("kind", EVENT_TYPES.values(), ids=lambda kind: kind.__name__)
def test_lines_fit_on_a_screen(kind: type[Event]) -> None:
    """Except links, which stay whole."""
    long = [line for line in text(kind.example()).splitlines() if len(line) > WIDTH]
    assert all(line.startswith("https://") for line in long)
    assert text(kind.example()).isascii()


def test_long_values_continue_below_their_beginning() -> None:
    tags = {"note": "word " * 40, "a": "b", "x" * 60: "y"}
    lines = text(RunStatusChanged.example(run_tags=tags)).splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith("  note"))
    start = lines[first].index("word")
    assert lines[first + 1].startswith(" " * start + "word")
    assert max(map(len, lines[first : first + 4])) <= WIDTH


def test_facts_are_not_broken() -> None:
    lines = text(RunStatusChanged.example(run_tags={"owner": "a-rather-long-name@example.com"})).splitlines()
    assert "2026-11-22 10:12 CET" in lines
