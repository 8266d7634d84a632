"""A run of a workflow, which a ``workflow_dispatch`` event starts.

docs.github.com/rest/actions: "Create a workflow dispatch event", "List workflow runs for a workflow", "Get a workflow
run", "List jobs for a workflow run", "Cancel a workflow run".
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from handlers.base import Action, GiveUp
from handlers.github.api import GitHubApi
from handlers.launch.api import path_of
from handlers.launch.run import Run, RunState
from handlers.launch.target import Prepared, SearchableTarget, SearchResult
from handlers.lineage import parts

_STATES = {  # "Required status checks": a neutral or skipped check counts as successful
    "success": RunState.COMPLETED,
    "neutral": RunState.COMPLETED,
    "skipped": RunState.COMPLETED,
    "cancelled": RunState.CANCELED,
}
_DETAILS, _ID = "return_run_details", "workflow_run_id"  # Enterprise Server knows them since 3.21
_MAX_PREEXISTING = 50
_MAX_JOBS = 3  # in a reason


@dataclass(frozen=True)
class WorkflowTarget(SearchableTarget):
    """A run of a workflow. GitHub returns its id; if that answer is lost, its name shows whose it is.

    The API returns no inputs of a run. Its title is the workflow's `run-name`, if it has one: a search recognizes the
    run if the action's job name is in it.
    """

    api: GitHubApi
    web: str  # the URL of the repository's pages
    workflow: str
    ref: str
    inputs: Mapping[str, str]
    action: Action = field(compare=False)

    noun = "the workflow run"

    @property
    def location(self) -> str:
        """The repository and the workflow."""
        return f"{self.api.repository}, {self.workflow}"

    def read(self, id: str) -> Run | None:
        """Read a run; None if it is not found."""
        found = self.api.find(f"{self.api.path}/actions/runs{path_of(id)}")
        return _run(found) if found else None

    def failure_reason(self, run: Run) -> str:
        """The conclusion, and the jobs and steps that failed."""
        path = f"{self.api.path}/actions/runs{path_of(run.id)}/jobs"
        failed = (job for job in self.api.pages(path, "jobs", filter="latest") if _failed(job))
        said = ", ".join(f"{job.get('name')}{_failed_step(job)}" for job in islice(failed, _MAX_JOBS))
        return f"{run.status}{f' in {said}' if said else ''}"

    def cancel(self, id: str) -> None:
        """Request the cancellation of a run."""
        self.api.send("POST", f"{self.api.path}/actions/runs{path_of(id)}/cancel")

    def link(self, id: str) -> str:
        """The URL of the run's page."""
        return f"{self.web}/actions/runs{path_of(id)}"

    def prepare(self) -> Prepared:
        """Nothing: the request shows whether the workflow exists and takes the inputs."""
        return {}

    def start(self, prepared: Prepared) -> str | None:
        """Start a run. Returns its id, and None if an older Enterprise Server does not return it."""
        path = f"{self._path}/dispatches"
        body: dict[str, Any] = {"ref": self.ref, "inputs": dict(self.inputs)}
        try:
            return self.api.start(path, {**body, _DETAILS: True}, _ID)
        except GiveUp as error:
            if _DETAILS not in str(error):
                raise
            return self.api.start(path, body, _ID)

    def details(self) -> Mapping[str, str]:
        """The workflow."""
        return {"workflow": self.workflow}

    def preexisting(self, since: datetime, now: datetime, prepared: Prepared) -> Iterable[Run]:
        """The recent runs of the workflow."""
        return [_run(found) for found in islice(self._runs(since), _MAX_PREEXISTING)]

    def find(self, since: datetime, now: datetime, prepared: Prepared) -> SearchResult:
        """Find the run by the job name in its title. A run with the job name of another action is no candidate."""
        runs = [(str(found.get("display_title") or ""), _run(found)) for found in self._runs(since)]
        match = next((run for title, run in runs if self.action.job_name in title), None)
        return SearchResult(match, tuple(run for title, run in runs if not parts(title)))

    @property
    def _path(self) -> str:
        return f"{self.api.path}/actions/workflows{path_of(self.workflow)}"

    def _runs(self, since: datetime) -> Iterator[dict[str, Any]]:
        created = f">={since.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
        return self.api.pages(f"{self._path}/runs", "workflow_runs", event="workflow_dispatch", created=created)


def _run(found: Mapping[str, Any]) -> Run:
    ended = found.get("status") == "completed"
    conclusion = str(found.get("conclusion") or "unknown")
    created = found.get("created_at")
    return Run(
        id=str(found["id"]),
        state=_STATES.get(conclusion, RunState.FAILED) if ended else RunState.UNDER_WAY,
        status=conclusion if ended else str(found.get("status") or "unknown"),
        created=datetime.fromisoformat(created) if created else None,
    )


def _failed(part: Mapping[str, Any]) -> bool:
    return part.get("conclusion") in ("failure", "timed_out", "cancelled")


def _failed_step(job: Mapping[str, Any]) -> str:
    return next((f", step {step.get('name')!r}" for step in job.get("steps") or () if _failed(step)), "")
