"""The list of a batch endpoint's jobs, of which the emulator's fits on one page."""

from collections.abc import Mapping
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from azure.core.exceptions import ServiceRequestError

from handlers.azure.ml.batch_jobs import jobs_of_endpoint
from handlers.base import RetryLater
from handlers.launch.run import ListUnavailable, TooManyRuns
from tests.handlers.deploy.site import PROD

API = "https://swedencentral.api.azureml.ms"
SINCE = datetime(2026, 11, 22, tzinfo=UTC)


def job(name: str) -> dict[str, Any]:
    return {"name": name, "properties": {"status": "Running"}, "systemData": {"createdAt": "2026-11-22T09:00:00Z"}}


def page(*names: str, link: str | None = None) -> dict[str, Any]:
    return {"value": [job(name) for name in names], "nextLink": link}


def list_jobs(monkeypatch: pytest.MonkeyPatch, *answers: dict[str, Any] | Exception, api: object = API) -> list[str]:
    """The ids of the listed jobs, if the data plane answers one request after another so."""
    left = list(answers)

    class Plane:
        def __init__(self, _: object) -> None: ...

        def api(self) -> str:
            if isinstance(api, Exception):
                raise api
            return str(api)

        def get(self, url: str, query: Mapping[str, str] | None = None) -> dict[str, Any]:
            answer = left.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer

    monkeypatch.setattr("handlers.azure.ml.batch_jobs.DataPlane", Plane)
    azureml: Any = SimpleNamespace(path=PROD)
    return [run.id for run in jobs_of_endpoint(azureml, "churn", SINCE, {})]


def test_jobs_on_every_page_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    link = f"{API}/next"
    assert list_jobs(monkeypatch, page("a", "b", link=link), page("c", link=link), page("d")) == ["a", "b", "c", "d"]


def test_link_to_another_server_is_not_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The list then counts as incomplete, since the rest of it may have the job that is searched."""
    with pytest.raises(TooManyRuns):
        list_jobs(monkeypatch, page("a", link="https://elsewhere.example/next"), page("b"))


@pytest.mark.parametrize(
    "answers", [(ServiceRequestError("down"),), (page("a", link=f"{API}/next"), ValueError("no JSON"))]
)
def test_list_that_cannot_be_read_is_unavailable(monkeypatch: pytest.MonkeyPatch, answers: tuple[Any, ...]) -> None:
    """The first page, or a later one."""
    with pytest.raises(ListUnavailable, match="the jobs of the batch endpoint churn: "):
        list_jobs(monkeypatch, *answers)


@pytest.mark.parametrize("first", [(), (page("a", link=f"{API}/next"),)])
def test_throttling_is_raised_as_it_is(monkeypatch: pytest.MonkeyPatch, first: tuple[Any, ...]) -> None:
    busy = RetryLater("busy", throttled=True)
    cause = ServiceRequestError("busy")
    cause.status_code = 429  # type: ignore[attr-defined]
    busy.__cause__ = cause
    with pytest.raises(RetryLater) as raised:
        list_jobs(monkeypatch, *first, busy)
    assert raised.value is busy


@pytest.mark.parametrize("api", [LookupError("discoveryUrl"), TypeError("None")])
def test_workspace_without_service_url_has_no_list(monkeypatch: pytest.MonkeyPatch, api: Exception) -> None:
    assert list_jobs(monkeypatch, api=api) == []
