"""The jobs of a batch endpoint. Resource Manager does not list them by endpoint; Azure ML's data plane does.

Path and API version are those of azure-ai-ml's `BatchEndpointOperations.list_jobs`.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from azure.core.exceptions import AzureError

from handlers.azure.arm import is_same_server
from handlers.azure.errors import describe
from handlers.azure.ml.data_plane import DataPlane
from handlers.azure.ml.jobs import Jobs, read_job, skip_old
from handlers.azure.ml.workspace import AzureML
from handlers.base import GiveUp, RetryLater
from handlers.errors import NO_SUCH_OPERATION, THROTTLED, status_of
from handlers.launch.run import ListUnavailable, Run, TooManyRuns

_QUERY = {"api-version": "2020-09-01-dataplanepreview"}
_PREFIX = "/mferp/managementfrontend"
_MOST_PAGES = 100


def jobs_of_endpoint(azureml: AzureML, endpoint: str, since: datetime, known: Mapping[str, Run]) -> Iterator[Run]:
    """The jobs of an endpoint that were created since a moment; none if the service has no such list.

    A job in `known` is not read again: the list may lack the time of creation, which costs a request per job. Raises
    TooManyRuns, ListUnavailable if the list cannot be read, and what the methods of `AzureML` raise.
    """
    jobs = (_with_creation_time(azureml, read_job(body), known) for body in _list(azureml, endpoint))
    return (job for job in skip_old(jobs, since) if job.since(since))


def _with_creation_time(azureml: AzureML, job: Run, known: Mapping[str, Run]) -> Run:
    if job.id in known:
        return known[job.id]
    return job if job.created else Jobs(azureml).get(job.id) or job


def _list(azureml: AzureML, endpoint: str) -> Iterator[Mapping[str, Any]]:
    plane = DataPlane(azureml)
    try:
        api = plane.api()
        page = plane.get(f"{api}{_PREFIX}{azureml.path}/batchEndpoints/{endpoint}/jobs", _QUERY)
    except (LookupError, TypeError):  # the workspace does not return the URL of its services
        return
    except (AzureError, GiveUp, RetryLater, ValueError) as error:
        if status_of(error) in NO_SUCH_OPERATION:
            return
        raise _list_error(error, endpoint) from error
    for _ in range(_MOST_PAGES):
        yield from page.get("value") or ()
        if not (link := page.get("nextLink")):
            return
        if not is_same_server(link, api):
            break
        try:
            page = plane.get(link)
        except (AzureError, GiveUp, RetryLater, ValueError) as error:
            raise _list_error(error, endpoint) from error
    raise TooManyRuns


def _list_error(error: Exception, endpoint: str) -> Exception:
    """The error itself if the service is throttled; else ListUnavailable."""
    if status_of(error) in THROTTLED:
        return error
    return ListUnavailable(f"the jobs of the batch endpoint {endpoint}: {describe(error)}")
