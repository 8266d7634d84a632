"""``do: github``: the settings of a rule (docs/handlers/github.md), and what they do."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar, Self, cast

from pydantic import Field, SecretStr, field_validator, model_validator

from handlers.base import Action, Finding, GiveUp, Outcome, Succeeded, shorten
from handlers.github.api import GitHubApi, Login
from handlers.github.app import App
from handlers.github.issue import Issue, open_or_comment
from handlers.github.workflow import WorkflowTarget
from handlers.http.handler import HttpHandler
from handlers.http.url import Url
from handlers.json_template import JsonTemplate, json_bytes
from handlers.launch.api import BaseUrl
from handlers.launch.handler import LAUNCH_SETTINGS, LaunchHandler, NameOrNumber, check_ref, text_values
from handlers.template import Template
from schemas import Event

# docs.github.com/rest: "Create a repository dispatch event", "Create a workflow dispatch event", body parameters;
# "Events that trigger workflows", workflow_dispatch: the inputs have at most 65,535 characters.
MAX_PAYLOAD_KEYS, MAX_PAYLOAD = 10, 65_535  # bytes: "less than 64KB"
MAX_INPUTS, MAX_INPUT_CHARACTERS = 25, 65_535
_SETTINGS: Mapping[str, tuple[str, ...]] = {  # the settings that each kind of effect has beside the common ones
    "workflow": ("ref", "inputs", *LAUNCH_SETTINGS),
    "event_type": ("client_payload",),
    "issue": (),
}
_PERMISSIONS = {"workflow": "actions", "event_type": "contents", "issue": "issues"}


class GitHub(LaunchHandler[Event], HttpHandler[Event]):
    """Start a workflow, send an event to a repository, or open an issue."""

    template_names: ClassVar[frozenset[str]] = frozenset({"key"})  # the action's job name

    repository: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,38}/[A-Za-z0-9._-]*[A-Za-z0-9_-][A-Za-z0-9._-]*$")
    workflow: NameOrNumber = Field("", pattern=r"^([A-Za-z0-9_.-]+\.ya?ml|\d{1,20})?$")
    ref: Template = Template("main")
    inputs: JsonTemplate = JsonTemplate({})
    event_type: str = Field("", max_length=100)
    client_payload: JsonTemplate = JsonTemplate({})
    issue: Issue | None = None
    token: SecretStr | None = None
    app: App | None = None
    api: BaseUrl = "https://api.github.com"

    @field_validator("api")
    @classmethod
    def _must_be_the_api(cls, value: str) -> str:
        if Url(value).host in ("github.com", "www.github.com"):
            raise ValueError("the API of github.com is https://api.github.com, which is the default")
        return value

    @model_validator(mode="after")
    def _must_name_one_effect(self) -> Self:
        self.check_kinds(_SETTINGS)
        return self

    @model_validator(mode="after")
    def _must_log_in_once(self) -> Self:
        if (self.token is None) == (self.app is None):
            raise ValueError("needs a token, or an app with its id and private_key, and not both")
        return self

    @model_validator(mode="after")
    def _values_must_fit(self) -> Self:
        limits = (("inputs", MAX_INPUTS), ("client_payload", MAX_PAYLOAD_KEYS))
        for name, most in limits:
            source = getattr(self, name).source
            if not isinstance(source, Mapping):
                raise ValueError(f"{name} should be a mapping, key: value")  # noqa: TRY004 - pydantic's protocol
            if len(source) > most:
                raise ValueError(f"{name} has {len(source)} keys; GitHub accepts at most {most} at the top level")
        return self

    @model_validator(mode="after")
    def _ref_must_be_the_rules(self) -> Self:
        check_ref(self.ref)
        return self

    def run(self, event: Event, action: Action) -> Outcome:
        """Take the next step. Raises RetryLater, GiveUp, OutcomeUnknown and jinja2.TemplateError."""
        api = self._api(action.now)
        if self.issue:
            return open_or_comment(api, self.issue, event, action)
        if self.workflow:
            inputs = self._inputs(event, action.job_name)
            target = WorkflowTarget(api, self._web, self.workflow, self._ref(event), inputs, action)
            return self.launch(action, target)
        payload = self._payload(event, action.job_name)
        api.send("POST", f"{api.path}/dispatches", {"event_type": self.event_type, "client_payload": payload})
        details = {"event_type": self.event_type, "link": f"{self._web}/actions"}
        return Succeeded(f"the event {self.event_type} was sent to {self.repository}", details)

    def plan(self, event: Event) -> str:
        """What would be started, sent or opened. Raises jinja2.TemplateError and GiveUp, as `run` would."""
        if self.issue:
            title = self.issue.rendered_title(event)
            return f"open an issue in {self.repository}, or comment on the open one about its subject: {title}"
        key = "mle-…"
        if self.workflow:
            what, values = f"run {self.workflow} at {self._ref(event)}", dict(self._inputs(event, key))
        else:
            what, values = f"send the event {self.event_type}", self._payload(event, key)
        shown = f" with {shorten(json.dumps(values, ensure_ascii=False), 300)}" if values else ""
        return f"{what} in {self.repository}{shown}{self.planned_wait()}"

    @property
    def starts_runs(self) -> bool:  # type: ignore[override]
        """Workflows may start runs of Azure ML; an issue does not."""
        return self.issue is None

    def lock(self, event: Event) -> str | None:
        """Of an issue's subject, so that two events open one issue."""
        return f"github {self.repository} {self.issue.subject_key(event)}".casefold() if self.issue else None

    def destination(self, event: Event) -> str:
        """The API and the owner: GitHub limits the requests of a user or an installation."""
        return f"{self.api} {self.repository.split('/')[0]}".casefold()

    def findings(self) -> Iterator[Finding]:
        """A private key that cannot be read, beside those of every HTTP handler."""
        yield from super().findings()
        if self.app:
            try:
                self.app.jwt(datetime.now(UTC))
            except GiveUp as error:
                yield Finding(str(error))

    def _urls(self) -> list[Url]:
        return [Url(self.api)]

    @property
    def _web(self) -> str:
        """The URL of the repository's pages: an Enterprise Server has its API below them."""
        host = (
            self.api.removesuffix("/api/v3") if self.api.endswith("/api/v3") else self.api.replace("://api.", "://", 1)
        )
        return f"{host}/{self.repository}"

    def _api(self, now: datetime) -> GitHubApi:
        permission = next(each for kind, each in _PERMISSIONS.items() if getattr(self, kind))
        login = cast("Login", self.token or self.app)
        return GitHubApi(self.api, self.allow_private, now, self.repository, permission, login)

    def _ref(self, event: Event) -> str:
        if ref := self.ref.render(event).strip():
            return ref
        raise GiveUp("ref is empty: write the name of a branch or a tag")

    def _inputs(self, event: Event, key: str) -> dict[str, str]:
        """The inputs as texts, as GitHub has them. Raises GiveUp if they are too long."""
        found = text_values(self.inputs.render(event, key=key))
        if (size := len(json.dumps(found, ensure_ascii=False))) > MAX_INPUT_CHARACTERS:
            raise GiveUp(f"inputs have {size:,} characters; GitHub accepts at most {MAX_INPUT_CHARACTERS:,}")
        return found

    def _payload(self, event: Event, key: str) -> dict[str, Any]:
        payload: dict[str, Any] = self.client_payload.render(event, key=key)
        json_bytes(payload, MAX_PAYLOAD, "client_payload")
        return payload
