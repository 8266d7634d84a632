"""`Condition`: a condition of an alert, read from any of Azure Monitor's forms."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from handlers.base import shorten
from schemas.plain import MISSING, step

MOST_CONDITIONS = 10
_LONGEST = 300  # characters of a text in a sentence
_WORDS = {
    "greaterthan": "above",
    "greaterthanorequal": "at least",
    "greaterthanorequals": "at least",
    "lessthan": "below",
    "lowerthan": "below",
    "lessthanorequal": "at most",
    "lowerthanorequal": "at most",
    "equals": "equal to",
    "equal": "equal to",
}
_SPAN = re.compile(r"PT?(\d+)([SMHD])")
_UNITS = {"S": "second", "M": "minute", "H": "hour", "D": "day"}


@dataclass(frozen=True, slots=True)
class Condition:
    """What an alert rule compares. Without a metric, `text` says what happened: an operation, an outage."""

    metric: str = ""
    operator: str = ""
    threshold: str = ""
    value: str = ""
    aggregation: str = ""
    window: str = ""
    dimensions: Mapping[str, str] = field(default_factory=dict)
    text: str = ""

    @property
    def key(self) -> str:
        """What distinguishes it from the conditions of other alerts of the same rule."""
        return f"{self.metric}|{sorted(self.dimensions.items())}|{self.text}"

    @property
    def fields(self) -> dict[str, Any]:
        """The members of the event's data."""
        names = ("metric", "operator", "aggregation", "window")
        numbers = {name: number for name in ("threshold", "value") if (number := _number(getattr(self, name)))}
        return {name: getattr(self, name) for name in names} | numbers | {"dimensions": dict(self.dimensions)}

    def words(self, *, is_resolved: bool) -> str:
        """A sentence: ``Failed Runs is 4, above 0 (Total of 60 minutes)``."""
        if not self.metric:
            return shorten(self.text, _LONGEST)
        found = shorten(self.metric, _LONGEST)
        if self.value:
            found += f" is {_shown(self.value)}"
        word = _WORDS.get(re.sub(r"\W", "", self.operator).casefold(), self.operator)
        if self.threshold and word:
            found += f", {'no longer ' if is_resolved else ''}{word} {_shown(self.threshold)}"
        over = [self.aggregation, f"of {_span(self.window)}" if self.window else ""]
        return f"{found} ({' '.join(filter(None, over))})" if any(over) else found


def criteria(condition: object) -> tuple[Condition, ...]:
    """The conditions under ``allOf``, of metrics and of Log Alerts V2."""
    window, listed = text_at(condition, "windowSize"), at(condition, "allOf")
    return tuple(_criterion(each, window) for each in (listed if isinstance(listed, list) else [])[:MOST_CONDITIONS])


def _criterion(each: object, window: str) -> Condition:
    query = text_at(each, "searchQuery")
    named = text_at(each, "metricName") or text_at(each, "metricMeasureColumn")
    aggregation = text_at(each, "timeAggregation")
    return Condition(
        metric=named or (f"{aggregation or 'Result'} of {' '.join(query.split())}" if query else ""),
        operator=text_at(each, "operator"),
        threshold=text_at(each, "threshold"),
        value=text_at(each, "metricValue"),
        aggregation="" if _SPAN.fullmatch(aggregation) else aggregation,
        window=window,
        dimensions=pairs(at(each, "dimensions")),
    )


def search(context: object) -> tuple[Condition, ...]:
    """The condition of a log alert of the first version: the number of results of a query."""
    query = " ".join(text_at(context, "SearchQuery").split())
    seconds = text_at(context, "SearchIntervalInSeconds")
    minutes = text_at(context, "SearchIntervalInMinutes") or text_at(context, "SearchIntervalDurationMin")
    minutes = minutes or (
        str(int(seconds) // 60) if seconds.isascii() and seconds.isdigit() and len(seconds) < 9 else ""
    )
    return (
        Condition(
            metric=f"Results of {query}" if query else "Results",
            operator=text_at(context, "Operator") or text_at(context, "AlertThresholdOperator"),
            threshold=text_at(context, "Threshold") or text_at(context, "AlertThresholdValue"),
            value=text_at(context, "ResultCount"),
            window=f"PT{minutes}M" if minutes.isascii() and minutes.isdigit() else "",
            dimensions=pairs(at(context, "Dimensions")),
        ),
    )


def activity(log: object) -> tuple[Condition, ...]:
    """What an activity log says happened: an operation and its end, or the health of a resource or a service."""
    properties = at(log, "properties")
    said = text_at(properties, "title") or text_at(log, "operationName")
    status = text_at(properties, "currentHealthStatus") or text_at(properties, "stage") or text_at(log, "status")
    cause = text_at(properties, "cause")
    parts = [said, f": {status}" if said and status else status, f" ({cause})" if cause else ""]
    return (Condition(text=" ".join("".join(parts).split())),)


def at(holder: object, *names: str) -> object:
    """The member at a path of names, in any case; None if there is none."""
    for name in names:
        holder = step(holder, name)
        if holder is MISSING:
            return None
    return holder


def text_at(holder: object, *names: str) -> str:
    """The text, or the number as a text, at a path; empty for anything else."""
    found = at(holder, *names)
    if isinstance(found, bool) or not isinstance(found, str | int | float):
        return ""
    return found.strip() if isinstance(found, str) else f"{found:g}" if isinstance(found, float) else str(found)


def pairs(listed: object) -> dict[str, str]:
    """Names and values of a list of such, or of an object; those that are no texts are left out."""
    if isinstance(listed, Mapping):
        found = {str(name): text_at(listed, str(name)) for name in listed}
    else:
        found = {text_at(each, "name"): text_at(each, "value") for each in (listed if isinstance(listed, list) else [])}
    return {name: value for name, value in list(found.items())[:50] if name and value}


def _number(text: str) -> str | None:
    try:
        return text if text and abs(float(text)) < 1e300 else None
    except ValueError:
        return None


def _shown(text: str) -> str:
    """A number as people write it: 2310.55, 2,310."""
    if _number(text) is None:
        return shorten(text, _LONGEST)
    number = float(text)
    return f"{number:,.0f}" if abs(number) >= 1_000 else f"{number:g}"


def _span(window: str) -> str:
    match = _SPAN.fullmatch(window)
    if match is None:
        return shorten(window, _LONGEST)
    count, unit = match[1].lstrip("0") or "0", _UNITS[match[2]]
    return f"{count} {unit}{'' if count == '1' else 's'}"
