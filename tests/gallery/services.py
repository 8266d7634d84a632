"""`Services`: what the rules of the gallery act on, on this machine, and what they have done to it."""

import json
import shutil
from base64 import b64decode
from collections import deque
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import jwt
from azure.storage.blob import ContainerClient
from azure.storage.queue import QueueClient
from multidict import CIMultiDict, CIMultiDictProxy

from emulator import Azure
from mlevents.local.mailbox import Mail
from mlevents.testing import Answer, Ended, Request, run_rules
from mlevents.testing.storage import Clock
from schemas import Event
from tests.handlers.azure_devops.fake import PROJECT, FakeAzureDevOps
from tests.handlers.github.fake import TOKEN, FakeGitHub
from tests.handlers.pipeline.site import FACTORY, PROD
from tests.handlers.streams.test_event_grid import custom_topic
from tests.handlers.streams.test_messaging import Namespace
from tests.handlers.test_fabric import PIPELINE, WORKSPACE, FakeFabric
from tests.kit.world import SETTINGS, STORAGE, WORKSPACES

REGISTRY = PROD.replace("/workspaces/churn-prod", "/registries/churn-registry")
LISTED = f"{WORKSPACES}{STORAGE}registries:\n  churn-registry: {{ id: {REGISTRY}, env: prod }}\n"  # workspaces.yaml
GALLERY = Path(__file__).resolve().parents[2] / "samples/gallery"
_VALIDATE = {"id": 12, "name": "validate"}  # the pipeline of Azure DevOps
CONTAINER, QUEUE = "ml-events", "completed-pipelines"
FLOWS, APPROVALS = "prod-00.westeurope.logic.azure.com", "prod-01.westeurope.logic.azure.com"
_FLOW = "workflows/0a1b/triggers/manual/paths/invoke?api-version=2016-10-01&sig=SECRET"
GIVEN = SETTINGS | {
    "RULES_APPROVAL_URL": f"https://{APPROVALS}/{_FLOW}",
    "RULES_DATA_FACTORY": FACTORY,
    "RULES_DEVOPS_ORG": "acme",
    "RULES_DEVOPS_PROJECT": PROJECT,
    "RULES_EVENT_HUBS": "acme-hubs.servicebus.windows.net",
    "RULES_FABRIC_PIPELINE": PIPELINE,
    "RULES_FABRIC_WORKSPACE": WORKSPACE,
    "RULES_GITHUB_TOKEN": TOKEN,
    "RULES_HOOK_SECRET": "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "RULES_JIRA_LOGIN": "bWFpbEBleGFtcGxlLmNvbTp0b2tlbg==",
    "RULES_LAKE_URL": "https://acmelake.blob.core.windows.net",
    "RULES_PAGERDUTY_KEY": "0123456789abcdef0123456789abcdef",
    "RULES_QUEUE_URL": "https://acmelake.queue.core.windows.net",
    "RULES_SERVICE_BUS": "acme.servicebus.windows.net",
    "RULES_SLACK_TOKEN": "xoxb-SECRET",
    "RULES_TEAMS_URL": f"https://{FLOWS}/{_FLOW}",
    "RULES_TOPIC_URL": "https://ml.westeurope-1.eventgrid.azure.net/api/events",
}


class EndingGitHub(FakeGitHub):
    """A GitHub whose runs end when they are read, with this conclusion."""

    conclusion = "success"

    def _read_run(self, request: Request, parameters: dict[str, str]) -> Answer:
        self.end(self.conclusion)
        return super()._read_run(request, parameters)


class EndingAzureDevOps(FakeAzureDevOps):
    """An Azure DevOps whose runs end when they are read, with this result."""

    result = "succeeded"

    def _read(self, request: Request, parameters: dict[str, str]) -> Answer:
        self.end(self.result)
        return super()._read(request, parameters)


def slack(request: Request) -> Answer:
    """Slack's Web API ("chat.postMessage")."""
    assert request.path == "/api/chat.postMessage"
    assert request.headers["Authorization"] == "Bearer xoxb-SECRET"
    return Answer(200, {"ok": True, "channel": "C0123456789", "ts": "1503435956.000247"})


@dataclass
class Services:
    """The services, and one app."""

    folder: Path
    azure: Azure
    clock: Clock
    mails: deque[Mail]
    container: ContainerClient
    queue: QueueClient
    settings: Mapping[str, str] = field(default_factory=lambda: dict(GIVEN))
    github: EndingGitHub = field(default_factory=EndingGitHub)
    devops: EndingAzureDevOps = field(default_factory=lambda: EndingAzureDevOps(("Bearer of-entra",), [_VALIDATE]))
    fabric: FakeFabric = field(default_factory=FakeFabric)
    bus: Namespace = field(default_factory=lambda: Namespace("https://servicebus.azure.net"))
    hubs: Namespace = field(default_factory=lambda: Namespace("https://eventhubs.azure.net"))
    requests: list[Request] = field(default_factory=list)  # to all hosts of `HOSTS` that change something

    def empty(self) -> None:
        """Delete what is in the container and in the queue."""
        for name in list(self.container.list_blob_names()):
            self.container.delete_blob(name)
        self.queue.clear_messages()

    def run(self, name: str, *events: Event, dies_after: Collection[int] = ()) -> list[Ended]:
        """Run the rules of a file, as it is, beside what `LISTED` lists."""
        rules = self.folder / "rules"
        rules.mkdir(exist_ok=True)
        (rules / "workspaces.yaml").write_text(LISTED)
        shutil.copy(GALLERY / f"{name}.yaml", rules / "copied.yaml")
        first, *others = events
        settings = self.settings
        return run_rules(rules, first, *others, settings=settings, dies_after=dies_after, clock=self.clock)

    def answer(self, request: Request) -> Answer:
        """What the host of a request answers."""
        host = request.headers["Host"]
        if request.method != "GET" and not request.path.endswith("/wiql"):  # of Azure DevOps, a query
            self.requests.append(request)
        return HOSTS[host](self)(_known(request, host))

    def bodies(self, host: str) -> list[Any]:
        """The JSON that was sent to a host."""
        return [request.json() for request in self.requests if request.headers["Host"] == host]

    def lines(self) -> dict[str, list[Any]]:
        """The JSON lines of each blob in the container."""
        names = [str(blob.name) for blob in self.container.list_blobs()]
        texts = {name: self.container.download_blob(name).readall().decode() for name in names}
        return {name: [json.loads(line) for line in text.splitlines()] for name, text in texts.items()}

    def messages(self) -> list[Any]:
        """The JSON of the messages in the queue."""
        return [json.loads(b64decode(message.content)) for message in self.queue.peek_messages(32)]

    @property
    def effects(self) -> list[str]:
        """Everything that was sent or changed, in a line each."""
        azure = [f"{call.method} {call.target}" for call in self.azure.calls.all if call.method != "GET"]
        sent = [f"{request.method} https://{request.headers['Host']}{request.path}" for request in self.requests]
        return [*(mail.line for mail in self.mails), *sent, *self.lines(), *map(str, self.messages()), *azure]


_Service = Callable[[Request], Answer]
HOSTS: Mapping[str, Callable[[Services], _Service]] = {
    FLOWS: lambda _: lambda _: Answer(202),
    APPROVALS: lambda _: lambda _: Answer(202),
    "slack.com": lambda _: slack,
    "events.pagerduty.com": lambda _: lambda _: Answer(202, {"status": "success", "dedup_key": "x"}),
    "example.atlassian.net": lambda _: lambda _: Answer(201, {"id": "10000", "key": "ML-24"}),
    "catalog.example.com": lambda _: lambda _: Answer(204),
    "api.github.com": lambda services: services.github,
    "dev.azure.com": lambda services: services.devops,
    "api.fabric.microsoft.com": lambda services: services.fabric,
    "acme.servicebus.windows.net": lambda services: services.bus,
    "acme-hubs.servicebus.windows.net": lambda services: services.hubs,
    "ml.westeurope-1.eventgrid.azure.net": lambda _: custom_topic,
}
_AUDIENCES = {
    "dev.azure.com": "499b84ac-1321-427f-aa17-267ca6975798",
    "api.fabric.microsoft.com": "https://api.fabric.microsoft.com",
}


def _known(request: Request, host: str) -> Request:
    """The request with the token that the fakes know, if its own is for the host."""
    if host not in _AUDIENCES:
        return request
    token = request.headers["Authorization"].removeprefix("Bearer ")
    claims = jwt.decode(token, options={"verify_signature": False})
    assert claims["aud"] == _AUDIENCES[host]
    headers = CIMultiDict({**request.headers, "Authorization": "Bearer of-entra"})
    return replace(request, headers=CIMultiDictProxy(headers))
