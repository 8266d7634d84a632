"""The default headline and tables of a mail, for each event type."""

import pytest

from handlers.base import Action, Result
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
    for expected in (
        event.event_type.rpartition(".")[2],
        "churn-prod (env prod, team churn)",
        event.object,
        f"{event.event_time:%Y-%m-%d %H:%M:%S UTC}",
        "Sent by rule mail-failed-runs (rules/churn.yaml:12)",
        event.id,
        str(ACTION.key),
    ):
        assert expected in text
        assert expected in page.text
    assert event.studio_url
    assert event.studio_url in text
    assert page.links == [event.studio_url]


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
    result = Result("deploy-churn", "failed", "ResourceNotReady", {"endpoint": "churn"})
    event = Context(ModelRegistered.example(), WORKSPACE, result.view()).event_for_handler()
    assert DEFAULT.render_subject(event) == "[churn-prod] deploy-churn failed: Model churn:7 registered"
    text, page = DEFAULT.render_text(event, ACTION), Page(DEFAULT.render_html(event, ACTION))
    for expected in ("deploy-churn", "failed", "ResourceNotReady", "endpoint"):
        assert expected in text
        assert expected in page.text


# Drift


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
    assert "Message  something is off with the data" in DEFAULT.render_text(event, ACTION)


def test_missing_values_of_a_violation_are_unknown() -> None:
    breach = 'The signal \'s\' has failed [\'{"group":"age","metric_value":null}\']'
    event = RunStatusChanged.example(run_tags={BREACH_TAG: breach})
    assert "age     metric unknown, threshold unknown" in DEFAULT.render_text(event, ACTION)


def violations(count: int) -> Event:
    """A breach with so many violations."""
    listed = ", ".join(f'\'{{"group":"f{n}"}}\'' for n in range(count))
    event = RunStatusChanged.example(run_tags={BREACH_TAG: f"The signal 's' has failed [{listed}]"})
    return Context(event, WORKSPACE).event_for_handler()


def test_mail_counts_the_violations_that_it_does_not_list() -> None:
    text = DEFAULT.render_text(violations(2_000), ACTION)
    assert "f23 " in text
    assert "f24 " not in text
    assert "and 1976 more" in text


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
