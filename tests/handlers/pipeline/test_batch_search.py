"""The search for a job behind a batch endpoint, if its start has an unknown outcome."""

import json
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

import pytest

from emulator.http.call import Call
from emulator.http.request import Request
from emulator.http.response import Response
from emulator.state.state import Resource
from handlers.azure.ml.data_plane import DataPlane
from tests.handlers.pipeline.conftest import MakeSite
from tests.handlers.pipeline.site import EVENT, PROD, Site, run_completed
from tests.handlers.pipeline.test_batch_target import POST, SCORE, TRAIN, posted

pytestmark = pytest.mark.usefixtures("batch_endpoint")

Links = Callable[[str, str], None]


@pytest.fixture
def links(monkeypatch: pytest.MonkeyPatch) -> Links:
    """A function that replaces a part of the links to the next page."""

    def replace(here: str, there: str) -> None:
        def page(request: Request, found: Iterable[Resource]) -> Response:
            answer = whole(request, found)
            if "nextLink" in answer.body:
                answer.body["nextLink"] = answer.body["nextLink"].replace(here, there)
            return answer

        whole = Request.page
        monkeypatch.setattr(Request, "page", page)

    return replace


def start_another_after_each(site: Site) -> None:
    """Another job starts after each one behind the endpoint, so that it comes first in the lists."""

    def start(call: Call) -> None:
        if call.path.startswith("/inference/"):
            site.azure.jobs.start("other")

    site.azure.calls.after(start)


def lose_response_of_a_job_in(site: Site, experiment: str) -> None:
    """Start a job in an experiment that was not requested, and lose the response: the action is unsure."""

    def move(_: Call) -> None:
        for job in site.azure.state.of_type("workspaces/jobs"):
            job.properties["experimentName"] = experiment

    site.azure.calls.after(move)
    site.azure.faults.close_after(1, POST)
    site.handle()
    assert site.outcome[0] == "failed"
    [job] = site.azure.jobs.all
    assert f"it may be {job['name']}." in site.outcome[1]


def test_job_of_a_pipeline_component_is_found_by_its_experiment(make: MakeSite) -> None:
    site = make(**TRAIN)
    site.azure.faults.close_after(1, POST)
    site.handle()
    assert site.outcome[0] == "succeeded"
    assert len(site.azure.jobs.all) == 1
    assert len(posted(site)) == 1
    assert site.action.details["run"] == site.azure.jobs.all[0]["name"]


def test_start_is_repeated_after_two_searches_without_a_match(make: MakeSite) -> None:
    """The second search comes two minutes after the first."""
    site = make(**TRAIN)
    site.azure.faults.close_before(1, POST)
    site.handle()
    assert site.outcome[0] == "succeeded"
    assert len(site.azure.jobs.all) == 1
    assert site.elapsed >= timedelta(minutes=2)
    assert len(site.azure.calls.matching("GET jobs")) == 2


def test_other_jobs_on_many_pages_are_no_match(make: MakeSite) -> None:
    site = make(**TRAIN)
    site.azure.state.page = 3
    for n in range(10):
        site.azure.jobs.start(f"churn-{n}")
    site.azure.faults.close_before(1, POST)
    site.handle()
    assert site.outcome[0] == "succeeded"
    assert len(site.azure.jobs.all) == 11
    assert len(site.azure.calls.matching("GET jobs")) == 8


def test_start_is_repeated_if_only_older_jobs_exist(make: MakeSite) -> None:
    site = make(**SCORE)
    site.azure.jobs.start("churn", name="older")
    site.world.clock.forward(minutes=10)
    site.azure.faults.close_before(1, POST)
    site.handle(EVENT)
    assert site.outcome[0] == "succeeded"
    assert len(site.azure.jobs.all) == 2


def test_new_job_of_a_model_makes_the_action_unsure(make: MakeSite) -> None:
    """A request cannot choose anything that would identify the job."""
    site = make(**SCORE)
    site.azure.faults.close_after(1, POST)
    site.handle()
    status, note = site.outcome
    assert status == "failed"
    [job] = site.azure.jobs.all
    assert note.startswith("unsure whether the batch job was started in churn-prod: ")
    assert job["name"] in note
    assert "at_least_once: true" in note
    assert len(posted(site)) == 1


@pytest.mark.parametrize("lists", [True, False], ids=["listed", "not-listed"])
@pytest.mark.parametrize("experiment", ["churn", "Default", "{deployment}", ""])
@pytest.mark.parametrize("settings", [TRAIN, SCORE], ids=["pipeline", "model"])
def test_job_in_a_plausible_experiment_makes_the_action_unsure(
    settings: dict[str, Any], experiment: str, lists: bool, make: MakeSite
) -> None:
    """The service may ignore the requested experiment, and its own choice is not documented."""
    site = make(**settings)
    if not lists:
        site.azure.faults.fail("GET */batchEndpoints/churn/jobs", status=404, code="NotFound", times=None)
    lose_response_of_a_job_in(site, experiment.format_map(settings))
    assert len(posted(site)) == 1


def test_candidates_for_a_model_include_the_endpoint_s_own_list(make: MakeSite) -> None:
    site = make(**SCORE)
    lose_response_of_a_job_in(site, "anything")
    assert len(posted(site)) == 1


def test_older_jobs_and_jobs_of_other_actions_are_no_candidates(make: MakeSite) -> None:
    """Nor is a job that was not started behind the endpoint."""
    site = make(**SCORE)
    site.azure.jobs.set_duration(0)
    for n in range(12):
        site.handle(run_completed(f"older-{n}"))
    site.world.clock.forward(hours=1)
    site.azure.faults.close_before(1, POST)
    site.azure.jobs.start("another")
    site.handle()
    assert site.actions["e1"].status == "succeeded"
    assert len(site.azure.jobs.all) == 14
    assert site.azure.calls.matching("GET jobs/*") == []  # their times are known by the workspace's list


def test_endpoint_s_list_may_have_any_order(make: MakeSite, monkeypatch: pytest.MonkeyPatch) -> None:
    site = make(**SCORE)
    site.azure.jobs.set_duration(0)
    for n in range(12):
        site.handle(run_completed(f"older-{n}"))
    site.world.clock.forward(hours=2)
    whole = Request.page
    monkeypatch.setattr(Request, "page", lambda ask, found: whole(ask, reversed(list(found))))

    def move(_: Call) -> None:
        for job in site.azure.state.of_type("workspaces/jobs"):
            job.properties["experimentName"] = "anything"

    site.azure.calls.after(move)
    site.azure.faults.close_after(1, POST)
    site.handle()
    assert site.actions["e1"].note.startswith("unsure ")
    assert len(site.azure.jobs.all) == 13


@pytest.mark.parametrize(
    ("status", "ends"), [(500, "failed"), (401, "failed"), (403, "failed"), (405, "succeeded"), (501, "succeeded")]
)
def test_unavailable_endpoint_list_is_retried_unless_the_service_has_none(
    status: int, ends: str, make: MakeSite
) -> None:
    site = make(**SCORE)
    site.azure.faults.fail("GET */batchEndpoints/churn/jobs", status=status, code="Error", times=None)
    site.azure.faults.close_before(1, POST)
    site.handle()
    assert site.run_until_ended().status == ends
    assert len(posted(site)) == (1 if ends == "failed" else 2)
    if ends == "failed":
        assert "the runs cannot be listed (the jobs of the batch endpoint churn: HTTP" in site.outcome[1]


@pytest.mark.parametrize("at_least_once", [False, True])
def test_unreachable_endpoint_list_is_retried_for_half_an_hour(at_least_once: bool, make: MakeSite) -> None:
    """The workspace's own services may be in a network that the app cannot reach."""
    site = make(**SCORE, at_least_once=at_least_once)
    site.azure.state.require(PROD).properties["discoveryUrl"] = "https://127.0.0.1:9/discovery"
    site.azure.faults.close_before(1, POST)
    site.handle()
    assert site.outcome[0] == ("succeeded" if at_least_once else "failed"), site.outcome
    assert at_least_once or "cannot be listed (the jobs of the batch endpoint churn: Service" in site.outcome[1]
    assert len(posted(site)) == 1 + at_least_once


def test_page_that_is_not_json_makes_the_action_unsure(make: MakeSite, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy may have sent it: it does not prove that there is no job."""
    site = make(**SCORE)
    monkeypatch.setattr(DataPlane, "get", lambda *_: json.loads("<html>"))
    site.azure.faults.close_before(1, POST)
    site.handle()
    assert site.outcome[1].startswith("unsure "), site.outcome


def test_error_before_the_start_request_causes_no_search(make: MakeSite) -> None:
    site = make(**SCORE | {"inputs": {"data": {"path": "azureml:churn@latest"}}})
    site.azure.assets.add_data("churn", "9")
    site.azure.jobs.start("churn", name="of-another-client")
    for request in ("GET batchEndpoints/churn", "GET batchEndpoints/churn/deployments/*", "GET data/*"):
        site.azure.faults.fail(request, status=500, after=1)
    site.azure.faults.fail("GET batchEndpoints/churn")
    site.handle()
    assert site.outcome[0] == "succeeded", site.outcome
    assert len(posted(site)) == 1


def test_start_step_makes_one_request(make: MakeSite) -> None:
    """So only a lost response to the POST can hide a job."""
    site = make(**SCORE | {"inputs": {"data": {"path": "azureml:churn@latest"}}})
    site.azure.assets.add_data("churn", "9")
    site.world.receive(EVENT)
    with pytest.raises(AssertionError):
        site.world.run(most=1)
    before = len(site.azure.calls.all)
    site.world.run()
    assert [call.method for call in site.azure.calls.all[before:]] == ["POST"]


def test_preexisting_runs_are_no_candidates(make: MakeSite) -> None:
    site = make(**SCORE)
    site.azure.jobs.start("churn", name="of-another-client")
    site.azure.faults.close_before(1, POST)
    site.handle()
    assert site.outcome[0] == "succeeded", site.outcome
    assert len(site.azure.jobs.all) == 2


def test_at_least_once_starts_a_second_run(make: MakeSite) -> None:
    site = make(**SCORE, at_least_once=True)
    site.azure.faults.close_after(1, POST)
    site.handle()
    assert site.outcome[0] == "succeeded"
    assert len(site.azure.jobs.all) == 2


def test_too_many_jobs_make_the_action_unsure(make: MakeSite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("handlers.azure.ml.jobs._MOST", 3)
    site = make(**TRAIN)
    site.azure.faults.close_before(1, POST)
    for _ in range(5):
        site.azure.jobs.start("churn")
    site.handle()
    assert site.outcome[0] == "failed"
    assert "there are too many runs to search" in site.outcome[1]


def test_list_is_read_to_its_last_page(make: MakeSite, links: Links) -> None:
    """A link may spell the server's name in another case."""
    site = make(**TRAIN)
    site.azure.state.page = 1
    links("https://localhost", "HTTPS://LocalHost")
    site.azure.faults.close_after(1, POST)
    start_another_after_each(site)
    site.handle()
    assert site.outcome[0] == "succeeded"
    assert len(posted(site)) == 1
    assert len(site.azure.calls.matching("GET jobs")) == 2


@pytest.mark.parametrize("end", ["https://elsewhere.example", "https://localhost:x"])
def test_page_on_another_server_is_not_read(end: str, make: MakeSite, links: Links) -> None:
    """The token is for Resource Manager only. The job may be on that page, so the action is unsure."""
    site = make(**TRAIN)
    site.azure.state.page = 1
    links("https://localhost", end)
    site.azure.faults.close_after(1, POST)
    start_another_after_each(site)
    site.handle()
    assert site.outcome[0] == "failed"
    assert "there are too many runs to search" in site.outcome[1]
    assert len(posted(site)) == 1


def test_reading_stops_at_old_jobs(make: MakeSite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("handlers.azure.ml.jobs._OLD_ENOUGH", 4)
    site = make(**TRAIN)
    site.azure.state.page = 2
    for _ in range(9):
        site.azure.jobs.start("churn")
    site.world.clock.forward(hours=3)
    site.azure.faults.close_before(1, POST)
    site.handle(EVENT)
    assert site.outcome[0] == "succeeded"
    assert len(site.azure.calls.matching("GET jobs")) == 2 * 2
