"""Jobs of Azure ML: of a definition of ours, which have a name of ours, and behind batch endpoints, which have not."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from azure.core.exceptions import AzureError
from jinja2 import TemplateError

from handlers.azure.ml import run_history as history
from handlers.azure.ml.batch_invocations import BatchDeployment, Invocations
from handlers.azure.ml.batch_jobs import jobs_of_endpoint
from handlers.azure.ml.components import ComponentRef, find_component
from handlers.azure.ml.jobs import Jobs, NewJob
from handlers.azure.ml.workspace import AzureML
from handlers.azure.run import Run
from handlers.base import Action, GiveUp, RetryLater
from handlers.lineage import parts
from handlers.pipeline.inputs import Given, Inputs, fit, render
from handlers.pipeline.job_definition import Wanted, component_job, compute_reference, is_component, read_job_file
from handlers.pipeline.tags import experiment_name, fit_tags
from handlers.pipeline.target import Found, Known, Named, Nameless
from handlers.template import Template
from schemas import Event
from schemas.links import run_link

_PIPELINE = "pipeline"  # what is deployed behind a batch endpoint, if no model
_LATEST = "latest:"  # before the name of a data asset, with the version that its latest is


@dataclass(frozen=True)
class Request:
    """What a rule says of a job, and the event to render it for."""

    event: Event
    action: Action
    job: str = ""
    inputs: Inputs = field(default_factory=dict)
    compute: Template | None = None
    experiment: Template | None = None
    tags: Mapping[str, Template] = field(default_factory=dict)

    def rendered(self, template: Template | None) -> str:
        """A template's text; empty if there is none. Raises jinja2.TemplateError."""
        return template.render(self.event).strip() if template else ""


@dataclass(frozen=True)
class _Watched:
    """How jobs are looked at."""

    azureml: AzureML

    @property
    def where(self) -> str:
        """The workspace's name."""
        return self.azureml.workspace.name

    @property
    def jobs(self) -> Jobs:
        """Its jobs."""
        return Jobs(self.azureml)

    def look(self, id: str) -> Run | None:
        """A job as it is now."""
        return self.jobs.get(id)

    def why(self, run: Run) -> str:
        """What went wrong with it and its steps."""
        return history.failure_reason(self.azureml, run.id)

    def cancel(self, id: str) -> None:
        """Ask for it to be canceled."""
        self.jobs.cancel(id)

    def link(self, id: str) -> str | None:
        """Its page in the studio."""
        return run_link(self.azureml.workspace, id)


@dataclass(frozen=True)
class JobTarget(_Watched, Named):
    """A job of a file or of a registered component."""

    request: Request

    what = "the job"

    @property
    def name(self) -> str:
        """The action's."""
        return self.request.action.job_name

    def is_ours(self, run: Run) -> bool:
        """Does it have our name, and the tags that we gave it?"""
        return run.id == self.name and self.request.action.tags.items() <= run.tags.items()

    def submit(self) -> None:
        """Start it."""
        self.jobs.submit(self._made[0])

    def told(self, found: Run | None = None) -> dict[str, str]:
        """What is to be said of it; of one that is found, as far as that is still to be known."""
        if found is None:
            return self._made[1]
        told = {"job": self.request.job}
        with suppress(AzureError, GiveUp, RetryLater, TemplateError):  # it is started, whatever can be said of it
            told = dict(self._made[1])
        if is_component(self.request.job) and found.component:  # the latest may be another by now
            told["job"] = found.component
        return told | ({"experiment": found.group} if found.group else {})

    @cached_property
    def _made(self) -> tuple[NewJob, dict[str, str]]:
        """The job, and what is to be said of it."""
        return self._component_job() if is_component(self.request.job) else self._file_job()

    def _file_job(self) -> tuple[NewJob, dict[str, str]]:
        request = self.request
        try:
            file = read_job_file(request.job)
        except ValueError as error:  # it was there when the rules were loaded
            raise GiveUp(str(error)) from error
        given = fit(render(request.inputs, request.event), file.inputs, f"the job {request.job}")
        wanted, told = self._wanted(file.tags, file.experiment)
        told |= {"job": request.job} | _changed(given.changed)
        return file.job(Wanted(*wanted, given.values, self._compute())), told

    def _component_job(self) -> tuple[NewJob, dict[str, str]]:
        request = self.request
        ref = ComponentRef.parse(request.job)
        component = find_component(self.azureml, ref)
        given = fit(render(request.inputs, request.event), component.inputs, f"the component {ref}")
        wanted, told = self._wanted({}, ref.name)
        told |= {"job": f"{ref.name}:{component.version}"} | _changed(given.changed)
        return component_job(component, ref, Wanted(*wanted, given.values, self._compute())), told

    def _wanted(
        self, own_tags: Mapping[str, str], own_experiment: str
    ) -> tuple[tuple[str, dict[str, str], str], dict[str, str]]:
        """Name, tags and experiment; and what is to be said of them."""
        request, action = self.request, self.request.action
        rules = {name: value.render(request.event).strip() for name, value in request.tags.items()}
        tags, cut = fit_tags(action.tags, rules, own_tags)
        experiment = experiment_name(request.rendered(request.experiment) or own_experiment or action.rule)
        told = {"experiment": experiment} | ({"tags_cut": ", ".join(cut)} if cut else {})
        return (self.name, tags, experiment), told

    def _compute(self) -> str:
        text = self.request.rendered(self.request.compute)
        try:
            return compute_reference(text) if text else ""
        except ValueError as error:
            raise GiveUp(f"compute: {error}") from error


@dataclass(frozen=True)
class BatchTarget(_Watched, Nameless):
    """A job behind a batch endpoint.

    Where a pipeline component is deployed, its experiment can be chosen: that has our key, and by it the job is found
    again, and its events are known to be of our doing. Where a model is deployed, nothing of it can be chosen.
    """

    request: Request
    endpoint: str
    deployment: str = ""

    what = "the batch job"

    def prepare(self) -> dict[str, str]:
        """The deployment is there, and the inputs can be given: all that must be asked to start it is asked here."""
        invocations = Invocations(self.azureml)
        behind = invocations.deployment(self.endpoint, self.deployment)
        newest = {
            f"{_LATEST}{name}": version for name, version in invocations.latest_versions(self._given().values).items()
        }
        of = _PIPELINE if behind.is_pipeline else "model"
        return {"deployment": behind.name, "of": of, "uri": behind.scoring_uri} | newest

    def start(self, known: Known) -> str:
        """Start it: one request, so that what goes wrong with it is about the start."""
        if known is None or "uri" not in known:  # what an earlier version of this app has kept
            known = self.prepare()
        is_pipeline = known["of"] == _PIPELINE
        behind = BatchDeployment(self.endpoint, known["deployment"], known["uri"], is_pipeline)
        experiment = self._experiment if is_pipeline else ""
        newest = {key.removeprefix(_LATEST): version for key, version in known.items() if key.startswith(_LATEST)}
        values = self._given().values
        return Invocations(self.azureml).invoke(behind, values, experiment, self.request.action.key, newest)

    def _given(self) -> Given:
        return fit(render(self.request.inputs, self.request.event), None, f"the batch endpoint {self.endpoint}")

    @property
    def _experiment(self) -> str:
        prefix = self.request.rendered(self.request.experiment) or self.endpoint
        return experiment_name(prefix, self.request.action.job_name)

    def told(self) -> dict[str, str]:
        """What is to be said of what is started."""
        return {"batch_endpoint": self.endpoint} | _changed(self._given().changed)

    def ours(self, since: datetime, now: datetime, known: Known) -> Found:
        """By its experiment; else, any that was started behind the endpoint may be ours.

        Which experiment a job has that none was chosen for, or whose choice was not heeded, is not documented (it has
        been seen to be the endpoint's name: Azure/azureml-examples#4041). So jobs of every name that comes to mind may
        be ours, and of a model's deployment those that the endpoint lists, unless they are another action's.
        """
        known = known or {"deployment": self.deployment}
        listed = {}
        for job in self.jobs.created_since(since):
            if job.since(since) and self.request.action.job_name in job.group.casefold():
                return Found(run=job)
            listed[job.id] = job
        names = {"", "default", self.endpoint.casefold(), known["deployment"].casefold()}
        perhaps = {id: job for id, job in listed.items() if job.since(since) and job.group.casefold() in names}
        if not _has_key(known):
            behind = jobs_of_endpoint(self.azureml, self.endpoint, since, listed)
            perhaps |= {job.id: job for job in behind if not parts(job.group)}
        return Found(perhaps=tuple(perhaps.values()))

    def others(self, since: datetime, now: datetime, known: Known) -> Iterable[Run]:
        """Those of the first page of the workspace's jobs, whose names are those that the endpoint lists."""
        return () if _has_key(known) else (job for job in self.jobs.first_page() if job.since(since))


def _has_key(known: Known) -> bool:
    """Is our job told by its experiment?"""
    return (known or {}).get("of") == _PIPELINE


def _changed(names: tuple[str, ...]) -> dict[str, str]:
    return {"inputs_changed": ", ".join(names)} if names else {}
