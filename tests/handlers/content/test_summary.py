"""The default headline and tables of a mail, for each event type."""

import pytest

from handlers.base import Action, Result
from handlers.content.summary import Section, Summary, summarize
from handlers.email.content import Content
from schemas import (
    EVENT_TYPES,
    Context,
    DatasetDriftDetected,
    Event,
    EventData,
    ModelDeployed,
    ModelRegistered,
    RunCompleted,
    RunStatusChanged,
)
from schemas.drift import BREACH_TAG
from schemas.examples import MODEL_MONITOR_BREACH
from tests.handlers.email.received import Page
from tests.kit.cost import calls_of

ACTION = Action(rule="mail-failed-runs", source="rules/churn.yaml:12")
WORKSPACE = {"name": "churn-prod", "labels": {"env": "prod", "team": "churn"}}
DEFAULT = Content()


@pytest.mark.parametrize("kind", EVENT_TYPES.values(), ids=lambda kind: kind.__name__)
def test_mail_describes_every_event_type(kind: type[Event]) -> None:
    """Both parts have the type, workspace, object, time and link, and the rule with its file and line."""
    event = Context(kind.example(), WORKSPACE).event_for_handler()
    subject, text, html = (
        DEFAULT.render_subject(event),
        DEFAULT.render_text(event, ACTION),
        DEFAULT.render_html(event, ACTION),
    )
    page = Page(html)
    assert subject.startswith("[churn-prod] ")
    assert event.event_time is not None
    words = " ".join(text.split())
    for expected in (
        event.event_type.rpartition(".")[2],
        "churn-prod (env prod, team churn)",
        event.object,
        f"{event.event_time:%Y-%m-%d %H:%M UTC}",
        "Sent by rule mail-failed-runs (rules/churn.yaml:12)",
        event.id,
        str(ACTION.key),
    ):
        assert expected in words
        assert expected in page.text
    assert (event.studio_url or "") in text
    assert page.links == ([event.studio_url] if event.studio_url else [])  # a blob has no page in the studio


LONG = "n" * 254


@pytest.mark.parametrize(
    ("event", "end"),
    [
        (RunStatusChanged.example(run_id=LONG, run_status="Failed", experiment_name=LONG), "failed (experiment nnn"),
        (RunCompleted.example(run_id=LONG, experiment_name=LONG), "completed (experiment nnn"),
        (ModelRegistered.example(model_name=LONG, model_version="1"), "…nnn:1 registered"),
        (ModelDeployed.example(service_name="churn", model_ids=f"{LONG}:1"), "nnn:1 deployed to churn"),
        (
            ModelDeployed.example(service_name="churn", model_ids=",".join(f"a-model-{n}:{n}" for n in range(30))),
            "Models a-model-0:0 and 29 more deployed to churn",
        ),
    ],
)
def test_long_names_do_not_push_out_what_happened(event: Event, end: str) -> None:
    """The names of Azure ML have up to 255 characters."""
    summary = summarize(Context(event, WORKSPACE).event_for_handler(), ACTION)
    for text in (summary.headline, summary.subject):
        assert end.replace("…", "n" * 30) in text


@pytest.mark.parametrize(
    ("event", "subject"),
    [
        (
            RunStatusChanged.example(run_id="bold_ant_42", run_status="Failed", experiment_name="churn-training"),
            "Run bold_ant_42 failed (experiment churn-training)",
        ),
        (RunStatusChanged.example(run_id="r", run_status="Running", experiment_name=None), "Run r: Running"),
        (RunCompleted.example(run_id="r", experiment_name="e"), "Run r completed (experiment e)"),
        (ModelRegistered.example(model_name="churn", model_version=7), "Model churn:7 registered"),
        (ModelDeployed.example(service_name="churn", model_ids="churn:7"), "Model churn:7 deployed to churn"),
        (ModelDeployed.example(service_name="s", model_ids="a:1,b:2"), "Models a:1, b:2 deployed to s"),
        (ModelDeployed.example(service_name="s", model_ids=None), "Model deployed to s"),
        (
            RunStatusChanged.example(run_tags={BREACH_TAG: "The signal 'drift-1' has failed"}),
            "Drift found by drift-1",
        ),
        (
            DatasetDriftDetected.example(data_drift_name="churn-drift", drift_coefficient=0.4271),
            "Drift found by churn-drift (coefficient 0.427)",
        ),
    ],
)
def test_subject_says_what_happened(event: Event, subject: str) -> None:
    assert DEFAULT.render_subject(Context(event, WORKSPACE).event_for_handler()) == f"[churn-prod] {subject}"


def test_mail_of_a_follow_up_rule_has_the_result() -> None:
    result = Result("deploy-churn", "failed", "ResourceNotReady", {"endpoint": "churn-eu"})
    event = Context(ModelRegistered.example(), WORKSPACE, result.view()).event_for_handler()
    assert DEFAULT.render_subject(event) == "[churn-prod] deploy-churn failed for model churn:7"
    text, page = DEFAULT.render_text(event, ACTION), Page(DEFAULT.render_html(event, ACTION))
    for expected in ("deploy-churn", "failed", "ResourceNotReady", "endpoint", "churn-eu"):
        assert expected in text
        assert expected in page.text


def summary(event: Event, result: Result | None = None, action: Action = ACTION, **workspace: str) -> Summary:
    context = Context(event, {**WORKSPACE, **workspace}, result.view() if result else None)
    return summarize(context.event_for_handler(), action)


def test_result_comes_first() -> None:
    """Then the facts. The button opens what was created; the rest is below."""
    link = "https://ml.azure.com/endpoints/realtime/churn/detail"
    model = f"{ModelRegistered.example().topic}/models/churn/versions/7"
    details = {"endpoint": "churn", "deployment": "churn-7-a1", "model": model, "link": link}
    result = Result("deploy-churn", "succeeded", "churn:7 serves churn, by the deployment churn-7-a1", details)
    found = summary(ModelRegistered.example(), result)
    assert found.headline == "churn:7 serves churn, by the deployment churn-7-a1"
    assert found.lead == ()
    assert found.facts == ("rule deploy-churn succeeded", "churn-prod (env prod, team churn)", "2026-11-22 08:42 UTC")
    assert found.button == ("Open the endpoint", link)
    assert found.sections[0] == Section("Result", (("model", "workspaces/churn-prod/models/churn/versions/7"),))
    assert found.tone == "good"


def test_reason_of_a_failure_comes_first() -> None:
    link = "https://ml.azure.com/runs/mle-1-retrain?wsid=x"
    failed = Result("retrain", "failed", f"job mle-1-retrain failed: there is no version 12. {link}")
    found = summary(DatasetDriftDetected.example(), failed)
    assert found.subject == "[churn-prod] retrain failed for monitor churn-drift"
    assert found.headline == "Job mle-1-retrain failed"
    assert found.lead == ("There is no version 12.",)
    assert found.facts[0] == "rule retrain failed"
    assert "monitor churn-drift" in found.facts
    assert found.button == ("Open the run", link)
    assert found.tone == "bad"


def test_skipped_result_is_neither_good_nor_bad() -> None:
    found = summary(ModelRegistered.example(), Result("deploy", "skipped", "churn:7 is superseded by churn:8"))
    assert found.tone == "neutral"
    assert found.headline == "churn:7 is superseded by churn:8"
    assert found.facts[0] == "rule deploy was skipped"


def test_mail_about_a_failed_run_says_where_the_reason_is() -> None:
    [line] = summary(RunStatusChanged.example()).lead
    assert "does not have the reason" in line
    assert summary(RunStatusChanged.example(run_status="Running")).lead == ()


def test_time_is_in_the_zone_of_the_workspace() -> None:
    def when(zone: str, time: str) -> str:
        return summary(RunCompleted.example(event_time=time), timezone=zone).facts[-1]

    assert when("Europe/Berlin", "2026-11-22T09:12:44Z") == "2026-11-22 10:12 CET"
    assert when("Europe/Berlin", "2026-07-22T23:30:00Z") == "2026-07-23 01:30 CEST"
    assert when("UTC", "2026-11-22T09:12:44Z") == "2026-11-22 09:12 UTC"


@pytest.mark.parametrize(
    ("tags", "fact"),
    [
        ({"owner": "alice@example.com", "created_by": "bob"}, "owner alice@example.com"),
        ({"createdBy": "bob"}, "by bob"),
        ({"mlflow.user": "carol"}, "by carol"),
        ({"owner": " "}, None),
        ({"owner": ["a"]}, None),
    ],
)
def test_facts_name_a_person(tags: dict[str, object], fact: str | None) -> None:
    facts = summary(RunCompleted.example(run_tags=tags)).facts
    assert [line for line in facts if line.startswith(("owner", "by"))] == ([fact] if fact else [])


def test_preview_does_not_repeat_the_subject() -> None:
    found = summary(RunStatusChanged.example())
    assert found.preview.startswith("The event does not have the reason")
    assert "churn-prod (env prod, team churn)" in found.preview


def test_noise_is_left_out() -> None:
    """Rows that the headline has, tags of Azure ML and MLflow, the properties of a run, ids of Azure."""
    tags = {"team": "churn", "azureml.pipelineComponent": "x", "_azureml.Run": "x", "mlflow.source.git.commit": "x"}
    found = summary(RunStatusChanged.example(run_tags=tags))
    assert found.sections == (Section("Tags", (("team", "churn"),)),)
    assert "rg-ml-prod" not in str(found.sections) + str(found.facts)


def test_properties_of_a_model_are_listed() -> None:
    assert Section("Properties", (("auc", "0.871"),)) in summary(ModelRegistered.example()).sections


def test_short_value_in_a_longer_word_is_not_left_out() -> None:
    result = Result("deploy", "succeeded", "churn:7 serves churn now", {"replicas": "7", "percent": "100"})
    [section] = [each for each in summary(RunCompleted.example(), result).sections if each.title == "Result"]
    assert section.rows == (("replicas", "7"), ("percent", "100"))


def test_event_type_without_wording_of_its_own_gets_a_thread_by_its_object() -> None:
    raw = RunStatusChanged.example().wire() | {"eventType": "Microsoft.MachineLearningServices.Later", "data": {}}
    assert UnknownEvent.model_validate(raw).about == "thing-1"


# Drift


def test_drift_is_a_warning_and_links_to_the_monitors() -> None:
    """Not a failure: neither the status of the monitor's step nor its id are shown."""
    found = summary(RunStatusChanged.example(**MODEL_MONITOR_BREACH))
    assert found.tone == "warning"
    assert found.button
    assert found.button.label == "Open model monitoring"
    assert found.button.url.startswith("https://ml.azure.com/monitoring?wsid=/subscriptions/")
    assert found.sections == (Section("Details", (("Experiment", "churn-monitor"),)),)
    assert MODEL_MONITOR_BREACH["run_id"] not in str(found)


def test_drift_of_a_dataset_monitor_links_to_its_run() -> None:
    found = summary(DatasetDriftDetected.example(), timezone="Europe/Berlin")
    assert found.tone == "warning"
    assert found.lead == ("In the data from 2026-11-15 01:00 CET to 2026-11-22 01:00 CET",)
    assert found.button == ("Open the run of the monitor", DatasetDriftDetected.example().studio_url)


def test_breach_of_a_model_monitor_lists_the_violations() -> None:
    """The tag with the message is not repeated."""
    event = RunStatusChanged.example(**MODEL_MONITOR_BREACH)
    assert event.drift
    violation = event.drift.violations[0]
    text = DEFAULT.render_text(event, ACTION)
    assert f"{violation.metric} {violation.value}, threshold {violation.threshold}" in text
    assert str(event.drift.signal) in text
    assert BREACH_TAG not in text


def test_breach_message_that_cannot_be_parsed_is_shown() -> None:
    tags = {BREACH_TAG: "something is off\nwith the data"}
    event = RunStatusChanged.example(run_tags=tags)
    assert "\n\nsomething is off with the data\n\n" in DEFAULT.render_text(event, ACTION)


def test_missing_values_of_a_violation_are_unknown() -> None:
    breach = 'The signal \'s\' has failed [\'{"group":"age","metric_value":null}\']'
    event = RunStatusChanged.example(run_tags={BREACH_TAG: breach})
    assert "age: metric unknown, threshold unknown" in DEFAULT.render_text(event, ACTION)


def violations(count: int) -> Event:
    """A breach with so many violations."""
    listed = ", ".join(f'\'{{"group":"f{n}"}}\'' for n in range(count))
    event = RunStatusChanged.example(run_tags={BREACH_TAG: f"The signal 's' has failed [{listed}]"})
    return Context(event, WORKSPACE).event_for_handler()


def test_mail_counts_the_violations_that_it_does_not_list() -> None:
    text = DEFAULT.render_text(violations(2_000), ACTION)
    assert "f9: " in text
    assert "f10: " not in text
    assert "and 1990 more" in text


def test_mail_about_many_violations_reads_and_formats_few() -> None:
    """The message was parsed for every part of the mail, and every violation formatted: 14,000 took four seconds."""

    def cost(count: int) -> int:
        event = violations(count)
        assert event.drift  # parsed once, here
        return calls_of(lambda: [DEFAULT.render_subject(event), *DEFAULT.render(event, ACTION)])

    assert cost(1_000) - cost(100) < 15 * 900


# Tags, and events with little data


def test_long_values_and_many_tags_are_truncated() -> None:
    tags = {"first": "x" * 5_000} | {f"tag{number}": "v" for number in range(100)}
    text = DEFAULT.render_text(RunStatusChanged.example(run_tags=tags), ACTION)
    assert "x" * 299 + "…" in text
    assert "x" * 300 not in text
    assert "and 76 more" in text
    assert "tag99" not in text


def test_tags_that_are_not_text_are_shown_as_json() -> None:
    tags = {"list": [1, "ü"], "object": {"a": None}, "number": 1.5, "yes": True}
    text = DEFAULT.render_text(RunStatusChanged.example(run_tags=tags), ACTION)
    assert 'list    [1, "ü"]' in text
    assert 'object  {"a": null}' in text


def test_event_with_little_data_gets_a_mail() -> None:
    event = RunStatusChanged.example(data={"runId": "r", "runStatus": "Failed"}, event_time=None, subject="")
    assert "Run" in DEFAULT.render_text(event, ACTION)
    assert "Tags" not in DEFAULT.render_text(event, ACTION)
    assert "None" not in DEFAULT.render_text(event, ACTION) + DEFAULT.render_html(event, ACTION)


class UnknownEvent(Event):
    """An event of a type that a later version of the service may publish."""

    data: EventData

    @property
    def object(self) -> str:
        return "thing-1"

    @property
    def studio_url(self) -> str:
        return ""


def test_event_of_an_unknown_type_gets_a_mail() -> None:
    raw = RunStatusChanged.example().wire() | {"eventType": "Microsoft.MachineLearningServices.Later", "data": {}}
    event = Context(UnknownEvent.model_validate(raw), WORKSPACE).event_for_handler()
    assert DEFAULT.render_subject(event) == "[churn-prod] Later thing-1"
    assert "Later" in DEFAULT.render_text(event, ACTION)
    assert Page(DEFAULT.render_html(event, ACTION)).links == []
