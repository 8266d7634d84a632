"""The handler in the app: workers that die, and what the record shows."""

from itertools import combinations

import pytest

from mlevents.testing import run_handler
from mlevents.testing.server import RecordingServer
from tests.handlers.azure_devops.conftest import EVENT, MakeCalls
from tests.handlers.azure_devops.fake import PAT, FakeAzureDevOps, error

DEATHS = [(), *((n,) for n in range(1, 5)), *combinations(range(1, 5), 2)]


@pytest.mark.parametrize("deaths", DEATHS, ids=repr)
def test_workers_that_die_run_one_pipeline(deaths: tuple[int, ...], calls: MakeCalls, fake: FakeAzureDevOps) -> None:
    handler = calls(pipeline="retrain", parameters={"key": "{{ key }}"}).handler
    assert run_handler(handler, EVENT, dies_after=deaths).status == "succeeded"
    assert len(fake.runs) == 1


@pytest.mark.parametrize("deaths", DEATHS, ids=repr)
def test_workers_that_die_open_one_work_item(deaths: tuple[int, ...], calls: MakeCalls, fake: FakeAzureDevOps) -> None:
    handler = calls(work_item={"type": "Bug", "fields": {"System.Title": "x"}}).handler
    assert run_handler(handler, EVENT, dies_after=deaths).status == "succeeded"
    assert len(fake.work_items) == 1


def test_record_shows_the_link_and_not_the_token(
    calls: MakeCalls, fake: FakeAzureDevOps, server: RecordingServer
) -> None:
    ended = run_handler(calls(pipeline="12").handler, EVENT)
    assert ended.details["link"] == server.url("/acme/Churn%20Team/_build/results?buildId=340")
    fake.faults = [None, error(400, f"the token {PAT} is odd")]
    failed = run_handler(calls(pipeline="12").handler, EVENT)
    assert "the token *** is odd" in failed.note


def test_work_item_about_a_run_of_the_app_is_no_start_of_a_run(calls: MakeCalls) -> None:
    assert calls(pipeline="12").handler.starts_runs
    assert not calls(work_item={"type": "Bug", "fields": {"System.Title": "x"}}).handler.starts_runs
