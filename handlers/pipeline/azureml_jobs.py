"""Jobs of Azure ML: of a job file or a component, whose names the app chooses, and behind batch endpoints."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from azure.core.exceptions import AzureError
from jinja2 import TemplateError

from handlers.azure.ml import run_history
from handlers.azure.ml.assets import input_asset, resolve
from handlers.azure.ml.batch_invocations import BatchDeployment, Invocations
from handlers.azure.ml.batch_jobs import jobs_of_endpoint
from handlers.azure.ml.components import ComponentRef, find_component
from handlers.azure.ml.jobs import Jobs, NewJob
from handlers.azure.ml.workspace import AzureML
from handlers.base import Action, GiveUp, RetryLater
from handlers.launch.run import Run
from handlers.launch.target import IdempotentTarget, Prepared, SearchableTarget, SearchResult
from handlers.lineage import parts
from handlers.pipeline.inputs import ConvertedInputs, Inputs, Value, convert_inputs, render_inputs
from handlers.pipeline.job_definition import (
    JobOverrides,
    component_job,
    compute_reference,
    is_component,
    read_job_file,
)
from handlers.pipeline.tags import experiment_name, fit_tags
from handlers.template import Template
from schemas import Event
from schemas.links import run_link

# Keys and values of what `BatchTarget.prepare` returns. Saved states of actions in progress have them.
_OF, _PIPELINE, _MODEL = "of", "pipeline", "model"
_LATEST = "latest:"  # and the name of a data asset; the value is its latest version


@dataclass(frozen=True)
class JobRequest:
    """The settings of a rule that concern a job, and the event to render them for."""

    event: Event
    action: Action
    job: str = ""
    inputs: Inputs = field(default_factory=dict)
    compute: Template | None = None
    experiment: Template | None = None
    tags: Mapping[str, Template] = field(default_factory=dict)

    def render(self, template: Template | None) -> str:
        """The text of a template; empty if there is none. Raises jinja2.TemplateError."""
        return template.render(self.event).strip() if template else ""


@dataclass(frozen=True)
class _AzureMLTarget:
    """What both kinds of jobs have in common: the workspace, and how to read and cancel a job."""

    azureml: AzureML

    @property
    def location(self) -> str:
        """The name of the workspace."""
        return self.azureml.workspace.name

    @property
    def jobs(self) -> Jobs:
        """The jobs of the workspace."""
        return Jobs(self.azureml)

    def read(self, id: str) -> Run | None:
        """Read a job; None if it is not found."""
        return self.jobs.get(id)

    def failure_reason(self, run: Run) -> str:
        """The errors of the job and of its failed steps, from run history."""
        return run_history.failure_reason(self.azureml, run.id)

    def cancel(self, id: str) -> None:
        """Request the cancellation of a job."""
        self.jobs.cancel(id)

    def link(self, id: str) -> str | None:
        """The URL of the job's page in Azure ML's studio."""
        return run_link(self.azureml.workspace, id)


@dataclass(frozen=True)
class JobTarget(_AzureMLTarget, IdempotentTarget):
    """A job of a job file or of a registered component."""

    request: JobRequest

    noun = "the job"

    @property
    def name(self) -> str:
        """The job name of the action."""
        return self.request.action.job_name

    def is_match(self, run: Run) -> bool:
        """Does the job have the action's name and tags?"""
        return run.id == self.name and self.request.action.tags.items() <= run.tags.items()

    def submit(self) -> None:
        """Submit the job. Raises NameTaken if a job of that name exists."""
        self.jobs.submit(self._definition[0])

    def details(self, found: Run | None = None) -> dict[str, str]:
        """The job, its experiment, and which inputs and tags were changed; of `found`, as far as they can be known."""
        if found is None:
            return self._definition[1]
        details = {"job": self.request.job}
        with suppress(AzureError, GiveUp, RetryLater, TemplateError):  # the job is started: its details are optional
            details = dict(self._definition[1])
        if is_component(self.request.job) and found.component:  # by now, @latest may be a newer version
            details["job"] = found.component
        return details | ({"experiment": found.group} if found.group else {})

    @cached_property
    def _definition(self) -> tuple[NewJob, dict[str, str]]:
        """The job to submit, and its details."""
        return self._component_job() if is_component(self.request.job) else self._file_job()

    def _file_job(self) -> tuple[NewJob, dict[str, str]]:
        request = self.request
        try:
            file = read_job_file(request.job)
        except ValueError as error:  # it was valid when the rules were loaded
            raise GiveUp(str(error)) from error
        converted = convert_inputs(render_inputs(request.inputs, request.event), file.inputs, f"the job {request.job}")
        overrides, details = self._overrides(converted, file.tags, file.experiment)
        return file.job(overrides), details | {"job": request.job}

    def _component_job(self) -> tuple[NewJob, dict[str, str]]:
        request = self.request
        ref = ComponentRef.parse(request.job)
        component = find_component(self.azureml, ref)
        converted = convert_inputs(
            render_inputs(request.inputs, request.event), component.inputs, f"the component {ref}"
        )
        overrides, details = self._overrides(converted, {}, ref.name)
        return component_job(component, ref, overrides), details | {"job": f"{ref.name}:{component.version}"}

    def _overrides(
        self, inputs: ConvertedInputs, own_tags: Mapping[str, str], own_experiment: str
    ) -> tuple[JobOverrides, dict[str, str]]:
        """The rule's settings for a job with tags and an experiment of its own, and details for the outcome."""
        request, action = self.request, self.request.action
        rule_tags = {name: value.render(request.event).strip() for name, value in request.tags.items()}
        tags, cut = fit_tags(action.tags, rule_tags, own_tags)
        experiment = experiment_name(request.render(request.experiment) or own_experiment or action.rule)
        details = {"experiment": experiment} | ({"tags_cut": ", ".join(cut)} if cut else {}) | _changed(inputs)
        values = {name: self._resolved(value) for name, value in inputs.values.items()}
        return JobOverrides(self.name, tags, experiment, values, self._compute()), details

    def _resolved(self, value: Value) -> Value:
        """An input with a version in place of a label. azure-ai-ml does so in a workspace, and not in a registry."""
        if not isinstance(value, dict):
            return value
        asset = input_asset(value["path"], value["type"])
        return {**value, "path": resolve(self.azureml, asset).id} if asset and asset.registry else value

    def _compute(self) -> str:
        text = self.request.render(self.request.compute)
        try:
            return compute_reference(text) if text else ""
        except ValueError as error:
            raise GiveUp(f"compute: {error}") from error


@dataclass(frozen=True)
class BatchTarget(_AzureMLTarget, SearchableTarget):
    """A job behind a batch endpoint.

    If the deployment is of a pipeline component, a request can choose the job's experiment. Its name then contains the
    action's job name: a search finds the job by it, and the lineage of the job's events is known. If the deployment is
    of a model, a request can choose nothing.
    """

    request: JobRequest
    endpoint: str
    deployment: str = ""

    noun = "the batch job"

    def prepare(self) -> dict[str, str]:
        """Read the deployment and the latest versions of data assets, and check the inputs."""
        invocations = Invocations(self.azureml)
        deployment = invocations.deployment(self.endpoint, self.deployment)
        latest = invocations.latest_versions(self._inputs().values)
        kind = _PIPELINE if deployment.is_pipeline else _MODEL
        return {"deployment": deployment.name, _OF: kind, "uri": deployment.scoring_uri} | {
            f"{_LATEST}{name}": version for name, version in latest.items()
        }

    def start(self, prepared: Prepared) -> str:
        """Invoke the endpoint and return the job's name. One request, with what `prepare` has read."""
        if prepared is None or "uri" not in prepared:  # release 0.1 may have saved this state
            prepared = self.prepare()
        is_pipeline = prepared[_OF] == _PIPELINE
        deployment = BatchDeployment(self.endpoint, prepared["deployment"], prepared["uri"], is_pipeline)
        experiment = self._experiment if is_pipeline else ""
        latest = {key.removeprefix(_LATEST): value for key, value in prepared.items() if key.startswith(_LATEST)}
        values = self._inputs().values
        return Invocations(self.azureml).invoke(deployment, values, experiment, self.request.action.key, latest)

    def _inputs(self) -> ConvertedInputs:
        rendered = render_inputs(self.request.inputs, self.request.event)
        return convert_inputs(rendered, None, f"the batch endpoint {self.endpoint}")

    @property
    def _experiment(self) -> str:
        prefix = self.request.render(self.request.experiment) or self.endpoint
        return experiment_name(prefix, self.request.action.job_name)

    def details(self) -> dict[str, str]:
        """The endpoint, and which inputs were changed."""
        return {"batch_endpoint": self.endpoint} | _changed(self._inputs())

    def find(self, since: datetime, now: datetime, prepared: Prepared) -> SearchResult:
        """Find the job by its experiment; if there is none, the candidates are the endpoint's other jobs.

        It is not documented which experiment a job gets if the request chooses none, or if the service ignores the
        choice (Azure/azureml-examples#4041 shows the endpoint's name). So jobs in each experiment that is plausible are
        candidates. For the deployment of a model, so are the jobs that the endpoint lists, except those with the name
        of another action.
        """
        prepared = prepared or {"deployment": self.deployment}
        jobs = {}
        for job in self.jobs.created_since(since):
            if job.since(since) and self.request.action.job_name in job.group.casefold():
                return SearchResult(match=job)
            jobs[job.id] = job
        experiments = {"", "default", self.endpoint.casefold(), prepared["deployment"].casefold()}
        candidates = {id: job for id, job in jobs.items() if job.since(since) and job.group.casefold() in experiments}
        if not _chooses_experiment(prepared):
            listed = jobs_of_endpoint(self.azureml, self.endpoint, since, jobs)
            candidates |= {job.id: job for job in listed if not parts(job.group)}
        return SearchResult(candidates=tuple(candidates.values()))

    def preexisting(self, since: datetime, now: datetime, prepared: Prepared) -> Iterable[Run]:
        """The recent jobs on the first page of the workspace's list; none if `find` recognizes the job."""
        return () if _chooses_experiment(prepared) else (job for job in self.jobs.first_page() if job.since(since))


def _chooses_experiment(prepared: Prepared) -> bool:
    """Does the request choose the job's experiment?"""
    return (prepared or {}).get(_OF) == _PIPELINE


def _changed(inputs: ConvertedInputs) -> dict[str, str]:
    return {"inputs_changed": ", ".join(inputs.changed)} if inputs.changed else {}
