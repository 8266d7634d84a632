"""`wait: true` follows a job to its end."""

from datetime import timedelta

import pytest

from emulator import Azure
from tests.handlers.pipeline.conftest import MakeSite
from tests.handlers.pipeline.site import JOB, PROD, QUIET, Site

pytestmark = QUIET

WAIT = {"job": "azureml:retrain:3", "compute": "cpu-cluster", "wait": True}
CANCELS = "POST jobs/*/cancel"


@pytest.fixture(autouse=True)
def component(azure: Azure) -> None:
    azure.assets.add_component("retrain", "3", nodes=["prepare", "train"])


def name(site: Site) -> str:
    [job] = site.azure.jobs.all
    return str(job["name"])


def test_completed_job_is_a_success(make: MakeSite) -> None:
    """The notes in the timeline show its status."""
    site = make(**WAIT)
    site.azure.jobs.set_duration(3 * 3_600)
    site.handle()
    assert site.outcome == ("succeeded", f"the job {name(site)} has completed in churn-prod")
    assert timedelta(hours=3) <= site.elapsed <= timedelta(hours=3, minutes=6)
    assert {"submit: done", "Running"} <= {*site.notes}
    assert site.action.details["status"] == "Completed"


def test_details_contain_the_outputs(make: MakeSite) -> None:
    site = make(job=JOB, wait=True)
    site.handle()
    assert site.action.details == {
        "run": name(site),
        "where": "churn-prod",
        "job": JOB,
        "experiment": "churn-training",
        "status": "Completed",
        "output_model": f"azureml://datastores/workspaceblobstore/paths/azureml/{name(site)}/model/",
        "link": f"https://ml.azure.com/runs/{name(site)}?wsid={PROD}",
    }


def test_pauses_grow_to_five_minutes(make: MakeSite) -> None:
    site = make(**WAIT)
    site.azure.jobs.set_duration(3 * 3_600)
    site.handle()
    reads = [moment.at for moment in site.action.timeline if moment.note == "Running"]
    assert reads[-1] - reads[-2] == timedelta(minutes=5)
    assert len(site.azure.calls.matching("GET jobs/*")) < 100


def test_failed_job_fails_the_action_with_the_errors_of_its_steps(make: MakeSite) -> None:
    site = make(**WAIT)
    site.azure.jobs.fail(message="ValueError: could not convert string to float: 'n/a'", step="train")
    site.handle()
    status, note = site.outcome
    assert status == "failed"
    assert note.startswith(f"the job {name(site)} failed: UserError: Pipeline has failed child jobs. Failed nodes: ")
    assert "train: UserError: ValueError: could not convert string to float: 'n/a'" in note
    assert f"https://ml.azure.com/runs/{name(site)}" in note


def test_failure_is_reported_without_run_history(make: MakeSite) -> None:
    site = make(**WAIT)
    site.azure.jobs.fail()
    site.azure.faults.fail("GET */history/*", times=None)
    site.handle()
    assert site.outcome[1].startswith(f"the job {name(site)} failed: the service gives no reason. https://")


def test_canceled_job_fails_the_action(make: MakeSite) -> None:
    site = make(**WAIT)
    site.azure.jobs.cancel()
    site.handle()
    assert site.outcome[0] == "failed"
    assert site.outcome[1].startswith(f"the job {name(site)} was canceled: the service gives no reason.")


def test_timeout_without_cancellation_leaves_the_job_running(make: MakeSite) -> None:
    site = make(**WAIT, timeout="2h")
    site.azure.jobs.set_duration(None)
    site.handle()
    status, note = site.outcome
    assert (status, site.elapsed) == ("failed", timedelta(hours=2))
    assert note.startswith(
        f"the job {name(site)} did not end within 2h, and is still running. https://ml.azure.com/runs/"
    )
    assert site.azure.calls.matching(CANCELS) == []
    assert site.job["status"] == "Running"


def test_timeout_cancels_the_job_and_waits_for_its_end(make: MakeSite) -> None:
    site = make(**WAIT, timeout="2h", cancel_on_timeout=True)
    site.azure.jobs.set_duration(None)
    site.handle()
    assert site.outcome[0] == "failed"
    assert site.outcome[1].startswith(f"the job {name(site)} was canceled: it did not end within 2h. https://")
    assert len(site.azure.calls.matching(CANCELS)) == 1
    assert site.job["status"] == "Canceled"


def test_job_that_completes_before_its_cancellation_is_a_success(make: MakeSite) -> None:
    site = make(**WAIT, timeout="2h", cancel_on_timeout=True)
    site.azure.jobs.set_duration(None)
    site.azure.calls.before(
        lambda request: site.azure.jobs.end(name(site)) if request.path.endswith("/cancel") else None
    )
    site.handle()
    assert site.outcome[0] == "succeeded"
    assert [call.status for call in site.azure.calls.matching(CANCELS)] == [400]


def test_job_that_cannot_be_canceled_fails_the_action_after_an_hour(make: MakeSite) -> None:
    site = make(**WAIT, timeout="2h", cancel_on_timeout=True)
    site.azure.jobs.set_duration(None)
    site.azure.faults.fail(CANCELS, status=409, code="Conflict", times=None)
    site.handle()
    assert site.outcome == (
        "failed",
        f"the job {name(site)} did not end within 2h, and could not be canceled: its status is Running",
    )


@pytest.mark.parametrize("poll", [pytest.param("2s", marks=pytest.mark.soak), None, "5m"])
def test_missing_job_fails_the_action_after_20_minutes(poll: str | None, make: MakeSite) -> None:
    """With any `poll`: the limit is a time."""
    site = make(**WAIT, **({"poll": poll} if poll else {}))
    site.azure.jobs.set_duration(None)
    site.azure.faults.fail("GET jobs/*", status=404, code="ResourceNotFound", times=None, after=2)
    site.handle()
    assert site.outcome == ("failed", f"the job {name(site)} was started, but reads have not found it for 20m")
    assert timedelta(minutes=20) <= site.elapsed < timedelta(minutes=22)


def test_errors_of_the_service_do_not_fail_the_action(make: MakeSite) -> None:
    site = make(**WAIT)
    site.azure.jobs.set_duration(3_600)
    site.azure.faults.fail("GET jobs/*", status=503, after=2, times=2, headers={"Retry-After": "600"})
    site.azure.faults.fail("GET jobs/*", status=500, times=5, after=1)
    site.handle()
    assert site.outcome[0] == "succeeded"
    assert len(site.azure.jobs.all) == 1


def test_poll_shortens_the_pauses(make: MakeSite) -> None:
    site = make(**WAIT, poll="5s")
    site.azure.jobs.set_duration(60)
    site.handle()
    assert site.outcome[0] == "succeeded"
    assert len(site.azure.calls.matching("GET jobs/*")) > 12
