"""``do: azure_devops``: the settings of a rule (docs/handlers/azure_devops.md), and what they do."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, ClassVar, Self
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, SecretStr, field_validator, model_validator

from handlers.azure_devops.api import AzureDevOpsApi
from handlers.azure_devops.pipeline import PipelineTarget
from handlers.azure_devops.work_item import WorkItem, open_work_item
from handlers.base import Action, GiveUp, Outcome, shorten
from handlers.http.handler import HttpHandler
from handlers.http.url import Url
from handlers.json_template import JsonTemplate
from handlers.launch.api import BaseUrl
from handlers.launch.handler import LAUNCH_SETTINGS, LaunchHandler, NameOrNumber, check_ref, text_values
from handlers.template import Template
from schemas import Event

_SETTINGS: Mapping[str, tuple[str, ...]] = {  # the settings that each kind of effect has beside the common ones
    "pipeline": ("ref", "parameters", "variables", "stages_to_skip", *LAUNCH_SETTINGS),
    "work_item": (),
}
_PERMISSIONS = {"pipeline": "Build (read and execute)", "work_item": "Work items (read and write)"}


def _organization_url(value: object) -> object:
    """The URL of an organization that is given by its name."""
    is_name = isinstance(value, str) and "/" not in value and "{" not in value
    return f"https://dev.azure.com/{value}" if is_name else value


class AzureDevOps(LaunchHandler[Event], HttpHandler[Event]):
    """Run a pipeline, or open a work item."""

    template_names: ClassVar[frozenset[str]] = frozenset({"key"})  # the action's job name

    organization: Annotated[BaseUrl, BeforeValidator(_organization_url)]
    project: str = Field(min_length=1, max_length=64, pattern=r'^[^/\\:~&%;@"?<>|#$*}{,+=\[\]]+$')
    pipeline: NameOrNumber = ""
    ref: Template | None = None
    parameters: JsonTemplate = JsonTemplate({})
    variables: JsonTemplate = JsonTemplate({})
    stages_to_skip: tuple[str, ...] = ()
    work_item: WorkItem | None = None
    pat: SecretStr | None = None

    @field_validator("organization")
    @classmethod
    def _must_be_an_organization(cls, value: str) -> str:
        url = urlsplit(value)
        if url.hostname == "dev.azure.com" and url.path.count("/") != 1:
            raise ValueError("should be the name of an organization, or its URL: https://dev.azure.com/acme")
        return value

    @field_validator("parameters", "variables")
    @classmethod
    def _must_be_a_mapping(cls, value: JsonTemplate) -> JsonTemplate:
        if not isinstance(value.source, Mapping):
            raise ValueError("should be a mapping, key: value")  # noqa: TRY004 - pydantic's protocol
        return value

    @model_validator(mode="after")
    def _must_name_one_effect(self) -> Self:
        self.check_kinds(_SETTINGS)
        if self.ref:
            check_ref(self.ref)
        return self

    def run(self, event: Event, action: Action) -> Outcome:
        """Take the next step. Raises RetryLater, GiveUp, OutcomeUnknown, jinja2.TemplateError and AzureError."""
        api = self._api(action.now)
        if self.work_item:
            return open_work_item(api, self.work_item, event, action)
        target = PipelineTarget(api, self.pipeline, self._body(event, action.job_name), action)
        return self.launch(action, target)

    def plan(self, event: Event) -> str:
        """What would be started or opened. Raises jinja2.TemplateError and GiveUp, as `run` would."""
        if self.work_item:
            fields = json.dumps(self.work_item.rendered(event), ensure_ascii=False)
            return f"open a {self.work_item.type} in {self.project} with {shorten(fields, 300)}"
        body = self._body(event, "mle-…")
        shown = f" with {shorten(json.dumps(body, ensure_ascii=False), 300)}" if body else ""
        return f"run {self.pipeline} in {self.project}{shown}{self.planned_wait()}"

    @property
    def starts_runs(self) -> bool:  # type: ignore[override]
        """Pipelines may start runs of Azure ML; a work item does not."""
        return self.work_item is None

    def destination(self, event: Event) -> str:
        """The organization: Azure DevOps limits what an identity consumes in it."""
        return self.organization.casefold()

    def _urls(self) -> list[Url]:
        return [Url(self.organization)]

    def _api(self, now: datetime) -> AzureDevOpsApi:
        permission = next(each for kind, each in _PERMISSIONS.items() if getattr(self, kind))
        return AzureDevOpsApi(self.organization, self.allow_private, now, self.project, self.pat, permission)

    def _body(self, event: Event, key: str) -> dict[str, Any]:
        """The settings of a run, without those that are empty."""
        variables = text_values(self.variables.render(event, key=key))
        found = {
            "templateParameters": text_values(self.parameters.render(event, key=key)),
            "variables": {name: {"value": value} for name, value in variables.items()},
            "stagesToSkip": list(self.stages_to_skip),
            "resources": self._resources(event),
        }
        return {name: value for name, value in found.items() if value}

    def _resources(self, event: Event) -> dict[str, Any]:
        """The branch or tag of the repository that has the pipeline."""
        if self.ref is None:
            return {}
        ref = self.ref.render(event).strip()
        if not ref:
            raise GiveUp("ref is empty: write the name of a branch, or refs/tags/ and the name of a tag")
        name = ref if ref.startswith("refs/") else f"refs/heads/{ref}"
        return {"repositories": {"self": {"refName": name}}}
