"""`Drift`: the drift that a monitor found, read from either of the two event types that report drift.

Data drift v1 raises DatasetDriftDetected. Model monitors, which replaced it, raise RunStatusChanged with the tag
`azureml_modelmonitor_threshold_breached` (learn.microsoft.com, "Monitor the performance of models deployed to
production"). The format of the tag, and that it is the only information about the breach, is from the component that
sets it: Azure/azureml-assets, assets/model_monitoring/components/src, "evaluate metrics threshold".
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from math import isfinite
from typing import Any

from schemas.fields import format_time
from schemas.tags import Tags

BREACH_TAG = "azureml_modelmonitor_threshold_breached"
_LITERAL = re.compile(r"""(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")(?:, )?""", re.DOTALL)  # a Python text in a list
_READ = 100_000  # characters of a message; tags hold 1,000
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t"}


@dataclass(frozen=True, slots=True)
class Violation:
    """A metric that violates its threshold. A field that the message lacks is None."""

    feature: str | None
    metric: str | None
    value: float | None
    threshold: float | None

    def view(self) -> dict[str, Any]:
        """Its fields as plain data. (`dataclasses.asdict` takes many times as long.)"""
        return {"feature": self.feature, "metric": self.metric, "value": self.value, "threshold": self.threshold}


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
        return {
            "monitor": self.monitor or self.signal,
            "signal": self.signal,
            "coefficient": self.coefficient,
            "message": self.message,
            "violations": [violation.view() for violation in self.violations],
            "baseline_dataset": self.baseline_dataset,
            "target_dataset": self.target_dataset,
            "datasets": [id for id in (self.baseline_dataset, self.target_dataset) if id],
            "start_time": format_time(self.start_time),
            "end_time": format_time(self.end_time),
            "run_id": self.run_id,
        }


def monitor_breach(run_tags: Tags, run_id: str) -> Drift | None:
    """The drift that the tags of a model monitor's run report; None if they lack the breach tag."""
    breach = run_tags.get(BREACH_TAG)
    if not breach:
        return None
    message = breach if isinstance(breach, str) else json.dumps(breach)
    return Drift(signal=_signal(message), message=message, violations=_violations(message[:_READ]), run_id=run_id)


def _signal(message: str) -> str | None:
    """The signal's name; it may have quotes, which the message does not escape."""
    name, found, _ = message.partition("The signal '")[2].partition("' has failed")
    return name if found and 0 < len(name) <= 255 and "\n" not in name else None


@lru_cache(maxsize=4)  # matching, guards, conditions and templates read the drift of one event in turn
def _violations(message: str) -> tuple[Violation, ...]:
    """Read the violations: from the list of texts if it is whole, else from every JSON object in the message."""
    listed = [row for text in _list_of_texts(message) if (row := _object(_unescaped(text)) or _object(text))]
    loose = [row for text in re.findall(r"\{[^{}]*\}", message) if (row := _object(text)) is not None]
    return tuple(
        Violation(
            feature=_text(row.get("group")),
            metric=_text(row.get("metric_name")),
            value=_number(row.get("metric_value")),
            threshold=_number(row.get("threshold_value")),
        )
        for row in max(listed, loose, key=len)
    )


def _list_of_texts(message: str) -> Iterator[str]:
    """The texts of the list in the message, which Python wrote, without their quotes; a truncated one is left out."""
    start = re.search(r"\[(?=['\"]\{)", message)
    at = start.end() if start else len(message)
    while found := _LITERAL.match(message, at):
        yield found[0].removesuffix(", ")[1:-1]
        at = found.end()


def _unescaped(text: str) -> str:
    """The value of a Python text, given without its quotes."""

    def character(found: re.Match[str]) -> str:
        return chr(int(found[1] or found[2], 16)) if found[1] or found[2] else _ESCAPES.get(found[3], found[3])

    return re.sub(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|(.))", character, text, flags=re.DOTALL)


def _object(text: str) -> dict[str, Any] | None:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _text(value: Any) -> str | None:
    """The value if it is a text; its lone surrogates, which UTF-8 cannot encode, become U+FFFD."""
    if not isinstance(value, str):
        return None
    return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _number(value: Any) -> float | None:
    try:
        number = float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
    except OverflowError:
        return None
    return number if number is not None and isfinite(number) else None
