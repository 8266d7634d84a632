"""``do: email``: tell people what happened, over SMTP or Azure Communication Services (docs/handlers/email.md)."""

from typing import Self

from pydantic import Field, model_validator

from handlers.base import Action, GiveUp, Handler, Outcome
from handlers.email import acs, smtp
from handlers.email.content import Content
from handlers.email.message import Mail
from handlers.email.recipients import Audience, Domains, Recipients, parse_recipient, resolve
from handlers.email.settings import AcsService, EmailSettings
from handlers.template import HtmlTemplate, Template
from schemas import Event

MOST_RECIPIENTS = 50  # learn.microsoft.com, "Service limits for Azure Communication Services", size limits for email


class Email(Handler[Event]):
    """Mail an event to people. What is not said has a good default for each type of event."""

    to: Recipients = Field(min_length=1)
    cc: Recipients = ()
    bcc: Recipients = ()
    allowed_domains: Domains = ()
    subject: Template | None = None
    body: Template | None = None
    html: HtmlTemplate | None = None

    @model_validator(mode="after")
    def _known_recipients(self) -> Self:
        everyone = self.to + self.cc + self.bcc
        if len(everyone) > MOST_RECIPIENTS:
            raise ValueError(f"{len(everyone)} recipients; a mail has at most {MOST_RECIPIENTS}: write to a list")
        for template in everyone:
            if template.is_constant:
                parse_recipient(template.source.strip(), self.allowed_domains, constant=True)
            elif not self.allowed_domains:
                raise ValueError(
                    f"the recipient {template.source!r} depends on the event: allowed_domains must say "
                    "where mail may go, like [example.com]"
                )
        return self

    def run(self, event: Event, action: Action) -> Outcome:
        """Send it. Raises RetryLater, GiveUp, jinja2.TemplateError, and azure-core's errors."""
        settings = EmailSettings.read()
        way = settings.transport
        if "operation" in action.state:  # Azure Communication Services has it
            if isinstance(way, AcsService):
                return acs.look(way, action.state)
            return acs.accepted(action.state, "not known: EMAIL_ACS_ENDPOINT is not set any more")
        mail = self._mail(event, action, settings)
        return acs.send(way, mail) if isinstance(way, AcsService) else smtp.send(way, mail, action.state)

    def destination(self, event: Event) -> str | None:
        """The mail server, or the Azure Communication Services resource."""
        way = EmailSettings.read().transport
        return f"mail {way.endpoint if isinstance(way, AcsService) else way.host}"

    def plan(self, event: Event) -> str:
        """Whom it would tell, and under which subject. Raises jinja2.TemplateError as `run` would, for any part."""
        content = self._content
        content.render_text(event, Action())
        content.render_html(event, Action())
        return f"mail {self._audience(event)}: {content.render_subject(event)!r}"

    @property
    def _content(self) -> Content:
        return Content(self.subject, self.body, self.html)

    def _audience(self, event: Event) -> Audience:
        return resolve({"to": self.to, "cc": self.cc, "bcc": self.bcc}, self.allowed_domains, event)

    def _mail(self, event: Event, action: Action, settings: EmailSettings) -> Mail:
        audience, content = self._audience(event), self._content
        if not audience.to:
            raise GiveUp(f"there is nobody to mail: {'; '.join(audience.left_out) or 'no recipient for this event'}")
        return Mail(
            key=action.key,
            sender=settings.mailbox,
            to=audience.to,
            cc=audience.cc,
            bcc=audience.bcc,
            left_out=audience.left_out,
            subject=content.render_subject(event),
            text=content.render_text(event, action),
            html=content.render_html(event, action),
        )
