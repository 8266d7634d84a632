"""Links to the studio, and the ids in subjects."""

from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from schemas import (
    DatasetDriftDetected,
    Event,
    ModelDeployed,
    ModelRegistered,
    RunCompleted,
    RunStatusChanged,
    parse_event,
)
from schemas.events.base import short_name
from schemas.events.dataset_drift_detected import DriftSubject
from schemas.events.model_deployed import EndpointSubject
from schemas.events.model_registered import ModelSubject
from schemas.events.run import RunSubject
from schemas.examples import MODEL_MONITOR_BREACH
from tests.kit.payloads import MINIMAL, WORKSPACE, event_grid

HOSTILE = [
    "../../x",
    "a/b",
    "a?b=c",
    "a#b",
    "a&wsid=/evil",
    "javascript:alert(1)",
    '"><script>',
    "a b\n",
    "%2e%2e",
    "ä😀",
]


def link(event_type: str, **data: Any) -> str | None:
    return parse_event(event_grid(event_type, {**MINIMAL[event_type], **data})).studio_url


@pytest.mark.parametrize(
    ("event_type", "data", "path"),
    [
        ("RunCompleted", {}, "/runs/r1"),
        ("RunStatusChanged", {}, "/runs/r1"),
        ("ModelRegistered", {}, "/model/churn:7/details"),
        ("ModelDeployed", {}, "/endpoints/realtime/churn/detail"),
        ("DatasetDriftDetected", {"runId": "d1_15"}, "/runs/d1_15"),
    ],
)
def test_studio_url_links_to_the_page_of_the_object(event_type: str, data: dict[str, Any], path: str) -> None:
    """In the workspace that raised the event."""
    assert link(event_type, **data) == f"https://ml.azure.com{path}?wsid={WORKSPACE}"


def test_studio_url_of_a_model_monitor_s_drift_is_that_of_the_monitor_s_run() -> None:
    """The step that reports it has an id that nobody knows. Without its pipeline's id, it is the step's."""
    event = RunStatusChanged.example(**MODEL_MONITOR_BREACH)
    pipeline = str(event.data.run_tags["azureml.pipelinerunid"])
    assert f"/runs/{pipeline}?" in str(event.studio_url)
    alone = {name: text for name, text in event.data.run_tags.items() if "pipelinerunid" not in name}
    event = RunStatusChanged.example(**{**MODEL_MONITOR_BREACH, "run_tags": alone})
    assert f"/runs/{event.data.run_id}?" in str(event.studio_url)
    step = RunStatusChanged.example(run_tags={"azureml.pipelinerunid": pipeline})
    assert f"/runs/{step.data.run_id}?" in str(step.studio_url)


def test_studio_url_of_a_drift_without_a_run_is_none() -> None:
    """In a view it is ""."""
    event = parse_event(event_grid("DatasetDriftDetected"))
    assert (event.studio_url, event.view()["studio_url"]) == (None, "")


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize(
    ("event_type", "field", "path"),
    [
        ("RunStatusChanged", "runId", "/runs/{}"),
        ("ModelRegistered", "modelName", "/model/{}:7/details"),
        ("ModelRegistered", "modelVersion", "/model/churn:{}/details"),
        ("ModelDeployed", "serviceName", "/endpoints/realtime/{}/detail"),
    ],
)
def test_hostile_names_stay_one_part_of_the_path(event_type: str, field: str, path: str, text: str) -> None:
    """They cannot change the rest of the path, add a parameter, or end an HTML attribute."""
    url = link(event_type, **{field: text})
    assert url is not None
    parts = urlsplit(url)
    assert (parts.scheme, parts.netloc, parts.fragment) == ("https", "ml.azure.com", "")
    assert unquote(parts.path) == path.format(text)
    assert parts.path.count("/") == path.count("/")
    assert parse_qs(parts.query) == {"wsid": [WORKSPACE]}
    assert url.isascii()
    assert not set(url) & set("\"'<> \n")


@pytest.mark.parametrize("text", [".", ".."])
def test_studio_url_of_a_relative_path_segment_is_none(text: str) -> None:
    """Browsers resolve ``..`` even where it is percent-encoded."""
    assert link("RunStatusChanged", runId=text) is None
    assert link("ModelDeployed", serviceName=text) is None
    assert link("ModelRegistered", modelName=text) is not None  # the version follows in the same part


def test_studio_url_encodes_the_workspace_name() -> None:
    """For example the placeholders of the documentation."""
    event = parse_event(event_grid(topic=WORKSPACE.replace("churn", "{workspace-name}&x=1")))
    assert event.studio_url is not None
    assert event.studio_url.endswith("/workspaces/%7Bworkspace-name%7D%26x%3D1")


@pytest.mark.parametrize(
    ("event_type", "subject", "parts"),
    [
        ("RunCompleted", "experiments/e1/runs/r1", RunSubject("e1", "r1")),
        ("RunStatusChanged", "experiments/e1/runs/AutoML_1_2", RunSubject("e1", "AutoML_1_2")),
        ("RunStatusChanged", "Experiments/e1/Runs/r1", RunSubject("e1", "r1")),
        ("ModelRegistered", "models/churn:7", ModelSubject("churn", "7")),
        ("ModelRegistered", "models/a:b:7", ModelSubject("a:b", "7")),
        ("ModelDeployed", "endpoints/churn", EndpointSubject("churn")),
        ("DatasetDriftDetected", "datadrift/d1/run/r1", DriftSubject("d1", "r1")),
        ("DatasetDriftDetected", "datadrifts/d1/runs/r1", DriftSubject("d1", "r1")),
        ("DatasetDriftDetected", "datadrifts/{}/runs/{}", DriftSubject("{}", "{}")),
    ],
)
def test_subject_parts_are_the_ids_in_the_subject(event_type: str, subject: str, parts: tuple[str, ...]) -> None:
    """Drift events have two documented forms."""
    assert parse_event(event_grid(event_type, subject=subject)).subject_parts == parts


@pytest.mark.parametrize("event_type", MINIMAL)
@pytest.mark.parametrize(
    "subject",
    [
        "",
        "x",
        "experiments//runs/",
        "experiments/e/runs/r/x",
        "models/churn",
        "models/a/b:1",
        "endpoints/",
        "datadrift/d/runs/r",
    ],
)
def test_subject_parts_of_another_form_are_none(event_type: str, subject: str) -> None:
    """It is no error: the data identifies the object."""
    event = parse_event(event_grid(event_type, subject=subject))
    assert event.subject_parts is None
    assert event.subject == subject


def test_a_null_subject_is_empty() -> None:
    """Event Grid may omit the subject."""
    assert parse_event(event_grid(subject=None)).subject == ""


@pytest.mark.parametrize(
    "event_class", [RunCompleted, RunStatusChanged, ModelRegistered, ModelDeployed, DatasetDriftDetected]
)
def test_subjects_of_examples_contain_ids_of_their_data(event_class: type[Event]) -> None:
    """`example_subject` of a type has its documented form."""
    event = event_class.example()
    assert event.subject_parts is not None
    assert set(event.subject_parts) <= {value for value in event.wire()["data"].values() if isinstance(value, str)}


@pytest.mark.parametrize(
    ("event", "label"),
    [
        (RunStatusChanged.example(runId="kiwi", runStatus="Canceled"), "kiwi Canceled"),
        (RunCompleted.example(runId="kiwi"), "kiwi"),
        (ModelRegistered.example(modelName="churn", modelVersion="8"), "churn:8"),
        (ModelDeployed.example(serviceName="churn"), "churn"),
        (RunStatusChanged.example(runId="kiwi", runStatus="x" * 1_000), f"kiwi {short_name('x' * 1_000)}"),
    ],
)
def test_label_is_the_object_with_what_the_event_reports_of_it(event: Event, label: str) -> None:
    assert event.label == label
