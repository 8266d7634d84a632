"""The parts of a mail about drift."""

from datetime import UTC

from handlers.content.drift import drift_headline, drift_lines, drift_rows
from schemas import Drift, RunStatusChanged
from schemas.drift import Violation
from schemas.examples import MODEL_MONITOR_BREACH


def test_each_feature_has_a_line_with_its_threshold() -> None:
    drift = RunStatusChanged.example(**MODEL_MONITOR_BREACH).drift
    assert drift
    assert list(drift_lines(drift, UTC)) == [
        "monthly_charges: NormalizedWassersteinDistance 0.31, threshold 0.1",
        "contract_type: JensenShannonDistance 0.17, threshold 0.1",
    ]
    assert drift_headline(drift) == "Drift of monthly_charges, contract_type found by churn_monitor_data_drift"


def test_drift_about_which_little_is_known() -> None:
    assert drift_headline(Drift()) == "Drift found by a monitor"
    assert list(drift_lines(Drift(message="off"), UTC)) == ["off"]
    assert list(drift_lines(Drift(violations=(Violation(None, None, None, 0.5),)), UTC)) == [
        "Feature: metric unknown, threshold 0.5"
    ]
    assert all(value is None for _, value in drift_rows(Drift()))
