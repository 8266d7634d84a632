"""The jobs of a batch endpoint, as Azure ML's own service lists them: which these are, Resource Manager does not tell.

Path and version are those of azure-ai-ml's `BatchEndpointOperations.list_jobs`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from azure.core.exceptions import HttpResponseError

from handlers.azureml.arm import is_at, status_of
from handlers.azureml.data_plane import DataPlane
from handlers.azureml.gateway import AzureML
from handlers.azureml.jobs import Jobs, read_job
from handlers.base import GiveUp
from handlers.run import Run, TooMany

_QUERY = {"api-version": "2020-09-01-dataplanepreview"}
_PREFIX = "/mferp/managementfrontend"
_NO_SUCH_LIST = {400, 404, 405, 410}
_MOST_PAGES = 100
_OLD_ENOUGH = 10  # jobs in a row that are older, until the rest is taken to be older, too


def started_behind(azureml: AzureML, endpoint: str, since: datetime) -> Iterator[Run]:
    """The jobs of an endpoint that were created since a moment; none if the service has no such list.

    Raises TooMany if the list is not to be read so far, and what the methods of `AzureML` raise.
    """
    older = 0
    for body in _listed(azureml, endpoint):
        job = read_job(body)
        if job.created is None and (known := Jobs(azureml).get(job.id)):
            job = replace(known, id=job.id)
        older = 0 if job.since(since) else older + 1
        if older >= _OLD_ENOUGH:
            return
        if job.since(since):
            yield job


def _listed(azureml: AzureML, endpoint: str) -> Iterator[Mapping[str, Any]]:
    plane = DataPlane(azureml)
    try:
        api = plane.api()
        page = plane.get(f"{api}{_PREFIX}{azureml.path}/batchEndpoints/{endpoint}/jobs", _QUERY)
    except (GiveUp, HttpResponseError, LookupError, TypeError) as error:
        if status_of(error) not in {*_NO_SUCH_LIST, None}:
            raise
        return
    for _ in range(_MOST_PAGES):
        yield from page.get("value") or ()
        if not (link := page.get("nextLink")):
            return
        if not is_at(link, api):
            break
        page = plane.get(link)
    raise TooMany
