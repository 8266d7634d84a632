"""Errors of the service when a job is started: which are retried, for how long, and what the outcome says."""

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


def test_permanent_error_fails_the_action_with_the_service_s_message(make: MakeSite) -> None:
    site = make(**RETRAIN)
    site.azure.faults.fail(
        JOBS, status=400, code="UserError", message="The environment is not allowed here.", times=None
    )
    site.handle()
    assert site.outcome == ("failed", "HTTP 400: UserError: The environment is not allowed here.")
    assert len(site.azure.calls.matching(JOBS)) == 1


def test_request_that_came_too_early_is_retried(make: MakeSite) -> None:
    site = make(**RETRAIN)
    site.azure.faults.fail(
        JOBS, status=400, code="UserError", message="An update of the workspace is in progress.", times=2
    )
    site.handle()
    assert site.outcome[0] == "succeeded"


def test_missing_quota_fails_the_action_with_advice(make: MakeSite) -> None:
    site = make(**RETRAIN)
    site.azure.faults.fail(JOBS, status=400, code="QuotaExceeded", message="There is not enough quota.", times=None)
    site.handle()
    assert site.outcome[0] == "failed"
    assert "ask for more quota" in site.outcome[1]


@pytest.mark.parametrize("status", [401, 403])
def test_denied_start_is_retried_for_half_an_hour(status: int, make: MakeSite) -> None:
    """A new role may take so long to be effective."""
    site = make(**RETRAIN)
    site.azure.faults.fail(JOBS, status=status, code="AuthorizationFailed", message="No role.", times=None)
    site.handle()
    assert site.outcome[0] == "failed"
    assert timedelta(minutes=30) <= site.elapsed < timedelta(hours=2)
    site.azure.faults.clear()


def test_outage_is_retried(make: MakeSite) -> None:
    site = make(**RETRAIN)
    site.azure.faults.fail("* *", status=500, times=6)
    site.handle()
    assert site.outcome[0] == "succeeded"
    assert len(site.azure.jobs.all) == 1


def test_throttled_workspace_makes_all_its_actions_wait(make: MakeSite) -> None:
    """The wait does not count against `retry.for`."""
    site = make(**RETRAIN)
    site.azure.faults.fail(JOBS, status=429, code="TooManyRequests", headers={"Retry-After": "1800"}, times=2)
    site.handle()
    assert site.outcome[0] == "succeeded"
    assert site.elapsed >= timedelta(hours=1)
    [pause] = site.world.app.inbox.shared.all("pause|").values()
    assert pause["until"] > "2026-11-22T10"


def test_serverless_is_accepted_as_a_compute(make: MakeSite) -> None:
    site = make(job=JOB, compute="serverless")
    site.handle()
    assert site.outcome[0] == "succeeded"
    assert site.job["settings"]["default_compute"].endswith("/serverless")


@pytest.mark.parametrize("status", [500, 404])
def test_error_during_the_client_s_validation_is_retried(status: int, make: MakeSite, steps_on_compute: str) -> None:
    """azure-ai-ml reads the compute of each step, and reports a failed read as an invalid job."""
    site = make(job=steps_on_compute)
    site.azure.workspaces.add_compute("gpu-cluster")
    site.azure.faults.fail("GET computes/*", status=status, code="Error", times=1)
    site.handle()
    assert site.outcome[0] == "succeeded", site.outcome
    assert len(site.azure.calls.matching("GET computes/*")) > 1


def test_missing_compute_of_a_step_is_retried_for_half_an_hour(make: MakeSite, steps_on_compute: str) -> None:
    site = make(job=steps_on_compute)
    site.handle()
    assert site.outcome[0] == "failed"
    assert "(ResourceNotFound)" in site.outcome[1]
    assert "jobs.train.compute" in site.outcome[1]
    assert timedelta(minutes=30) <= site.elapsed < timedelta(hours=2)


@pytest.fixture
def steps_on_compute(tmp_path: Path) -> str:
    """A job file whose step names a compute."""
    (tmp_path / "rules/jobs").mkdir(parents=True)
    (tmp_path / "rules/jobs/job.yml").write_text(
        "type: pipeline\njobs:\n"
        "  train: { type: command, component: 'azureml:retrain:3', compute: azureml:gpu-cluster }\n"
    )
    return "jobs/job.yml"


def test_invalid_job_file_is_reported_with_its_name_and_position(make: MakeSite, broken_job: str) -> None:
    site = make(job=broken_job)
    site.handle()
    assert site.outcome[0] == "failed"
    assert "bad.yml cannot be read" in site.outcome[1]
    assert "jobs.train" in site.outcome[1]


@pytest.fixture
def broken_job(tmp_path: Path) -> str:
    """A job file whose step lacks a command."""
    (tmp_path / "rules/jobs").mkdir(parents=True)
    (tmp_path / "rules/jobs/bad.yml").write_text("type: pipeline\njobs:\n  train: { type: command, comand: echo }\n")
    return "jobs/bad.yml"


def test_job_file_that_was_deleted_fails_the_action(make: MakeSite, steps_on_compute: str, tmp_path: Path) -> None:
    site = make(job=steps_on_compute)
    (tmp_path / "rules/jobs/job.yml").unlink()
    site.handle()
    assert site.outcome[0] == "failed"
    assert "'jobs/job.yml' cannot be read: No such file or directory" in site.outcome[1]


def test_invalid_compute_from_an_event_fails_the_action(make: MakeSite) -> None:
    site = make(**RETRAIN | {"compute": "{{ data.runId }}/../other"})
    site.handle()
    assert site.outcome[0] == "failed"
    assert "compute: 'of-a-person/../other' cannot be the name of a compute" in site.outcome[1]


def test_taken_name_without_a_job_is_retried_for_a_day(make: MakeSite) -> None:
    site = make(**RETRAIN)
    site.azure.faults.fail(
        JOBS, status=409, code="Conflict", message="A job with this name already exists.", times=None
    )
    site.handle()
    assert site.outcome[0] == "failed"
    assert "exists, but reads do not find it" in site.outcome[1]
    assert site.elapsed >= timedelta(hours=24)
