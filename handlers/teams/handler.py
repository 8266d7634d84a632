"""``do: teams``: post an Adaptive Card to a channel or a chat of Microsoft Teams (docs/handlers/teams.md)."""

import re
from typing import Annotated, Any, ClassVar, Self

from pydantic import BeforeValidator, model_validator

from handlers.base import Action, GiveUp, Outcome, Succeeded
from handlers.content.app import history_button
from handlers.content.fit import NOTE, fitted
from handlers.content.own import read_file, with_note
from handlers.content.summary import Summary, summarize
from handlers.http.answer import Meaning
from handlers.http.handler import HttpHandler
from handlers.http.url import Url
from handlers.json_template import JsonTemplate, Leaf, json_bytes
from handlers.teams.card import default_message, message_of
from handlers.teams.text import without_links
from handlers.template import encoding
from schemas import Event
from schemas.errors import printable

OWN_LIMIT = 28_000  # bytes of a message with a card of one's own: what Microsoft documents, see handlers.teams.card

_HOSTS = ("logic.azure.com", "environment.api.powerplatform.com", "api.powerautomate.com", "flow.microsoft.com")
_RETIRED = ("webhook.office.com", "outlook.office.com", "outlook.office365.com")
_VERSION = re.compile(r"1\.[0-5]")
_HOW = "in Teams, open Workflows, and choose a template with a webhook, such as Send webhook alerts to a channel"


class _CardLeaf(Leaf):
    """A text of a card. An event can add no link, image or mention to it."""

    _environment = encoding(without_links)


class CardTemplate(JsonTemplate):
    """An Adaptive Card with templates. Raises ValueError for JSON that is none, or is newer than Teams supports."""

    leaf = _CardLeaf

    def __init__(self, source: Any) -> None:
        if not isinstance(source, dict) or source.get("type") != "AdaptiveCard":
            raise ValueError('should be an Adaptive Card: an object with "type": "AdaptiveCard"')
        if not _VERSION.fullmatch(str(source.get("version"))):
            raise ValueError('the card should have a "version" that Teams supports, from "1.0" to "1.5"')
        if not isinstance(source.get("body"), list):
            raise ValueError('the card should have a "body", a list of elements')  # noqa: TRY004 - pydantic collects these
        super().__init__(source)


class Teams(HttpHandler[Event]):
    """Post an Adaptive Card to a channel or a chat of Microsoft Teams, through a webhook of Workflows."""

    # learn.microsoft.com, "Add OAuth authentication for HTTP request triggers" and "REST API of Logic Apps"; the codes
    # are those that flows answer.
    shows_events: ClassVar[bool] = True
    meanings: ClassVar[tuple[Meaning, ...]] = (
        Meaning(
            400,
            GiveUp,
            "the flow is turned off or deleted: turn it on in Power Automate, or write the URL of another one",
            text="WorkflowTriggerIsNotEnabled",
            source="learn.microsoft.com/rest/api/logic/workflow-triggers",
        ),
        Meaning(
            404,
            GiveUp,
            "the flow is deleted: write the URL of another one",
            text="WorkflowNotFound",
            source="learn.microsoft.com/rest/api/logic/workflow-triggers",
        ),
        Meaning(
            401,
            GiveUp,
            "the flow admits users only: set Who can trigger the flow to Anyone, which needs the signature in the URL",
            text="DirectApiAuthorizationRequired",
            source="learn.microsoft.com/power-automate/oauth-authentication",
        ),
    )

    url: Url
    card: Annotated[CardTemplate, BeforeValidator(read_file)] | None = None

    @model_validator(mode="after")
    def _is_a_workflow(self) -> Self:
        if not self.url.is_constant:
            raise ValueError("the URL of a flow is a secret, and no template: write url: ${RULES_TEAMS_URL}")
        if _is_in(self.url.host, _RETIRED):
            raise ValueError(f"connectors of Office 365 are retired, {self.url.host} is one: {_HOW}, and write its URL")
        if not self.allow_private and not _is_in(self.url.host, _HOSTS):
            raise ValueError(
                f"{self.url.host} is not a host of Workflows ({', '.join(_HOSTS)}): {_HOW}; "
                "a gateway of your own needs allow_private: true"
            )
        return self

    def run(self, event: Event, action: Action) -> Outcome:
        """Post the card. Raises RetryLater, GiveUp, TemplateError and `handlers.http.answer.ErrorAnswer`."""
        summary = summarize(event, action)
        body = json_bytes(self._message(event, summary))
        answer = self.send("POST", self.url.render(event), headers={"Content-Type": "application/json"}, body=body)
        run = printable(answer.headers.get("x-ms-workflow-run-id", ""))
        return Succeeded(
            f"posted a card: {summary.headline}", {"status": answer.status, **({"run": run} if run else {})}
        )

    def plan(self, event: Event) -> str:
        """The headline of the card. Raises jinja2.TemplateError and GiveUp, as `run` does."""
        summary = summarize(event, Action())
        self._message(event, summary)
        return f"post a card to {self.url.origin}: {summary.headline!r}"

    def _message(self, event: Event, summary: Summary) -> dict[str, Any]:
        if self.card is None:
            return default_message(summary, history_button(event))
        card = self.card.render(event)
        note = {"type": "TextBlock", "text": NOTE, "size": "Small", "isSubtle": True, "wrap": True}

        def build(longest: int | None) -> dict[str, Any]:
            return message_of({**card, "body": with_note(card["body"], note, longest)})

        return fitted(build, OWN_LIMIT)


def _is_in(host: str, domains: tuple[str, ...]) -> bool:
    return any(host == domain or host.endswith(f".{domain}") for domain in domains)
