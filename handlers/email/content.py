"""The subject, text and HTML of a mail: rendered from the rule's templates, or else the defaults."""

from dataclasses import dataclass
from uuid import UUID

from handlers.base import Action
from handlers.content.summary import summarize
from handlers.content.text import clean
from handlers.email.default.page import default_page, framed
from handlers.email.default.plain import plain_text
from handlers.email.text import header, paragraphs
from handlers.template import HtmlTemplate, Template
from schemas import Event

SUBJECT_LIMIT = 200  # characters
# Characters. An event has at most a million, but a template can repeat them.
TEXT_LIMIT = 200_000
HTML_LIMIT = 1_000_000
PREVIEW = Action(key=UUID(int=0))  # for what depends on the event only; a new Action would cost random bytes


@dataclass(frozen=True, slots=True)
class Content:
    """The templates of a rule for subject, text and HTML. Values from the event can add neither headers nor markup."""

    subject: Template | None = None
    body: Template | None = None
    html: HtmlTemplate | None = None

    def render_subject(self, event: Event) -> str:
        """Render the subject: one line of at most `SUBJECT_LIMIT` characters. Raises jinja2.TemplateError."""
        if self.subject:
            line = header(self.subject.render(event), SUBJECT_LIMIT)
            return line or header(summarize(event, PREVIEW).headline, SUBJECT_LIMIT)
        return header(summarize(event, PREVIEW).subject, SUBJECT_LIMIT)

    def render(self, event: Event, action: Action) -> tuple[str, str]:
        """Render the text part and the HTML part. The text says if the HTML part had to be left out."""
        text, html = self.render_text(event, action), self.render_html(event, action)
        return (text if html else f"{text}\n\n(the HTML part was too long, and is left out)\n"), html

    def render_text(self, event: Event, action: Action) -> str:
        """Render the text part, truncated to `TEXT_LIMIT` characters. Raises jinja2.TemplateError."""
        text = _clean(self.body.render(event), TEXT_LIMIT) if self.body else plain_text(summarize(event, action))
        return text if len(text) <= TEXT_LIMIT else f"{text[:TEXT_LIMIT]}…\n\n(truncated: the text was too long)\n"

    def render_html(self, event: Event, action: Action) -> str:
        """Render the HTML part: the rule's `html`, or its `body` as paragraphs, or the default.

        An HTML part that is too long becomes empty, since markup cannot be cut. The mail then has a text part only.
        Raises jinja2.TemplateError.
        """
        if self.html:
            page = _clean(self.html.render(event), HTML_LIMIT)
        elif self.body:
            page = framed(event, paragraphs(self.render_text(event, action)), summarize(event, action, ask=False))
        else:
            page = default_page(event, summarize(event, action))
        return page if len(page) <= HTML_LIMIT else ""


def _clean(text: str, limit: int) -> str:
    """As `clean`, but a text that stays longer than the limit may be cut: the limit drops the rest of it anyway."""
    return clean(text[: 2 * limit + 2])  # cleaning at most halves a text: CR LF becomes one character
