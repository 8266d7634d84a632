"""``do: webhook``: send an event, or a body of one's own, to a URL (docs/handlers/webhook.md)."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, field_validator, model_validator

from handlers.base import GIVES_UP, Action, GiveUp, Outcome, Succeeded, shorten
from handlers.cloud_event import CONTENT_TYPE, cloud_event
from handlers.http.auth import SIGNATURE_HEADERS, check_secret, entra_bearer, signature
from handlers.http.handler import HttpHandler, check_name, checked_headers
from handlers.http.url import Url
from handlers.json_template import MAX_BYTES, JsonTemplate, json_bytes
from handlers.template import Template
from schemas import Event
from schemas.errors import printable

_MASK = "***"
_KEY = str(UUID(int=0))  # in a plan, in which no action has a key
_SHOWN = 300  # characters of a body in a plan
_SET_BY_THE_APP = frozenset({"content-length", "host", "transfer-encoding", "connection", "accept-encoding"})


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str | SecretStr) else value


SigningSecret = Annotated[SecretStr, AfterValidator(check_secret)]


class Webhook(HttpHandler[Event]):
    """Send a request. Its body is the event as a CloudEvent, unless the rule has a `body` or a `text`."""

    template_names: ClassVar[frozenset[str]] = frozenset({"key", "secrets"})

    url: Url
    method: Literal["POST", "PUT", "PATCH"] = "POST"
    headers: Mapping[str, Template] = Field(default_factory=dict)
    body: JsonTemplate | None = None
    text: Template | None = None
    secrets: Mapping[str, SecretStr] = Field(default_factory=dict)
    sign_with: Annotated[tuple[SigningSecret, ...], BeforeValidator(_as_list), Field(max_length=4)] = ()
    entra_scope: str = ""

    @field_validator("headers")
    @classmethod
    def _names_are_free(cls, headers: Mapping[str, Template]) -> Mapping[str, Template]:
        seen: set[str] = set()
        for name in headers:
            check_name(name)
            if name.lower() in _SET_BY_THE_APP or name.lower() in seen:
                raise ValueError(f"the header {name} is set by the app, or written twice")
            seen.add(name.lower())
        return headers

    @model_validator(mode="after")
    def _headers_are_not_set_twice(self) -> Self:
        taken = {name: "sign_with" for name in SIGNATURE_HEADERS if self.sign_with}
        taken |= {"authorization": "entra_scope"} if self.entra_scope else {}
        for name in self.headers:
            if name.lower() in taken:
                raise ValueError(f"the header {name} is written by {taken[name.lower()]}: leave one of them out")
        return self

    @model_validator(mode="after")
    def _parts_fit_together(self) -> Self:
        if self.body is not None and self.text is not None:
            raise ValueError("body is JSON and text is a text: write one of them")
        if self.body is not None and self.body.is_text:
            raise ValueError("body is JSON: write a text under text")
        if self.entra_scope and not self.url.is_encrypted:
            raise ValueError("a token of the app's identity is sent over https only")
        for template in self._templates():
            for read in template.reads:
                if read.path[0] == "secrets" and len(read.path) > 1 and read.path[1] not in self.secrets:
                    raise ValueError(f"there is no secret {read.path[1]!r}: list it under secrets")
        return self

    def run(self, event: Event, action: Action) -> Outcome:
        """Send the request once. Raises jinja2.TemplateError, RetryLater, GiveUp and `ErrorAnswer`."""
        secrets = {name: secret.get_secret_value() for name, secret in self.secrets.items()}
        values = {"key": str(action.key), "secrets": secrets}
        body, content_type = self._content(event, values)
        headers = {"content-type": content_type}
        if self.entra_scope:
            headers |= {name.lower(): value for name, value in entra_bearer(self.entra_scope).items()}
        if self.sign_with:
            headers |= signature(body, self.sign_with, str(action.key), action.now)
        headers |= self._own_headers(event, values)
        answer = self.send(self.method, self.url.render(event, **values), headers=headers, body=body)
        return Succeeded(f"{answer.host} answered {answer.status}", answer.details)

    def plan(self, event: Event) -> str:
        """The method, the origin of the URL and the body, without secrets. Raises jinja2.TemplateError."""
        values = {"key": "…", "secrets": dict.fromkeys(self.secrets, _MASK)}
        try:
            self.url.render(event, **values)
            checked_headers(self._own_headers(event, {**values, "key": _KEY}))
            body, _ = self._content(event, values)
        except GiveUp as error:
            return f"{GIVES_UP}{error}"
        is_event = self.body is None and self.text is None
        shown = f"the event as a CloudEvent, {len(body):,} bytes" if is_event else printable(body.decode())
        return f"{self.method} {self.url.origin}/…: {shorten(shown, _SHOWN)}"

    def _own_headers(self, event: Event, values: Mapping[str, Any]) -> dict[str, str]:
        return {name.lower(): template.render(event, **values) for name, template in self.headers.items()}

    def _content(self, event: Event, values: Mapping[str, Any]) -> tuple[bytes, str]:
        """The body and its type."""
        if self.text is not None:
            text = self.text.render(event, **values).encode("utf-8", "replace")
            if len(text) > MAX_BYTES:
                raise GiveUp(f"the text has {len(text):,} bytes; at most {MAX_BYTES:,} are allowed")
            return text, "text/plain; charset=utf-8"
        if self.body is not None:
            return json_bytes(self.body.render(event, **values)), "application/json"
        return json_bytes(cloud_event(event)), CONTENT_TYPE

    def _templates(self) -> Iterator[Template]:
        yield from self.url.templates
        yield from self.headers.values()
        yield from self.body.templates if self.body else ()
        yield from (self.text,) if self.text else ()
