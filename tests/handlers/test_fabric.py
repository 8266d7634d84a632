"""A pipeline of Fabric is run once, and followed to its end."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import pytest
from azure.core.credentials import AccessToken

from handlers.azure.arm import Arm
from handlers.azure.transport import Transport
from handlers.base import CheckBack, GiveUp, RetryLater, Succeeded
from handlers.fabric import ENDPOINT, Fabric, FabricPipeline
from mlevents.testing.server import Answer, RecordingServer, Request
from mlevents.testing.storage import NOW
from schemas import RunStatusChanged
from tests.kit.calls import Calls
from tests.kit.handler_pages import page, rules_of
from tests.kit.openapi import Published

PUBLISHED = Published("fabric")
WORKSPACE, PIPELINE = "4b218778-e7a5-4d73-8187-f10824047715", "431e8d7b-4a95-4c02-8ccd-6faef5ba1bd7"
RUN = "f2d65699-dd22-4889-980c-{:012d}"
EVENT = RunStatusChanged.example(run_id="brave_kiwi")


@dataclass
class FakeFabric:
    """A pipeline's runs behind Fabric's API, as its OpenAPI document has it."""

    names_runs: bool = True
    is_listed: bool = True
    page_size: int = 100
    url: str = ENDPOINT
    runs: list[dict[str, Any]] = field(default_factory=list)
    bodies: list[Any] = field(default_factory=list)
    faults: list[Answer | Callable[[Answer], Answer] | None] = field(default_factory=list)

    def __call__(self, request: Request) -> Answer:
        """Answer a request."""
        operation = PUBLISHED.operation(request, "/v1")
        assert request.headers["Authorization"] == "Bearer of-entra"
        assert operation.parameters["workspaceId"] == WORKSPACE
        assert operation.parameters["itemId"] == PIPELINE
        fault = self.faults.pop(0) if self.faults else None
        if isinstance(fault, Answer):
            return fault
        answer = self._acted(request, operation.parameters)
        if answer.status < 300:
            PUBLISHED.answer(operation, answer)
        return fault(answer) if fault else answer

    def _acted(self, request: Request, parameters: dict[str, str]) -> Answer:
        if "jobType" in parameters:
            assert parameters["jobType"] == "Pipeline"
            self.bodies.append(request.json())
            self.add_run()
            path = f"{ENDPOINT}/v1/workspaces/{WORKSPACE}/items/{PIPELINE}/jobs/instances"
            location = f"{path}/{self.runs[-1]['id']}" if self.names_runs else path
            return Answer(202, headers={"Location": location, "Retry-After": "60"})
        if "jobInstanceId" not in parameters:
            return self._page(int(request.query.get("continuationToken", 0)))
        found = [run for run in self.runs if run["id"] == parameters["jobInstanceId"]]
        if not found:
            return error(404, "ItemNotFound", "The requested item was not found")
        if request.method == "POST":
            found[0]["status"] = "Cancelled"
            return Answer(202)
        return Answer(200, found[0])

    def _page(self, start: int) -> Answer:
        runs, end = self.runs if self.is_listed else [], start + self.page_size
        body: dict[str, Any] = {"value": runs[start:end]}
        if end < len(runs):
            path = f"/v1/workspaces/{WORKSPACE}/items/{PIPELINE}/jobs/instances"
            uri = f"{self.url}{path}?continuationToken={end}"
            body |= {"continuationToken": str(end), "continuationUri": uri}
        return Answer(200, body)

    def add_run(self) -> None:
        """Add a run that is under way."""
        id = RUN.format(len(self.runs))
        started = f"{NOW:%Y-%m-%dT%H:%M:%S}.7812154"
        run = {"id": id, "itemId": PIPELINE, "jobType": "Pipeline", "invokeType": "Manual", "status": "InProgress"}
        self.runs.append({**run, "startTimeUtc": started, "failureReason": None})


def error(status: int, code: str, message: str) -> Answer:
    """Fabric's error."""
    return Answer(status, {"requestId": "r", "errorCode": code, "message": message})


class Identity:
    """The app's identity, in place of Entra ID's."""

    def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        assert scopes == ("https://api.fabric.microsoft.com/.default",)
        return AccessToken("of-entra", 2**31)


class HereFabric(Fabric):
    """The handler, with a server of this machine in place of Fabric's."""

    server: ClassVar[RecordingServer]

    def _pipeline(self) -> FabricPipeline:
        credential: Any = Identity()
        arm = Arm(self.server.url(""), credential, Transport(), version="", resource=ENDPOINT)
        return FabricPipeline(arm, super()._pipeline().id)


@pytest.fixture
def fake() -> FakeFabric:
    """The state of the fake."""
    return FakeFabric()


@pytest.fixture
def calls(fake: FakeFabric, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Calls]]:
    """A function that returns the calls of an action; its keywords are the settings of the rule."""
    with RecordingServer(fake, https=True) as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        HereFabric.server, fake.url = server, server.url("")
        yield lambda **settings: Calls(
            HereFabric.model_validate({"workspace_id": WORKSPACE, "pipeline_id": PIPELINE, **settings}), EVENT
        )


MakeCalls = Callable[..., Calls]


def test_pipeline_is_run_with_its_parameters(calls: MakeCalls, fake: FakeFabric) -> None:
    outcome = calls(parameters={"run": "{{ data.runId }}", "rows": 3, "empty": "{{ '' }}"}).end()
    run = fake.runs[0]["id"]
    assert outcome == Succeeded(
        f"the run {run} was started in {PIPELINE}",
        {
            "run": run,
            "where": PIPELINE,
            "pipeline": PIPELINE,
            "link": f"https://app.fabric.microsoft.com/groups/{WORKSPACE}/pipelines/{PIPELINE}",
        },
    )
    assert fake.bodies == [{"executionData": {"parameters": {"run": "brave_kiwi", "rows": 3}}}]


@pytest.mark.parametrize(
    ("status", "reason", "said"),
    [
        ("Completed", None, "has completed"),
        ("Failed", {"errorCode": "UserError", "message": "no such table"}, "failed: UserError: no such table"),
        ("Deduped", None, "failed: Deduped"),
        ("Cancelled", None, "was canceled: Cancelled"),
    ],
)
def test_wait_follows_the_run_to_its_end(
    status: str, reason: dict[str, str] | None, said: str, calls: MakeCalls, fake: FakeFabric
) -> None:
    action = calls(wait=True)
    for _ in range(3):
        assert isinstance(action.next(), CheckBack)
    fake.runs[0] |= {"status": status, "failureReason": reason}
    outcome = action.end()
    assert isinstance(outcome, Succeeded if status == "Completed" else GiveUp)
    assert said in str(outcome)
    assert fake.bodies == [{}]


def test_run_that_takes_too_long_is_canceled(calls: MakeCalls, fake: FakeFabric) -> None:
    assert "did not end within 1m" in str(calls(wait=True, timeout="1m", cancel_on_timeout=True).end())
    assert fake.runs[0]["status"] == "Cancelled"


@pytest.mark.parametrize("at_least_once", [False, True])
def test_lost_answer_makes_the_action_unsure(at_least_once: bool, calls: MakeCalls, fake: FakeFabric) -> None:
    """The API has no key, so the run cannot be recognized."""
    fake.add_run()
    fake.faults = [None, lambda _: Answer(drop=True)]
    outcome = calls(at_least_once=at_least_once).end()
    assert isinstance(outcome, Succeeded if at_least_once else GiveUp)
    assert "unsure" in str(outcome) or len(fake.runs) == 3


@pytest.mark.parametrize("wait", [False, True])
def test_run_that_fabric_does_not_name_is_started_once(wait: bool, calls: MakeCalls, fake: FakeFabric) -> None:
    """Fabric has accepted the request, and it may be a while until its list shows the run."""
    fake.names_runs = False
    fake.is_listed = False
    outcome = calls(wait=wait).end()
    assert isinstance(outcome, GiveUp if wait else Succeeded)
    assert "was started in" in str(outcome)
    assert len(fake.runs) == 1


def test_run_on_a_later_page_of_the_list_is_found(calls: MakeCalls, fake: FakeFabric) -> None:
    """A new run there makes the action unsure, instead of a second run."""
    for _ in range(2):
        fake.add_run()
    fake.page_size = 2
    fake.faults = [None, lambda _: Answer(drop=True)]
    assert f"it may be {RUN.format(2)}. " in str(calls().end())
    assert len(fake.runs) == 3


def test_request_that_never_arrived_is_sent_again(calls: MakeCalls, fake: FakeFabric) -> None:
    fake.faults = [None, Answer(drop=True)]
    assert isinstance(calls().end(), Succeeded)
    assert len(fake.runs) == 1


def test_throttling_denial_and_refusal(calls: MakeCalls, fake: FakeFabric) -> None:
    fake.faults = [None, Answer(429, error(429, "RequestBlocked", "slow down").body, {"Retry-After": "55"})]
    action = calls()
    action.next()
    found = action.next()
    assert isinstance(found, RetryLater)
    assert (found.throttled, found.after and found.after.seconds) == (True, 55)
    fake.faults = [error(403, "InsufficientPrivileges", "no access")] * 400
    assert "gave up after 30m" in str(calls().end())
    fake.faults = [None, error(400, "InvalidJobType", "The requested job type is invalid")]
    assert isinstance(calls().end(), GiveUp)
    assert fake.runs == []


def test_settings_plan_and_destination(calls: MakeCalls) -> None:
    handler = calls(parameters={"run": "{{ data.runId }}"}, wait=True).handler
    plan = handler.plan(EVENT)
    assert plan.startswith(f'start the pipeline {PIPELINE} of Fabric with {{"run": "brave_kiwi"}}; wait at most 1d')
    assert handler.destination(EVENT) == ENDPOINT
    with pytest.raises(ValueError, match="workspace_id"):
        Fabric(workspace_id="../x", pipeline_id=PIPELINE)


def test_page_has_a_rule_that_loads_and_the_settings(tmp_path: Path) -> None:
    settings = {"RULES_FABRIC_WORKSPACE": WORKSPACE, "RULES_FABRIC_PIPELINE": PIPELINE}
    rules = rules_of("fabric", tmp_path, settings)
    assert rules.errors == ()
    assert [rule.handler.plan(EVENT)[:18] for rule in rules.by_name.values()] == ["start the pipeline"]
    for name in Fabric.model_fields:
        assert f"`{name}`" in page("fabric"), name
