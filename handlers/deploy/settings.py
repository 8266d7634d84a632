"""The settings of a rule with ``do: deploy`` (docs/handlers/deploy.md)."""

from collections.abc import Mapping
from datetime import timedelta
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from handlers.azure.ml.assets import LATEST, AssetRef
from handlers.azure.ml.names import check_endpoint_name
from handlers.azure.ml.resources import ModelRef
from handlers.base import Handler
from handlers.deploy.checks.guard import Guard
from handlers.deploy.checks.smoke_test import SmokeTest
from handlers.deploy.files.definition import CliFile, Kind, check_local_files, read_deployment, read_endpoint
from handlers.deploy.limits import METRICS_VISIBLE
from handlers.duration import Duration, PollInterval, format_duration
from handlers.file_field import FileName
from handlers.template import Template
from handlers.workspace_field import TargetWorkspace
from schemas import ModelRegistered, ResourceId

_REGISTRY = "azureml://registries/"


class Batch(BaseModel):
    """Where and how the jobs of a batch endpoint run. The keys are those of the CLI's YAML of a batch deployment.

    Beside the CLI's own file, `compute` may be empty, and only the settings that a rule has replace those of the file.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    compute: str = ""
    mini_batch_size: int = Field(10, ge=1, strict=True)
    max_concurrency_per_instance: int = Field(1, ge=1, strict=True)
    output_action: Literal["append_row", "summary_only"] = "append_row"
    output_file_name: str = "predictions.csv"
    error_threshold: int = Field(-1, ge=-1, strict=True)

    @property
    def settings(self) -> dict[str, Any]:
        """The arguments of azure-ai-ml's ModelBatchDeploymentSettings."""
        return self.model_dump(exclude={"compute"})

    @property
    def own_settings(self) -> dict[str, Any]:
        """Those that the rule sets."""
        return self.model_dump(exclude={"compute"}, exclude_unset=True)


class DeploySettings(Handler[ModelRegistered]):
    """The settings, and what follows from them and from the CLI's files that they name."""

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
    deployment: str = ""
    endpoint_file: str = ""
    smoke_test: SmokeTest | None = None
    traffic: tuple[int, ...] = (10, 50, 100)
    bake: Duration = timedelta(minutes=10)
    guard: Guard | None = None
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
            return AssetRef.parse(value, "codes").id if value else value
        folder = FileName.of(value, info)
        try:
            folder.check_folder()
        except ValueError as error:
            raise ValueError(f"{error}, or a code asset: azureml:…") from error
        return folder

    @field_validator("environment")
    @classmethod
    def _environment_must_have_a_version(cls, value: str) -> str:
        return AssetRef.parse(value, "environments").id if value else value

    @field_validator("model")
    @classmethod
    def _model_must_have_a_version(cls, value: Template | None) -> Template | None:
        if value and ("/labels/" in value.source.casefold() or value.source.rstrip().endswith(f"@{LATEST}")):
            raise ValueError(
                "a label can stand for another version than the event's: write versions/{{ data.modelVersion }}, or "
                "the version"
            )
        start = value.source.partition("{")[0].strip() if value else ""
        if not (start.casefold().startswith(_REGISTRY) or _REGISTRY.startswith(start.casefold())):
            raise ValueError(f"{start!r} begins no id of a registry's model: write {_REGISTRY}…/models/…/versions/…")
        if value and value.is_constant:
            ModelRef.parse(value.source.strip())
        return value

    @field_validator("deployment")
    @classmethod
    def _deployment_must_be_valid(cls, value: str, info: ValidationInfo) -> str:
        if not value:
            return value
        file = FileName.of(value, info)
        given = info.data  # the settings above this one that are valid
        read = read_deployment(file, batch=bool(given.get("batch")), kubernetes=bool(given.get("compute")))
        check_local_files(file, read)
        return file

    @field_validator("endpoint_file")
    @classmethod
    def _endpoint_file_must_be_valid(cls, value: str, info: ValidationInfo) -> str:
        if not value:
            return value
        file = FileName.of(value, info)
        read_endpoint(file, batch=bool(info.data.get("batch")))
        return file

    def check_workspace(self, workspace: ResourceId) -> None:
        """Without `model`, the model is in the workspace of the event, and endpoints of others cannot name it."""
        if self.workspace and self.model is None and self.workspace != workspace:
            raise ValueError(
                f"a model of {workspace.name} cannot be deployed in {self.workspace.name}: an endpoint takes models of "
                "its own workspace or of a registry; set model: azureml://registries/…/models/…/versions/…, "
                f"or choose the workspace by in: {self.workspace.name}"
            )

    @model_validator(mode="after")
    def _endpoint_must_be_allowed(self) -> Self:
        if self.endpoint.is_constant:
            self.check_endpoint(self.endpoint.source)
        elif not self.allowed_endpoints and not self.endpoint.names <= {"workspace"}:
            raise ValueError(
                "the endpoint depends on the event, and anyone who may register a model writes its tags: "
                "list the permitted endpoints in allowed_endpoints, like [churn, churn-*]"
            )
        return self

    @model_validator(mode="after")
    def _shares_must_fit_the_timeout(self) -> Self:
        watched = (self.bake + (METRICS_VISIBLE if self.guard else timedelta())) * (len(self.traffic) - 1)
        if not self.is_batch and watched >= self.timeout:
            raise ValueError(
                f"the timeout {format_duration(self.timeout)} ends before all traffic is moved: "
                f"bake {'and guard alone take' if self.guard else 'alone takes'} "
                f"{format_duration(watched)} for {len(self.traffic)} shares"
            )
        if self.guard and len(self.traffic) == 1:
            raise ValueError("a guard decides between shares: write traffic with more than one, like [10, 50, 100]")
        return self

    @model_validator(mode="after")
    def _code_must_be_complete(self) -> Self:
        parts = {"environment": self.environment, "code": self.code, "scoring_script": self.scoring_script}
        needed = ["code", "scoring_script"] if self.deployment else list(parts)  # beside a file, which has the others
        missing = [name for name in needed if not parts[name]]
        if 0 < len(missing) < len(needed) or (missing and self.environment and not self.deployment):
            raise ValueError(
                f"a model with code needs environment, code and scoring_script; {missing[0]} is missing. "
                "A container that serves by itself goes into a file: see 'deployment'"
            )
        return self

    @model_validator(mode="after")
    def _kubernetes_takes_no_entra_tokens(self) -> Self:
        if self.compute and self.auth_mode == "aad_token":
            raise ValueError("an endpoint on Kubernetes takes no Entra tokens: write auth_mode: key, or aml_token")
        return self

    @model_validator(mode="after")
    def _batch_has_no_online_settings(self) -> Self:
        if not self.is_batch:
            return self
        online = (
            "smoke_test",
            "traffic",
            "bake",
            "guard",
            "compute",
            "instance_type",
            "auth_mode",
            "public_network_access",
        )
        invalid = [name for name in (*online, "environment_variables") if name in self.model_fields_set]
        if invalid:
            raise ValueError(f"a batch endpoint has no {invalid[0]}: its new deployment becomes the default at once")
        if not self.batch_compute:
            raise ValueError("a batch deployment needs the cluster that its jobs run on: write batch: { compute: … }")
        return self

    @model_validator(mode="after")
    def _files_must_fit_the_rule(self) -> Self:
        kind = Kind.BATCH if self.is_batch else Kind.KUBERNETES if self.cluster else Kind.MANAGED
        for file in (self.deployment_definition, self.endpoint_definition):
            if file and file.kind is not kind:
                hint = ""
                if file.kind is Kind.KUBERNETES:
                    hint = ": name its cluster, as 'compute' in the rule or in its endpoint_file"
                raise ValueError(f"{file.at()} is of a {file.kind} endpoint, but the rule is for a {kind} one{hint}")
        for file, key in ((self.deployment_definition, "endpoint_name"), (self.endpoint_definition, "name")):
            named = file.text(key) if file else ""
            if file and named and self.endpoint.is_constant and named.casefold() != self.endpoint.source.casefold():
                raise ValueError(
                    f"{file.at(key)}: {key} is {named!r}, but the rule deploys behind {self.endpoint.source!r}: "
                    f"correct one of them, or remove {key}, because the rule decides"
                )
        return self

    @cached_property
    def deployment_definition(self) -> CliFile | None:
        """The file of the deployment. Raises ValueError if it can no longer be read."""
        if not self.deployment:
            return None
        batch, kubernetes = self.batch is not None, bool(self.compute)
        return read_deployment(FileName.of(self.deployment), batch=batch, kubernetes=kubernetes)

    @cached_property
    def endpoint_definition(self) -> CliFile | None:
        """The file of the endpoint. Raises ValueError if it can no longer be read."""
        return read_endpoint(FileName.of(self.endpoint_file), batch=self.is_batch) if self.endpoint_file else None

    @property
    def is_batch(self) -> bool:
        """Is it a batch endpoint?"""
        return self.batch is not None or bool(
            self.deployment_definition and self.deployment_definition.kind is Kind.BATCH
        )

    @property
    def batch_compute(self) -> str:
        """The cluster of a batch deployment."""
        own = self.batch.compute if self.batch else ""
        named = own or (self.deployment_definition.text("compute") if self.deployment_definition else "")
        return named.removeprefix("azureml:") if self.deployment else named

    @property
    def cluster(self) -> str:
        """The Kubernetes cluster of an online endpoint; empty if the endpoint is managed."""
        named = self.compute or (self.endpoint_definition.text("compute") if self.endpoint_definition else "")
        return named.removeprefix("azureml:")

    @property
    def named_environment(self) -> str:
        """The reference to the environment; empty if there is none, or if a file defines it."""
        return self.environment or (
            self.deployment_definition.text("environment") if self.deployment_definition else ""
        )

    @property
    def has_environment(self) -> bool:
        """Is there an environment? With code or without, it can serve a model that is neither MLflow nor Triton."""
        file = self.deployment_definition
        return bool(self.environment) or bool(file and file.content.get("environment"))

    def check_endpoint(self, endpoint: str) -> str:
        """Return the name. Raises ValueError if it is invalid or not allowed."""
        check_endpoint_name(endpoint)
        allowed = self.allowed_endpoints
        if allowed and not any(fnmatchcase(endpoint, pattern) for pattern in allowed):
            raise ValueError(f"the endpoint {endpoint!r} is not one of allowed_endpoints: {', '.join(allowed)}")
        return endpoint
