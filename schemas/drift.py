"""`Drift`: the drift that a monitor found, read from either of the two event types that report drift.

Data drift v1 raises DatasetDriftDetected. Model monitors, which replaced it, raise RunStatusChanged with the tag
`azureml_modelmonitor_threshold_breached` (learn.microsoft.com, "Monitor the performance of models deployed to
production"). The format of the tag, and that it is the only information about the breach, is from the component that
sets it: Azure/azureml-assets, assets/model_monitoring/components/src, "evaluate metrics threshold".
"""

import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from math import isfinite
from typing import Any

from schemas.fields import format_time
from schemas.tags import Tags

BREACH_TAG = "azureml_modelmonitor_threshold_breached"


@dataclass(frozen=True, slots=True)
class Violation:
    """A metric that violates its threshold. A field that the message lacks is None."""

    feature: str | None
    metric: str | None
    value: float | None
    threshold: float | None


@dataclass(frozen=True, slots=True)
class Drift:
    """The drift that a monitor found. A field that the event does not report is None."""

    monitor: str | None = None  # data drift v1 only: a model monitor reports the name of its signal, not its own
    signal: str | None = None  # model monitors only
    coefficient: float | None = None  # data drift v1 only
    message: str | None = None  # model monitors only
    violations: tuple[Violation, ...] = ()  # model monitors only; tags hold 1,000 characters, so the last may be cut
    baseline_dataset: str | None = None  # data drift v1 only, as are the next three
    target_dataset: str | None = None
    start_time: datetime | None = None
    end_time: datetime | None = None
    run_id: str | None = None

    def view(self) -> dict[str, Any]:
        """The plain data that conditions and templates read.

        There, `monitor` falls back to the signal's name, which should begin with the monitor's name ("Monitor the
        performance of models deployed to production", on filters). `datasets` lists the ids of the datasets that the
        event names; a model monitor names none.
        """
        return asdict(self) | {
            "monitor": self.monitor or self.signal,
            "datasets": [id for id in (self.baseline_dataset, self.target_dataset) if id],
            "violations": [asdict(violation) for violation in self.violations],
            "start_time": format_time(self.start_time),
            "end_time": format_time(self.end_time),
        }


def monitor_breach(run_tags: Tags, run_id: str) -> Drift | None:
    """The drift that the tags of a model monitor's run report; None if they lack the breach tag."""
    breach = run_tags.get(BREACH_TAG)
    if not breach:
        return None
    message = breach if isinstance(breach, str) else json.dumps(breach)
    signal = re.search(r"The signal '([^'\n]{1,255})' has failed", message)
    return Drift(
        signal=signal[1] if signal else None, message=message, violations=tuple(_violations(message)), run_id=run_id
    )


def _violations(message: str) -> Iterator[Violation]:
    """Read the JSON objects in the message: one per feature and metric."""
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
