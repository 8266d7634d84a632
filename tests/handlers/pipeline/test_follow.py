"""`wait: true` follows a job to its end, whatever it is."""

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


def test_a_job_that_completes_is_success(make: MakeSite) -> None:
    """Nobody waits meanwhile; the notes say how it gets on."""
    site = make(**WAIT)
    site.azure.jobs.set_duration(3 * 3_600)
    site.tell()
    assert site.end == ("succeeded", f"the job {name(site)} has completed in churn-prod")
    assert timedelta(hours=3) <= site.took <= timedelta(hours=3, minutes=6)
    assert {"submit: done", "Running"} <= {*site.notes}
    assert site.action.details["status"] == "Completed"


def test_rules_that_follow_are_told_where_the_outputs_are(make: MakeSite) -> None:
    site = make(job=JOB, wait=True)
    site.tell()
    assert site.action.details == {
        "run": name(site),
        "where": "churn-prod",
        "job": JOB,
        "experiment": "churn-training",
        "status": "Completed",
        "output_model": f"azureml://datastores/workspaceblobstore/paths/azureml/{name(site)}/model/",
        "link": f"https://ml.azure.com/runs/{name(site)}?wsid={PROD}",
    }


def test_a_long_job_is_looked_at_less_and_less_often(make: MakeSite) -> None:
    """In the end every five minutes."""
    site = make(**WAIT)
    site.azure.jobs.set_duration(3 * 3_600)
    site.tell()
    looks = [moment.at for moment in site.action.timeline if moment.note == "Running"]
    assert looks[-1] - looks[-2] == timedelta(minutes=5)
    assert len(site.azure.calls.matching("GET jobs/*")) < 100


def test_a_job_that_fails_is_a_failure_with_the_service_s_words(make: MakeSite) -> None:
    """The job's own, which name the steps that failed, and those of these steps."""
    site = make(**WAIT)
    site.azure.jobs.fail(message="ValueError: could not convert string to float: 'n/a'", step="train")
    site.tell()
    status, note = site.end
    assert status == "failed"
    assert note.startswith(f"the job {name(site)} failed: UserError: Pipeline has failed child jobs. Failed nodes: ")
    assert "train: UserError: ValueError: could not convert string to float: 'n/a'" in note
    assert f"https://ml.azure.com/runs/{name(site)}" in note


def test_a_failure_is_told_though_run_history_is_not_to_be_reached(make: MakeSite) -> None:
    site = make(**WAIT)
    site.azure.jobs.fail()
    site.azure.faults.fail("GET */history/*", times=None)
    site.tell()
    assert site.end[1].startswith(f"the job {name(site)} failed: the service gives no reason. https://")


def test_a_job_that_somebody_cancels_is_a_failure(make: MakeSite) -> None:
    site = make(**WAIT)
    site.azure.jobs.cancel()
    site.tell()
    assert site.end[0] == "failed"
    assert site.end[1].startswith(f"the job {name(site)} was canceled: the service gives no reason.")


def test_a_timeout_leaves_the_job_alone(make: MakeSite) -> None:
    site = make(**WAIT, timeout="2h")
    site.azure.jobs.set_duration(None)
    site.tell()
    status, note = site.end
    assert (status, site.took) == ("failed", timedelta(hours=2))
    assert note.startswith(
        f"the job {name(site)} did not end within 2h, and is still running. https://ml.azure.com/runs/"
    )
    assert site.azure.calls.matching(CANCELS) == []
    assert site.job["status"] == "Running"


def test_a_timeout_cancels_the_job_if_asked_to(make: MakeSite) -> None:
    """And the action ends when that is done."""
    site = make(**WAIT, timeout="2h", cancel_on_timeout=True)
    site.azure.jobs.set_duration(None)
    site.tell()
    assert site.end[0] == "failed"
    assert site.end[1].startswith(f"the job {name(site)} was canceled: it did not end within 2h. https://")
    assert len(site.azure.calls.matching(CANCELS)) == 1
    assert site.job["status"] == "Canceled"


def test_a_job_that_completes_while_it_is_canceled_is_success(make: MakeSite) -> None:
    """The service refuses to cancel what has ended; that is looked at."""
    site = make(**WAIT, timeout="2h", cancel_on_timeout=True)
    site.azure.jobs.set_duration(None)
    site.azure.calls.before(
        lambda request: site.azure.jobs.end(name(site)) if request.path.endswith("/cancel") else None
    )
    site.tell()
    assert site.end[0] == "succeeded"
    assert [call.status for call in site.azure.calls.matching(CANCELS)] == [400]


def test_a_job_that_will_not_be_canceled_is_told_of(make: MakeSite) -> None:
    site = make(**WAIT, timeout="2h", cancel_on_timeout=True)
    site.azure.jobs.set_duration(None)
    site.azure.faults.fail(CANCELS, status=409, code="Conflict", times=None)
    site.tell()
    assert site.end == (
        "failed",
        f"the job {name(site)} did not end within 2h, and could not be canceled: its status is Running",
    )


def test_a_job_that_somebody_deletes_is_told_of(make: MakeSite) -> None:
    site = make(**WAIT)
    site.azure.jobs.set_duration(None)
    site.azure.faults.fail("GET jobs/*", status=404, code="ResourceNotFound", times=None, after=2)
    site.tell()
    assert site.end == ("failed", f"the job {name(site)} was started, but reads have not found it for 20m")


def test_trouble_while_it_is_followed_is_not_the_job_s(make: MakeSite) -> None:
    """An outage of two hours, and a pause that the service asks for."""
    site = make(**WAIT)
    site.azure.jobs.set_duration(3_600)
    site.azure.faults.fail("GET jobs/*", status=503, after=2, times=2, headers={"Retry-After": "600"})
    site.azure.faults.fail("GET jobs/*", status=500, times=5, after=1)
    site.tell()
    assert site.end[0] == "succeeded"
    assert len(site.azure.jobs.all) == 1


def test_a_rule_may_want_to_look_more_often(make: MakeSite) -> None:
    site = make(**WAIT, poll="5s")
    site.azure.jobs.set_duration(60)
    site.tell()
    assert site.end[0] == "succeeded"
    assert len(site.azure.calls.matching("GET jobs/*")) > 12
