"""A run of a pipeline.

learn.microsoft.com/rest/api/azure/devops, 7.1: "Pipelines - List", "Runs - Run Pipeline"; "Builds - List", "Builds -
Get", "Builds - Update Build", "Timeline - Get": a run is a build with the same id.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from handlers.azure_devops.api import AzureDevOpsApi
from handlers.base import Action, GiveUp
from handlers.launch.api import path_of
from handlers.launch.run import Run, RunState, TooManyRuns
from handlers.launch.target import Prepared, SearchableTarget, SearchResult
from handlers.lineage import parts

_RESULTS = {  # after a partial success of a build, later stages run, too ("Specify conditions")
    "succeeded": RunState.COMPLETED,
    "partiallysucceeded": RunState.COMPLETED,
    "canceled": RunState.CANCELED,
}
_MAX_BUILDS = 100
_MAX_PIPELINES = 5_000
_MAX_ERRORS = 3


@dataclass(frozen=True)
class PipelineTarget(SearchableTarget):
    """A run of a pipeline. The service returns its id; if that answer is lost, its parameters show whose it is.

    A search recognizes the run if the action's job name is among its template parameters or variables.
    """

    api: AzureDevOpsApi
    pipeline: str  # its number, or its name with or without its folder
    body: Mapping[str, Any]
    action: Action = field(compare=False)

    noun = "the run"

    @property
    def location(self) -> str:
        """The project and the pipeline."""
        return f"{self.api.project}, {self.pipeline}"

    def read(self, id: str) -> Run | None:
        """Read a run, as the build that it is, whose path has no pipeline; None if it is not found."""
        found = self.api.find(f"{self.api.path}/build/builds{path_of(id)}")
        return _run(found) if found else None

    def failure_reason(self, run: Run) -> str:
        """The result, and the first errors in the run's timeline."""
        path = f"{self.api.path}/build/builds{path_of(run.id)}/timeline"
        records = (self.api.find(path) or {}).get("records") or ()
        errors = [
            f"{record.get('name')}: {issue.get('message')}"
            for record in records
            for issue in record.get("issues") or ()
            if issue.get("type") == "error"
        ]
        return "; ".join((run.status, *errors[:_MAX_ERRORS]))

    def cancel(self, id: str) -> None:
        """Request the cancellation of a run."""
        path = f"{self.api.path}/build/builds{path_of(id)}"
        self.api.send("PATCH", path, {"status": "cancelling"})

    def link(self, id: str) -> str:
        """The URL of the run's page."""
        return f"{self.api.url}{path_of(self.api.project)}/_build/results?buildId={path_of(id)[1:]}"

    def prepare(self) -> Prepared:
        """Find the pipeline."""
        return {"pipeline": self._id()}

    def start(self, prepared: Prepared) -> str | None:
        """Start a run and return its id."""
        path = f"{self.api.path}/pipelines{path_of(self._id(prepared))}/runs"
        return self.api.start(path, dict(self.body), "id")

    def details(self) -> Mapping[str, str]:
        """The pipeline."""
        return {"pipeline": self.pipeline}

    def preexisting(self, since: datetime, now: datetime, prepared: Prepared) -> Iterable[Run]:
        """The recent runs of the pipeline."""
        return [_run(build) for build in self._builds(since, prepared)]

    def find(self, since: datetime, now: datetime, prepared: Prepared) -> SearchResult:
        """Find the run by the job name in its parameters. A run with that of another action is no candidate."""
        runs = [(_parameters(build), _run(build)) for build in self._builds(since, prepared)]
        match = next((run for text, run in runs if self.action.job_name in text), None)
        return SearchResult(match, tuple(run for text, run in runs if not parts(text)))

    def _builds(self, since: datetime, prepared: Prepared) -> list[dict[str, Any]]:
        """The builds that were queued since a moment. Raises TooManyRuns."""
        query = {
            "definitions": self._id(prepared),
            "minTime": f"{since.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
            "queryOrder": "queueTimeDescending",
            "$top": _MAX_BUILDS,
        }
        found: list[dict[str, Any]] = self.api.get(f"{self.api.path}/build/builds", **query)["value"]
        if len(found) >= _MAX_BUILDS:
            raise TooManyRuns
        return found

    def _id(self, prepared: Prepared = None) -> str:
        """The number of the pipeline. Raises GiveUp if no pipeline has the name, or several have it."""
        if prepared or self.pipeline.isdigit():
            return prepared["pipeline"] if prepared else self.pipeline
        folder, _, name = self.pipeline.replace("\\", "/").strip("/").rpartition("/")
        found = [each for each in self._pipelines() if str(each["name"]).casefold() == name.casefold()]
        if folder:
            found = [each for each in found if _folder(each) == folder.casefold()]
        if len(found) == 1:
            return str(found[0]["id"])
        several = f"several pipelines have the name {name!r}: write its folder, too, as in FOLDER/{name}"
        raise GiveUp(several if found else f"{self.api.project} has no pipeline {self.pipeline!r} that the app may see")

    def _pipelines(self) -> Iterator[dict[str, Any]]:
        yield from self.api.get(f"{self.api.path}/pipelines", **{"$top": _MAX_PIPELINES})["value"]


def _folder(pipeline: Mapping[str, Any]) -> str:
    """The folder of a pipeline, with slashes: ``\\`` is the root."""
    return str(pipeline.get("folder") or "").replace("\\", "/").strip("/").casefold()


def _run(found: Mapping[str, Any]) -> Run:
    """A run as the build that it is."""
    state = str(found.get("status") or "unknown")
    result = str(found.get("result") or "unknown")
    ended = state == "completed"
    running = RunState.CANCELING if state == "cancelling" else RunState.UNDER_WAY
    return Run(
        id=str(found["id"]),
        state=_RESULTS.get(result.casefold(), RunState.FAILED) if ended else running,
        status=result if ended else state,
    )


def _parameters(build: Mapping[str, Any]) -> str:
    return f"{json.dumps(build.get('templateParameters') or {})} {build.get('parameters') or ''}"
