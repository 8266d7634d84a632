"""``do: pipeline``: start a pipeline, once: in Azure ML, behind a batch endpoint, or in Azure Data Factory.

Here is what a rule may say (docs/handlers/pipeline.md). The steps are in handlers/launch, Azure ML is behind
handlers/azureml, Data Factory behind handlers/azure/data_factory.py.
"""

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, ClassVar, Self

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator, model_validator

from handlers.azure import data_factory as datafactory
from handlers.azure.data_factory import DataFactory
from handlers.azure.ml import workspace as gateway
from handlers.azure.ml.components import ComponentRef
from handlers.azure.ml.names import check_endpoint_name
from handlers.azure.ml.workspace import AzureML
from handlers.base import Action, Handler, Outcome, shorten
from handlers.duration import Duration, format_duration
from handlers.file_field import FileName
from handlers.lineage import DEPTH_TAG, EVENT_TAG, RULE_TAG
from handlers.pipeline.azureml_jobs import BatchTarget, JobTarget, Request
from handlers.pipeline.data_factory import FactoryTarget
from handlers.pipeline.inputs import Inputs, Value, fit, render
from handlers.pipeline.job_definition import compute_reference, is_component, read_job_file
from handlers.pipeline.parameters import Parameter, rendered
from handlers.pipeline.steps import launch
from handlers.pipeline.tags import LONGEST_KEY, MOST_TAGS
from handlers.pipeline.target import Plan, Target
from handlers.template import Template
from handlers.workspace_field import TargetWorkspace
from schemas import Event, WorkspaceId

_OURS = frozenset({RULE_TAG, EVENT_TAG, DEPTH_TAG})
_SHOWN = 80  # characters of a value in a plan
_KEYS: Mapping[str, tuple[str, ...]] = {  # what is said of which
    "job": ("inputs", "compute", "experiment_name", "tags", "workspace"),
    "batch_endpoint": ("deployment", "inputs", "experiment_name", "workspace", "at_least_once"),
    "data_factory": ("pipeline", "parameters", "at_least_once"),
}
_ONCE = "a job has a name, so that there is but one of each action"
_HINTS = {
    ("job", "at_least_once"): _ONCE,
    ("batch_endpoint", "tags"): "the service chooses what its jobs are",
    ("batch_endpoint", "compute"): "the deployment has one",
}


def _as_text(value: object) -> object:
    """A number, true or false as YAML writes it: tags are texts."""
    return json.dumps(value) if isinstance(value, bool | int | float) else value


class Pipeline(Handler[Event]):
    """Start a pipeline, and follow it to its end if that is asked for."""

    starts_runs: ClassVar[bool] = True

    job: str = ""
    batch_endpoint: str = ""
    deployment: str = ""
    data_factory: str = ""
    pipeline: str = ""
    parameters: Mapping[str, Parameter] = Field(default_factory=dict)
    inputs: Inputs = Field(default_factory=dict)
    compute: Template | None = None
    experiment_name: Template | None = None
    tags: Mapping[str, Annotated[Template, BeforeValidator(_as_text)]] = Field(default_factory=dict)
    workspace: TargetWorkspace | None = None
    wait: bool = Field(False, strict=True)
    timeout: Duration = timedelta(hours=24)
    cancel_on_timeout: bool = Field(False, strict=True)
    poll: Duration | None = None
    at_least_once: bool = Field(False, strict=True)

    @field_validator("job")
    @classmethod
    def _a_job(cls, value: str, info: ValidationInfo) -> str:
        if is_component(value):
            ComponentRef.parse(value)
        elif value:
            value = FileName.of(value, info)
            read_job_file(value)
        return value

    @field_validator("batch_endpoint", "deployment")
    @classmethod
    def _a_name(cls, value: str) -> str:
        return check_endpoint_name(value) if value else value

    @field_validator("data_factory")
    @classmethod
    def _a_factory(cls, value: str) -> str:
        value = value.rstrip("/")
        if value and not datafactory.FACTORY_ID.fullmatch(value):
            raise ValueError(
                f"{value!r} is not the resource id of a data factory, which is "
                "/subscriptions/…/resourceGroups/…/providers/Microsoft.DataFactory/factories/…"
            )
        return value

    @field_validator("compute")
    @classmethod
    def _a_compute(cls, value: Template | None) -> Template | None:
        if value is not None and value.is_constant and value.source.strip():
            compute_reference(value.source.strip())
        return value

    @field_validator("tags")
    @classmethod
    def _that_fit(cls, value: Mapping[str, Template]) -> Mapping[str, Template]:
        if len(value) > MOST_TAGS - len(_OURS):
            raise ValueError(f"a job has at most {MOST_TAGS} tags, and {len(_OURS)} of them say who started it")
        if too_long := [name for name in value if not 0 < len(name) <= LONGEST_KEY]:
            raise ValueError(f"{too_long[0][:50]!r} is no tag's name: it has 1 to {LONGEST_KEY} characters")
        if ours := [name for name in value if name.casefold() in _OURS]:
            raise ValueError(f"{ours[0]!r} is one of the tags that say who started the job: choose another name")
        return value

    @model_validator(mode="after")
    def _one_of_three(self) -> Self:
        said = [name for name in _KEYS if getattr(self, name)]
        if len(said) != 1:
            raise ValueError(f"name one of {', '.join(_KEYS)}" + (f", not {' and '.join(said)}" if said else ""))
        for name in sorted({key for keys in _KEYS.values() for key in keys} - {*_KEYS[said[0]]}):
            if name in self.model_fields_set:
                why = _HINTS.get((said[0], name), f"it is for {_where(name)}")
                raise ValueError(f"{said[0]} knows no {name}: {why}")
        if self.data_factory and not self.pipeline:
            raise ValueError("data_factory needs a pipeline: the name of one of the factory's")
        return self

    @model_validator(mode="after")
    def _waited_for(self) -> Self:
        given = [name for name in ("timeout", "cancel_on_timeout", "poll") if name in self.model_fields_set]
        if given and not self.wait:
            raise ValueError(f"{given[0]} is for runs that are waited for: add wait: true")
        return self

    @model_validator(mode="after")
    def _inputs_that_it_has(self) -> Self:
        if self.job and not is_component(self.job):
            declared = read_job_file(self.job).inputs
            if unknown := [name for name in self.inputs if name not in declared]:
                raise ValueError(f"{self.job} has no input {unknown[0]!r}; it has {', '.join(declared) or 'none'}")
        return self

    def run(self, event: Event, action: Action) -> Outcome:
        """Take the next step. Raises RetryLater, GiveUp, jinja2.TemplateError, and azure-core's errors."""
        return launch(
            Plan(
                action=action,
                target=self._target(event, action),
                wait=self.wait,
                timeout=self.timeout,
                cancel_on_timeout=self.cancel_on_timeout,
                poll=self.poll,
                at_least_once=self.at_least_once,
            )
        )

    def plan(self, event: Event) -> str:
        """What would be started, where, with what. Raises jinja2.TemplateError, and GiveUp, as `run` would."""
        values: Mapping[str, Any]
        if self.data_factory:
            values = {name: rendered(value, event) for name, value in self.parameters.items()}
            what, where = f"pipeline {self.pipeline}", self.data_factory.rpartition("/")[2]
        else:
            values = self._given(event)
            where = self._where(event).name
            behind = f", deployment {self.deployment}" if self.deployment else ""
            what = self.job or f"a job behind the batch endpoint {self.batch_endpoint}{behind}"
        shown = ", ".join(f"{name}={shorten(_flat(value), _SHOWN)}" for name, value in values.items())
        waits = f"; wait for its end, {format_duration(self.timeout)} at most" if self.wait else ""
        return f"start {what} in {where}{f' with {shown}' if shown else ''}{waits}"

    def destination(self, event: Event) -> str:
        """The workspace, or the factory, is what is busy."""
        return (self.data_factory or str(self._where(event))).casefold()

    def _where(self, event: Event) -> WorkspaceId:
        return self.workspace or event.workspace

    def _given(self, event: Event) -> Mapping[str, Value]:
        """The inputs, as far as they are known without asking."""
        declared = read_job_file(self.job).inputs if self.job and not is_component(self.job) else None
        return fit(render(self.inputs, event), declared, self.job or self.batch_endpoint).values

    def _target(self, event: Event, action: Action) -> Target:
        if self.data_factory:
            return FactoryTarget(self._factory(), self.pipeline, event, action, self.parameters)
        azureml = self._azureml(self._where(event))
        request = Request(event, action, self.job, self.inputs, self.compute, self.experiment_name, self.tags)
        if self.job:
            return JobTarget(azureml, request)
        return BatchTarget(azureml, request, self.batch_endpoint, self.deployment)

    def _azureml(self, workspace: WorkspaceId) -> AzureML:
        return gateway.connect(workspace)

    def _factory(self) -> DataFactory:
        return datafactory.connect(self.data_factory)


def _where(key: str) -> str:
    """Which of the three know a key."""
    return " and ".join(name for name, keys in _KEYS.items() if key in keys)


def _flat(value: object) -> str:
    """A value in a line: of data, the path."""
    if isinstance(value, dict) and "path" in value:
        value = value["path"]
    return " ".join((value if isinstance(value, str) else json.dumps(value)).split())
