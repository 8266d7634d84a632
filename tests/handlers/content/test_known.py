"""What messages say of the facts about an event's object: the reason first."""

import pytest

from handlers.content.reason import explanation, reason_in_short
from handlers.content.summary import Summary, summarize
from handlers.email.default.page import default_page
from handlers.email.default.plain import plain_text
from schemas import RunCompleted, RunStatusChanged
from schemas.events.monitor_alerts import AlertFired
from schemas.facts import RunError, RunFacts
from tests.handlers.content.cases import ACTION, CASES, summary_of
from tests.handlers.content.hostile import run_known_by
from tests.handlers.content.known_cases import ENDPOINT, RUN, with_facts

UNREAD = "What Azure ML knows about this run could not be read"


def rows_of(summary: Summary, title: str) -> dict[str, str]:
    return {name: value for section in summary.sections if section.title == title for name, value in section.rows}


def test_subject_and_headline_carry_the_reason() -> None:
    summary = summary_of("out of memory")
    assert summary.headline == "Run brave_kiwi failed: CUDA out of memory in step train"
    assert summary.subject == f"[churn-prod] {summary.headline}"
    [lead] = summary.lead
    assert lead.startswith("OutOfMemoryError: CUDA out of memory. Tried to allocate 2.50 GiB")


@pytest.mark.parametrize("name", ["churn", "nightly-retraining-of-the-churn-model-for-all-markets-2026"])
@pytest.mark.parametrize("workspace", ["dev", "churn-prod", "a-workspace-with-the-longest-name"])
def test_first_characters_of_a_subject_have_the_reason(name: str, workspace: str) -> None:
    """Lists of mails show about 60; the headline of the mail has the whole name, and so have its details."""
    run = RunFacts(display_name=name, error=RunError(message="CUDA out of memory"))
    where = {"name": workspace, "labels": {}, "timezone": "UTC"}
    event = RunStatusChanged.example(runStatus="Failed").for_handler(where, None, lambda _: run)
    subject = summarize(event, ACTION).subject
    assert subject.index("CUDA") < 60
    assert subject.startswith(f"[{workspace}] ")
    assert subject.endswith(" failed: CUDA out of memory")


def test_last_line_of_the_log_stands_for_an_error_that_is_not_named() -> None:
    run = RunFacts(display_name="churn", log_tail="epoch 3\nKilled", log_file="user_logs/std_log.txt")
    event = with_facts(RunStatusChanged.example(runStatus="Failed"), run=run.model_dump())
    assert summarize(event, ACTION).lead == ("Azure ML names no error. The log ends with: Killed",)


def test_facts_name_the_run_the_duration_and_the_machines() -> None:
    assert summary_of("out of memory").facts == (
        "churn-prod (env prod, team churn)",
        "run brave_kiwi_t5m0xr7c4d",
        "owner ml-team@example.com",
        "after 12m34s",
        "on gpu-cluster (Standard_NC24ads_A100_v4 × 2)",
        "2026-11-22 10:12 CET",
    )


def test_button_opens_the_failed_step() -> None:
    button = summary_of("out of memory").button
    assert button is not None
    assert (button.label, button.url) == ("Open the failed step", RUN["failing_step"]["url"])


def test_log_keeps_its_indentation() -> None:
    summary = summary_of("out of memory")
    assert summary.log_title == "The last lines of user_logs/std_log.txt"
    assert summary.log[1] == "  batch  120/400  loss 0.3821"
    assert "\n  Epoch 3/20\n    batch  120/400  loss 0.3821\n" in plain_text(summary)
    page = default_page(CASES["out of memory"][0], summary)
    assert 'white-space:pre-wrap; unicode-bidi:isolate">  batch  120/400  loss 0.3821</div>' in page
    assert "line 88, in &lt;module&gt;" in page


def test_tables_have_metrics_and_details() -> None:
    summary = summary_of("out of memory")
    assert rows_of(summary, "Metrics") == {"train_loss": "0.38214", "epoch": "3", "val_auc": "0.8471"}
    details = rows_of(summary, "Details")
    assert (details["Submitted by"], details["Submitted from"]) == ("Ann Rivera", "train.ipynb")


@pytest.mark.parametrize(
    ("name", "note"),
    [
        ("unavailable", f"{UNREAD}: HTTP 403: the app's identity has no role"),
        ("too slow", f"{UNREAD}: no answer within 10 s"),
        ("no log", "Could not be read: the log: HTTP 403 from churnstore"),
    ],
)
def test_message_says_in_a_line_what_could_not_be_read(name: str, note: str) -> None:
    summary = summary_of(name)
    assert summary.notes == (note,)
    assert note.partition(":")[0] in plain_text(summary)
    assert note.replace("'", "&#39;") in default_page(CASES[name][0], summary)


def test_message_without_facts_is_that_of_the_event() -> None:
    assert summary_of("nothing known").headline == summary_of("RunStatusChanged").headline
    assert summary_of("nothing known").sections == summary_of("RunStatusChanged").sections


def test_completed_run_shows_its_metrics_and_no_log() -> None:
    summary = summary_of("completed")
    assert summary.headline == "Run brave_kiwi completed (experiment churn-training)"
    assert "took 12m34s" in summary.facts
    assert (rows_of(summary, "Metrics")["val_auc"], summary.log) == ("0.8471", ())


def test_canceled_run_takes_no_reason_from_its_log() -> None:
    event = RunStatusChanged.example(run_status="Canceled")
    summary = summarize(with_facts(event, run={**RUN, "error": {}}), ACTION)
    assert summary.headline.startswith("Run brave_kiwi canceled")
    assert summary_of("canceled").headline.startswith("Run brave_kiwi was canceled: CUDA out of memory")
    assert summary_of("not responding").headline.startswith("Run brave_kiwi does not respond: ")


def test_person_who_submitted_a_run_without_an_owner_is_named() -> None:
    event = RunStatusChanged.example(run_tags={})
    assert "by Ann Rivera" in summarize(with_facts(event, run=RUN), ACTION).facts
    unnamed = {**RUN, "compute": {"size": "Standard_DS3_v2", "nodes": 1}, "log_file": None}
    summary = summarize(with_facts(event, run=unnamed), ACTION)
    assert "on Standard_DS3_v2" in summary.facts
    assert summary.log_title == "The last lines of the log"


def test_step_of_a_run_without_a_reason_is_a_fact() -> None:
    event = RunCompleted.example()
    assert "step train" in summarize(with_facts(event, run={"failing_step": {"name": "train"}}), ACTION).facts


def test_model_names_the_version_that_serves() -> None:
    summary = summary_of("model")
    assert summary.lead == ("Version 6 serves now on churn-eu",)
    assert rows_of(summary, "Metrics of the run") == {"auc": "0.8714", "log_loss": "0.291"}
    assert rows_of(summary, "Serving now") == {"churn-eu/blue": "version 6, 100 % of the traffic"}
    assert rows_of(summary, "Details")["Flavor"] == "sklearn"
    assert summary_of("first model").lead == ()


def test_endpoint_lists_its_deployments() -> None:
    assert rows_of(summary_of("deployed"), "Deployments") == {
        "blue": "churn:6, 90 % of the traffic, Succeeded, Standard_DS3_v2",
        "green": "churn:7, 10 % of the traffic, Updating",
    }
    sized = {**ENDPOINT["deployments"][1], "traffic": None, "size": "Standard_DS3_v2"}
    summary = summarize(with_facts(CASES["deployed"][0], endpoint={**ENDPOINT, "deployments": [sized]}), ACTION)
    assert rows_of(summary, "Deployments")["green"].endswith("10 % of the traffic, Updating, Standard_DS3_v2 × 1")


def test_message_about_an_event_that_names_no_object_reads_nothing() -> None:
    """Such as an alert about a workspace: it is no fault that it has no endpoint."""

    def read(name: str) -> RunFacts:
        raise AssertionError(name)

    event = AlertFired.example(endpoint=None).for_handler(None, None, read)
    assert not summarize(event, ACTION).notes


def test_message_with_a_text_of_its_own_asks_for_nothing() -> None:
    def read(name: str) -> RunFacts:
        raise AssertionError(name)

    event = RunStatusChanged.example().for_handler(None, None, read)
    assert summarize(event, ACTION, ask=False).headline == RunStatusChanged.example().headline


@pytest.mark.parametrize(
    ("message", "log", "reason"),
    [
        ("ModuleNotFoundError: No module named 'lightgbm'", None, "No module named 'lightgbm'"),
        ("FileNotFoundError: [Errno 2] No such file or directory: 'a.csv'", None, "No such file or directory: 'a.csv'"),
        ("KeyError: 'churned'", None, "KeyError: 'churned'"),
        ("ValueError", None, ""),
        (
            "Execution failed. User process 'python' exited with status code 1.",
            "x\nRuntimeError: it is broken now",
            None,
        ),
        ("Execution failed. The image is too large.", None, "The image is too large"),
        ("Execution failed.", None, "Execution failed"),
        (
            "/mnt/cr/j/8b1f/exe/wd/train.py:12: cannot read '/mnt/data/2026/a.csv' of https://a.test/b/c/d",
            None,
            "…/train.py:12: cannot read '…/a.csv' of https://a.test/b/c/d",
        ),
        ("Error: disk is full; retry", None, "disk is full"),
        (None, None, "QuotaExceeded"),
        ("first Error: none\nKeyboardInterrupt: ", None, "KeyboardInterrupt"),
    ],
)
def test_reason_is_the_clause_that_says_most(message: str | None, log: str | None, reason: str | None) -> None:
    expected = {None: "it is broken now", "": "ValueError"}.get(reason, reason)
    assert reason_in_short(message, log, "QuotaExceeded") == expected


def test_explanation_does_not_repeat_the_reason() -> None:
    assert explanation("KeyError: 'churned'", "KeyError: 'churned'") == ""
    assert explanation("Disk is full. Free some space.", "Disk is full") == "Disk is full. Free some space."
    assert explanation(None, "QuotaExceeded") == ""


def test_reasons_of_hostile_texts_are_found_in_little_time() -> None:
    """Each pattern is linear: a quadratic one would take minutes."""
    for text in (
        "A." * 500_000,
        "Error:" * 300_000,
        "a" * 1_000_000,
        "[Errno " * 200_000,
        "/a" * 500_000,
        " /" * 500_000,
        "\n" * 1_000_000,
    ):
        assert len(reason_in_short(text, text)) <= 120
        assert summarize(run_known_by(text), ACTION).headline.startswith("Run ")
