"""`event.drift`: one model for the drift that data drift v1 and model monitors report."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from schemas import DatasetDriftDetected, Drift, ModelRegistered, RunCompleted, RunStatusChanged, Violation
from schemas.examples import MODEL_MONITOR_BREACH

TAG = "azureml_modelmonitor_threshold_breached"
HEAD = (
    "The signal 'name' has failed due to one or more features violating metric thresholds.\n"
    "The feature names and their corresponding computed metric values violating the threshold are \n"
)


def breach(message: Any, tag: str = TAG) -> Drift | None:
    return RunStatusChanged.example(run_id="r1", run_tags={tag: message}).drift


def test_data_drift_v1_reports_monitor_datasets_and_coefficient() -> None:
    """And the period that the monitor compared, and its run."""
    event = DatasetDriftDetected.example()
    assert event.drift == Drift(
        monitor="churn-drift",
        coefficient=0.4271,
        baseline_dataset=event.data.base_dataset_id,
        target_dataset=event.data.target_dataset_id,
        start_time=datetime(2026, 11, 15, tzinfo=UTC),
        end_time=datetime(2026, 11, 22, tzinfo=UTC),
        run_id=event.data.run_id,
    )


def test_fields_that_data_drift_v1_does_not_report_are_none() -> None:
    """Only the monitor is required."""
    assert DatasetDriftDetected.example(data={"dataDriftId": "d1"}).drift == Drift(monitor="d1")


def test_a_model_monitor_reports_its_signal_and_features() -> None:
    """They are in the message of the tag, which names neither the monitor nor the datasets."""
    event = RunStatusChanged.example(**MODEL_MONITOR_BREACH)
    assert event.drift == Drift(
        signal="churn_monitor_data_drift",
        message=event.data.run_tags[TAG],
        violations=(
            Violation("monthly_charges", "NormalizedWassersteinDistance", 0.31, 0.1),
            Violation("contract_type", "JensenShannonDistance", 0.17, 0.1),
        ),
        run_id=event.data.run_id,
    )


@pytest.mark.parametrize("tag", [TAG, TAG.upper(), TAG.capitalize(), "azureml_ModelMonitor_threshold_breached"])
def test_the_breach_tag_is_found_regardless_of_case(tag: str) -> None:
    """The service changes the case of tag names."""
    assert breach(HEAD, tag) == Drift(signal="name", message=HEAD, run_id="r1")


@pytest.mark.parametrize("message", ["", None, {}, False])
def test_an_empty_breach_tag_reports_no_drift(message: Any) -> None:
    """It names no signal and no metric."""
    assert breach(message) is None


def test_complete_violations_of_a_truncated_message_are_read() -> None:
    """A tag's value is limited to 1,000 characters."""
    row = '{"group":"age","metric_value":0.4,"metric_name":"JensenShannonDistance","threshold_value":0.1}'
    found = breach(HEAD + f"['{row}', '{row[:40]}")
    assert found is not None
    assert found.violations == (Violation("age", "JensenShannonDistance", 0.4, 0.1),)


NAMES = [
    "age",
    "customer's age",
    'the "age"',
    """'a' or "b\"""",
    "a\\b",
    "{age}",
    "a}, {b",
    "ä",
    "é\n\t",
    "x', 'y",
    "[0]",
    "🎉",
]


@pytest.mark.parametrize("ensure_ascii", [True, False])
@pytest.mark.parametrize("written", [str, json.dumps], ids=["Python", "JSON"])
def test_features_of_any_name_are_read(written: Any, ensure_ascii: bool) -> None:
    """The message is a list of JSON texts, as Python writes it: it escapes apostrophes and backslashes."""
    rows = [
        json.dumps({"group": name, "metric_value": 0.4, "metric_name": "m"}, ensure_ascii=ensure_ascii)
        for name in NAMES
    ]
    found = breach(HEAD + written(rows))
    assert found is not None
    assert found.violations == tuple(Violation(name, "m", 0.4, None) for name in NAMES)


@pytest.mark.parametrize(
    "listed",
    [
        """['{"group":"customer's age"}', '{"group":"b"}']""",
        r"""['{"group":"customer\u0027s age"}', '{"group":"b"}']""",
        """[{"group":"customer's age"}, {"group":"b"}]""",
        """{"group":"customer's age"} and {"group":"b"}""",
    ],
    ids=["without escapes", "with JSON's escapes", "JSON objects", "no list"],
)
def test_json_objects_that_are_not_texts_of_a_python_list_are_read(listed: str) -> None:
    found = breach(HEAD + listed)
    assert found is not None
    assert [violation.feature for violation in found.violations] == ["customer's age", "b"]


def test_a_signal_s_name_may_have_quotes() -> None:
    found = breach(HEAD.replace("'name'", "'customer's drift'"))
    assert found is not None
    assert found.signal == "customer's drift"


def test_lone_surrogates_in_a_feature_are_replaced() -> None:
    """UTF-8 could not encode the row of the event."""
    found = breach(HEAD + r"""['{"group":"\\ud83d"}', '{"group":"\\ud83c\\udf89"}']""")
    assert found is not None
    assert [violation.feature for violation in found.violations] == ["\ufffd", "🎉"]


def test_violations_may_lack_a_feature() -> None:
    """Not every signal is about features."""
    found = breach(HEAD + """['{"metric_value":4.6,"metric_name":"accuracy","threshold_value":5}']\n""")
    assert found is not None
    assert found.violations == (Violation(None, "accuracy", 4.6, 5),)


@pytest.mark.parametrize(
    "message",
    [
        "something else",
        "{not json}",
        "{}",
        '{"metric_value": NaN, "group": 5, "threshold_value": true}',
        '{"metric_value": 1%s, "threshold_value": -1e999}' % ("0" * 400),
        '{"metric_value": %s}' % ("9" * 5_000),
        '{"metric_value": %s}' % ("[" * 100_000),
        "The signal '" * 80_000,
        "['{" + "\\'" * 400_000,
        "['{', " + "'{', " * 150_000,
        "{" * 900_000,
    ],
    ids=lambda message: message[:40],
)
def test_other_messages_are_kept_without_violations(message: str) -> None:
    """The tag reports a breach whatever its text; reading a hostile text takes linear time."""
    found = breach(message)
    assert found is not None
    assert (found.message, found.signal) == (message, None)
    assert set(found.violations) <= {Violation(None, None, None, None)}
    json.dumps(found.view(), allow_nan=False)


def test_a_message_that_is_no_text_is_read_as_json() -> None:
    """Tags are texts in practice, but not by specification."""
    found = breach({"signal": "x"})
    assert found is not None
    assert found.message == '{"signal": "x"}'


def test_other_events_report_no_drift() -> None:
    """A run without the tag, a completed run with it, a run with a property of that name, a model with the tag."""
    assert RunStatusChanged.example().drift is None
    assert RunStatusChanged.example(run_properties={TAG: HEAD}).drift is None
    assert RunCompleted.example(run_tags={TAG: HEAD}).drift is None
    assert ModelRegistered.example(model_tags={TAG: HEAD}).drift is None


def test_view_lists_the_datasets_that_the_event_names() -> None:
    """Templates can loop over the list."""
    assert Drift(baseline_dataset="b", target_dataset="t").view()["datasets"] == ["b", "t"]
    assert Drift(target_dataset="t").view()["datasets"] == ["t"]


def test_view_of_a_drift_is_plain_data() -> None:
    """Times are texts, violations objects."""
    assert Drift(
        monitor="m", violations=(Violation("f", "d", 1, 0.5),), end_time=datetime(2026, 11, 22, tzinfo=UTC)
    ).view() == {
        "monitor": "m",
        "signal": None,
        "coefficient": None,
        "message": None,
        "datasets": [],
        "violations": [{"feature": "f", "metric": "d", "value": 1, "threshold": 0.5}],
        "baseline_dataset": None,
        "target_dataset": None,
        "start_time": None,
        "end_time": "2026-11-22T00:00:00Z",
        "run_id": None,
    }
