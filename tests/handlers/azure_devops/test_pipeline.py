"""A pipeline is run once, and followed to its end."""

from dataclasses import replace
from datetime import timedelta

import pytest

from handlers.base import CheckBack, GiveUp, RetryLater, Succeeded
from mlevents.testing.server import Answer, RecordingServer
from mlevents.testing.storage import NOW
from tests.handlers.azure_devops.conftest import MakeCalls
from tests.handlers.azure_devops.fake import SIGN_IN, FakeAzureDevOps, error
from tests.kit.calls import Calls

KEYED = {"parameters": {"run": "{{ data.runId }}", "mlevents_key": "{{ key }}"}}


def dropped(_: Answer) -> Answer:
    """The connection breaks after the service has acted."""
    return Answer(drop=True)


def started(calls: Calls) -> Calls:
    """The action after its request."""
    assert isinstance(calls.next(), CheckBack)
    assert isinstance(calls.next(), CheckBack)
    return calls


def test_pipeline_is_run_with_parameters_variables_and_branch(
    calls: MakeCalls, fake: FakeAzureDevOps, server: RecordingServer
) -> None:
    action = calls(
        pipeline="retrain",
        ref="release",
        parameters={"run": "{{ data.runId }}", "rows": 3, "tags": ["{{ data.runStatus }}"], "key": "{{ key }}"},
        variables={"dry": True},
        stages_to_skip=["deploy"],
    )
    assert action.end() == Succeeded(
        "the run 340 was started in Churn Team, retrain",
        {
            "run": "340",
            "where": "Churn Team, retrain",
            "pipeline": "retrain",
            "link": server.url("/acme/Churn%20Team/_build/results?buildId=340"),
        },
    )
    [request] = [each for each in server.requests if each.method == "POST"]
    assert request.path == "/acme/Churn%20Team/_apis/pipelines/12/runs"
    assert request.json() == {
        "templateParameters": {
            "run": "brave_kiwi",
            "rows": "3",
            "tags": '["Failed"]',
            "key": action.action.job_name,
        },
        "variables": {"dry": {"value": "true"}},
        "stagesToSkip": ["deploy"],
        "resources": {"repositories": {"self": {"refName": "refs/heads/release"}}},
    }


def test_settings_that_a_rule_leaves_out_are_not_sent(calls: MakeCalls, server: RecordingServer) -> None:
    assert isinstance(calls(pipeline=12, ref="refs/tags/v1", parameters={}).end(), Succeeded)
    [request] = [each for each in server.requests if each.method == "POST"]
    assert request.json() == {"resources": {"repositories": {"self": {"refName": "refs/tags/v1"}}}}


def test_wait_succeeds_with_the_result(calls: MakeCalls, fake: FakeAzureDevOps) -> None:
    action = started(calls(pipeline="retrain", wait=True))
    assert isinstance(action.next(), CheckBack)
    fake.end("succeeded")
    outcome = action.end()
    assert isinstance(outcome, Succeeded)
    assert outcome.details["status"] == "succeeded"


def test_pipeline_may_be_renamed_while_its_run_is_followed(calls: MakeCalls, fake: FakeAzureDevOps) -> None:
    action = started(calls(pipeline="retrain", wait=True))
    fake.pipelines[0]["name"] = "train"
    fake.end("succeeded")
    assert isinstance(action.end(), Succeeded)


def test_pipeline_is_looked_up_once_by_its_name(calls: MakeCalls, fake: FakeAzureDevOps) -> None:
    fake.faults = [None, None, Answer(500)]  # the request to start a run
    assert isinstance(calls(pipeline="retrain").end(), Succeeded)
    assert [name for name in fake.seen if name.endswith("_apis/pipelines")] == fake.seen[:1]


def test_wait_fails_with_the_errors_of_the_timeline(calls: MakeCalls, fake: FakeAzureDevOps) -> None:
    issues = [{"type": "warning", "message": "old image"}, {"type": "error", "message": "Bash exited with code '1'."}]
    fake.records = [{"name": "train", "issues": issues}, {"name": "Job", "issues": None}]
    action = started(calls(pipeline="retrain", wait=True))
    fake.end("failed")
    outcome = action.end()
    assert isinstance(outcome, GiveUp)
    assert "the run 340 failed: failed; train: Bash exited with code '1'. http://" in str(outcome)
    assert str(outcome).endswith("/_build/results?buildId=340")


def test_wait_fails_without_a_timeline_and_reports_a_canceled_run(calls: MakeCalls, fake: FakeAzureDevOps) -> None:
    action = started(calls(pipeline="12", wait=True))
    fake.end("canceled")
    fake.faults = [None, error(403, "no access")] * 3
    assert "the run 340 was canceled: canceled. http://" in str(action.end())


@pytest.mark.parametrize("ended", [False, True])
def test_run_that_takes_too_long_is_canceled(ended: bool, calls: MakeCalls, fake: FakeAzureDevOps) -> None:
    action = started(calls(pipeline="12", wait=True, timeout="1m", cancel_on_timeout=True))
    action.action = replace(action.action, now=action.action.now + timedelta(minutes=2))
    if ended:

        def read_too_early(answer: Answer) -> Answer:
            fake.end("succeeded")
            return answer

        fake.faults = [read_too_early]
    outcome = action.end()
    assert isinstance(outcome, Succeeded) if ended else "did not end within 1m" in str(outcome)


@pytest.mark.parametrize(
    "fault",
    [
        dropped,
        lambda _: Answer(503, "busy"),
        lambda _: Answer(408),
        lambda _: Answer(200, '{"id": 34'),
        lambda _: Answer(200),
    ],
)
@pytest.mark.parametrize("settings", [KEYED, {"variables": {"mlevents_key": "{{ key }}"}}])
def test_lost_response_is_searched_for_by_the_key(
    fault: object, settings: dict[str, object], calls: MakeCalls, fake: FakeAzureDevOps
) -> None:
    fake.faults = [None, None, fault]  # type: ignore[list-item]  # the search before, and the request
    assert isinstance(calls(pipeline="12", **settings).end(), Succeeded)
    assert len(fake.runs) == 1


def test_worker_that_dies_after_the_request_does_not_start_a_second_run(
    calls: MakeCalls, fake: FakeAzureDevOps
) -> None:
    action = calls(pipeline="12", **KEYED)
    action.next()
    action.next(crashes=True)
    assert isinstance(action.end(), Succeeded)
    assert len(fake.runs) == 1


def test_run_without_a_key_makes_the_action_unsure(calls: MakeCalls, fake: FakeAzureDevOps) -> None:
    fake.add_run({})
    fake.faults = [None, dropped]
    outcome = calls(pipeline="12").end()
    assert isinstance(outcome, GiveUp)
    assert "unsure whether the run was started in Churn Team, 12" in str(outcome)
    assert "it may be 341. " in str(outcome)


def test_too_many_runs_make_the_action_unsure(calls: MakeCalls, fake: FakeAzureDevOps) -> None:
    fake.faults = [None, dropped]
    action = calls(pipeline="12")
    action.next()
    action.next()
    for _ in range(100):
        fake.add_run({})
    assert "there are too many runs to search" in str(action.end())


@pytest.mark.parametrize("login", [SIGN_IN, Answer.redirect("https://spsprodweu1.vssps.visualstudio.com/_signin")])
def test_page_to_sign_in_is_no_success(login: Answer, calls: MakeCalls, fake: FakeAzureDevOps) -> None:
    """Retried for half an hour, because a new identity can take so long, and then an error."""
    fake.faults = [login] * 400
    action = calls(pipeline="12")
    outcome = action.end()
    assert isinstance(outcome, GiveUp)
    assert "did not accept the login" in str(outcome)
    assert fake.runs == []


def test_html_in_place_of_json_is_a_page_to_sign_in(calls: MakeCalls, fake: FakeAzureDevOps) -> None:
    fake.faults = [Answer(200, b"<html>", {"Content-Type": "text/html"})]
    assert "did not accept the login" in str(calls(pipeline="retrain").next())


def test_wrong_token_is_no_success_and_not_shown(calls: MakeCalls) -> None:
    found = calls(pipeline="12", pat="another-secret").end()
    assert "Check that it exists in Churn Team, and that the token is valid and has the scope Build" in str(found)
    assert "another-secret" not in str(found)


@pytest.mark.parametrize(
    ("headers", "after"),
    [
        ({"Retry-After": "9"}, 9),
        ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": f"{NOW.timestamp() + 120:.0f}"}, 120),
    ],
)
def test_throttled_request_waits_as_long_as_the_service_says(
    headers: dict[str, str], after: int, calls: MakeCalls, fake: FakeAzureDevOps
) -> None:
    fake.faults = [None, Answer(429, "slow down", headers)]
    action = calls(pipeline="12")
    action.next()
    found = action.next()
    assert isinstance(found, RetryLater)
    assert (found.throttled, found.after) == (True, timedelta(seconds=after))
    assert isinstance(action.end(), Succeeded)
    assert len(fake.runs) == 1


def test_refused_parameters_fail_at_once(calls: MakeCalls, fake: FakeAzureDevOps) -> None:
    message = "Unexpected parameter 'x'"
    fake.faults = [None, error(400, message)]
    outcome = calls(pipeline="12").end()
    assert isinstance(outcome, GiveUp)
    assert message in str(outcome)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("train", "Churn Team has no pipeline 'train' that the app may see"),
        ("retrain", "several pipelines have the name 'retrain': write its folder, too, as in FOLDER/retrain"),
        ("team/retrain", ""),
        ("\\Team\\Retrain", ""),
    ],
)
def test_pipeline_is_found_by_its_name_and_folder(
    name: str, message: str, calls: MakeCalls, fake: FakeAzureDevOps
) -> None:
    fake.pipelines.append({"id": 13, "name": "retrain", "folder": "\\team"})
    outcome = calls(pipeline=name).end()
    assert isinstance(outcome, GiveUp if message else Succeeded)
    assert message in str(outcome)


def test_missing_project_is_retried_for_half_an_hour(calls: MakeCalls) -> None:
    assert "TF200016" in str(calls(pipeline="12", project="nowhere").end())
