"""An event's `subject`, taken apart. The data says which object an event is about; this is for those who go by subject.

Shapes: learn.microsoft.com, "Trigger applications, processes, or CI/CD workflows based on Azure Machine Learning
events". For drift the pages disagree: that one has ``datadrift/{id}/run/{id}``, as in the SDKs' captured samples,
"Azure Machine Learning as an Event Grid source" has ``datadrifts/{}/runs/{}``. Both are read.
"""

import re
from typing import NamedTuple, TypeAlias, TypeVar


class RunSubject(NamedTuple):
    """``experiments/{experimentId}/runs/{runId}``."""

    experiment_id: str
    run_id: str


class ModelSubject(NamedTuple):
    """``models/{modelName}:{modelVersion}``."""

    name: str
    version: str


class EndpointSubject(NamedTuple):
    """``endpoints/{serviceId}``."""

    service_id: str


class DriftSubject(NamedTuple):
    """``datadrift/{dataDriftId}/run/{runId}``, or both words in the plural."""

    drift_id: str
    run_id: str


Subject: TypeAlias = RunSubject | ModelSubject | EndpointSubject | DriftSubject
S = TypeVar("S", bound=Subject)

_SHAPES = {
    RunSubject: re.compile(r"experiments/([^/]+)/runs/([^/]+)", re.IGNORECASE),
    ModelSubject: re.compile(r"models/([^/]+):([^/:]+)", re.IGNORECASE),
    EndpointSubject: re.compile(r"endpoints/([^/]+)", re.IGNORECASE),
    DriftSubject: re.compile(r"(?:datadrift/([^/]+)/run|datadrifts/([^/]+)/runs)/([^/]+)", re.IGNORECASE),
}


def parse_subject(kind: type[S], subject: str) -> S | None:
    """The ids in a subject, or None if it does not have the documented shape."""
    match = _SHAPES[kind].fullmatch(subject)
    return kind(*filter(None, match.groups())) if match else None
