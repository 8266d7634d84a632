"""Answers that are wrong, late, too long or hostile make facts unavailable or missing, and nothing else."""

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from azure.core.exceptions import ClientAuthenticationError
from hypothesis import strategies as st

from handlers.azure.facts import fetch
from handlers.azure.facts.endpoints import endpoint_facts
from handlers.azure.facts.models import model_facts
from handlers.azure.facts.parts import Deadline, NotRead, Parts
from handlers.azure.facts.reader import JSON_LIMIT, Reader
from handlers.azure.facts.runs import run_facts
from handlers.azure.ml.workspace import AzureML
from schemas import RunStatusChanged
from schemas.facts import EndpointFacts, Facts, ModelFacts, RunFacts
from tests.handlers.azure.facts.answers import (
    PIPELINE,
    STEP,
    Answer,
    Answers,
    Service,
    endpoint_answers,
    model_answers,
    run_answers,
)
from tests.kit.any_input import any_input

WRONG = [
    pytest.param(Answer(b"<!DOCTYPE html><html></html>"), "the answer of {host} is an HTML page", id="html"),
    pytest.param(Answer(b'{"runId": "bra'), "the answer of {host} is no valid JSON", id="truncated"),
    pytest.param(Answer(b"\xff\xfe\x00"), "the answer of {host} is no valid JSON", id="no UTF-8"),
    pytest.param(Answer(b"[" * 100_000), "the answer of {host} is no valid JSON", id="deep"),
    pytest.param(Answer(b'{"n": ' + b"9" * 5_000 + b"}"), "the answer of {host} is no valid JSON", id="long number"),
    pytest.param(Answer(b""), "the answer of {host} is no valid JSON", id="empty"),
    pytest.param(Answer([1]), "the answer of {host} is no JSON object", id="list"),
    pytest.param(Answer(b"x" * (JSON_LIMIT + 1)), "the answer of {host} is longer than 4,000,000 bytes", id="huge"),
    pytest.param(Answer(b"x", 302, {"Location": "https://a.test"}), "{host} redirects elsewhere (HTTP 302)", id="302"),
    pytest.param(Answer(b"x", 204), "HTTP 204 from {host}", id="204"),
    pytest.param(Answer(b"<html>" + b"x" * 200_000, 502), "HTTP 502 from {host}", id="long error"),
    pytest.param(Answer([], 500), "HTTP 500 from {host}", id="error that is a list"),
    pytest.param(Answer({"error": "denied"}, 500), "HTTP 500 from {host}", id="error that is a text"),
]
HOST = "westeurope.api.azureml.ms"


def read_run(answers: Answers, within: float = 30.0) -> RunFacts:
    found = Service(answers, within).read(run_facts, PIPELINE)
    assert isinstance(found, RunFacts)
    return found


def test_right_answers_make_whole_facts() -> None:
    facts = read_run(run_answers())
    assert facts.missing == ()
    assert facts.view() == {
        "missing": [],
        "id": PIPELINE,
        "display_name": "nightly churn",
        "status": "Failed",
        "type": "pipeline",
        "error": {
            "code": "UserTrainingScriptFailed",
            "message": "AzureMLCompute job failed.\nJobFailed: Submitted script failed with a non-zero exit code",
        },
        "failing_step": {"id": STEP, "name": "train", "url": facts.failing_step.url},
        "compute": {"name": "gpu", "type": "AmlCompute", "size": "Standard_NC6", "nodes": 2},
        "parent": {"id": "weekly_owl", "name": "weekly", "url": facts.parent.url},
        "owner": "Release pipeline",
        "started": "2026-11-22T09:00:00.134041Z",
        "ended": "2026-11-22T09:12:44.134041Z",
        "duration": 602.5,
        "metrics": {"auc": 0.91},
        "log_tail": "epoch 1\nKilled",
        "log_file": "user_logs/std_log.txt",
        "url": facts.url,
        "notebook": "train.ipynb",
    }


@pytest.mark.parametrize(("answer", "reason"), WRONG)
def test_wrong_answer_about_the_run_itself_makes_it_unavailable(answer: Answer, reason: str) -> None:
    answers = {**run_answers(), f"/runs/{PIPELINE}": answer, f"/runs/{PIPELINE}/details": answer}
    with pytest.raises(NotRead) as caught:
        read_run(answers)
    assert str(caught.value) == reason.format(host=HOST)


@pytest.mark.parametrize(("answer", "reason"), WRONG)
@pytest.mark.parametrize(
    ("suffix", "part"),
    [(f"/runs/{PIPELINE}/lastvalues", "the metrics"), (f"/runs/{PIPELINE}/children", "the failed step")],
)
def test_wrong_answer_about_a_part_makes_that_part_missing(answer: Answer, reason: str, suffix: str, part: str) -> None:
    facts = read_run({**run_answers(), suffix: answer})
    assert facts.missing == (f"{part}: {reason.format(host=HOST)}",)
    assert facts.display_name == "nightly churn"


@pytest.fixture
def blocked() -> Iterator[threading.Event]:
    """An event that a slow answer waits for; the end of the test sets it."""
    event = threading.Event()
    yield event
    event.set()


def test_late_part_is_missing_and_the_rest_is_there(blocked: threading.Event) -> None:
    def slow(_: Any) -> Answer:
        blocked.wait(60)
        return Answer({})

    facts = read_run({**run_answers(), f"/runs/{PIPELINE}/lastvalues": slow}, within=1.0)
    assert facts.missing == ("the metrics: no answer within 1 s",)
    assert facts.transient
    assert facts.error.code == "UserTrainingScriptFailed"


def test_late_run_is_unavailable(blocked: threading.Event) -> None:
    def slow(_: Any) -> Answer:
        blocked.wait(60)
        return Answer({})

    slow_ones: Answers = {f"/runs/{PIPELINE}": slow, f"/runs/{PIPELINE}/details": slow}
    with pytest.raises(NotRead, match=r"^no answer within 0\.2 s$"):
        read_run({**run_answers(), **slow_ones}, within=0.2)


@pytest.mark.parametrize("api", [None, 7, "http://westeurope.api.azureml.ms", "ftp://x"])
def test_services_without_a_safe_url_are_not_asked(api: Any) -> None:
    service = Service({**run_answers(), "/discovery": Answer({"api": api})})
    with pytest.raises(NotRead, match="does not name its services"):
        service.read(run_facts, PIPELINE)
    assert service.sent("/details") == []


def test_list_that_continues_elsewhere_is_not_followed() -> None:
    """The token is for Resource Manager only."""
    more = Answer({"value": [], "nextLink": "https://evil.example/next"})
    facts = Service({**endpoint_answers(), "/onlineEndpoints/churn/deployments": more}).read(endpoint_facts, "churn")
    assert facts.missing == ("the deployments: the list continues on another server",)


def test_list_without_end_is_read_in_part_only() -> None:
    endless = Answer({"value": [], "nextLink": "https://management.azure.com/onlineEndpoints/churn/deployments?next"})
    service = Service({**endpoint_answers(), "/onlineEndpoints/churn/deployments": endless})
    facts = service.read(endpoint_facts, "churn")
    assert facts.missing == ("the deployments: the list has more than 10 pages",)
    facts = read_run({**run_answers(), f"/runs/{PIPELINE}/children": Answer({"continuationToken": "again"})})
    assert facts.missing == ("the failed step: the list has more than 10 pages",)


def test_clocks_that_differ_make_no_negative_duration() -> None:
    run = run_answers()[f"/runs/{PIPELINE}"]
    assert isinstance(run, Answer)
    early = {**run.body, "endTimeUtc": "2026-11-22T08:59:59Z", "duration": "-00:00:01"}
    answers = {**run_answers(), f"/runs/{PIPELINE}": Answer(early), f"/runs/{PIPELINE}/details": Answer({})}
    assert read_run(answers).duration is None


def test_details_alone_are_enough() -> None:
    facts = read_run({**run_answers(), f"/runs/{PIPELINE}": Answer({}, 500)})
    assert facts.missing == (f"the run: HTTP 500 from {HOST}",)
    assert facts.status == "Failed"


def with_step_details(**changes: Any) -> Answers:
    """The answers with other details of the failed step."""
    answer = run_answers()[f"/runs/{STEP}/details"]
    assert isinstance(answer, Answer)
    return {**run_answers(), f"/runs/{STEP}/details": Answer({**answer.body, **changes})}


def test_serverless_compute_has_no_name() -> None:
    compute = {"target": "serverless", "vmSize": "Standard_NC6", "instanceCount": 1}
    found = read_run(with_step_details(compute=compute)).compute
    assert (found.name, found.type, found.size, found.nodes) == (None, "Serverless", "Standard_NC6", 1)


def test_compute_that_is_gone_keeps_its_name() -> None:
    facts = read_run(with_step_details(compute={"target": "deleted"}))
    assert (facts.compute.name, facts.compute.size, facts.missing) == ("deleted", None, ())


def test_run_without_compute_has_none() -> None:
    assert read_run(with_step_details(compute=None)).compute.name is None


def test_step_without_its_own_error_leaves_that_of_the_pipeline() -> None:
    details = Answer({"status": "Failed", "error": {"error": {"code": "ServiceError", "message": "see the steps"}}})
    facts = read_run({**with_step_details(error=None), f"/runs/{PIPELINE}/details": details})
    assert (facts.error.code, facts.error.message) == ("ServiceError", "see the steps")
    assert facts.failing_step.name == "train"


def test_steps_of_a_step_that_cannot_be_read_do_not_lose_it() -> None:
    facts = read_run({**run_answers(), f"/runs/{STEP}/children": Answer({}, 403)})
    assert (facts.failing_step.name, facts.missing) == ("train", ())


@pytest.mark.parametrize("depth", [1, 4, 5, 6, 12])
def test_pipelines_in_pipelines_are_read_to_a_depth(depth: int) -> None:
    answers = run_answers()
    for n in range(depth):
        child = {"runId": f"{PIPELINE}-{n}", "displayName": f"level {n}", "status": "Failed"}
        answers[f"/runs/{PIPELINE}{f'-{n - 1}' if n else ''}/children"] = Answer({"value": [child]})
    assert read_run(answers).failing_step.name == f"level {min(depth, 5) - 1}"


def test_app_without_a_token_says_so() -> None:
    class NoToken:
        def get_token(self, *_: str, **__: Any) -> Any:
            raise ClientAuthenticationError("ManagedIdentityCredential: no identity\nmore")

    service, deadline = Service(run_answers()), Deadline.after(30)
    azureml = AzureML(service.azureml.workspace, service.endpoint, NoToken(), service.transport)
    with pytest.raises(NotRead, match=r"^the app has no token: ManagedIdentityCredential: no identity$"):
        run_facts(Reader(azureml, deadline), Parts(deadline), (PIPELINE,))


def test_invalid_setting_makes_facts_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLEVENTS_ARM_ENDPOINT", "http://insecure.example")
    facts = fetch(RunStatusChanged.example(), "run", 1)
    assert facts.unavailable
    assert facts.unavailable.startswith("ValueError: MLEVENTS_ARM_ENDPOINT is 'http://insecure.example'")
    assert facts.transient


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.just("\ud800\x00\x1b[31m"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def _mutated(value: Any, draw: Any) -> Any:
    """The value with one of its members replaced, at any depth."""
    if isinstance(value, dict) and value and draw(st.integers(0, 4)):
        key = draw(st.sampled_from(sorted(value)))
        return {**value, key: _mutated(value[key], draw)}
    if isinstance(value, list) and value and draw(st.integers(0, 4)):
        place = draw(st.integers(0, len(value) - 1))
        return [*value[:place], _mutated(value[place], draw), *value[place + 1 :]]
    return draw(_JSON)


def _check(answers: Answers, draw: Any, kind: type[Facts], read: Any, *id: str) -> None:
    changed = dict(answers)
    for _ in range(draw(st.integers(1, 3))):
        key = draw(st.sampled_from(sorted(key for key in answers if key != "/std_log.txt")))
        answer = changed[key]
        assert isinstance(answer, Answer)
        changed[key] = Answer(_mutated(answer.body, draw), answer.status, answer.headers)
    try:
        facts = Service(changed).read(read, *id)
    except NotRead as error:
        facts = kind.without(str(error))
    assert isinstance(facts, kind)
    text = json.dumps(facts.view(), allow_nan=False, ensure_ascii=False)
    assert len(text.encode()) < 60_000
    assert "Error: " not in " ".join([*facts.missing, facts.unavailable or ""])  # no defect of ours


@any_input(60, 5_000, data=st.data())
def test_any_answer_about_a_run_makes_facts(data: st.DataObject) -> None:
    _check(run_answers(), data.draw, RunFacts, run_facts, PIPELINE)


@any_input(40, 5_000, data=st.data())
def test_any_answer_about_a_model_makes_facts(data: st.DataObject) -> None:
    _check(model_answers(), data.draw, ModelFacts, model_facts, "churn", "7")


@any_input(30, 5_000, data=st.data())
def test_any_answer_about_an_endpoint_makes_facts(data: st.DataObject) -> None:
    _check(endpoint_answers(), data.draw, EndpointFacts, endpoint_facts, "churn")
