"""The jobs of a batch endpoint, as Azure ML's own service lists them: which these are, Resource Manager does not tell.

Path and version are those of azure-ai-ml's `BatchEndpointOperations.list_jobs`.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from azure.core.exceptions import AzureError

from handlers.azure.arm import is_at
from handlers.azure.errors import told
from handlers.azure.ml.data_plane import DataPlane
from handlers.azure.ml.jobs import Jobs, read_job, until_old
from handlers.azure.ml.workspace import AzureML
from handlers.azure.run import Run, TooMany, Unlisted
from handlers.base import GiveUp, RetryLater
from handlers.errors import NO_SUCH_OPERATION, THROTTLED, status_of

_QUERY = {"api-version": "2020-09-01-dataplanepreview"}
_PREFIX = "/mferp/managementfrontend"
_MOST_PAGES = 100


def started_behind(azureml: AzureML, endpoint: str, since: datetime, known: Mapping[str, Run]) -> Iterator[Run]:
    """The jobs of an endpoint that were created since a moment; none if the service has no such list.

    `known` are jobs that need not be asked for: the list may not say when they were created. Raises TooMany if the list
    is not to be read so far, Unlisted if it cannot be had, and what the methods of `AzureML` raise.
    """
    jobs = (_looked_up(azureml, read_job(body), known) for body in _listed(azureml, endpoint))
    return (job for job in until_old(jobs, since) if job.since(since))


def _looked_up(azureml: AzureML, job: Run, known: Mapping[str, Run]) -> Run:
    if job.id in known:
        return known[job.id]
    return job if job.created else Jobs(azureml).get(job.id) or job


def _listed(azureml: AzureML, endpoint: str) -> Iterator[Mapping[str, Any]]:
    plane = DataPlane(azureml)
    try:
        api = plane.api()
        page = plane.get(f"{api}{_PREFIX}{azureml.path}/batchEndpoints/{endpoint}/jobs", _QUERY)
    except (LookupError, TypeError):  # the workspace does not say where it would be
        return
    except (AzureError, GiveUp, RetryLater, ValueError) as error:
        if status_of(error) in NO_SUCH_OPERATION:
            return
        raise _unlisted(error, endpoint) from error
    for _ in range(_MOST_PAGES):
        yield from page.get("value") or ()
        if not (link := page.get("nextLink")):
            return
        if not is_at(link, api):
            break
        try:
            page = plane.get(link)
        except (AzureError, GiveUp, RetryLater, ValueError) as error:
            raise _unlisted(error, endpoint) from error
    raise TooMany


def _unlisted(error: Exception, endpoint: str) -> Exception:
    """Unlisted in place of an error; an error that says that the service is throttled stays as it is."""
    if status_of(error) in THROTTLED:
        return error
    return Unlisted(f"the jobs of the batch endpoint {endpoint}: {told(error)}")
