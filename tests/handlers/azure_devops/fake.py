"""`FakeAzureDevOps`: one project behind Azure DevOps' REST API, as its OpenAPI documents have it."""

import json
import re
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from mlevents.testing.server import Answer, Request
from tests.kit.openapi import Operation, Published

PUBLISHED = Published("azure_devops")
PAT = "secret-of-the-organization"
PROJECT = "Churn Team"
_API = "/{organization}/{project}/_apis"


@dataclass
class FakeAzureDevOps:
    """Answers the requests of a `RecordingServer`. What the handler could do twice is counted by its lists.

    `faults` replace the answers of the requests, in order; None leaves one as it is. A fault that is a function gets
    the answer, after the service has acted.
    """

    tokens: tuple[str, ...] = (f"Basic {b64encode(f':{PAT}'.encode()).decode()}",)
    pipelines: list[dict[str, Any]] = field(default_factory=lambda: [{"id": 12, "name": "retrain", "folder": "\\"}])
    runs: list[dict[str, Any]] = field(default_factory=list)
    records: list[dict[str, Any]] = field(default_factory=list)
    work_items: list[dict[str, Any]] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)
    faults: list[Answer | Callable[[Answer], Answer] | None] = field(default_factory=list)

    def __call__(self, request: Request) -> Answer:
        """Answer a request."""
        operation = PUBLISHED.operation(request)
        self.seen.append(operation.name)
        assert request.query["api-version"] == "7.1"
        assert operation.parameters["organization"] == "acme"
        assert request.headers["X-TFS-FedAuthRedirect"] == "Suppress"
        fault = self.faults.pop(0) if self.faults else None
        if isinstance(fault, Answer):
            return fault
        if request.headers["Authorization"] not in self.tokens:
            return SIGN_IN
        if operation.parameters["project"] != PROJECT:
            return error(404, "TF200016: The following project does not exist.")
        answer = self._acted(request, operation)
        if answer.status < 300:
            of_list = isinstance(answer.body, dict) and "value" in answer.body
            PUBLISHED.answer(operation, Answer(answer.status, answer.body["value"]) if of_list else answer)
        return fault(answer) if fault else answer

    def _acted(self, request: Request, operation: Operation) -> Answer:
        act = {
            f"GET {_API}/pipelines": lambda *_: listed(self.pipelines),
            f"POST {_API}/pipelines/{{pipelineId}}/runs": self._start,
            f"GET {_API}/build/builds/{{buildId}}": self._read,
            f"GET {_API}/build/builds": self._builds,
            f"PATCH {_API}/build/builds/{{buildId}}": self._cancel,
            f"GET {_API}/build/builds/{{buildId}}/timeline": lambda *_: Answer(200, {"records": self.records}),
            f"POST {_API}/wit/wiql": self._query,
            f"POST {_API}/wit/workitems/${{type}}": self._create,
        }
        return act[operation.name](request, operation.parameters)

    def _start(self, request: Request, parameters: dict[str, str]) -> Answer:
        if not any(str(each["id"]) == parameters["pipelineId"] for each in self.pipelines):
            return error(404, "Pipeline not found")
        body = request.json()
        self.add_run(body.get("templateParameters", {}), body.get("variables", {}))
        run = {"id": self.runs[-1]["id"], "state": "inProgress", "name": "20260101.1", "pipeline": self.pipelines[0]}
        return Answer(200, run)

    def add_run(self, parameters: dict[str, str], variables: dict[str, Any] | None = None) -> None:
        """Add a run that is in progress."""
        self.runs.append(
            {
                "id": 340 + len(self.runs),
                "status": "inProgress",
                "templateParameters": parameters,
                "parameters": json.dumps({name: each["value"] for name, each in (variables or {}).items()}),
            }
        )

    def end(self, result: str) -> None:
        """End the last run."""
        self.runs[-1] |= {"status": "completed", "result": result}

    def _read(self, _: Request, parameters: dict[str, str]) -> Answer:
        found = [run for run in self.runs if str(run["id"]) == parameters["buildId"]]
        return Answer(200, found[0]) if found else error(404, "TF209003: The requested build could not be found.")

    def _builds(self, request: Request, _: dict[str, str]) -> Answer:
        assert request.query["definitions"] in ("12", "13")
        assert request.query["queryOrder"] == "queueTimeDescending"
        return listed(list(reversed(self.runs))[: int(request.query["$top"])])

    def _cancel(self, request: Request, parameters: dict[str, str]) -> Answer:
        assert request.json() == {"status": "cancelling"}
        [run] = [run for run in self.runs if str(run["id"]) == parameters["buildId"]]
        if run["status"] == "completed":
            return error(400, "The build is already completed.")
        run |= {"status": "completed", "result": "canceled"}
        return Answer(200, {"id": run["id"], "status": "cancelling"})

    def _query(self, request: Request, _: dict[str, str]) -> Answer:
        found = re.fullmatch(
            r"SELECT \[System\.Id\] FROM WorkItems WHERE \[System\.TeamProject\] = @project"
            r" AND \[System\.Tags\] CONTAINS '([a-z0-9-]+)'",
            request.json()["query"],
        )
        assert found
        items = [item for item in self.work_items if found[1] in item["fields"]["System.Tags"].split("; ")]
        return Answer(200, {"queryType": "flat", "workItems": [{"id": item["id"]} for item in items]})

    def _create(self, request: Request, parameters: dict[str, str]) -> Answer:
        fields = {each["path"].removeprefix("/fields/"): each["value"] for each in request.json()}
        if len(fields["System.Title"]) > 255:
            return error(400, "TF401320: Rule Error for field Title. Error code: InvalidTooLong")
        self.work_items.append({"id": 70 + len(self.work_items), "type": parameters["type"], "fields": fields})
        return Answer(200, {"id": self.work_items[-1]["id"], "rev": 1})


SIGN_IN = Answer(203, b"<html>Azure DevOps Services | Sign In</html>", {"Content-Type": "text/html; charset=utf-8"})


def listed(found: list[dict[str, Any]]) -> Answer:
    """A list, as the service wraps it."""
    return Answer(200, {"count": len(found), "value": found})


def error(status: int, message: str) -> Answer:
    """The service's error."""
    return Answer(status, {"$id": "1", "message": message, "typeKey": "VssServiceException", "errorCode": 0})
