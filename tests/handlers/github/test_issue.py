"""An issue is opened once per subject, and gets one comment per further action."""

from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from handlers.base import GiveUp, RetryLater, Succeeded
from mlevents.testing.server import Answer, RecordingServer
from schemas import RunStatusChanged
from tests.handlers.github.conftest import EVENT, MakeCalls
from tests.handlers.github.fake import FakeGitHub, error
from tests.kit.calls import Calls

ISSUE = {"title": "{{ data.experimentName }} fails", "subject": "{{ data.experimentName }}", "body": "{{ data.runId }}"}


def another(calls: Calls, **changes: Any) -> Calls:
    """An action for another event."""
    event = RunStatusChanged.example(**({"run_id": "calm_owl", "experiment_name": "churn"} | changes))
    return Calls(calls.handler, event, replace(calls.action, key=uuid4()))


def test_issue_is_opened_and_later_events_are_comments(calls: MakeCalls, fake: FakeGitHub) -> None:
    first = calls(issue={**ISSUE, "labels": ["ml"], "assignees": ["mona"], "comment": "again: {{ data.runId }}"})
    opened = first.next()
    assert opened == Succeeded(
        "issue #1 was opened in acme/churn",
        {"status": "opened", "issue": "1", "link": "https://github.com/acme/churn/issues/1"},
    )
    assert fake.issues[0]["title"] == "churn fails"
    assert fake.issues[0]["body"].startswith("brave_kiwi\n\n<!-- ")
    assert [each["name"] for each in fake.issues[0]["labels"]] == ["azureml-events", "ml"]
    commented = another(first).next()
    assert isinstance(commented, Succeeded)
    assert commented.summary == "a comment was added to issue #1 in acme/churn"
    assert commented.details["link"].endswith("#issuecomment-1")
    assert fake.comments["1"][0]["body"].startswith("again: calm_owl\n")
    assert len(fake.issues) == 1


def test_another_subject_has_its_own_issue_and_a_closed_issue_stays_closed(calls: MakeCalls, fake: FakeGitHub) -> None:
    first = calls(issue=ISSUE)
    first.next()
    another(first, experiment_name="fraud").next()
    assert [each["title"] for each in fake.issues] == ["churn fails", "fraud fails"]
    fake.issues[0]["state"] = "closed"
    another(first).next()
    assert len(fake.issues) == 3
    assert fake.comments == {}


@pytest.mark.parametrize("loss", [Answer(drop=True), Answer(502), Answer(500), Answer(503)], ids=repr)
def test_lost_answers_open_one_issue_and_write_one_comment(loss: Answer, calls: MakeCalls, fake: FakeGitHub) -> None:
    first = calls(issue=ISSUE)
    fake.faults = [None, lambda _: loss]
    assert isinstance(first.next(), RetryLater)
    assert first.next() == Succeeded("issue #1 was opened in acme/churn", first.next().details)  # type: ignore[union-attr]
    second = another(first)
    fake.faults = [None, lambda _: loss]
    assert isinstance(second.next(), RetryLater)
    assert isinstance(second.next(), Succeeded)
    assert (len(fake.issues), len(fake.comments["1"])) == (1, 1)


def test_worker_that_dies_after_its_request_writes_nothing_twice(calls: MakeCalls, fake: FakeGitHub) -> None:
    first = calls(issue=ISSUE)
    first.next(crashes=True)
    assert isinstance(first.next(), Succeeded)
    second = another(first)
    second.next(crashes=True)
    assert isinstance(second.next(), Succeeded)
    assert (len(fake.issues), len(fake.comments["1"])) == (1, 1)


def test_one_action_at_a_time_works_on_a_subject(calls: MakeCalls) -> None:
    handler = calls(issue=ISSUE).handler
    same = handler.lock(RunStatusChanged.example(run_id="other", experiment_name="CHURN"))
    assert handler.lock(EVENT) == same
    assert handler.lock(RunStatusChanged.example(experiment_name="fraud")) != same
    assert calls(event_type="x").handler.lock(EVENT) is None


def test_text_of_an_event_is_no_markdown(calls: MakeCalls, fake: FakeGitHub) -> None:
    """No links, images, code, HTML or mentions, and no marker of another subject."""
    hostile = "![x](https://evil.example) <img src=x> @acme/everyone ``` <!-- mlevents-subject: 0 --> \\[a](b) **b**"
    first = calls(issue={**ISSUE, "body": "**Run** `{{ data.runId }}`"})
    Calls(first.handler, RunStatusChanged.example(run_id=hostile)).next()
    [issue] = fake.issues
    text = issue["body"].partition("\n\n<!-- ")[0]
    assert text.startswith(
        r"**Run** `!\[x\](https://evil.example) &lt;img src=x> @" + "\u200bacme/everyone ''' &lt;!--"
    )
    assert text.endswith(r"--> \\\[a\](b) \*\*b\*\*`")


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("# heading\r- [ ] item\n  1. one\n> quoted\n---\n    code", "\u200b# heading\n\u200b- \\[ \\] item\n\u200b"),
        ("fixes #12 and acme/x#3 # 4", "fixes #\u200b12 and acme/x#\u200b3 # 4"),
        ("_a_ brave_kiwi __init__", "\\_a\\_ brave_kiwi \\_\\_init\\_\\_"),
        ("1.0 https://ml.azure.com/runs/x?a=1", "1.0 https://ml.azure.com/runs/x?a=1"),
    ],
)
def test_text_of_an_event_begins_no_block_and_mentions_no_issue(
    value: str, written: str, calls: MakeCalls, fake: FakeGitHub
) -> None:
    first = calls(issue={**ISSUE, "body": "{{ data.runTags.note }}"})
    Calls(first.handler, RunStatusChanged.example(run_tags={"note": value})).next()
    lines = fake.issues[0]["body"].partition("\n\n<!-- ")[0]
    assert lines.startswith(written)
    assert not any(line.startswith(("#", "-", ">", " ")) for line in lines.splitlines())


def test_long_texts_are_cut(calls: MakeCalls, fake: FakeGitHub) -> None:
    action = calls(issue={"title": "{{ 'x' * 300 }}\n y", "body": "{{ 'y' * 70000 }}", "subject": "x"})
    assert isinstance(action.next(), Succeeded)
    [issue] = fake.issues
    assert (len(issue["title"]), issue["body"][-3:]) == (256, "-->")
    assert len(issue["body"]) <= 65_536
    assert isinstance(another(action).next(), Succeeded)
    assert len(fake.issues) == 1


def test_empty_title_is_refused(calls: MakeCalls, fake: FakeGitHub) -> None:
    assert "title of an issue cannot be empty" in str(calls(issue={**ISSUE, "title": "{{ '' }} "}).next())


def test_dropped_label_fails_the_action(calls: MakeCalls, fake: FakeGitHub) -> None:
    """GitHub drops labels silently if the user may not set them: every event would open another issue."""
    fake.labels_are_dropped = True
    assert "issue #1 was opened in acme/churn, but GitHub dropped its label" in str(calls(issue=ISSUE).next())


def test_too_many_open_issues_are_an_error(calls: MakeCalls, fake: FakeGitHub) -> None:
    fake.issues = [
        {"number": n, "body": None, "state": "open", "labels": [{"name": "azureml-events"}]} for n in range(500)
    ]
    assert "too many open issues with the label 'azureml-events'" in str(calls(issue=ISSUE).next())


def test_long_discussion_does_not_keep_a_comment_back(calls: MakeCalls, fake: FakeGitHub) -> None:
    first = calls(issue=ISSUE)
    first.next()
    fake.comments["1"] = [{"id": n, "body": "me, too"} for n in range(500)]
    second = another(first)
    second.action = replace(second.action, interrupted=True)
    assert isinstance(second.next(), Succeeded)
    assert len(fake.comments["1"]) == 501


def test_pull_request_with_the_marker_is_no_issue(calls: MakeCalls, fake: FakeGitHub) -> None:
    first = calls(issue=ISSUE)
    first.next()
    fake.issues[0]["pull_request"] = {}
    another(first).next()
    assert len(fake.issues) == 2


@pytest.mark.parametrize(
    ("status", "message"), [(410, "Issues are disabled for this repo"), (422, "Validation Failed")]
)
def test_refused_issue_fails_at_once(status: int, message: str, calls: MakeCalls, fake: FakeGitHub) -> None:
    fake.faults = [None, error(status, message, code="custom", field="title")]
    outcome = calls(issue=ISSUE).next()
    assert isinstance(outcome, GiveUp)
    assert message in str(outcome)


def test_plan_shows_the_title(calls: MakeCalls, github: RecordingServer) -> None:
    plan = calls(issue=ISSUE).handler.plan(EVENT)
    assert plan == "open an issue in acme/churn, or comment on the open one about its subject: churn fails"
    assert github.requests == []
