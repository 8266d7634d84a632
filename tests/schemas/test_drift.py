"""`event.drift`: one form for what data drift v1 and model monitors tell."""

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


def test_data_drift_v1_tells_of_a_monitor_two_datasets_and_a_coefficient() -> None:
    """And of the span that was looked at, and the run that looked."""
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


def test_data_drift_v1_may_tell_little() -> None:
    """None for what it does not."""
    assert DatasetDriftDetected.example(data={"dataDriftId": "d1"}).drift == Drift(monitor="d1")


def test_a_model_monitor_tells_of_a_signal_and_its_features() -> None:
    """From the text of the tag; it names neither the monitor nor the datasets."""
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
def test_the_tag_is_found_in_any_case(tag: str) -> None:
    """The service changes the case of tags' names."""
    assert breach(HEAD, tag) == Drift(signal="name", message=HEAD, run_id="r1")


@pytest.mark.parametrize("message", ["", None, {}, False])
def test_an_empty_tag_is_no_breach(message: Any) -> None:
    """Nothing was breached that anybody could name."""
    assert breach(message) is None


def test_a_message_that_was_cut_gives_what_is_whole() -> None:
    """A tag's value is limited to 1,000 characters."""
    row = '{"group":"age","metric_value":0.4,"metric_name":"JensenShannonDistance","threshold_value":0.1}'
    found = breach(HEAD + f"['{row}', '{row[:40]}")
    assert found is not None
    assert found.violations == (Violation("age", "JensenShannonDistance", 0.4, 0.1),)


def test_a_row_may_lack_its_feature() -> None:
    """Signals that are not about features have none."""
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
        "{" * 900_000,
    ],
    ids=lambda message: message[:40],
)
def test_another_message_is_a_breach_without_particulars(message: str) -> None:
    """The tag is there, so something was breached; the message is kept as it is."""
    found = breach(message)
    assert found is not None
    assert (found.message, found.signal) == (message, None)
    assert set(found.violations) <= {Violation(None, None, None, None)}
    json.dumps(found.view(), allow_nan=False)


def test_a_message_that_is_no_text_is_printed() -> None:
    """Tags are texts, but nothing says so."""
    found = breach({"signal": "x"})
    assert found is not None
    assert found.message == '{"signal": "x"}'


def test_no_other_event_tells_of_drift() -> None:
    """Not a run without the tag, nor one that only completed, nor one whose property is called so."""
    assert RunStatusChanged.example().drift is None
    assert RunStatusChanged.example(run_properties={TAG: HEAD}).drift is None
    assert RunCompleted.example(run_tags={TAG: HEAD}).drift is None
    assert ModelRegistered.example(model_tags={TAG: HEAD}).drift is None


def test_the_datasets_are_those_that_are_named() -> None:
    """As a list, in which templates need not mind what is not there."""
    assert Drift(baseline_dataset="b", target_dataset="t").view()["datasets"] == ["b", "t"]
    assert Drift(target_dataset="t").view()["datasets"] == ["t"]


def test_a_drift_is_seen_as_plain_data() -> None:
    """Times and violations as texts and objects."""
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
