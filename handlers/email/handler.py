"""``do: email``: send a mail about an event, over SMTP or Azure Communication Services (docs/handlers/email.md)."""

from typing import ClassVar, Self

from pydantic import Field, model_validator

from handlers.base import Action, GiveUp, Handler, Outcome
from handlers.email import acs, smtp
from handlers.email.content import PREVIEW, Content
from handlers.email.headers import headers_of
from handlers.email.message import Mail
from handlers.email.recipients import (
    MAX_RECIPIENTS,
    Addressees,
    AllowedDomains,
    Recipients,
    RecipientTemplates,
    constant_addresses,
    is_trusted,
    parse_recipient,
)
from handlers.email.settings import AcsService, EmailSettings
from handlers.roles import COMMUNICATION_AND_EMAIL_SERVICE_OWNER, Role
from handlers.template import HtmlTemplate, Template
from schemas import Event


class Email(Handler[Event]):
    """Send a mail about an event. Subject, text and HTML have defaults for each event type."""

    shows_events: ClassVar[bool] = True
    roles: ClassVar[tuple[Role, ...]] = (
        COMMUNICATION_AND_EMAIL_SERVICE_OWNER.needed_for("mail without EMAIL_ACS_KEY", optional=True),
    )

    to: RecipientTemplates = Field(min_length=1)
    cc: RecipientTemplates = ()
    bcc: RecipientTemplates = ()
    to_fallback: RecipientTemplates = ()
    reply_to: RecipientTemplates = ()
    allowed_domains: AllowedDomains = ()
    subject: Template | None = None
    body: Template | None = None
    html: HtmlTemplate | None = None

    @model_validator(mode="after")
    def _recipients_are_allowed(self) -> Self:
        templates = [*self.to, *self.cc, *self.bcc]
        count = sum(len(constant_addresses(t)) if t.is_constant else 1 for t in templates)
        if count > MAX_RECIPIENTS:
            raise ValueError(f"{count} recipients; a mail has at most {MAX_RECIPIENTS}: use a mailing list")
        for template in (*templates, *self.to_fallback, *self.reply_to):
            if template.is_constant:
                for address in constant_addresses(template):
                    parse_recipient(address, self.allowed_domains, trusted=True)
            elif not self.allowed_domains and not is_trusted(template):
                what = "result of another rule" if template.names == {"result"} else "event"
                raise ValueError(
                    f"the recipient {template.source!r} depends on the {what}: list the domains that may get mail "
                    "in allowed_domains, like [example.com]"
                )
        return self

    def run(self, event: Event, action: Action) -> Outcome:
        """Send the mail, or poll for its result. Raises RetryLater, GiveUp, TemplateError and azure-core's errors."""
        settings = EmailSettings.read()
        transport = settings.transport
        if "operation" in action.state:  # Azure Communication Services has accepted the mail
            if isinstance(transport, AcsService):
                return acs.poll(transport, action.state)
            return acs.accepted(action.state, "unknown: EMAIL_ACS_ENDPOINT is no longer set")
        mail = self._mail(event, action, settings)
        if isinstance(transport, AcsService):
            return acs.send(transport, mail)
        return smtp.send(transport, mail, action.state)

    def destination(self, event: Event) -> str | None:
        """The mail server, or the Azure Communication Services resource."""
        transport = EmailSettings.read().transport
        return f"mail {transport.endpoint if isinstance(transport, AcsService) else transport.host}"

    def plan(self, event: Event) -> str:
        """The recipients and the subject. Raises jinja2.TemplateError if any part cannot be rendered, as `run` does."""
        content = self._content
        content.render(event, PREVIEW)
        return f"mail {self._recipients(event)}: {content.render_subject(event)!r}"

    def sends(self, event: Event) -> dict[str, str | tuple[str, ...]]:
        """The recipients, the subject and the text of the mail, and its HTML if the rule has its own."""
        found, content = self._recipients(event), self._content
        parts = {"subject": content.render_subject(event), "text": content.render_text(event, PREVIEW)}
        if self.html:
            parts["html"] = content.render_html(event, PREVIEW)
        return {"to": found.to, "cc": found.cc, "bcc": found.bcc, "reply_to": found.reply_to, **parts}

    @property
    def _content(self) -> Content:
        return Content(self.subject, self.body, self.html)

    def _recipients(self, event: Event) -> Recipients:
        templates = self.to, self.cc, self.bcc, self.to_fallback, self.reply_to
        return Addressees(*templates, self.allowed_domains).resolve(event)

    def _mail(self, event: Event, action: Action, settings: EmailSettings) -> Mail:
        recipients, content = self._recipients(event), self._content
        if not recipients.to:
            reason = "; ".join(recipients.left_out) or "`to` and `cc` are empty for this event"
            raise GiveUp(f"the mail has no recipient: {reason}")
        text, html = content.render(event, action)
        return Mail(
            key=action.key,
            sender=settings.mailbox,
            to=recipients.to,
            cc=recipients.cc,
            bcc=recipients.bcc,
            reply_to=recipients.reply_to,
            headers=headers_of(event, action, settings.mailbox.domain),
            left_out=recipients.left_out,
            fallback=recipients.fallback,
            subject=content.render_subject(event),
            text=text,
            html=html,
        )
