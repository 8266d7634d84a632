"""`Drift`: what a monitor found, whichever of the two forms told of it.

Data drift v1 raised DatasetDriftDetected. Model monitors, which replaced it, raise RunStatusChanged with the tag
`azureml_modelmonitor_threshold_breached` (learn.microsoft.com, "Monitor the performance of models deployed to
production"). The tag's text, and that nothing else is told, is from the component that sets it: Azure/azureml-assets,
assets/model_monitoring/components/src, "evaluate metrics threshold".
"""

import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from math import isfinite
from typing import Any

from schemas.data import DatasetDriftDetectedData, RunData
from schemas.fields import format_time

BREACH_TAG = "azureml_modelmonitor_threshold_breached"


@dataclass(frozen=True, slots=True)
class Violation:
    """A metric beyond its threshold; None for what the message does not say."""

    feature: str | None
    metric: str | None
    value: float | None
    threshold: float | None


@dataclass(frozen=True, slots=True)
class Drift:
    """What a monitor found; None for what its form does not tell."""

    monitor: str | None = None  # data drift v1 only: a model monitor's event tells its signal's name, not its own
    signal: str | None = None  # model monitors only
    coefficient: float | None = None  # data drift v1 only
    message: str | None = None  # model monitors only
    violations: tuple[Violation, ...] = ()  # model monitors only; a tag holds 1,000 characters, so the last may be cut
    baseline_dataset: str | None = None  # these four: data drift v1 only
    target_dataset: str | None = None
    start_time: datetime | None = None
    end_time: datetime | None = None
    run_id: str | None = None

    def view(self) -> dict[str, Any]:
        """Plain data, as conditions and templates see it.

        There `monitor` says which it is in both forms: a model monitor is known by its signal, whose name is to begin
        with the monitor's ("Monitor the performance of models deployed to production", on filters). And `datasets` are
        the ids of those that are named: none by a model monitor.
        """
        return asdict(self) | {
            "monitor": self.monitor or self.signal,
            "datasets": [id for id in (self.baseline_dataset, self.target_dataset) if id],
            "violations": [asdict(violation) for violation in self.violations],
            "start_time": format_time(self.start_time),
            "end_time": format_time(self.end_time),
        }


def dataset_drift(data: DatasetDriftDetectedData) -> Drift:
    """The drift that a DatasetDriftDetected tells of."""
    return Drift(
        monitor=data.monitor,
        coefficient=data.drift_coefficient,
        baseline_dataset=data.base_dataset_id,
        target_dataset=data.target_dataset_id,
        start_time=data.start_time,
        end_time=data.end_time,
        run_id=data.run_id,
    )


def monitor_breach(data: RunData) -> Drift | None:
    """The drift that a model monitor's run tells of; None if the run carries no breach."""
    breach = data.run_tags.get(BREACH_TAG)
    if not breach:
        return None
    message = breach if isinstance(breach, str) else json.dumps(breach)
    signal = re.search(r"The signal '([^'\n]{1,255})' has failed", message)
    violations = tuple(_violations(message))
    return Drift(signal=signal[1] if signal else None, message=message, violations=violations, run_id=data.run_id)


def _violations(message: str) -> Iterator[Violation]:
    """The JSON objects within the message: one per feature and metric."""
    for text in re.findall(r"\{[^{}]*\}", message):
        try:
            row = json.loads(text)
        except (ValueError, RecursionError):
            continue
        yield Violation(
            feature=_text(row.get("group")),
            metric=_text(row.get("metric_name")),
            value=_number(row.get("metric_value")),
            threshold=_number(row.get("threshold_value")),
        )


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _number(value: Any) -> float | None:
    try:
        number = float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
    except OverflowError:
        return None
    return number if number is not None and isfinite(number) else None
