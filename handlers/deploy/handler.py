"""``do: deploy``: the handler that takes the next step of a roll-out."""

from collections.abc import Iterator
from typing import Any, ClassVar

from handlers.azure.ml import workspace as gateway
from handlers.azure.ml.batch_endpoints import BatchEndpoints
from handlers.azure.ml.endpoints import Code, Endpoints, Files
from handlers.azure.ml.online_endpoints import OnlineEndpoints
from handlers.azure.ml.resources import DOTS, ModelRef
from handlers.azure.ml.workspace import AzureML
from handlers.base import GIVES_UP, Action, Finding, GiveUp, Outcome
from handlers.deploy.files.definition import findings
from handlers.deploy.plan import Plan
from handlers.deploy.settings import DeploySettings
from handlers.deploy.steps import roll_out
from handlers.duration import format_duration
from handlers.file_field import FileName
from handlers.roles import (
    AZUREML_DATA_SCIENTIST,
    AZUREML_REGISTRY_USER,
    MONITORING_READER,
    READER,
    STORAGE_BLOB_DATA_CONTRIBUTOR,
    Role,
)
from schemas import ModelRegistered, WorkspaceId

# The smallest recommended one: learn.microsoft.com, "Managed online endpoints SKU list".
INSTANCE_TYPE = "Standard_DS3_v2"


class Deploy(DeploySettings):
    """Deploy a registered model behind an endpoint and move its traffic to it, share by share."""

    roles: ClassVar[tuple[Role, ...]] = (
        AZUREML_DATA_SCIENTIST.needed_for(
            "models, endpoints, deployments, logs, scoring",
            "the workspace where it deploys, and that of the model",
        ),
        AZUREML_REGISTRY_USER.needed_for("a model from a registry", optional=True),
        STORAGE_BLOB_DATA_CONTRIBUTOR.needed_for("code that is uploaded", optional=True),
        MONITORING_READER.needed_for("metrics, for guard", optional=True),
        READER.needed_for("quota, and the reasons of failed operations", optional=True),
    )

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
            serves_any_model=self.has_environment,
            environment=self.named_environment,
            create_endpoint=self.create_endpoint,
            shares=(100,) if self.is_batch else self.traffic,
            bake=self.bake,
            guard=self.guard,
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
            return f"{GIVES_UP}{error}"
        model = other.id if other else f"{event.data.model_name}:{event.data.model_version}"
        kind = "batch endpoint" if self.is_batch else "endpoint"
        shares = "as its default" if self.is_batch else f"with {', '.join(map(str, self.traffic))} % of the traffic"
        pauses = "" if self.is_batch or len(self.traffic) < 2 else f", {format_duration(self.bake)} apart"
        where = f"behind the {kind} {endpoint} of {self._target(event).name}"
        return f"deploy {model} {where} {shares}{pauses}{self._files_in_words(event)}"

    def _files_in_words(self, event: ModelRegistered) -> str:
        """What a plan says about the files, and which of their values have no effect."""
        named = [str(file.name) for file in (self.deployment_definition, self.endpoint_definition) if file]
        if not named:
            return ""
        self._files(event)  # raises what `run` would
        file = self.deployment_definition
        unused = [key for key in ("name", "endpoint_name", "model") if file and key in file.content]
        note = f" (whose {', '.join(unused)} {'has' if len(unused) == 1 else 'have'} no effect: the rule decides)"
        return f", as {' and '.join(named)} {'say' if len(named) > 1 else 'says'}{note if unused else ''}"

    def findings(self) -> Iterator[Finding]:
        """What azure-ai-ml itself rejects in the files. Imports azure-ai-ml, and sends no request."""
        names = {"name": "check"}
        if file := self.deployment_definition:
            size = {} if self.is_batch or file.text("instance_type") else {"instance_type": INSTANCE_TYPE}
            yield from findings(file, {**names, "endpoint_name": "check", "model": "azureml:check:1", **size})
        if file := self.endpoint_definition:
            yield from findings(file, names)

    def lock(self, event: ModelRegistered) -> str:
        """The endpoint: only one roll-out at a time may change it."""
        collection = BatchEndpoints.collection if self.is_batch else OnlineEndpoints.collection
        return f"{self._target(event)}/{collection}/{self._endpoint(event)}".casefold()

    def destination(self, event: ModelRegistered) -> str:
        """The workspace: when it is throttled, every action for it waits."""
        return str(self._target(event)).casefold()

    def _target(self, event: ModelRegistered) -> WorkspaceId:
        return self.workspace or event.workspace

    def _endpoint(self, event: ModelRegistered) -> str:
        """The endpoint for an event. Raises GiveUp if its name is invalid or not allowed."""
        try:
            return self.check_endpoint(self.endpoint.render(event).strip())
        except ValueError as error:
            raise GiveUp(str(error)) from error

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
        own = Code(self.environment, code, self.scoring_script) if self.environment or self.code else None
        files, defined = self._files(event), self.deployment_definition
        set_by_rule, in_file = self.model_fields_set, (defined.content if defined else {})
        if self.is_batch:
            return BatchEndpoints(
                azureml,
                files,
                own,
                compute=self.batch_compute,
                instance_count=self.instance_count if not defined or "instance_count" in set_by_rule else None,
                settings=self._batch_settings,
            )
        count = self.instance_count if "instance_count" in set_by_rule else in_file.get("instance_count", 1)
        size = self.instance_type or in_file.get("instance_type") or (None if self.cluster else INSTANCE_TYPE)
        return OnlineEndpoints(
            azureml,
            files,
            own,
            instance_type=size,
            instance_count=int(count),
            auth=self.auth_mode or "",
            public=self.public_network_access if "public_network_access" in set_by_rule else None,
            compute=self.cluster,
            environment_variables={name: value.render(event) for name, value in self.environment_variables.items()},
        )

    @property
    def _batch_settings(self) -> dict[str, Any]:
        """The settings of `batch`: beside a file, without the defaults."""
        if self.batch is None:
            return {}
        return self.batch.own_settings if self.deployment else self.batch.settings

    def _files(self, event: ModelRegistered) -> Files:
        """The files, with their templates rendered. Raises jinja2.TemplateError."""
        deployment, endpoint = self.deployment_definition, self.endpoint_definition
        return Files(
            deployment=deployment.definition if deployment else None,
            texts=deployment.rendered(event) if deployment else {},
            endpoint=endpoint.definition if endpoint else None,
            endpoint_tags=endpoint.rendered(event).get("tags", {}) if endpoint else {},
        )
