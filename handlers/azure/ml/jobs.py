"""`Jobs`: the jobs of a workspace. azure-ai-ml starts them; Resource Manager reads and cancels them."""

import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

from azure.core.exceptions import HttpResponseError

from handlers.azure.arm import IncompleteList
from handlers.azure.client_errors import describe_client_error
from handlers.azure.errors import translated_errors
from handlers.azure.ml.workspace import AzureML, client_class
from handlers.base import GiveUp, RetryLater
from handlers.errors import PROPAGATION
from handlers.launch.run import NameTaken, Run, RunState, TooManyRuns

if TYPE_CHECKING:
    from azure.ai.ml.entities import Job

_STATES = {  # learn.microsoft.com/rest/api/azureml, "Jobs - Get", JobStatus; all others are UNDER_WAY
    "completed": RunState.COMPLETED,
    "failed": RunState.FAILED,
    "canceled": RunState.CANCELED,
    "cancelrequested": RunState.CANCELING,
}
# The service's messages (MicrosoftDocs/azure-docs#122250, Azure/azure-sdk-for-net#47389).
_TAKEN = re.compile("(?i)job with this name already exists|JobPropertyImmutable")
_COMPONENT = re.compile("(?i)/components/([^/]+)/versions/([^/]+)$")
_DISORDER = timedelta(hours=1)  # lists are almost sorted, newest first; that is not documented
_OLD_ENOUGH = 200  # consecutive older jobs, after which all others are assumed to be older, too
_MOST, _MOST_PAGES = 5_000, 1_000  # jobs and pages of one list that are read


@dataclass(frozen=True)
class NewJob:
    """A job to start: the CLI's YAML as a file or as data, with overrides."""

    name: str
    source: Path | Mapping[str, Any]
    overrides: Mapping[str, Any] = field(default_factory=dict)  # by path: "inputs.rate", "settings.default_compute"


@dataclass(frozen=True)
class Jobs:
    """The jobs of a workspace. Methods raise what those of `AzureML` raise."""

    azureml: AzureML

    def get(self, name: str) -> Run | None:
        """Read a job; None if it does not exist, or is not visible yet."""
        body = self.azureml.arm.get(self._path(name))
        return read_job(body) if body else None

    def created_since(self, since: datetime) -> Iterator[Run]:
        """The jobs that were created since a moment, and some older ones. Raises TooManyRuns.

        The API cannot filter by experiment or time ("Jobs - List").
        """
        for count, job in enumerate(skip_old(map(read_job, self._all()), since)):
            if count >= _MOST:
                raise TooManyRuns
            yield job

    def first_page(self) -> list[Run]:
        """The newest jobs, as far as one request returns them."""
        page = self.azureml.arm.get(f"{self.azureml.path}/jobs") or {}
        return [read_job(body) for body in page.get("value") or ()]

    def _all(self) -> Iterator[dict[str, Any]]:
        try:
            yield from self.azureml.arm.items(f"{self.azureml.path}/jobs", _MOST_PAGES)
        except IncompleteList as error:
            raise TooManyRuns from error

    def submit(self, new: NewJob) -> None:
        """Start a job, after uploading the local code and environments that it names.

        Raises NameTaken if a job of that name exists, and GiveUp if the definition cannot be read.
        """
        try:
            job = load_definition(new)
        except Exception as error:  # of marshmallow, azure-ai-ml or Python, for the file, the schema or a reference
            where = new.source if isinstance(new.source, Path) else self.azureml.workspace.name
            raise GiveUp(f"the job in {where} cannot be read: {describe_client_error(error)}") from error
        with self.azureml.transport.recorded_errors() as errors:
            try:
                with translated_errors():
                    self.azureml.client.jobs.create_or_update(job)
            except (GiveUp, HttpResponseError) as error:
                cause = _underlying(error, errors)
                if cause is error:
                    raise
                raise cause from error

    def cancel(self, name: str) -> None:
        """Request the cancellation of a job."""
        self.azureml.arm.post(f"{self._path(name)}/cancel")

    def _path(self, name: str) -> str:
        return f"{self.azureml.path}/jobs/{name}"


def load_definition(new: NewJob) -> "Job":
    """Load a job as azure-ai-ml's `create_or_update` takes it, without a request.

    Raises exceptions of azure-ai-ml, marshmallow and Python if the definition is invalid.
    """
    client_class()  # imports azure.ai.ml quietly
    from azure.ai.ml import load_job

    source: Any = new.source if isinstance(new.source, Path) else io.StringIO(json.dumps(dict(new.source)))
    overrides = [{"name": new.name}, *({path: value} for path, value in new.overrides.items())]
    return load_job(source, params_override=overrides)


def skip_old(jobs: Iterable[Run], since: datetime) -> Iterator[Run]:
    """Stop reading jobs, listed almost newest first, when all others must be older than a moment."""
    older = 0
    for job in jobs:
        older = 0 if job.since(since - _DISORDER) else older + 1
        if older >= _OLD_ENOUGH:
            return
        yield job


def read_job(body: Mapping[str, Any]) -> Run:
    """Read a job from the body of a response."""
    properties = body.get("properties") or {}
    status = str(properties.get("status") or "Unknown")
    outputs = properties.get("outputs") or {}
    return Run(
        id=str(body.get("name", "")),
        state=_STATES.get(status.casefold(), RunState.UNDER_WAY),
        status=status,
        group=str(properties.get("experimentName") or ""),
        component=_component(properties),
        created=_time((body.get("systemData") or {}).get("createdAt")),
        tags=dict(properties.get("tags") or {}),
        outputs={name: str(given["uri"]) for name, given in outputs.items() if given and given.get("uri")},
    )


def _underlying(error: GiveUp | HttpResponseError, errors: list[Any]) -> Exception:
    """The cause of an error: a name that is taken, or a request that failed while the client validated the job."""
    if _TAKEN.search(str(error)):
        return NameTaken(str(error))
    if isinstance(error, HttpResponseError) or isinstance(error.__cause__, HttpResponseError) or not errors:
        return error
    cause = errors[0]
    if isinstance(cause, Exception):
        return cause
    if cause.status_code == HTTPStatus.NOT_FOUND:
        return RetryLater(str(error), max_elapsed=PROPAGATION)
    return HttpResponseError(str(error), response=cause)


def _component(properties: Mapping[str, Any]) -> str:
    """Name and version of the component that the job, or its only step, runs."""
    steps = [step for step in (properties.get("jobs") or {}).values() if isinstance(step, Mapping)]
    of = [properties, *(steps if len(steps) == 1 else ())]
    found = next((match for one in of if (match := _COMPONENT.search(str(one.get("componentId") or "")))), None)
    return f"{found[1]}:{found[2]}" if found else ""


def _time(text: Any) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return moment.replace(tzinfo=moment.tzinfo or UTC)
