"""The metrics of a run: the last value of each.

The request is that of microsoft/promptflow, src/promptflow-azure, _run_operations.py (`lastvalues`); the shape of the
answer is MetricV2Dto of azureml-core (_restclient/models).
"""

import math
from collections.abc import Mapping
from typing import Any

from handlers.azure.facts.reader import NotFound, Reader
from handlers.azure.facts.values import MOST, name, number, object_of, objects, text

Metrics = dict[str, float | str]

_TEXT_LIMIT = 200  # characters of a metric that is a text
_ARTIFACT = "artifact"  # the type of a column that refers to a file, such as an image


def last_metrics(reader: Reader, path: str) -> Metrics:
    """The last value of each metric of the run at a path below the workspace's services. Raises NotRead."""
    try:
        body = reader.ask_service(f"/metric/v2.0{path}/lastvalues", {})
    except NotFound:  # a run without metrics
        return {}
    found: Metrics = {}
    for metric in objects(body.get("value")):
        key, value = name(metric.get("name")), _last(metric)
        if key and value is not None and len(found) < MOST:
            found[key] = value
    return found


def _last(metric: Mapping[str, Any]) -> float | str | None:
    """A metric's last value; None if it is no number or short text, such as a table or an image."""
    points, label = objects(metric.get("value")), str(metric.get("name"))
    if not points or str(object_of(metric.get("columns")).get(label)).casefold() == _ARTIFACT:
        return None
    value = object_of(points[-1].get("data")).get(label)
    if isinstance(value, float) and not math.isfinite(value):  # not in JSON, but Python's reader takes it
        return str(value)
    found = number(value)
    return _text(value) if found is None else found


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and len(value) <= _TEXT_LIMIT and text(value) == value else None
