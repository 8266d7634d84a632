"""`DataFactory`: pipelines of Azure Data Factory and their runs, through Resource Manager.

learn.microsoft.com/rest/api/datafactory, 2018-06-01: "Pipelines - Get", "Pipelines - Create Run", "Pipeline Runs".
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
from handlers.azure.run import Run, RunState, TooMany
from handlers.azure.transport import Transport
from handlers.base import GiveUp
from handlers.errors import NOT_PERMITTED, status_of

VERSION = "2018-06-01"
FACTORY_ID = re.compile(
    r"/subscriptions/[^/\s]+/resourceGroups/[^/\s]+/providers/Microsoft\.DataFactory/factories/[A-Za-z0-9-]{3,63}",
    re.IGNORECASE,
)

_STATES = {  # "Pipeline Runs - Get", PipelineRun.status, in either spelling; all others are under way
    "succeeded": RunState.COMPLETED,
    "failed": RunState.FAILED,
    "cancelled": RunState.CANCELED,
    "canceled": RunState.CANCELED,
    "canceling": RunState.CANCELING,
    "cancelling": RunState.CANCELING,
}
_SKEW = timedelta(minutes=5)  # by which the factory's clock may be ahead of ours
_MOST_PAGES = 50


@dataclass(frozen=True)
class DataFactory:
    """One factory. Shared by threads. Methods raise azure.core's errors, and RetryLater or GiveUp."""

    arm: Arm
    id: str

    @property
    def name(self) -> str:
        """The factory's."""
        return self.id.rpartition("/")[2]

    def parameters(self, pipeline: str) -> dict[str, str] | None:
        """The parameters that a pipeline declares, with their types; None if the factory does not tell."""
        try:
            body = self.arm.get(f"{self.id}/pipelines/{_part(pipeline)}")
        except (GiveUp, HttpResponseError) as error:
            if status_of(error) not in NOT_PERMITTED:
                raise
            return None
        if body is None:
            return None
        declared = (body.get("properties") or {}).get("parameters") or {}
        return {name: str((given or {}).get("type", "String")) for name, given in declared.items()}

    def start(self, pipeline: str, parameters: Mapping[str, Any]) -> str:
        """Start a run; its id. There is no key by which the factory would know a second request for a repetition."""
        return str(self.arm.post(f"{self.id}/pipelines/{_part(pipeline)}/createRun", parameters)["runId"])

    def runs(self, pipeline: str, since: datetime, until: datetime) -> Iterator[Run]:
        """The runs of a pipeline that were changed in a span of time, or a few minutes after it.

        It can be asked for a pipeline, a time and a status, not for parameters ("Query By Factory", RunQueryFilter).
        Raises TooMany.
        """
        wanted = {"operand": "PipelineName", "operator": "Equals", "values": [pipeline]}
        body: dict[str, Any] = {"lastUpdatedAfter": _text(since), "lastUpdatedBefore": _text(until + _SKEW)}
        body["filters"] = [wanted]
        for _ in range(_MOST_PAGES):
            page = self.arm.post(f"{self.id}/queryPipelineRuns", body)
            yield from (_run(found) for found in page.get("value") or ())
            if not (token := page.get("continuationToken")):
                return
            body["continuationToken"] = token
        raise TooMany

    def run(self, id: str) -> Run | None:
        """A run; None if there is none, or none is to be seen yet."""
        body = self.arm.get(f"{self.id}/pipelineruns/{_part(id)}")
        return _run(body) if body else None

    def cancel(self, id: str) -> None:
        """Ask for a run to be canceled, and what it has started with it."""
        self.arm.post(f"{self.id}/pipelineruns/{_part(id)}/cancel", query={"isRecursive": "true"})

    def link(self, id: str) -> str:
        """The run's page in Data Factory's studio, as its own documents and alerts link to it."""
        return f"https://adf.azure.com/en/monitoring/pipelineruns/{_part(id)}?factory={_part(self.id)}"


def connect(id: str) -> DataFactory:
    """The gateway to a factory, by the app's credential; one for each."""
    shared: Any = credential()  # to the type checker, no credential can be a key
    return _connected(id, cloud.arm_endpoint(), shared)


@cache
def _connected(id: str, endpoint: str, credential: Any) -> DataFactory:
    return DataFactory(Arm(endpoint, credential, Transport(), VERSION), id)


def _part(text: str) -> str:
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
