"""What the service refuses, or does not do at once: what is tried again, how long, and what is said in the end."""

import logging
from datetime import timedelta
from pathlib import Path

import pytest

from emulator import Azure
from tests.handlers.pipeline.conftest import MakeSite
from tests.handlers.pipeline.site import JOB, QUIET

pytestmark = QUIET

RETRAIN = {"job": "azureml:retrain:3", "compute": "cpu-cluster"}
JOBS = "PUT jobs/*"


@pytest.fixture(autouse=True)
def component(azure: Azure, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, logger="mlevents")
    azure.assets.add_component("retrain", "3", nodes=["train"])


def test_what_the_service_refuses_for_good_is_said_in_its_words(make: MakeSite) -> None:
    site = make(**RETRAIN)
    site.azure.faults.fail(
        JOBS, status=400, code="UserError", message="The environment is not allowed here.", times=None
    )
    site.tell()
    assert site.end == ("failed", "HTTP 400: UserError: The environment is not allowed here.")
    assert len(site.azure.calls.matching(JOBS)) == 1


def test_what_only_came_too_early_is_tried_again(make: MakeSite) -> None:
    site = make(**RETRAIN)
    site.azure.faults.fail(
        JOBS, status=400, code="UserError", message="An update of the workspace is in progress.", times=2
    )
    site.tell()
    assert site.end[0] == "succeeded"


def test_no_quota_is_permanent_and_says_what_to_do(make: MakeSite) -> None:
    site = make(**RETRAIN)
    site.azure.faults.fail(JOBS, status=400, code="QuotaExceeded", message="There is not enough quota.", times=None)
    site.tell()
    assert site.end[0] == "failed"
    assert "ask for more quota" in site.end[1]


@pytest.mark.parametrize("status", [401, 403])
def test_a_role_may_take_half_an_hour_to_spread(status: int, make: MakeSite) -> None:
    """Before the deployment of an app has come to its end, its first action would have failed for good."""
    site = make(**RETRAIN)
    site.azure.faults.fail(JOBS, status=status, code="AuthorizationFailed", message="No role.", times=None)
    site.tell()
    assert site.end[0] == "failed"
    assert timedelta(minutes=30) <= site.took < timedelta(hours=2)
    site.azure.faults.clear()


def test_an_outage_is_waited_for(make: MakeSite) -> None:
    site = make(**RETRAIN)
    site.azure.faults.fail("* *", status=500, times=6)
    site.tell()
    assert site.end[0] == "succeeded"
    assert len(site.azure.jobs.all) == 1


def test_a_service_that_wants_a_pause_gets_it_from_all_actions_there(make: MakeSite) -> None:
    """The workspace is what is busy. It costs no patience."""
    site = make(**RETRAIN)
    site.azure.faults.fail(JOBS, status=429, code="TooManyRequests", headers={"Retry-After": "1800"}, times=2)
    site.tell()
    assert site.end[0] == "succeeded"
    assert site.took >= timedelta(hours=1)
    [pause] = site.world.app.inbox.shared.all("pause|").values()
    assert pause["until"] > "2026-11-22T10"


def test_serverless_is_a_compute(make: MakeSite) -> None:
    site = make(job=JOB, compute="serverless")
    site.tell()
    assert site.end[0] == "succeeded"
    assert site.job["settings"]["default_compute"].endswith("/serverless")


@pytest.mark.parametrize("status", [500, 404])
def test_what_the_client_hides_in_a_text_is_known(status: int, make: MakeSite, steps_on_compute: str) -> None:
    """It asks for the compute of each step when it validates, and calls invalid what it could not ask for."""
    site = make(job=steps_on_compute)
    site.azure.workspaces.add_compute("gpu-cluster")
    site.azure.faults.fail("GET computes/*", status=status, code="Trouble", times=1)
    site.tell()
    assert site.end[0] == "succeeded", site.end
    assert len(site.azure.calls.matching("GET computes/*")) > 1


def test_a_compute_of_a_step_that_never_comes(make: MakeSite, steps_on_compute: str) -> None:
    site = make(job=steps_on_compute)
    site.tell()
    assert site.end[0] == "failed"
    assert "(ResourceNotFound)" in site.end[1]
    assert "jobs.train.compute" in site.end[1]
    assert timedelta(minutes=30) <= site.took < timedelta(hours=2)


@pytest.fixture
def steps_on_compute(tmp_path: Path) -> str:
    """A job whose step names a compute."""
    (tmp_path / "rules/jobs").mkdir(parents=True)
    (tmp_path / "rules/jobs/job.yml").write_text(
        "type: pipeline\njobs:\n"
        "  train: { type: command, component: 'azureml:retrain:3', compute: azureml:gpu-cluster }\n"
    )
    return "jobs/job.yml"


def test_a_file_that_the_client_cannot_read_is_said_where(make: MakeSite, broken_job: str) -> None:
    site = make(job=broken_job)
    site.tell()
    assert site.end[0] == "failed"
    assert "bad.yml cannot be read" in site.end[1]
    assert "jobs.train" in site.end[1]


@pytest.fixture
def broken_job(tmp_path: Path) -> str:
    """A job with a step that has nothing to run."""
    (tmp_path / "rules/jobs").mkdir(parents=True)
    (tmp_path / "rules/jobs/bad.yml").write_text("type: pipeline\njobs:\n  train: { type: command, comand: echo }\n")
    return "jobs/bad.yml"


def test_a_file_that_has_gone_since_the_rules_were_loaded(
    make: MakeSite, steps_on_compute: str, tmp_path: Path
) -> None:
    site = make(job=steps_on_compute)
    (tmp_path / "rules/jobs/job.yml").unlink()
    site.tell()
    assert site.end[0] == "failed"
    assert "'jobs/job.yml' cannot be read: No such file or directory" in site.end[1]


def test_a_compute_that_the_event_names_must_be_one(make: MakeSite) -> None:
    site = make(**RETRAIN | {"compute": "{{ data.runId }}/../other"})
    site.tell()
    assert site.end[0] == "failed"
    assert "compute: 'of-a-person/../other' cannot be the name of a compute" in site.end[1]


def test_a_name_that_is_taken_by_what_nobody_can_see_is_looked_for_again(make: MakeSite) -> None:
    """Its own job, on a replica that is behind, for longer than anybody would think."""
    site = make(**RETRAIN)
    site.azure.faults.fail(
        JOBS, status=409, code="Conflict", message="A job with this name already exists.", times=None
    )
    site.tell()
    assert site.end[0] == "failed"
    assert "exists, but reads do not find it" in site.end[1]
    assert site.took >= timedelta(hours=24)
