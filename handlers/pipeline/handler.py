"""``do: pipeline``: the settings of a rule (docs/handlers/pipeline.md), and the handler that takes the next step."""

import json
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Annotated, Any, ClassVar, Self

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator, model_validator

from handlers.azure import data_factory
from handlers.azure.data_factory import DataFactory
from handlers.azure.ml import workspace as gateway
from handlers.azure.ml.cli.cli_yaml import CliYaml
from handlers.azure.ml.components import ComponentRef
from handlers.azure.ml.names import check_endpoint_name
from handlers.azure.ml.workspace import AzureML
from handlers.base import Action, Finding, GiveUp, Outcome, shorten
from handlers.bounded_yaml import MAX_BYTES
from handlers.file_field import FileName
from handlers.launch.data_factory import FactoryTarget
from handlers.launch.handler import LaunchHandler
from handlers.launch.parameters import Parameter, render_parameters
from handlers.launch.target import Target
from handlers.lineage import DEPTH_TAG, EVENT_TAG, RULE_TAG
from handlers.pipeline.azureml_jobs import BatchTarget, JobRequest, JobTarget
from handlers.pipeline.inputs import Inputs, Value, constant_inputs, convert_inputs, example_input, render_inputs
from handlers.pipeline.job_definition import (
    JobOverrides,
    check_files,
    compute_reference,
    is_component,
    read_job_file,
)
from handlers.pipeline.tags import MAX_KEY, MAX_TAGS
from handlers.roles import (
    AZUREML_DATA_SCIENTIST,
    DATA_FACTORY_CONTRIBUTOR,
    STORAGE_BLOB_DATA_CONTRIBUTOR,
    SYNAPSE_ARTIFACT_USER,
    SYNAPSE_COMPUTE_OPERATOR,
    SYNAPSE_CREDENTIAL_USER,
    Role,
)
from handlers.template import Template
from handlers.workspace_field import TargetWorkspace
from schemas import Event, ResourceId, WorkspaceId

_LINEAGE_TAGS = frozenset({RULE_TAG, EVENT_TAG, DEPTH_TAG})
_MAX_VALUE = 80  # characters of a value in a plan
_PIPELINE_SETTINGS = ("pipeline", "allowed_pipelines", "parameters", "at_least_once")
_SETTINGS: Mapping[str, tuple[str, ...]] = {  # the settings that each kind of run has beside the common ones
    "job": ("inputs", "compute", "experiment_name", "tags", "workspace"),
    "batch_endpoint": ("deployment", "inputs", "experiment_name", "workspace", "at_least_once"),
    "data_factory": _PIPELINE_SETTINGS,
    "synapse": _PIPELINE_SETTINGS,
}
_OWNERS = {  # whose pipelines start, and the form of its resource id
    "data_factory": ("data factory", data_factory.FACTORY_ID, "Microsoft.DataFactory/factories"),
    "synapse": ("Synapse workspace", data_factory.SYNAPSE_ID, "Microsoft.Synapse/workspaces"),
}
_HINTS = {
    ("job", "at_least_once"): "the name of a job is unique, so a repeated request never starts a second one",
    ("batch_endpoint", "tags"): "a request cannot set the tags of the job",
    ("batch_endpoint", "compute"): "the deployment has one",
}


def _as_text(value: object) -> object:
    """A number, true or false becomes the text that YAML has for it, because the values of tags are texts."""
    return json.dumps(value) if isinstance(value, bool | int | float) else value


class Pipeline(LaunchHandler[Event]):
    """Start a pipeline, and follow its run to the end if the rule says `wait`."""

    roles: ClassVar[tuple[Role, ...]] = (
        AZUREML_DATA_SCIENTIST.needed_for("jobs, components, batch endpoints"),
        STORAGE_BLOB_DATA_CONTRIBUTOR.needed_for("local code and data of jobs", optional=True),
        DATA_FACTORY_CONTRIBUTOR.needed_for("runs; it also permits changes", optional=True),
        SYNAPSE_ARTIFACT_USER.needed_for("the declared parameters of pipelines", optional=True),
        SYNAPSE_COMPUTE_OPERATOR.needed_for("runs of pipelines", optional=True),
        SYNAPSE_CREDENTIAL_USER.needed_for("runs of pipelines", optional=True),
    )

    job: str = ""
    batch_endpoint: str = ""
    deployment: str = ""
    data_factory: str = ""
    synapse: str = ""
    pipeline: Template | None = None
    allowed_pipelines: tuple[str, ...] = ()
    parameters: Mapping[str, Parameter] = Field(default_factory=dict)
    inputs: Inputs = Field(default_factory=dict)
    compute: Template | None = None
    experiment_name: Template | None = None
    tags: Mapping[str, Annotated[Template, BeforeValidator(_as_text)]] = Field(default_factory=dict)
    workspace: TargetWorkspace | None = None

    @field_validator("job")
    @classmethod
    def _job_must_be_readable(cls, value: str, info: ValidationInfo) -> str:
        if is_component(value):
            ComponentRef.parse(value)
        elif value:
            value = FileName.of(value, info)
            check_files(read_job_file(value), value)
        return value

    @field_validator("batch_endpoint", "deployment")
    @classmethod
    def _name_must_be_valid(cls, value: str, info: ValidationInfo) -> str:
        noun = "a deployment" if info.field_name == "deployment" else "an endpoint"
        return check_endpoint_name(value, noun) if value else value

    @field_validator("data_factory", "synapse")
    @classmethod
    def _owner_must_be_an_id(cls, value: str, info: ValidationInfo) -> str:
        value, (noun, form, example) = value.rstrip("/"), _OWNERS[str(info.field_name)]
        if value and not form.fullmatch(value):
            raise ValueError(
                f"{value!r} is not the resource id of a {noun}, which is "
                f"/subscriptions/…/resourceGroups/…/providers/{example}/…"
            )
        return value

    @field_validator("compute")
    @classmethod
    def _compute_must_be_valid(cls, value: Template | None) -> Template | None:
        if value is not None and value.is_constant and value.source.strip():
            compute_reference(value.source.strip())
        return value

    @field_validator("tags")
    @classmethod
    def _tags_must_fit(cls, value: Mapping[str, Template]) -> Mapping[str, Template]:
        if len(value) > MAX_TAGS - len(_LINEAGE_TAGS):
            raise ValueError(f"a job has at most {MAX_TAGS} tags, and the app sets {len(_LINEAGE_TAGS)} of them")
        if invalid := [name for name in value if not 0 < len(name) <= MAX_KEY]:
            raise ValueError(f"{invalid[0][:50]!r} cannot be the name of a tag: write 1 to {MAX_KEY} characters")
        if reserved := [name for name in value if name.casefold() in _LINEAGE_TAGS]:
            raise ValueError(f"{reserved[0]!r} is a tag that the app sets: choose another name")
        return value

    @model_validator(mode="after")
    def _must_name_one_kind_of_run(self) -> Self:
        kinds = [name for name in _SETTINGS if getattr(self, name)]
        if len(kinds) != 1:
            raise ValueError(f"name one of {', '.join(_SETTINGS)}" + (f", not {' and '.join(kinds)}" if kinds else ""))
        for name in sorted({key for keys in _SETTINGS.values() for key in keys} - {*_SETTINGS[kinds[0]]}):
            if name in self.model_fields_set:
                hint = _HINTS.get((kinds[0], name), f"it is a setting of {_kinds_with(name)}")
                raise ValueError(f"{kinds[0]} has no {name}: {hint}")
        if kinds[0] in _OWNERS and not (self.pipeline and self.pipeline.source.strip()):
            raise ValueError(f"{kinds[0]} needs a pipeline: the name of one in the {_OWNERS[kinds[0]][0]}")
        return self

    @model_validator(mode="after")
    def _pipeline_must_be_allowed(self) -> Self:
        if self.pipeline and self.pipeline.is_constant:
            self._check_pipeline(self.pipeline.source.strip())
        elif self.pipeline and not self.allowed_pipelines and not self.pipeline.names <= {"workspace"}:
            raise ValueError(
                "the pipeline depends on the event, and anyone who may tag a run writes a part of it: "
                "list the permitted pipelines in allowed_pipelines, like [retrain, copy-*]"
            )
        return self

    @model_validator(mode="after")
    def _inputs_must_be_valid(self) -> Self:
        declared = None
        if self.job and not is_component(self.job):
            file = read_job_file(self.job)
            if unknown := [name for name in self.inputs if name not in file.inputs]:
                raise ValueError(f"{self.job} has no input {unknown[0]!r}; it has {', '.join(file.inputs) or 'none'}")
            if unusable := [reason for name, reason in file.unusable.items() if name not in self.inputs]:
                raise ValueError(unusable[0])
            declared = file.inputs
        try:
            convert_inputs(constant_inputs(self.inputs), declared, self.job or self.batch_endpoint)
        except GiveUp as error:
            raise ValueError(str(error)) from error
        return self

    def check_workspace(self, workspace: ResourceId) -> None:
        """Without `workspace`, the job starts in the workspace that raised the event."""
        if not (self._owner or self.workspace or isinstance(workspace, WorkspaceId)):
            raise ValueError(f"the job needs a workspace, and {workspace.name} is none; write workspace: NAME in with")

    def run(self, event: Event, action: Action) -> Outcome:
        """Take the next step. Raises RetryLater, GiveUp, jinja2.TemplateError, and azure-core's errors."""
        return self.launch(action, self._target(event, action))

    def plan(self, event: Event) -> str:
        """Describe what would be started, where, and with which values.

        Raises jinja2.TemplateError, and GiveUp for an invalid input, as `run` would.
        """
        values: Mapping[str, Any]
        if owner := self._owner:
            values = render_parameters(self.parameters, event)
            what, location = f"pipeline {self._pipeline(event)}", owner.rpartition("/")[2]
        else:
            values = self._inputs(event)
            location = self._workspace(event).name
            deployment = f", deployment {self.deployment}" if self.deployment else ""
            what = self.job or f"a job behind the batch endpoint {self.batch_endpoint}{deployment}"
        shown = ", ".join(f"{name}={shorten(_one_line(value), _MAX_VALUE)}" for name, value in values.items())
        return f"start {what} in {location}{f' with {shown}' if shown else ''}{self.planned_wait()}"

    def findings(self) -> Iterator[Finding]:
        """What azure-ai-ml refuses in the job file, with an example for each template."""
        if self.job and not is_component(self.job):
            name = FileName.of(self.job)
            file, text = read_job_file(name), name.read(MAX_BYTES)
            from handlers.azure.ml.cli.job_check import job_findings

            inputs = {name: example_input(value, file.inputs[name]) for name, value in self.inputs.items()}
            compute = compute_reference("example") if self.compute else ""
            job = file.job(JobOverrides("check", {}, "check", inputs, compute))
            yield from job_findings(job, CliYaml.parse(text, name.shown))

    def destination(self, event: Event) -> str:
        """The workspace of Azure ML or Synapse, or the factory: when it is throttled, every action for it waits."""
        return (self._owner or str(self._workspace(event))).casefold()

    @property
    def _owner(self) -> str:
        """The id of the factory or the Synapse workspace; empty for a job of Azure ML."""
        return self.data_factory or self.synapse

    def _pipeline(self, event: Event) -> str:
        """The name of the pipeline for an event. Raises GiveUp if it is invalid or not allowed."""
        try:
            return self._check_pipeline(self.pipeline.render(event).strip() if self.pipeline else "")
        except ValueError as error:
            raise GiveUp(f"pipeline: {error}") from error

    def _check_pipeline(self, name: str) -> str:
        """Return the name. Raises ValueError if it is invalid or not allowed."""
        if not data_factory.PIPELINE_NAME.fullmatch(name):
            raise ValueError(f"{name[:300]!r} cannot be the name of a pipeline")
        allowed = self.allowed_pipelines
        if allowed and not any(fnmatchcase(name, pattern) for pattern in allowed):
            raise ValueError(f"the pipeline {name!r} is not one of allowed_pipelines: {', '.join(allowed)}")
        return name

    def _workspace(self, event: Event) -> WorkspaceId:
        return self.workspace or event.workspace

    def _inputs(self, event: Event) -> Mapping[str, Value]:
        """The inputs, converted to the types that a job file declares; without a request, others are not known."""
        declared = read_job_file(self.job).inputs if self.job and not is_component(self.job) else None
        return convert_inputs(render_inputs(self.inputs, event), declared, self.job or self.batch_endpoint).values

    def _target(self, event: Event, action: Action) -> Target:
        if self._owner:
            return FactoryTarget(self._factory(), self._pipeline(event), event, action, self.parameters)
        azureml = self._azureml(self._workspace(event))
        request = JobRequest(event, action, self.job, self.inputs, self.compute, self.experiment_name, self.tags)
        if self.job:
            return JobTarget(azureml, request)
        return BatchTarget(azureml, request, self.batch_endpoint, self.deployment)

    def _azureml(self, workspace: WorkspaceId) -> AzureML:
        return gateway.connect(workspace)

    def _factory(self) -> DataFactory:
        return data_factory.connect(self._owner)


def _kinds_with(setting: str) -> str:
    """The kinds of runs that have a setting."""
    return " and ".join(kind for kind, settings in _SETTINGS.items() if setting in settings)


def _one_line(value: object) -> str:
    """A value on one line; of data, the path."""
    if isinstance(value, dict) and "path" in value:
        value = value["path"]
    return " ".join((value if isinstance(value, str) else json.dumps(value)).split())
