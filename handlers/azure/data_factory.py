"""`DataFactory` and `Synapse`: pipelines of Azure Data Factory or of a Synapse workspace, and their runs.

learn.microsoft.com/rest/api/datafactory, 2018-06-01: "Pipelines - Get", "Pipelines - Create Run", "Pipeline Runs";
learn.microsoft.com/rest/api/synapse/data-plane, 2020-12-01: the same, on the workspace's own host, with other tokens.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from urllib.parse import quote

from azure.core.exceptions import HttpResponseError

from handlers.azure import cloud
from handlers.azure.arm import Arm
from handlers.azure.credential import credential
from handlers.azure.transport import Transport
from handlers.base import GiveUp
from handlers.errors import NOT_PERMITTED, status_of
from handlers.launch.run import Run, RunState, TooManyRuns

VERSION, SYNAPSE_VERSION = "2018-06-01", "2020-12-01"
_GROUP = r"/subscriptions/[^/\s]+/resourceGroups/[^/\s]+/providers"
FACTORY_ID = re.compile(rf"{_GROUP}/Microsoft\.DataFactory/factories/[A-Za-z0-9-]{{3,63}}", re.IGNORECASE)
SYNAPSE_ID = re.compile(  # learn.microsoft.com, "Naming rules and restrictions for Azure resources", Microsoft.Synapse
    rf"{_GROUP}/Microsoft\.Synapse/workspaces/[a-z0-9](?:[a-z0-9-]{{0,48}}[a-z0-9])?", re.IGNORECASE
)
# "Pipelines - Create Run", pipelineName; in Synapse's API, too
PIPELINE_NAME = re.compile(r"[A-Za-z0-9_][^<>*#.%&:\\+?/\x00-\x1f]{0,259}")

_STATES = {  # "Pipeline Runs - Get", PipelineRun.status, in British and American spelling; all others are UNDER_WAY
    "succeeded": RunState.COMPLETED,
    "failed": RunState.FAILED,
    "cancelled": RunState.CANCELED,
    "canceled": RunState.CANCELED,
    "canceling": RunState.CANCELING,
    "cancelling": RunState.CANCELING,
}
_SKEW = timedelta(minutes=5)  # how far the factory's clock may be ahead of the worker's
_MOST_PAGES = 50


@dataclass(frozen=True)
class DataFactory:
    """One factory; threads share it. Every method raises AzureError of azure-core, RetryLater or GiveUp."""

    arm: Arm
    id: str

    @property
    def name(self) -> str:
        """The name of the factory."""
        return self.id.rpartition("/")[2]

    @property
    def path(self) -> str:
        """The path of the factory, below which its pipelines and runs are."""
        return self.id

    def parameters(self, pipeline: str) -> dict[str, str] | None:
        """The types of the parameters that a pipeline declares, by name; None if it cannot be read."""
        try:
            body = self.arm.get(f"{self.path}/pipelines/{_quote(pipeline)}")
        except (GiveUp, HttpResponseError) as error:
            if status_of(error) not in NOT_PERMITTED:
                raise
            return None
        if body is None:
            return None
        declared = (body.get("properties") or {}).get("parameters") or {}
        return {name: str((given or {}).get("type", "String")) for name, given in declared.items()}

    def start(self, pipeline: str, parameters: Mapping[str, Any]) -> str | None:
        """Start a run, and return its id. The API has no idempotency key: a second request starts a second run."""
        return str(self.arm.post(f"{self.path}/pipelines/{_quote(pipeline)}/createRun", parameters)["runId"])

    def runs(self, pipeline: str, since: datetime, until: datetime) -> Iterator[Run]:
        """The runs of a pipeline that were updated between two times, or up to five minutes later.

        The API filters by pipeline, time and status, not by parameters ("Query By Factory", RunQueryFilter). Raises
        TooManyRuns.
        """
        by_pipeline = {"operand": "PipelineName", "operator": "Equals", "values": [pipeline]}
        body: dict[str, Any] = {"lastUpdatedAfter": _text(since), "lastUpdatedBefore": _text(until + _SKEW)}
        body["filters"] = [by_pipeline]
        for _ in range(_MOST_PAGES):
            page = self.arm.post(f"{self.path}/queryPipelineRuns", body)
            yield from (_run(run) for run in page.get("value") or ())
            if not (token := page.get("continuationToken")):
                return
            body["continuationToken"] = token
        raise TooManyRuns

    def run(self, id: str) -> Run | None:
        """A run; None if it does not exist, or is not visible yet."""
        body = self.arm.get(f"{self.path}/pipelineruns/{_quote(id)}")
        return _run(body) if body else None

    def cancel(self, id: str) -> None:
        """Request the cancellation of a run and of the runs that it started."""
        self.arm.post(f"{self.path}/pipelineruns/{_quote(id)}/cancel", query={"isRecursive": "true"})

    def link(self, id: str) -> str:
        """The URL of the run's page in Data Factory Studio, as Microsoft's documents and alerts link to it."""
        return f"https://adf.azure.com/en/monitoring/pipelineruns/{_quote(id)}?factory={_quote(self.id)}"


class Synapse(DataFactory):
    """One Synapse workspace, whose API has the paths of a factory's, at the root of the workspace's own host."""

    @property
    def path(self) -> str:
        """Empty, because the host is the workspace's."""
        return ""

    def link(self, id: str) -> str:
        """The URL of the run's page in Synapse Studio."""
        return f"https://web.azuresynapse.net/en/monitoring/pipelineruns/{_quote(id)}?workspace={_quote(self.id)}"


def connect(id: str) -> DataFactory:
    """The client of a factory or of a Synapse workspace, with the app's credential; the same one on each call."""
    shared: Any = credential()  # Any: TokenCredential is not hashable to the type checker, and `cache` needs that
    return _connected(id, cloud.arm_endpoint(), shared)


@cache
def _connected(id: str, endpoint: str, credential: Any) -> DataFactory:
    return client(id, endpoint, credential, Transport())


def client(id: str, endpoint: str, credential: Any, transport: Transport) -> DataFactory:
    """A client of a factory or of a Synapse workspace, below a Resource Manager."""
    if not SYNAPSE_ID.fullmatch(id):
        return DataFactory(Arm(endpoint, credential, transport, VERSION), id)
    host = cloud.synapse_endpoint(endpoint, id)
    return Synapse(Arm(host, credential, transport, SYNAPSE_VERSION, cloud.synapse_resource(endpoint)), id)


def _quote(text: str) -> str:
    return quote(text, safe="")


def _run(body: Mapping[str, Any]) -> Run:
    status = str(body.get("status") or "Unknown")
    return Run(
        id=str(body["runId"]),
        state=_STATES.get(status.casefold(), RunState.UNDER_WAY),
        status=status,
        group=str(body.get("pipelineName") or ""),
        created=_time(body.get("runStart")),
        parameters=dict(body.get("parameters") or {}),
        error=str(body.get("message") or ""),
    )


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _time(text: Any) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return moment.replace(tzinfo=moment.tzinfo or UTC)
