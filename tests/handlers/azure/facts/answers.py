"""A service whose answers a test chooses: a transport of azure-core without a network."""

import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from urllib.parse import unquote, urlsplit

import requests
from azure.core.rest._requests_basic import RestRequestsTransportResponse
from urllib3 import HTTPResponse

from emulator import WORKSPACE, Azure
from handlers.azure.facts.parts import Deadline, Parts
from handlers.azure.facts.reader import Reader
from handlers.azure.ml.workspace import AzureML
from handlers.azure.transport import Transport
from schemas import WorkspaceId
from schemas.facts import Facts

ENDPOINT, SERVICES = "https://management.azure.com", "https://westeurope.api.azureml.ms"
LOG_URL = (
    "https://churnstore.blob.core.windows.net/azureml/ExperimentRun/dcid.brave_kiwi/user_logs/std_log.txt?sig=s3cr3t"
)
PIPELINE, STEP = "brave_kiwi", "6f1c0c6e-step"


@dataclass(frozen=True)
class Answer:
    """An answer: bytes or JSON."""

    body: Any = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def content(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


Answers: TypeAlias = dict[str, Answer | Callable[[Any], Answer]]  # by the end of the path


class FakeTransport(Transport):
    """Answers a request with the answer of the longest key that ends its path; without one, 404."""

    def __init__(self, answers: Answers) -> None:
        super().__init__()
        self.answers = answers
        self.requests: list[Any] = []

    def _send(self, request: Any, *, stream: bool = False, **_: Any) -> Any:
        self.requests.append(request)
        path = unquote(urlsplit(request.url).path)
        keys = [key for key in self.answers if path.endswith(key)]
        found = self.answers[max(keys, key=len)] if keys else Answer({"error": {"code": "NotFound"}}, 404)
        response = _response(request, found if isinstance(found, Answer) else found(request))
        if not stream:
            response.read()
        return response


def _response(request: Any, answer: Answer) -> Any:
    response = requests.Response()
    response.status_code, response.reason = answer.status, "reason"
    response.headers.update(answer.headers)
    response.raw = HTTPResponse(
        io.BytesIO(answer.content), headers=dict(answer.headers), status=answer.status, preload_content=False
    )
    kind: Any = RestRequestsTransportResponse
    return kind(request=request, internal_response=response)


@dataclass
class Service:
    """Reads facts from chosen answers."""

    answers: Answers
    within: float = 30.0
    endpoint: str = ENDPOINT

    def __post_init__(self) -> None:
        self.transport = FakeTransport(self.answers)

    @property
    def azureml(self) -> AzureML:
        """The client of the workspace."""
        credential = Azure().credential()  # it sends no request
        return AzureML(WorkspaceId.parse(WORKSPACE), self.endpoint, credential, self.transport)

    def read(self, facts: Callable[[Reader, Parts, tuple[str, ...]], Facts], *id: str) -> Any:
        """The facts. Raises NotRead."""
        deadline = Deadline.after(self.within)
        return facts(Reader(self.azureml, deadline), Parts(deadline), id)

    def sent(self, suffix: str) -> list[Any]:
        """The requests whose path ends so."""
        return [each for each in self.transport.requests if urlsplit(each.url).path.endswith(suffix)]


def run_answers() -> Answers:
    """What run history answers about a pipeline that failed in a step.

    The error is that in Azure/azure-cli-extensions#2346, with the innermost code that newer runtimes have.
    """
    error = {
        "error": {
            "code": "UserError",
            "severity": None,
            "message": "AzureMLCompute job failed.\nJobFailed: Submitted script failed with a non-zero exit code",
            "messageFormat": None,
            "details": [],
            "innerError": {"code": "UserTrainingScriptFailed", "innerError": None},
            "debugInfo": None,
        },
        "correlation": {"operation": None, "request": "04d56e6197684b6e"},
        "time": "2026-11-22T09:12:44.1340412+00:00",
        "componentName": "execution-worker",
    }
    run = {
        "runId": PIPELINE,
        "displayName": "nightly churn",
        "status": "Failed",
        "runType": "azureml.PipelineRun",
        "parentRunId": "weekly_owl",
        "createdBy": {"userName": "Release pipeline", "upn": None},
        "startTimeUtc": "2026-11-22T09:00:00.1340412+00:00",
        "endTimeUtc": "2026-11-22T09:12:44.1340412+00:00",
        "tags": {"mlflow.source.name": "/home/azureuser/code/train.ipynb"},
        "target": "gpu",
    }
    step = {"runId": STEP, "displayName": "train", "status": "Failed", "endTimeUtc": "2026-11-22T09:11:00+00:00"}
    metric = {"name": "auc", "columns": {"auc": "Double"}, "value": [{"step": 3, "data": {"auc": 0.91}}]}
    compute = {"target": "gpu", "targetType": "AmlCompute", "vmSize": None, "instanceCount": 2}
    return {
        "/workspaces/churn-prod": Answer({"properties": {"discoveryUrl": f"{SERVICES}/discovery"}}),
        "/discovery": Answer({"api": SERVICES, "history": SERVICES}),
        f"/runs/{PIPELINE}": Answer(run),
        f"/runs/{PIPELINE}/details": Answer({"runId": PIPELINE, "status": "Failed", "computeDuration": "00:10:02.5"}),
        f"/runs/{PIPELINE}/children": Answer({"value": [step], "continuationToken": None}),
        f"/runs/{PIPELINE}/lastvalues": Answer({"value": [metric]}),
        f"/runs/{STEP}/children": Answer({"value": []}),
        f"/runs/{STEP}/details": Answer(
            {"runId": STEP, "error": error, "compute": compute, "logFiles": {"user_logs/std_log.txt": LOG_URL}}
        ),
        "/runs/weekly_owl": Answer({"runId": "weekly_owl", "displayName": "weekly"}),
        "/computes/gpu": Answer(
            {"properties": {"computeType": "AmlCompute", "properties": {"vmSize": "Standard_NC6"}}}
        ),
        "/std_log.txt": Answer(b"epoch 1\nKilled\n", 206, {"Content-Range": "bytes 0-14/15"}),
    }


def model_answers() -> Answers:
    """What Resource Manager and run history answer about a model version that serves."""
    properties = {
        "modelType": "mlflow_model",
        "flavors": {"python_function": {"data": {"loader_module": "mlflow.sklearn"}}, "sklearn": {"data": {}}},
        "jobName": PIPELINE,
        "stage": "Production",
        "tags": {"team": "churn"},
    }
    system = {"createdBy": "Release pipeline", "createdAt": "2026-11-22T09:12:44.1340412Z"}
    model = f"{WORKSPACE}/models/churn/versions/7"
    return {
        **run_answers(),
        "/models/churn/versions/7": Answer({"properties": properties, "systemData": system}),
        "/onlineEndpoints": Answer({"value": [{"name": "churn", "properties": {"traffic": {"blue": 100}}}]}),
        **endpoint_answers(model),
    }


def endpoint_answers(model: str = f"{WORKSPACE}/models/churn/versions/7") -> Answers:
    """What Resource Manager answers about an endpoint with one deployment."""
    deployment = {
        "name": "blue",
        "sku": {"capacity": 2},
        "properties": {"model": model, "provisioningState": "succeeded", "instanceType": "Standard_DS3_v2"},
    }
    return {
        "/onlineEndpoints/churn": Answer(
            {"name": "churn", "tags": {}, "properties": {"traffic": {"blue": 100}, "provisioningState": "Succeeded"}}
        ),
        "/onlineEndpoints/churn/deployments": Answer({"value": [deployment]}),
    }
