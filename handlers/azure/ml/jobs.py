"""`Jobs`: the jobs of a workspace. They are started by azure-ai-ml, and looked at through Resource Manager."""

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

from handlers.azure.arm import Unread
from handlers.azure.errors import explained
from handlers.azure.ml.workspace import AzureML
from handlers.azure.run import NameTaken, Run, RunState, TooMany
from handlers.base import GiveUp, RetryLater
from handlers.errors import PROPAGATION

if TYPE_CHECKING:
    from azure.ai.ml.entities import Job

_STATES = {  # learn.microsoft.com/rest/api/azureml, "Jobs - Get", JobStatus; all others are under way
    "completed": RunState.COMPLETED,
    "failed": RunState.FAILED,
    "canceled": RunState.CANCELED,
    "cancelrequested": RunState.CANCELING,
}
# The service's words (MicrosoftDocs/azure-docs#122250, Azure/azure-sdk-for-net#47389).
_TAKEN = re.compile("(?i)job with this name already exists|JobPropertyImmutable")
_COMPONENT = re.compile("(?i)/components/([^/]+)/versions/([^/]+)$")
_DISORDER = timedelta(hours=1)  # lists are newest first, or nearly so: that is not documented
_OLD_ENOUGH = 200  # jobs in a row that are older, until the rest is taken to be older, too
_MOST, _MOST_PAGES = 5_000, 1_000  # jobs that are looked through, and pages of them


@dataclass(frozen=True)
class NewJob:
    """A job that is to be started: a file of the CLI's YAML, or the same as data; and what is said besides."""

    name: str
    source: Path | Mapping[str, Any]
    overrides: Mapping[str, Any] = field(default_factory=dict)  # by path: "inputs.rate", "settings.default_compute"


@dataclass(frozen=True)
class Jobs:
    """The jobs of a workspace. Methods raise what those of `AzureML` raise."""

    azureml: AzureML

    def get(self, name: str) -> Run | None:
        """A job; None if there is none, or none is to be seen yet."""
        body = self.azureml.arm.get(self._path(name))
        return read_job(body) if body else None

    def listed(self, since: datetime) -> Iterator[Run]:
        """The jobs that were created since a moment, and older ones that are listed with them. Raises TooMany.

        The service cannot be asked for an experiment or a time ("Jobs - List" has neither).
        """
        for count, job in enumerate(until_old(map(read_job, self._all()), since)):
            if count >= _MOST:
                raise TooMany
            yield job

    def newest(self) -> list[Run]:
        """The first of the list: one request."""
        page = self.azureml.arm.get(f"{self.azureml.path}/jobs") or {}
        return [read_job(body) for body in page.get("value") or ()]

    def _all(self) -> Iterator[dict[str, Any]]:
        try:
            yield from self.azureml.arm.pages(f"{self.azureml.path}/jobs", _MOST_PAGES)
        except Unread as error:
            raise TooMany from error

    def submit(self, new: NewJob) -> None:
        """Start a job, uploading the local code and environments that it names.

        Raises NameTaken if there is a job of that name, and GiveUp for a definition that cannot be read.
        """
        job = self._loaded(new)
        with self.azureml.transport.watched() as refused:
            try:
                with explained():
                    self.azureml.client.jobs.create_or_update(job)
            except (GiveUp, HttpResponseError) as error:
                better = _behind(error, refused)
                if better is error:
                    raise
                raise better from error

    def _loaded(self, new: NewJob) -> "Job":
        client = self.azureml.client  # imports azure.ai.ml quietly
        from azure.ai.ml import load_job

        source: Any = new.source if isinstance(new.source, Path) else io.StringIO(json.dumps(dict(new.source)))
        overrides = [{"name": new.name}, *({path: value} for path, value in new.overrides.items())]
        try:
            return load_job(source, params_override=overrides)
        except Exception as error:  # a file, a schema, a reference: marshmallow's, azure-ai-ml's or Python's own
            where = new.source if isinstance(new.source, Path) else client.workspace_name
            raise GiveUp(f"the job in {where} cannot be read: {' '.join(str(error).split())}") from error

    def cancel(self, name: str) -> None:
        """Ask for a job to be canceled."""
        self.azureml.arm.post(f"{self._path(name)}/cancel")

    def _path(self, name: str) -> str:
        return f"{self.azureml.path}/jobs/{name}"


def until_old(jobs: Iterable[Run], since: datetime) -> Iterator[Run]:
    """Of jobs, newest first or nearly so, those before which there may be one that was created since a moment."""
    older = 0
    for job in jobs:
        older = 0 if job.since(since - _DISORDER) else older + 1
        if older >= _OLD_ENOUGH:
            return
        yield job


def read_job(body: Mapping[str, Any]) -> Run:
    """A job, from its body."""
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


def _behind(error: GiveUp | HttpResponseError, refused: list[Any]) -> Exception:
    """What lies behind: a name that is taken; or a validation that failed because to ask for something failed."""
    if _TAKEN.search(str(error)):
        return NameTaken(str(error))
    if isinstance(error, HttpResponseError) or isinstance(error.__cause__, HttpResponseError) or not refused:
        return error
    cause = refused[0]
    if isinstance(cause, Exception):
        return cause
    if cause.status_code == HTTPStatus.NOT_FOUND:
        return RetryLater(str(error), patience=PROPAGATION)
    return HttpResponseError(str(error), response=cause)


def _component(properties: Mapping[str, Any]) -> str:
    """What the job is, or its only step."""
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
