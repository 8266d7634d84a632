"""The handler in the app: workers that die, and what the record shows."""

from itertools import combinations

import pytest

from mlevents.testing import run_handler
from mlevents.testing.server import RecordingServer
from schemas import RunStatusChanged
from tests.handlers.github.conftest import EVENT, MakeCalls
from tests.handlers.github.fake import TOKEN, FakeGitHub, error

DEATHS = [(), *((n,) for n in range(1, 5)), *combinations(range(1, 5), 2)]


@pytest.mark.parametrize("deaths", DEATHS, ids=repr)
def test_workers_that_die_start_one_workflow(deaths: tuple[int, ...], calls: MakeCalls, fake: FakeGitHub) -> None:
    fake.run_name = "{key}"
    ended = run_handler(calls(workflow="w.yml", inputs={"key": "{{ key }}"}).handler, EVENT, dies_after=deaths)
    assert (ended.status, len(fake.runs)) == ("succeeded", 1)


@pytest.mark.parametrize("deaths", DEATHS, ids=repr)
def test_workers_that_die_open_one_issue_and_comment_once(
    deaths: tuple[int, ...], calls: MakeCalls, fake: FakeGitHub
) -> None:
    handler = calls(issue={"title": "x", "subject": "x"}).handler
    assert run_handler(handler, EVENT, dies_after=deaths).details["status"] == "opened"
    assert run_handler(handler, RunStatusChanged.example(id="e2"), dies_after=deaths).details["status"] == "commented"
    assert (len(fake.issues), len(fake.comments["1"])) == (1, 1)


def test_record_shows_the_link_and_not_the_token(calls: MakeCalls, fake: FakeGitHub, github: RecordingServer) -> None:
    ended = run_handler(calls(workflow="w.yml").handler, EVENT)
    assert ended.details["link"] == github.url("/acme/churn/actions/runs/9000")
    fake.faults = [None, error(422, f"the token {TOKEN} is odd")]
    failed = run_handler(calls(workflow="w.yml").handler, EVENT)
    assert failed.status == "failed"
    assert "the token *** is odd" in failed.note


def test_issue_about_a_run_of_the_app_is_no_start_of_a_run(calls: MakeCalls) -> None:
    """`max_depth` limits chains of workflows, and not issues or comments."""
    assert calls(workflow="w.yml").handler.starts_runs
    assert calls(event_type="x").handler.starts_runs
    assert not calls(issue={"title": "x"}).handler.starts_runs
