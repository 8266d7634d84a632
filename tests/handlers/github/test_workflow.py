"""A workflow is started once, and followed to its end."""

from dataclasses import replace
from datetime import timedelta

import pytest

from handlers.base import CheckBack, GiveUp, RetryLater, Succeeded
from mlevents.testing.server import Answer, RecordingServer
from tests.handlers.github.conftest import MakeCalls
from tests.handlers.github.fake import FakeGitHub, error
from tests.kit.calls import Calls

DISPATCH = "POST /repos/{owner}/{repo}/actions/workflows/{workflow_id}/dispatches"
INPUTS = {"run": "{{ data.runId }}", "rows": 3, "mlevents_key": "{{ key }}"}
KEYED = "Validate {run} {mlevents_key}"  # run-name, in the fake's way to write ${{ inputs.run }}


def dropped(_: Answer) -> Answer:
    """The connection breaks after GitHub has acted."""
    return Answer(drop=True)


def past_prepare(calls: Calls) -> Calls:
    """The action before its request."""
    assert isinstance(calls.next(), CheckBack)
    return calls


def test_workflow_is_started_with_its_inputs_as_texts(calls: MakeCalls, github: RecordingServer) -> None:
    action = calls(workflow="validate.yml", ref="release", inputs=INPUTS)
    outcome = action.end()
    assert outcome == Succeeded(
        "the workflow run 9000 was started in acme/churn, validate.yml",
        {
            "run": "9000",
            "where": "acme/churn, validate.yml",
            "workflow": "validate.yml",
            "link": github.url("/acme/churn/actions/runs/9000"),
        },
    )
    [request] = [each for each in github.requests if each.method == "POST"]
    key = action.action.job_name
    assert request.json() == {
        "ref": "release",
        "inputs": {"run": "brave_kiwi", "rows": "3", "mlevents_key": key},
        "return_run_details": True,
    }


@pytest.mark.parametrize("conclusion", ["success", "neutral", "skipped"])
def test_wait_succeeds_with_the_conclusion(conclusion: str, calls: MakeCalls, fake: FakeGitHub) -> None:
    action = past_prepare(calls(workflow="validate.yml", wait=True))
    action.next()
    assert action.next() == CheckBack(timedelta(seconds=30), action.action.state, "queued")
    fake.end(conclusion)
    outcome = action.end()
    assert isinstance(outcome, Succeeded)
    assert (outcome.details["status"], outcome.details["run"]) == (conclusion, "9000")


@pytest.mark.parametrize("conclusion", ["failure", "timed_out", "action_required", "stale", "startup_failure"])
def test_wait_fails_with_the_jobs_that_failed(conclusion: str, calls: MakeCalls, fake: FakeGitHub) -> None:
    steps = [{"name": "setup", "status": "completed", "conclusion": "success", "number": 1}]
    steps.append({"name": "pytest", "status": "completed", "conclusion": "failure", "number": 2})
    fake.jobs = [
        {"name": "lint", "conclusion": "success", "steps": []},
        {"name": "tests", "conclusion": "failure", "steps": steps},
    ]
    action = past_prepare(calls(workflow="7", wait=True))
    action.next()
    fake.end(conclusion)
    outcome = action.end()
    assert isinstance(outcome, GiveUp)
    assert f"the workflow run 9000 failed: {conclusion} in tests, step 'pytest'. http://" in str(outcome)
    assert str(outcome).endswith("/acme/churn/actions/runs/9000")


def test_wait_fails_with_the_first_of_many_jobs(calls: MakeCalls, fake: FakeGitHub) -> None:
    fake.jobs = [{"name": f"job{number}", "conclusion": "failure"} for number in range(900)]
    action = past_prepare(calls(workflow="7", wait=True))
    action.next()
    fake.end("failure")
    assert "failed: failure in job0, job1, job2. http" in str(action.end())


@pytest.mark.parametrize(("faults", "said"), [(2, "failure in tests"), (3, "failure. http")])
def test_wait_fails_without_jobs_that_cannot_be_read(
    faults: int, said: str, calls: MakeCalls, fake: FakeGitHub
) -> None:
    """They are read three times: the run has failed in any case."""
    fake.jobs = [{"name": "tests", "conclusion": "failure"}]
    action = past_prepare(calls(workflow="7", wait=True))
    action.next()
    fake.end("failure")
    fake.faults = [None, error(502, "Bad Gateway")] * faults
    assert f"the workflow run 9000 failed: {said}" in str(action.end())


def test_wait_reports_a_canceled_run(calls: MakeCalls, fake: FakeGitHub) -> None:
    action = past_prepare(calls(workflow="validate.yml", wait=True))
    action.next()
    fake.end("cancelled")
    assert "the workflow run 9000 was canceled: cancelled" in str(action.end())


@pytest.mark.parametrize("ended", [False, True])
def test_run_that_takes_too_long_is_canceled(ended: bool, calls: MakeCalls, fake: FakeGitHub) -> None:
    """A run that ends at the same time cannot be canceled (409), and counts as it ended."""
    settings = {"wait": True, "timeout": "1m", "cancel_on_timeout": True, "workflow": "validate.yml"}
    action = past_prepare(calls(**settings))
    action.next()
    action.action = replace(action.action, now=action.action.now + timedelta(minutes=2))
    if ended:  # after the read and before the request to cancel it

        def read_too_early(answer: Answer) -> Answer:
            early = Answer(200, dict(answer.body))
            fake.end("success")
            return early

        fake.faults = [read_too_early]
    outcome = action.end()
    assert isinstance(outcome, Succeeded) if ended else "did not end within 1m" in str(outcome)


def test_lost_response_is_searched_for_by_the_name_of_the_run(calls: MakeCalls, fake: FakeGitHub) -> None:
    fake.run_name = KEYED
    fake.faults = [None, dropped]
    action = calls(workflow="validate.yml", inputs=INPUTS)
    outcome = action.end()
    assert isinstance(outcome, Succeeded)
    assert len(fake.runs) == 1
    assert "may have been started" in action.notes[1]


@pytest.mark.parametrize("status", [500, 502, 503, 408])
def test_error_of_a_gateway_does_not_start_a_second_run(status: int, calls: MakeCalls, fake: FakeGitHub) -> None:
    fake.run_name = KEYED
    fake.faults = [None, lambda _: Answer(status, "<html>")]
    assert isinstance(calls(workflow="validate.yml", inputs=INPUTS).end(), Succeeded)
    assert len(fake.runs) == 1


@pytest.mark.parametrize("body", [b"", b'{"workflow_run_id": 90', b"null", b"[]", b"{}"])
def test_answer_that_is_cut_off_does_not_start_a_second_run(body: bytes, calls: MakeCalls, fake: FakeGitHub) -> None:
    fake.run_name = KEYED
    fake.faults = [None, lambda _: Answer(200, body)]
    action = calls(workflow="validate.yml", inputs=INPUTS)
    assert isinstance(action.end(), Succeeded)
    assert len(fake.runs) == 1
    assert "answered without workflow_run_id" in action.notes[1]


@pytest.mark.parametrize("status", [301, 302, 307])
def test_repository_that_was_renamed_fails_the_action(status: int, calls: MakeCalls, fake: FakeGitHub) -> None:
    fake.faults = [None, Answer.redirect("https://api.github.com/repositories/1", status)]
    outcome = calls(workflow="validate.yml").end()
    assert isinstance(outcome, GiveUp)
    assert "has moved. Write its new name" in str(outcome)


def test_worker_that_dies_after_the_request_does_not_start_a_second_run(calls: MakeCalls, fake: FakeGitHub) -> None:
    fake.run_name = KEYED
    action = past_prepare(calls(workflow="validate.yml", inputs=INPUTS))
    action.next(crashes=True)
    assert isinstance(action.end(), Succeeded)
    assert len(fake.runs) == 1


def test_request_that_never_arrived_is_sent_again(calls: MakeCalls, fake: FakeGitHub) -> None:
    fake.faults = [None, Answer(drop=True)]
    assert isinstance(calls(workflow="validate.yml").end(), Succeeded)
    assert len(fake.runs) == 1


def test_run_without_a_key_in_its_name_makes_the_action_unsure(calls: MakeCalls, fake: FakeGitHub) -> None:
    """It may be a person's. A run that existed before is none."""
    fake.add_run("a person's")
    fake.faults = [None, dropped]
    outcome = calls(workflow="validate.yml").end()
    assert isinstance(outcome, GiveUp)
    assert "unsure whether the workflow run was started" in str(outcome)
    assert "it may be 9001. " in str(outcome)


def test_run_of_another_action_is_no_candidate(calls: MakeCalls, fake: FakeGitHub) -> None:
    fake.faults = [None, Answer(drop=True)]
    action = past_prepare(calls(workflow="validate.yml"))
    action.next()
    fake.add_run("Validate mle-1-0123abcd-0123456789abcdef0123456789abcdef")
    assert isinstance(action.end(), Succeeded)
    assert len(fake.runs) == 2


def test_older_enterprise_server_returns_no_id(calls: MakeCalls, fake: FakeGitHub) -> None:
    """It refuses `return_run_details`, and answers 204 without it: the run is found by its name."""
    fake.returns_details, fake.run_name = False, KEYED
    assert str(calls(workflow="validate.yml", inputs=INPUTS).end()).count("the workflow run was started in") == 1
    outcome = past_prepare(action := calls(workflow="validate.yml", inputs=INPUTS, wait=True)).next()
    assert isinstance(outcome, CheckBack)
    fake.end("success")
    assert isinstance(action.end(), Succeeded)
    assert len(fake.runs) == 2


def test_older_enterprise_server_cannot_name_a_run_without_a_key(calls: MakeCalls, fake: FakeGitHub) -> None:
    fake.returns_details = False
    outcome = calls(workflow="validate.yml", wait=True).end()
    assert isinstance(outcome, GiveUp)
    assert "was started in acme/churn, validate.yml, but cannot be followed" in str(outcome)
    assert len(fake.runs) == 1


@pytest.mark.parametrize(
    "message", ["No ref found for: main", "Workflow does not have 'workflow_dispatch' trigger", "Unexpected inputs …"]
)
def test_refused_request_fails_at_once_with_githubs_message(message: str, calls: MakeCalls, fake: FakeGitHub) -> None:
    fake.faults = [None, error(422, message)]
    outcome = calls(workflow="validate.yml", inputs=INPUTS).end()
    assert isinstance(outcome, GiveUp)
    assert message in str(outcome)
    assert fake.runs == []


@pytest.mark.parametrize("status", [401, 403, 404])
def test_denied_request_is_retried_for_half_an_hour(status: int, calls: MakeCalls, fake: FakeGitHub) -> None:
    """GitHub answers 404 where the token lacks a permission. A lost list does not keep the run from starting."""
    action = calls(workflow="validate.yml")
    fake.faults = [error(status, "Not Found")] * 400
    outcome = action.end()
    assert isinstance(outcome, GiveUp)
    assert "gave up after 30m" in str(outcome)
    assert "permission actions: write" in str(outcome)
    assert DISPATCH in fake.seen


def test_missing_run_is_reported_after_a_while(calls: MakeCalls, fake: FakeGitHub) -> None:
    action = past_prepare(calls(workflow="validate.yml", wait=True))
    action.next()
    fake.runs.clear()
    assert "reads have not found it for 20m" in str(action.end())


def test_inputs_that_are_too_long_are_refused_before_a_request(calls: MakeCalls, fake: FakeGitHub) -> None:
    outcome = calls(workflow="validate.yml", inputs={"text": "{{ 'x' * 65600 }}"}).next()
    assert isinstance(outcome, GiveUp)
    assert "GitHub accepts at most 65,535" in str(outcome)
    assert fake.seen == []


def test_throttled_start_waits_as_long_as_github_says(calls: MakeCalls, fake: FakeGitHub) -> None:
    fake.faults = [None, Answer(403, {"message": "secondary rate limit"}, {"Retry-After": "37"})]
    action = past_prepare(calls(workflow="validate.yml"))
    found = action.next()
    assert isinstance(found, RetryLater)
    assert (found.throttled, found.after) == (True, timedelta(seconds=37))
    assert isinstance(action.end(), Succeeded)
    assert len(fake.runs) == 1
