"""`FakeGitHub`: repositories behind GitHub's REST API, as its OpenAPI description has it."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import jwt

from mlevents.testing.server import Answer, Request
from mlevents.testing.storage import NOW
from tests.kit.openapi import Operation, Published

PUBLISHED = Published("github")
TOKEN = "github_pat_secret"


@dataclass
class FakeGitHub:
    """Answers the requests of a `RecordingServer`. Everything that the handler could do twice is counted by its lists.

    `faults` replace the answers of the requests, in order; None leaves one as it is. A fault that is a function gets
    the answer, after the service has acted.
    """

    prefix: str = ""  # /api/v3 of an Enterprise Server
    returns_details: bool = True  # Enterprise Server does since 3.21
    unknown_inputs: tuple[str, ...] = ()
    run_name: str = ""  # of the workflow, with {input} for its inputs
    public_key: Any = None
    labels_are_dropped: bool = False
    dispatches: list[dict[str, Any]] = field(default_factory=list)
    runs: list[dict[str, Any]] = field(default_factory=list)
    jobs: list[dict[str, Any]] = field(default_factory=list)
    issues: list[dict[str, Any]] = field(default_factory=list)
    comments: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    tokens: list[dict[str, Any]] = field(default_factory=list)
    now: str = f"{NOW:%Y-%m-%dT%H:%M:%SZ}"  # of the runs that start
    seen: list[str] = field(default_factory=list)  # the operations of the requests
    faults: list[Answer | Callable[[Answer], Answer] | None] = field(default_factory=list)

    def __call__(self, request: Request) -> Answer:
        """Answer a request."""
        operation = PUBLISHED.operation(request, self.prefix)
        self.seen.append(operation.name)
        assert request.headers["Accept"] == "application/vnd.github+json"
        assert request.headers["X-GitHub-Api-Version"] == "2022-11-28"
        assert request.headers["User-Agent"]  # GitHub refuses requests without one
        fault = self.faults.pop(0) if self.faults else None
        if isinstance(fault, Answer):
            return fault
        answer = self._denied(request, operation) or self._acted(request, operation)
        if answer.status < 300:
            PUBLISHED.answer(operation, answer)
        return fault(answer) if fault else answer

    def _denied(self, request: Request, operation: Operation) -> Answer | None:
        token = request.headers["Authorization"].removeprefix("Bearer ")
        if "/app/" in operation.name or operation.name.endswith("/installation"):
            claims = jwt.decode(token, self.public_key, algorithms=["RS256"], options={"verify_exp": False})
            assert claims["exp"] - claims["iat"] <= 660
            return None if claims["iss"] == "Iv23liApp" else error(401, "A JSON web token could not be decoded")
        known = token == TOKEN or any(token == given["token"] for given in self.tokens)
        return None if known else error(401, "Bad credentials")

    def _acted(self, request: Request, operation: Operation) -> Answer:
        act = {
            "POST /repos/{owner}/{repo}/dispatches": self._dispatch,
            "POST /repos/{owner}/{repo}/actions/workflows/{workflow_id}/dispatches": self._start,
            "GET /repos/{owner}/{repo}/actions/workflows/{workflow_id}/runs": self._list_runs,
            "GET /repos/{owner}/{repo}/actions/runs/{run_id}": self._read_run,
            "GET /repos/{owner}/{repo}/actions/runs/{run_id}/jobs": self._list_jobs,
            "POST /repos/{owner}/{repo}/actions/runs/{run_id}/cancel": self._cancel,
            "GET /repos/{owner}/{repo}/issues": self._list_issues,
            "POST /repos/{owner}/{repo}/issues": self._open,
            "GET /repos/{owner}/{repo}/issues/{issue_number}/comments": self._list_comments,
            "POST /repos/{owner}/{repo}/issues/{issue_number}/comments": self._comment,
            "GET /repos/{owner}/{repo}/installation": lambda *_: Answer(200, {"id": 77}),
            "POST /app/installations/{installation_id}/access_tokens": self._token,
        }
        return act[operation.name](request, operation.parameters)

    def _dispatch(self, request: Request, _: dict[str, str]) -> Answer:
        body = request.json()
        assert len(json.dumps(body.get("client_payload", {}), ensure_ascii=False).encode()) < 65_536
        self.dispatches.append(body)
        return Answer(204)

    def _start(self, request: Request, parameters: dict[str, str]) -> Answer:
        body = request.json()
        if unknown := [name for name in body["inputs"] if name in self.unknown_inputs]:
            return error(422, f"Unexpected inputs provided: {json.dumps(unknown)}")
        if "return_run_details" in body and not self.returns_details:
            return error(400, 'Invalid request.\n\n"return_run_details" is not a permitted key.')
        self.add_run(self.run_name.format(**body["inputs"]) or parameters["workflow_id"])
        run = self.runs[-1]
        if not body.get("return_run_details"):
            return Answer(204)
        return Answer(200, {"workflow_run_id": run["id"], "run_url": run["url"], "html_url": run["html_url"]})

    def add_run(self, title: str) -> None:
        """Add a run that is queued."""
        id = 9_000 + len(self.runs)
        self.runs.append(
            {
                "id": id,
                "display_title": title,
                "event": "workflow_dispatch",
                "status": "queued",
                "conclusion": None,
                "created_at": self.now,
                "url": f"https://api.github.com/repos/acme/churn/actions/runs/{id}",
                "html_url": f"https://github.com/acme/churn/actions/runs/{id}",
            }
        )

    def end(self, conclusion: str) -> None:
        """End the last run."""
        self.runs[-1] |= {"status": "completed", "conclusion": conclusion}

    def _list_runs(self, request: Request, _: dict[str, str]) -> Answer:
        assert request.query["event"] == "workflow_dispatch"
        assert request.query["created"].startswith(">=")
        since = request.query["created"][2:]
        self.now = max(self.now, since)  # as late as the caller's clock
        found = [run for run in reversed(self.runs) if run["created_at"] >= since]
        return Answer(200, {"total_count": len(found), "workflow_runs": page(found, request)})

    def _read_run(self, _: Request, parameters: dict[str, str]) -> Answer:
        found = [run for run in self.runs if str(run["id"]) == parameters["run_id"]]
        return Answer(200, found[0]) if found else error(404, "Not Found")

    def _list_jobs(self, request: Request, _: dict[str, str]) -> Answer:
        return Answer(200, {"total_count": len(self.jobs), "jobs": page(self.jobs, request)})

    def _cancel(self, _: Request, parameters: dict[str, str]) -> Answer:
        [run] = [run for run in self.runs if str(run["id"]) == parameters["run_id"]]
        if run["status"] == "completed":
            return error(409, "Cannot cancel a workflow run that is completed.")
        run |= {"status": "completed", "conclusion": "cancelled"}
        return Answer(202, {})

    def _list_issues(self, request: Request, _: dict[str, str]) -> Answer:
        label = request.query["labels"]
        found = [each for each in reversed(self.issues) if label in [one["name"] for one in each["labels"]]]
        return Answer(200, page([each for each in found if each["state"] == request.query["state"]], request))

    def _open(self, request: Request, _: dict[str, str]) -> Answer:
        body, number = request.json(), len(self.issues) + 1
        if len(body["title"]) > 256 or len(body["body"]) > 65_536:
            return error(422, "Validation Failed", code="custom", field="title")
        labels = [] if self.labels_are_dropped else [{"name": name} for name in body["labels"]]
        issue = {"number": number, "title": body["title"], "body": body["body"], "state": "open", "labels": labels}
        self.issues.append({**issue, "html_url": f"https://github.com/acme/churn/issues/{number}"})
        return Answer(201, self.issues[-1])

    def _list_comments(self, request: Request, parameters: dict[str, str]) -> Answer:
        return Answer(200, page(self.comments.get(parameters["issue_number"], []), request))

    def _comment(self, request: Request, parameters: dict[str, str]) -> Answer:
        found = self.comments.setdefault(parameters["issue_number"], [])
        link = f"https://github.com/acme/churn/issues/{parameters['issue_number']}#issuecomment-{len(found) + 1}"
        found.append({"id": len(found) + 1, "body": request.json()["body"], "html_url": link})
        return Answer(201, found[-1])

    def _token(self, request: Request, parameters: dict[str, str]) -> Answer:
        assert parameters["installation_id"] == "77"
        token = {"token": f"ghs_{len(self.tokens)}", "expires_at": f"{NOW + timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}"}
        self.tokens.append({**token, "narrowed": request.json()})
        return Answer(201, token)


def page(found: list[Any], request: Request) -> list[Any]:
    """The items of a page."""
    size, number = int(request.query.get("per_page", 30)), int(request.query.get("page", 1))
    return found[(number - 1) * size : number * size]


def error(status: int, message: str, headers: Mapping[str, str] | None = None, **detail: str) -> Answer:
    """GitHub's error."""
    body = {"message": message, "documentation_url": "https://docs.github.com/rest", "status": str(status)}
    errors = {"errors": [{"resource": "Issue", **detail}]} if detail else {}
    return Answer(status, {**body, **errors}, headers or {})
