"""Jobs behind batch endpoints, whose names the service chooses."""

import json
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from emulator import Azure
from emulator.http.call import Call
from emulator.http.request import Request
from emulator.http.response import Response
from emulator.state.state import Resource
from handlers.azure.arm import is_same_server
from handlers.azure.ml.data_plane import DataPlane
from schemas import RunCompleted
from tests.handlers.pipeline.conftest import MakeSite
from tests.handlers.pipeline.site import EVENT, PROD, Site

POST = "POST /inference/*/jobs"
SCORE = {"batch_endpoint": "churn", "deployment": "churn-7", "inputs": {"data": {"path": "azureml:churn:3"}}}
TRAIN = {"batch_endpoint": "churn", "deployment": "retrain"}


Links = Callable[[str, str], None]


@pytest.fixture
def links(monkeypatch: pytest.MonkeyPatch) -> Links:
    """Has lists go on at another server, or at the same by another name."""

    def replace(here: str, there: str) -> None:
        def page(request: Request, found: Iterable[Resource]) -> Response:
            answer = whole(request, found)
            if "nextLink" in answer.body:
                answer.body["nextLink"] = answer.body["nextLink"].replace(here, there)
            return answer

        whole = Request.page
        monkeypatch.setattr(Request, "page", page)

    return replace


@pytest.fixture(autouse=True)
def endpoint(azure: Azure) -> None:
    """A batch endpoint with a model, which is its default, and with a pipeline component."""
    model = azure.models.register("churn", "7")
    azure.endpoints.add("churn", "Batch", default="churn-7")
    azure.endpoints.add_deployment("churn", "churn-7", model)
    deploy_pipeline(azure)


def deploy_pipeline(azure: Azure) -> None:
    component = azure.assets.add_component("retrain", "3", inputs={"rate": "number"}, nodes=["train"])
    id = azure.endpoints.add_deployment("churn", "retrain", "")
    configuration = {"deploymentConfigurationType": "PipelineComponent", "componentId": {"assetId": component}}
    with azure.state.transaction():
        azure.state.require(id).properties["deploymentConfiguration"] = configuration


def posted(site: Site) -> list[Any]:
    return [call.body["properties"] for call in site.azure.calls.matching(POST)]


def followed_by_another(site: Site) -> None:
    """Of jobs that are started behind an endpoint, each is followed by somebody's: lists have that first."""

    def start(call: Call) -> None:
        if call.path.startswith("/inference/"):
            site.azure.jobs.start("other")

    site.azure.calls.after(start)


def one_of_an_experiment(site: Site, experiment: str) -> None:
    """A job is started that is of an experiment that nobody has asked for, and the answer is lost: that is unsure."""

    def move(_: Call) -> None:
        for job in site.azure.state.of_type("workspaces/jobs"):
            job.properties["experimentName"] = experiment

    site.azure.calls.after(move)
    site.azure.faults.close_after(1, POST)
    site.tell()
    assert site.end[0] == "failed"
    [job] = site.azure.jobs.all
    assert f"it may be {job['name']}." in site.end[1]


def test_a_model_s_deployment_is_asked_to_score(make: MakeSite) -> None:
    """By its name, and with the action's key as the request's id, every time. Data assets are named by their ids."""
    headers: list[dict[str, str]] = []
    site = make(**SCORE)
    site.azure.calls.before(lambda r: headers.append(dict(r.headers)) if r.path.startswith("/inference/") else None)
    site.azure.faults.fail(POST, status=403, code="Forbidden")
    site.tell()
    [job] = site.azure.jobs.all
    assert site.end == ("succeeded", f"the batch job {job['name']} was started in churn-prod")
    data = {"jobInputType": "UriFolder", "uri": f"{PROD}/data/churn/versions/3"}
    assert posted(site) == [{"inputData": {"data": data}}] * 2
    assert [header["azureml-model-deployment"] for header in headers] == ["churn-7"] * 2
    [key] = {UUID(header["repeatability_request-id"]) for header in headers}
    assert key.version
    assert site.action.details["batch_endpoint"] == "churn"


def test_a_pipeline_s_deployment_is_asked_to_run(make: MakeSite) -> None:
    """Its job's experiment ends in the action's name: by it the job's own events are known to be of our doing."""
    inputs = {"rate": 0.25, "rounds": 3, "reason": "{{ data.experimentName }}"}
    site = make(**TRAIN, inputs=inputs, experiment_name="nightly {{ data.experimentName }}")
    site.tell()
    assert site.end[0] == "succeeded", site.end
    [asked] = posted(site)
    assert asked["inputData"] == {
        "rate": {"jobInputType": "Literal", "value": 0.25},
        "rounds": {"jobInputType": "Literal", "value": 3},
        "reason": {"jobInputType": "Literal", "value": "churn-training"},
    }
    experiment = asked["properties"]["experimentName"]
    assert experiment.startswith("nightly-churn-training-mle-1-")
    assert site.job["experimentName"] == experiment
    name = site.azure.jobs.all[0]["name"]
    completed = RunCompleted.example(id="e2", run_id=name, experiment_name=experiment, run_tags={}, run_properties={})
    site.tell(completed)
    assert [*site.actions] == ["e1"]


def test_the_default_deployment_is_named_like_any_other(make: MakeSite) -> None:
    """The client remembers the last name it was told, so that one that is not named may be any."""
    site = make(batch_endpoint="churn", inputs={"data": {"type": "uri_file", "path": "https://x.example/a.csv"}})
    headers: list[str] = []
    site.azure.calls.before(lambda r: headers.append(r.headers.get("azureml-model-deployment", "-")))
    site.tell()
    assert {*headers} == {"-", "churn-7"}
    assert posted(site)[0]["inputData"]["data"] == {"jobInputType": "UriFile", "uri": "https://x.example/a.csv"}


def test_a_deployment_that_is_only_listed_is_there(make: MakeSite) -> None:
    """As azure-ai-ml finds it."""
    site = make(**SCORE)
    site.azure.faults.fail("GET batchEndpoints/churn/deployments/*", status=404, code="ResourceNotFound", times=None)
    site.tell()
    assert site.end[0] == "succeeded"


def test_an_endpoint_that_is_still_made_is_waited_for(make: MakeSite) -> None:
    """Without a URL, nothing is posted: not to Resource Manager, with a token that is not for it."""
    site = make(**SCORE)
    properties = site.azure.state.require(f"{PROD}/batchEndpoints/churn").properties
    uri = properties.pop("scoringUri")

    def made(call: Call) -> None:
        if len(site.azure.calls.all) >= 4:
            properties["scoringUri"] = uri

    site.azure.calls.after(made)
    site.tell()
    assert site.end[0] == "succeeded"
    assert "the batch endpoint churn has no scoring URI yet" in str(site.notes)
    assert len(site.azure.calls.matching("POST *")) == 1


def test_the_latest_version_of_data_is_looked_up(make: MakeSite) -> None:
    site = make(**SCORE | {"inputs": {"data": {"path": "azureml:churn@latest"}}})
    for version in ("9", "10"):
        site.azure.assets.add_data("churn", version)
    site.tell()
    assert posted(site)[0]["inputData"]["data"]["uri"] == f"{PROD}/data/churn/versions/10"


def test_the_job_is_followed_to_its_end(make: MakeSite) -> None:
    site = make(**SCORE, wait=True)
    site.azure.jobs.set_duration(3_600)
    site.tell()
    [job] = site.azure.jobs.all
    assert site.end == ("succeeded", f"the batch job {job['name']} has completed in churn-prod")
    assert site.took >= timedelta(hours=1)
    assert site.action.details["output_score"]


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        ({"batch_endpoint": "other"}, "there is no batch endpoint other in churn-prod"),
        ({"deployment": "other"}, "there is no deployment other behind the batch endpoint churn in churn-prod"),
        ({"inputs": {"data": {"path": "azureml:none@latest"}}}, "there is no data asset none in churn-prod"),
    ],
)
def test_what_is_not_there_may_come_yet(settings: dict[str, Any], what: str, make: MakeSite) -> None:
    """For half an hour."""
    site = make(**SCORE | settings)
    site.tell()
    assert site.end[0] == "failed"
    assert what in site.end[1]
    assert timedelta(minutes=30) <= site.took < timedelta(hours=2)
    assert posted(site) == []


def test_an_endpoint_without_a_default_needs_a_name(make: MakeSite, azure: Azure) -> None:
    azure.endpoints.add("empty", "Batch")
    site = make(batch_endpoint="empty")
    site.tell()
    assert site.end == ("failed", "the batch endpoint empty has no default deployment: the rule must name one")


def test_a_role_may_take_half_an_hour_to_spread(make: MakeSite) -> None:
    """Nothing was started, which need not be searched for."""
    site = make(**SCORE)
    site.azure.faults.fail(POST, status=403, code="Forbidden", message="No role.", times=None)
    site.tell()
    assert site.end[0] == "failed"
    assert site.end[1].startswith("gave up after 30m: ")
    assert timedelta(minutes=30) <= site.took < timedelta(hours=1)
    assert site.azure.calls.matching("GET */batchEndpoints/churn/jobs") == []


def test_a_role_that_has_spread_is_enough(make: MakeSite) -> None:
    site = make(**SCORE)
    site.azure.faults.fail(POST, status=403, code="Forbidden", times=5)
    site.tell()
    assert site.end[0] == "succeeded"
    assert len(posted(site)) == 6


def test_a_service_that_wants_a_pause_gets_it(make: MakeSite) -> None:
    site = make(**TRAIN)
    site.azure.faults.fail(POST, status=429, code="TooManyRequests", headers={"Retry-After": "1800"}, times=2)
    site.tell()
    assert site.end[0] == "succeeded"
    assert site.took >= timedelta(hours=1)


class TestWhenItIsNotKnownWhetherItWasStarted:
    """The answer was lost, or the worker died: what was started is searched for."""

    def test_a_pipeline_s_job_is_found_by_its_experiment(self, make: MakeSite) -> None:
        site = make(**TRAIN)
        site.azure.faults.close_after(1, POST)
        site.tell()
        assert site.end[0] == "succeeded"
        assert len(site.azure.jobs.all) == 1
        assert len(posted(site)) == 1
        assert site.action.details["run"] == site.azure.jobs.all[0]["name"]

    def test_what_is_not_to_be_seen_twice_was_not_started(self, make: MakeSite) -> None:
        """The second look is two minutes after the first."""
        site = make(**TRAIN)
        site.azure.faults.close_before(1, POST)
        site.tell()
        assert site.end[0] == "succeeded"
        assert len(site.azure.jobs.all) == 1
        assert site.took >= timedelta(minutes=2)
        assert len(site.azure.calls.matching("GET jobs")) == 2

    def test_other_jobs_are_not_ours(self, make: MakeSite) -> None:
        """Those of other experiments, and older ones, however many there are."""
        site = make(**TRAIN)
        site.azure.state.page = 3
        for n in range(10):
            site.azure.jobs.start(f"churn-{n}")
        site.azure.faults.close_before(1, POST)
        site.tell()
        assert site.end[0] == "succeeded"
        assert len(site.azure.jobs.all) == 11
        assert len(site.azure.calls.matching("GET jobs")) == 8

    def test_of_a_model_none_was_started_if_there_is_none(self, make: MakeSite) -> None:
        site = make(**SCORE)
        site.azure.jobs.start("churn", name="older")
        site.world.clock.forward(minutes=10)
        site.azure.faults.close_before(1, POST)
        site.tell(EVENT)
        assert site.end[0] == "succeeded"
        assert len(site.azure.jobs.all) == 2

    def test_of_a_model_any_may_be_ours(self, make: MakeSite) -> None:
        """Nothing of it can be chosen: that is for people to decide."""
        site = make(**SCORE)
        site.azure.faults.close_after(1, POST)
        site.tell()
        status, note = site.end
        assert status == "failed"
        [job] = site.azure.jobs.all
        assert note.startswith("unsure whether the batch job was started in churn-prod: ")
        assert job["name"] in note
        assert "at_least_once: true" in note
        assert len(posted(site)) == 1

    @pytest.mark.parametrize("lists", [True, False], ids=["listed", "not-listed"])
    @pytest.mark.parametrize("experiment", ["churn", "Default", "{deployment}", ""])
    @pytest.mark.parametrize("settings", [TRAIN, SCORE], ids=["pipeline", "model"])
    def test_whatever_its_experiment_is_there_is_no_second_one(
        self, settings: dict[str, Any], experiment: str, lists: bool, make: MakeSite
    ) -> None:
        """The service may not heed which was asked for, and which it chooses itself is not documented."""
        site = make(**settings)
        if not lists:
            site.azure.faults.fail("GET */batchEndpoints/churn/jobs", status=404, code="NotFound", times=None)
        one_of_an_experiment(site, experiment.format_map(settings))
        assert len(posted(site)) == 1

    def test_of_a_model_the_endpoint_s_list_is_asked_for_others(self, make: MakeSite) -> None:
        site = make(**SCORE)
        one_of_an_experiment(site, "anything")
        assert len(posted(site)) == 1

    def test_what_the_endpoint_lists_and_is_older_or_another_action_s_is_not_ours(self, make: MakeSite) -> None:
        """Nor is a job that was not started behind it."""
        site = make(**SCORE)
        site.azure.jobs.set_duration(0)
        for n in range(12):
            site.tell(RunCompleted.example(id=f"older-{n}", run_id="r", run_tags={}, run_properties={}))
        site.world.clock.forward(hours=1)
        site.azure.faults.close_before(1, POST)
        site.azure.jobs.start("another")
        site.tell()
        assert site.actions["e1"].status == "succeeded"
        assert len(site.azure.jobs.all) == 14
        assert site.azure.calls.matching("GET jobs/*") == []  # their times are known by the workspace's list

    def test_the_endpoint_s_list_may_have_ours_behind_older_ones(
        self, make: MakeSite, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """In what order it comes is not documented."""
        site = make(**SCORE)
        site.azure.jobs.set_duration(0)
        for n in range(12):
            site.tell(RunCompleted.example(id=f"older-{n}", run_id="r", run_tags={}, run_properties={}))
        site.world.clock.forward(hours=2)
        whole = Request.page
        monkeypatch.setattr(Request, "page", lambda ask, found: whole(ask, reversed(list(found))))

        def move(_: Call) -> None:
            for job in site.azure.state.of_type("workspaces/jobs"):
                job.properties["experimentName"] = "anything"

        site.azure.calls.after(move)
        site.azure.faults.close_after(1, POST)
        site.tell()
        assert site.actions["e1"].note.startswith("unsure ")
        assert len(site.azure.jobs.all) == 13

    @pytest.mark.parametrize(
        ("status", "ends"), [(500, "failed"), (401, "failed"), (403, "failed"), (405, "succeeded"), (501, "succeeded")]
    )
    def test_a_list_that_cannot_be_had_is_waited_for(self, status: int, ends: str, make: MakeSite) -> None:
        """Unless the service says that it has none."""
        site = make(**SCORE)
        site.azure.faults.fail("GET */batchEndpoints/churn/jobs", status=status, code="Trouble", times=None)
        site.azure.faults.close_before(1, POST)
        site.tell()
        assert site.until_ended().status == ends
        assert len(posted(site)) == (1 if ends == "failed" else 2)
        if ends == "failed":
            assert "the runs cannot be listed (the jobs of the batch endpoint churn: HTTP" in site.end[1]

    @pytest.mark.parametrize("at_least_once", [False, True])
    def test_a_service_that_cannot_be_reached_is_not_waited_for_longer(
        self, at_least_once: bool, make: MakeSite
    ) -> None:
        """The workspace's own services may be in a network that is not this app's."""
        site = make(**SCORE, at_least_once=at_least_once)
        site.azure.state.require(PROD).properties["discoveryUrl"] = "https://127.0.0.1:9/discovery"
        site.azure.faults.close_before(1, POST)
        site.tell()
        assert site.end[0] == ("succeeded" if at_least_once else "failed"), site.end
        assert at_least_once or "cannot be listed (the jobs of the batch endpoint churn: Service" in site.end[1]
        assert len(posted(site)) == 1 + at_least_once

    def test_a_page_that_is_not_json_is_no_list(self, make: MakeSite, monkeypatch: pytest.MonkeyPatch) -> None:
        """But a proxy's, say: it does not prove that there is none."""
        site = make(**SCORE)
        monkeypatch.setattr(DataPlane, "get", lambda *_: json.loads("<html>"))
        site.azure.faults.close_before(1, POST)
        site.tell()
        assert site.end[1].startswith("unsure "), site.end

    def test_what_is_asked_before_the_start_starts_nothing(self, make: MakeSite) -> None:
        """So that it is asked again, whoever else has a job there."""
        site = make(**SCORE | {"inputs": {"data": {"path": "azureml:churn@latest"}}})
        site.azure.assets.add_data("churn", "9")
        site.azure.jobs.start("churn", name="somebody-s")
        for asked in ("GET batchEndpoints/churn", "GET batchEndpoints/churn/deployments/*", "GET data/*"):
            site.azure.faults.fail(asked, status=500, after=1)
        site.azure.faults.fail("GET batchEndpoints/churn")
        site.tell()
        assert site.end[0] == "succeeded", site.end
        assert len(posted(site)) == 1

    def test_a_start_is_one_request(self, make: MakeSite) -> None:
        """A lost answer to it is one that may have started a job; and no other is."""
        site = make(**SCORE | {"inputs": {"data": {"path": "azureml:churn@latest"}}})
        site.azure.assets.add_data("churn", "9")
        site.world.receive(EVENT)
        with pytest.raises(AssertionError):
            site.world.run(most=1)
        before = len(site.azure.calls.all)
        site.world.run()
        assert [call.method for call in site.azure.calls.all[before:]] == ["POST"]

    def test_what_was_there_before_is_not_ours(self, make: MakeSite) -> None:
        """However shortly before."""
        site = make(**SCORE)
        site.azure.jobs.start("churn", name="somebody-s")
        site.azure.faults.close_before(1, POST)
        site.tell()
        assert site.end[0] == "succeeded", site.end
        assert len(site.azure.jobs.all) == 2

    def test_at_least_once_starts_another(self, make: MakeSite) -> None:
        """Then twice is better than never."""
        site = make(**SCORE, at_least_once=True)
        site.azure.faults.close_after(1, POST)
        site.tell()
        assert site.end[0] == "succeeded"
        assert len(site.azure.jobs.all) == 2

    def test_too_many_jobs_are_not_looked_through(self, make: MakeSite, monkeypatch: pytest.MonkeyPatch) -> None:
        """Then it cannot be said that ours is not among them."""
        monkeypatch.setattr("handlers.azure.ml.jobs._MOST", 3)
        site = make(**TRAIN)
        site.azure.faults.close_before(1, POST)
        for _ in range(5):
            site.azure.jobs.start("churn")
        site.tell()
        assert site.end[0] == "failed"
        assert "there are too many runs to search" in site.end[1]

    def test_a_list_is_read_to_its_end(self, make: MakeSite, links: Links) -> None:
        """Ours is not on its first page. A link may spell the server's name as it likes."""
        site = make(**TRAIN)
        site.azure.state.page = 1
        links("https://localhost", "HTTPS://LocalHost")
        site.azure.faults.close_after(1, POST)
        followed_by_another(site)
        site.tell()
        assert site.end[0] == "succeeded"
        assert len(posted(site)) == 1
        assert len(site.azure.calls.matching("GET jobs")) == 2

    @pytest.mark.parametrize("end", ["https://elsewhere.example", "https://localhost:x"])
    def test_a_list_that_goes_on_elsewhere_proves_nothing(self, end: str, make: MakeSite, links: Links) -> None:
        """Our token goes to Resource Manager alone: so that page is not read, and ours may be on it."""
        site = make(**TRAIN)
        site.azure.state.page = 1
        links("https://localhost", end)
        site.azure.faults.close_after(1, POST)
        followed_by_another(site)
        site.tell()
        assert site.end[0] == "failed"
        assert "there are too many runs to search" in site.end[1]
        assert len(posted(site)) == 1

    def test_old_jobs_are_not_looked_through(self, make: MakeSite, monkeypatch: pytest.MonkeyPatch) -> None:
        """Lists come newest first, or nearly so."""
        monkeypatch.setattr("handlers.azure.ml.jobs._OLD_ENOUGH", 4)
        site = make(**TRAIN)
        site.azure.state.page = 2
        for _ in range(9):
            site.azure.jobs.start("churn")
        site.world.clock.forward(hours=3)
        site.azure.faults.close_before(1, POST)
        site.tell(EVENT)
        assert site.end[0] == "succeeded"
        assert len(site.azure.calls.matching("GET jobs")) == 2 * 2


def test_an_answer_without_a_job_s_name_is_told(make: MakeSite) -> None:
    site = make(**SCORE)
    site.azure.faults.fail(POST, status=200, code="Odd")
    site.tell()
    assert site.end[0] == "failed"
    assert "did not return the job's name" in site.end[1]


def test_a_data_asset_by_its_id(make: MakeSite) -> None:
    site = make(**SCORE | {"inputs": {"data": {"type": "mltable", "path": f"azureml:{PROD}/data/churn/versions/3"}}})
    site.tell()
    data = {"jobInputType": "MLTable", "uri": f"{PROD}/data/churn/versions/3"}
    assert posted(site) == [{"inputData": {"data": data}}]


@pytest.mark.parametrize(
    ("url", "same"),
    [
        ("https://management.azure.com/x", True),
        ("https://management.azure.com:443/x", True),
        ("HTTPS://Management.Azure.com:443/x", True),
        ("http://management.azure.com:443/x", False),
        ("https://management.azure.com:8443/x", False),
        ("https://management.azure.com.example/x", False),
        ("https://management.azure.com@elsewhere.example/x", False),
        ("https://management.azure.com:x/x", False),
        ("/x", False),
    ],
)
def test_where_a_url_leads(url: str, same: bool) -> None:
    assert is_same_server(url, "https://management.azure.com") is same
