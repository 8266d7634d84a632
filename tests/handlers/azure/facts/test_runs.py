"""The facts about runs, from an emulated Azure."""

import pytest

from emulator import WORKSPACE, Azure
from emulator.ml.jobs.logs import LOG
from tests.handlers.azure.facts.conftest import RunOf

STEPS = ("prepare", "train", "score")
NO_ROLE = "the app's identity needs the role Reader on the workspace"


@pytest.fixture
def failed(azure: Azure) -> str:
    """A pipeline that failed in its second step; returns its name."""
    azure.jobs.fail("nightly", "ValueError: no such column", reason="BadData", step="train", log="one\ntwo\n")
    azure.jobs.log_metrics("nightly", {"auc": 0.91, "rows": 1200})
    return azure.jobs.start("nightly", steps=STEPS, compute="cluster")


def test_failed_pipeline_has_the_error_of_its_step(run_of: RunOf, failed: str) -> None:
    facts = run_of(failed, runStatus="Failed", experimentName="nightly")
    assert (facts.unavailable, facts.missing, facts.transient) == (None, (), False)
    assert (facts.error.code, facts.error.message) == ("BadData", "ValueError: no such column")
    assert facts.failing_step.name == "train"
    assert facts.failing_step.url
    assert facts.failing_step.url.startswith(f"https://ml.azure.com/runs/{facts.failing_step.id}?wsid=")
    assert (facts.log_tail, facts.log_file) == ("one\ntwo", LOG)
    assert (facts.status, facts.type, facts.experiment, facts.owner) == ("Failed", "pipeline", "nightly", "mlevents")
    assert facts.metrics == {"auc": 0.91, "rows": 1200}
    assert (facts.compute.name, facts.compute.size, facts.compute.nodes) == ("cluster", "Standard_NC6s_v3", 1)
    assert facts.duration == 0
    assert facts.started == facts.ended


def test_step_that_failed_first_counts(azure: Azure, run_of: RunOf, failed: str) -> None:
    """A later failure may be a consequence of the first."""
    runs = [run for run in azure.state.runs.values() if run.parent == failed]
    runs[0].status = "Failed"
    runs[0].ended = runs[1].ended.replace(year=2020) if runs[1].ended else None
    assert run_of(failed).failing_step.name == "prepare"


def test_pipeline_in_a_pipeline_has_the_error_of_the_innermost_step(azure: Azure, run_of: RunOf, failed: str) -> None:
    outer = azure.jobs.start("nightly", steps=("retrain",))
    step = next(run for run in azure.state.runs.values() if run.parent == outer)
    inner = next(run for run in azure.state.runs.values() if run.parent == failed and run.status == "Failed")
    inner.parent, step.status = step.id, "Failed"
    facts = run_of(outer)
    assert (facts.failing_step.id, facts.failing_step.name) == (inner.id, "train")


def test_children_on_later_pages_are_found(azure: Azure, run_of: RunOf) -> None:
    azure.state.page = 2
    azure.jobs.fail("sweep", "out of memory", step="trial-8")
    name = azure.jobs.start("sweep", steps=[f"trial-{n}" for n in range(12)])
    for run in azure.state.runs.values():
        run.status = "Failed" if run.parent == name else run.status
    assert run_of(name).failing_step.name == "trial-0"


def test_completed_run_has_no_error_and_its_own_log(azure: Azure, run_of: RunOf) -> None:
    name = azure.jobs.start("weekly", steps=())
    facts = run_of(name, runStatus="Completed")
    assert facts.error.message is None
    assert facts.failing_step.id is None
    assert facts.log_tail == f"Starting {name} in the experiment weekly\nDone"


def test_step_has_its_parent(azure: Azure, run_of: RunOf, failed: str) -> None:
    step = next(run for run in azure.state.runs.values() if run.parent == failed)
    azure.state.runs[f"{WORKSPACE}/jobs/{failed}".lower()].display_name = "nightly churn"
    parent = run_of(step.id).parent
    assert (parent.id, parent.name) == (failed, "nightly churn")
    assert parent.url
    assert parent.url.startswith(f"https://ml.azure.com/runs/{failed}?wsid=")


def test_only_the_end_of_a_long_log_is_read(azure: Azure, run_of: RunOf) -> None:
    """The first request learns the length, the second reads the end."""
    azure.jobs.fail("long", log="".join(f"line {n}\n" for n in range(100_000)))
    facts = run_of(azure.jobs.start("long"))
    assert facts.log_tail
    assert facts.log_tail.splitlines() == [f"line {n}" for n in range(99_980, 100_000)]
    assert [call.status for call in azure.calls.all if "/blobs/" in call.path] == [206, 206]


def test_empty_log_is_none(azure: Azure, run_of: RunOf, failed: str) -> None:
    for run in azure.state.runs.values():
        run.logs = dict.fromkeys(run.logs, "")
    facts = run_of(failed)
    assert (facts.log_tail, facts.missing) == (None, ())


def test_forbidden_log_does_not_lose_the_error(azure: Azure, run_of: RunOf, failed: str) -> None:
    azure.faults.fail("GET */std_log.txt", status=403, code="AuthorizationFailure", message="no route", times=None)
    facts = run_of(failed)
    assert facts.error.message == "ValueError: no such column"
    assert facts.missing == ("the log: HTTP 403 from localhost: AuthorizationFailure: no route",)
    assert not facts.transient


@pytest.mark.parametrize(
    ("match", "part"),
    [
        ("POST */lastvalues", "the metrics"),
        ("GET */children", "the failed step"),
        ("GET runs/????????-*/details", "the details of the failed step"),
        ("GET runs/job_????????????", "the run"),
    ],
)
def test_part_that_fails_is_missing_alone(azure: Azure, run_of: RunOf, failed: str, match: str, part: str) -> None:
    azure.faults.fail(match, status=500, times=None)
    facts = run_of(failed)
    assert [each.partition(": ")[0] for each in facts.missing] == [part]
    assert facts.transient
    assert facts.status == "Failed"
    assert facts.error.message


def test_missing_role_is_named(azure: Azure, run_of: RunOf, failed: str) -> None:
    azure.faults.fail("GET runs/*", status=403, code="UserError", times=None)
    facts = run_of(failed)
    assert facts.unavailable == f"HTTP 403 from localhost; {NO_ROLE}"
    assert facts.transient


@pytest.mark.parametrize("status", [429, 503])
def test_throttling_is_transient(azure: Azure, run_of: RunOf, failed: str, status: int) -> None:
    azure.faults.fail("GET runs/*", status=status, code="Busy", message="later", times=None)
    facts = run_of(failed)
    assert facts.unavailable == f"HTTP {status} from localhost: Busy: later"
    assert facts.transient


@pytest.mark.parametrize(("event_time", "transient"), [("2020-11-22T08:55:12Z", False), ("2999-11-22T08:55:12Z", True)])
def test_run_that_does_not_exist_may_appear_after_a_young_event(
    run_of: RunOf, event_time: str, transient: bool
) -> None:
    facts = run_of("gone", eventTime=event_time)
    assert facts.unavailable
    assert facts.unavailable.startswith("HTTP 404 from localhost: UserError: Run gone was not found")
    assert facts.transient is transient


@pytest.mark.parametrize("broken", ["../jobs/x", "..", "a/b", "%2e%2e", "a?b#c", "日本"])
def test_hostile_run_id_addresses_nothing_else(azure: Azure, run_of: RunOf, broken: str) -> None:
    assert run_of(broken).unavailable
    below = f"{WORKSPACE}/runs/{broken}"
    assert all(below in call.path for call in azure.calls.all if call.path.startswith(("/history/", "/metric/")))


def test_services_are_discovered_once(azure: Azure, run_of: RunOf, failed: str) -> None:
    for _ in range(2):
        run_of(failed)
    assert len([call for call in azure.calls.all if call.path.startswith("/discovery/")]) == 1


def test_discovery_that_fails_makes_the_run_unavailable(azure: Azure, run_of: RunOf, failed: str) -> None:
    azure.faults.fail("GET /discovery/*", status=500, times=None)
    facts = run_of(failed)
    assert facts.unavailable
    assert facts.transient
    assert len([call for call in azure.calls.all if call.path.startswith("/discovery/")]) == 1


def test_lost_connection_is_transient(azure: Azure, run_of: RunOf, failed: str) -> None:
    azure.faults.close_before(match="* *", times=None)
    facts = run_of(failed)
    assert facts.unavailable
    assert facts.unavailable.startswith("no answer from localhost: ")
    assert facts.transient


def test_token_is_not_sent_to_storage(azure: Azure, run_of: RunOf, failed: str) -> None:
    """The emulator refuses a request for a blob that has one."""
    assert run_of(failed).log_tail
