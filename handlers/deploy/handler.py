"""``do: deploy``: the settings of a rule (docs/handlers/deploy.md), and the handler that takes the next step."""

from collections.abc import Mapping
from datetime import timedelta
from fnmatch import fnmatchcase
from typing import Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from handlers.azure.ml import workspace as gateway
from handlers.azure.ml.batch_endpoints import BatchEndpoints
from handlers.azure.ml.endpoints import Code, Endpoints
from handlers.azure.ml.names import check_endpoint_name
from handlers.azure.ml.online_endpoints import OnlineEndpoints
from handlers.azure.ml.resources import DOTS, ModelRef
from handlers.azure.ml.workspace import AzureML
from handlers.base import Action, GiveUp, Handler, Outcome
from handlers.deploy.plan import Plan
from handlers.deploy.smoke_test import SmokeTest
from handlers.deploy.steps import roll_out
from handlers.duration import Duration, PollInterval, format_duration
from handlers.file_field import FileName
from handlers.template import Template
from handlers.workspace_field import TargetWorkspace
from schemas import ModelRegistered, WorkspaceId

# The smallest recommended one: learn.microsoft.com, "Managed online endpoints SKU list".
INSTANCE_TYPE = "Standard_DS3_v2"


class Batch(BaseModel):
    """Where and how the jobs of a batch endpoint run. The keys are those of the CLI's YAML of a batch deployment."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    compute: str = Field(min_length=1)
    mini_batch_size: int = Field(10, ge=1, strict=True)
    max_concurrency_per_instance: int = Field(1, ge=1, strict=True)
    output_action: Literal["append_row", "summary_only"] = "append_row"
    output_file_name: str = "predictions.csv"
    error_threshold: int = Field(-1, ge=-1, strict=True)

    @property
    def settings(self) -> dict[str, Any]:
        """The arguments of azure-ai-ml's ModelBatchDeploymentSettings."""
        return self.model_dump(exclude={"compute"})


class Deploy(Handler[ModelRegistered]):
    """Deploy a registered model behind an endpoint and move its traffic to it, share by share."""

    endpoint: Template
    allowed_endpoints: tuple[str, ...] = ()
    workspace: TargetWorkspace | None = None
    model: Template | None = None
    create_endpoint: bool = Field(True, strict=True)
    auth_mode: Literal["aad_token", "key", "aml_token"] | None = None
    public_network_access: bool = Field(True, strict=True)
    compute: str = ""
    instance_type: str | None = None
    instance_count: int = Field(1, ge=1, le=1_000, strict=True)
    environment: str = ""
    code: str = ""
    scoring_script: str = ""
    environment_variables: Mapping[str, Template] = Field(default_factory=dict)
    batch: Batch | None = None
    smoke_test: SmokeTest | None = None
    traffic: tuple[int, ...] = (10, 50, 100)
    bake: Duration = timedelta(minutes=10)
    keep: int = Field(1, ge=0, le=20, strict=True)
    timeout: Duration = timedelta(hours=4)
    allow_older: bool = Field(False, strict=True)
    leave_failed: bool = Field(False, strict=True)
    poll: PollInterval | None = None

    @field_validator("traffic")
    @classmethod
    def _shares_must_rise(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if not value or value[-1] != 100 or value[0] < 1 or list(value) != sorted(set(value)):
            raise ValueError("write percentages that rise to 100, like [10, 50, 100]")
        return value

    @field_validator("code")
    @classmethod
    def _code_must_exist(cls, value: str, info: ValidationInfo) -> str:
        if not value or value.startswith(("azureml:", "/subscriptions/")):
            return value
        folder = FileName.of(value, info)
        try:
            folder.check_folder()
        except ValueError as error:
            raise ValueError(f"{error}, or a code asset: azureml:…") from error
        return folder

    @model_validator(mode="after")
    def _endpoint_must_be_allowed(self) -> Self:
        if self.endpoint.is_constant:
            self._check_endpoint(self.endpoint.source)
        elif not self.allowed_endpoints:
            raise ValueError(
                "the endpoint depends on the event, and anyone who may register a model writes its tags: "
                "list the permitted endpoints in allowed_endpoints, like [churn, churn-*]"
            )
        return self

    @model_validator(mode="after")
    def _code_must_be_complete(self) -> Self:
        parts = {"environment": self.environment, "code": self.code, "scoring_script": self.scoring_script}
        missing = [name for name, value in parts.items() if not value]
        if 0 < len(missing) < len(parts):
            raise ValueError(f"a model with code needs environment, code and scoring_script; {missing[0]} is missing")
        return self

    @model_validator(mode="after")
    def _kubernetes_takes_no_entra_tokens(self) -> Self:
        if self.compute and self.auth_mode == "aad_token":
            raise ValueError("an endpoint on Kubernetes takes no Entra tokens: write auth_mode: key, or aml_token")
        return self

    @model_validator(mode="after")
    def _batch_has_no_online_settings(self) -> Self:
        if self.batch is None:
            return self
        online = ("smoke_test", "traffic", "bake", "compute", "instance_type", "auth_mode", "public_network_access")
        invalid = [name for name in (*online, "environment_variables") if name in self.model_fields_set]
        if invalid:
            raise ValueError(f"a batch endpoint has no {invalid[0]}: its new deployment becomes the default at once")
        return self

    def run(self, event: ModelRegistered, action: Action) -> Outcome:
        """Take the next step. Raises RetryLater, GiveUp, jinja2.TemplateError, and azure-core's errors."""
        registered = ModelRef(event.data.model_name, event.data.model_version, workspace=str(event.workspace))
        if not DOTS.isdisjoint({registered.name, registered.version}):
            raise GiveUp(f"{registered} is not a model: a name cannot consist of dots")
        plan = Plan(
            event=event,
            action=action,
            source=self._azureml(event.workspace),
            endpoints=self._endpoints(self._azureml(self._target(event)), event),
            endpoint=self._endpoint(event),
            registered=registered,
            model=self._model(event) or registered,
            endpoint_of=self._endpoint,
            has_code=bool(self.code),
            create_endpoint=self.create_endpoint,
            shares=(100,) if self.batch else self.traffic,
            bake=self.bake,
            smoke_test=self.smoke_test,
            keep=self.keep,
            timeout=self.timeout,
            allow_older=self.allow_older,
            leave_failed=self.leave_failed,
            poll=self.poll,
        )
        return roll_out(plan)

    def plan(self, event: ModelRegistered) -> str:
        """Describe what would be deployed, where and how. Raises jinja2.TemplateError as `run` would."""
        try:
            endpoint, other = self._endpoint(event), self._model(event)
        except GiveUp as error:
            return f"give up: {error}"
        model = other.id if other else f"{event.data.model_name}:{event.data.model_version}"
        kind = "batch endpoint" if self.batch else "endpoint"
        shares = "as its default" if self.batch else f"with {', '.join(map(str, self.traffic))} % of the traffic"
        pauses = "" if self.batch or len(self.traffic) < 2 else f", {format_duration(self.bake)} apart"
        return f"deploy {model} behind the {kind} {endpoint} of {self._target(event).name} {shares}{pauses}"

    def lock(self, event: ModelRegistered) -> str:
        """The endpoint: only one roll-out at a time may change it."""
        collection = BatchEndpoints.collection if self.batch else OnlineEndpoints.collection
        return f"{self._target(event)}/{collection}/{self._endpoint(event)}".casefold()

    def destination(self, event: ModelRegistered) -> str:
        """The workspace: when it is throttled, every action for it waits."""
        return str(self._target(event)).casefold()

    def _target(self, event: ModelRegistered) -> WorkspaceId:
        return self.workspace or event.workspace

    def _endpoint(self, event: ModelRegistered) -> str:
        """The endpoint for an event. Raises GiveUp if its name is invalid or not allowed."""
        try:
            return self._check_endpoint(self.endpoint.render(event).strip())
        except ValueError as error:
            raise GiveUp(str(error)) from error

    def _check_endpoint(self, endpoint: str) -> str:
        """Return the name. Raises ValueError if it is invalid or not allowed."""
        check_endpoint_name(endpoint)
        allowed = self.allowed_endpoints
        if allowed and not any(fnmatchcase(endpoint, pattern) for pattern in allowed):
            raise ValueError(f"the endpoint {endpoint!r} is not one of allowed_endpoints: {', '.join(allowed)}")
        return endpoint

    def _model(self, event: ModelRegistered) -> ModelRef | None:
        """The registry's model that the rule deploys instead of the event's. Raises GiveUp for any other model."""
        if self.model is None:
            return None
        text = self.model.render(event).strip()
        try:
            found = ModelRef.parse(text)
        except ValueError as error:
            raise GiveUp(f"model: {error}") from error
        if not found.registry:
            raise GiveUp(f"model: {text!r} is not in a registry; write azureml://registries/…/models/…/versions/…")
        return found

    def _azureml(self, workspace: WorkspaceId) -> AzureML:
        return gateway.connect(workspace)

    def _endpoints(self, azureml: AzureML, event: ModelRegistered) -> Endpoints:
        code = str(self.code.path) if isinstance(self.code, FileName) else self.code
        with_code = Code(self.environment, code, self.scoring_script) if self.code else None
        if self.batch:
            settings = self.batch.settings
            return BatchEndpoints(azureml, self.batch.compute, self.instance_count, settings, with_code)
        return OnlineEndpoints(
            azureml,
            instance_type=self.instance_type or (None if self.compute else INSTANCE_TYPE),
            instance_count=self.instance_count,
            auth=self.auth_mode or "",
            public=self.public_network_access,
            compute=self.compute.removeprefix("azureml:"),
            code=with_code,
            environment_variables={name: value.render(event) for name, value in self.environment_variables.items()},
        )
