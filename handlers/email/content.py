"""The subject, text and HTML of a mail: rendered from the rule's templates, or else the defaults."""

from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from handlers.base import Action
from handlers.email.summary import Section, headline, is_bad_news, sections
from handlers.email.text import clean, header, one_line, paragraphs
from handlers.template import HtmlTemplate, Template
from schemas import Event

SUBJECT_LIMIT = 200  # characters
# Characters. An event has at most a million, but a template can repeat them.
TEXT_LIMIT = 200_000
HTML_LIMIT = 1_000_000
_LINK_LIMIT = 2_000

_PAGE = HtmlTemplate("""\
<!DOCTYPE html>
<html>
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"></head>
<body style="margin:0; padding:16px; background:#f4f5f7">
<div style="max-width:640px; margin:0 auto; padding:20px 24px; background:#ffffff; border-top:4px solid {{ color }};\
 font:14px/1.5 'Segoe UI',Helvetica,Arial,sans-serif; color:#1f2328">
{{ content }}
</div>
</body>
</html>
""")

_CONTENT = HtmlTemplate("""\
<h1 style="margin:0 0 16px; font-size:18px; line-height:1.3; overflow-wrap:anywhere">{{ headline }}</h1>
{% for section in sections -%}
{% if section.title -%}
<h2 style="margin:20px 0 4px; font-size:13px; color:#57606a">{{ section.title }}</h2>
{% endif -%}
<table role="presentation" cellpadding="0" cellspacing="0" style="width:100%; border-collapse:collapse">
{% for name, value in section.rows -%}
<tr><td style="width:30%; padding:4px 12px 4px 0; border-top:1px solid #eaecef; vertical-align:top; color:#57606a;\
 overflow-wrap:anywhere">{{ name }}</td>\
<td style="padding:4px 0; border-top:1px solid #eaecef; vertical-align:top; overflow-wrap:anywhere">{{ value }}</td>\
</tr>
{% endfor -%}
</table>
{% endfor -%}
{% if link -%}
<p style="margin:20px 0"><a href="{{ link }}" style="display:inline-block; padding:8px 16px; background:#0b5cad;\
 color:#ffffff; text-decoration:none; border-radius:4px">Open in Azure ML studio</a></p>
{% endif -%}
<p style="margin:20px 0 0; padding-top:8px; border-top:1px solid #eaecef; font-size:12px; color:#57606a;\
 overflow-wrap:anywhere">{{ footer[0] }}<br>{{ footer[1] }}</p>""")


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
            return line or header(headline(event), SUBJECT_LIMIT)
        return header(f"[{event.added('workspace')['name']}] {headline(event)}", SUBJECT_LIMIT)

    def render(self, event: Event, action: Action) -> tuple[str, str]:
        """Render the text part and the HTML part. The text says if the HTML part had to be left out."""
        text, html = self.render_text(event, action), self.render_html(event, action)
        return (text if html else f"{text}\n\n(the HTML part was too long, and is left out)\n"), html

    def render_text(self, event: Event, action: Action) -> str:
        """Render the text part, truncated to `TEXT_LIMIT` characters. Raises jinja2.TemplateError."""
        text = _clean(self.body.render(event), TEXT_LIMIT) if self.body else _default_text(event, action)
        return text if len(text) <= TEXT_LIMIT else f"{text[:TEXT_LIMIT]}…\n\n(truncated: the text was too long)\n"

    def render_html(self, event: Event, action: Action) -> str:
        """Render the HTML part: the rule's `html`, or its `body` as paragraphs, or the default.

        An HTML part that is too long becomes empty, since markup cannot be cut. The mail then has a text part only.
        Raises jinja2.TemplateError.
        """
        if self.html:
            page = _clean(self.html.render(event), HTML_LIMIT)
        elif self.body:
            page = _page(event, paragraphs(self.render_text(event, action)))
        else:
            page = _page(event, _default_content(event, action))
        return page if len(page) <= HTML_LIMIT else ""


def _clean(text: str, limit: int) -> str:
    """As `clean`, but a text that stays longer than the limit may be cut: the limit drops the rest of it anyway."""
    return clean(text[: 2 * limit + 2])  # cleaning at most halves a text: CR LF becomes one character


def _default_text(event: Event, action: Action) -> str:
    parts = [one_line(headline(event), SUBJECT_LIMIT), *(_table(section) for section in sections(event))]
    parts += [link] if (link := _link(event)) else []
    return "\n\n".join([*parts, "-- \n" + "\n".join(_footer(event, action))]) + "\n"


def _table(section: Section) -> str:
    width = min(max(len(name) for name, _ in section.rows), 30)
    rows = [f"{name.ljust(width)}  {value}" for name, value in section.rows]
    return "\n".join([section.title, *(f"  {row}" for row in rows)] if section.title else rows)


def _default_content(event: Event, action: Action) -> Markup:
    more: dict[str, Any] = {
        "headline": one_line(headline(event), SUBJECT_LIMIT),
        "sections": [{"title": s.title, "rows": s.rows} for s in sections(event)],
        "link": _link(event),
        "footer": _footer(event, action),
    }
    return Markup(_CONTENT.render(event, **more))  # noqa: S704 - an HtmlTemplate escapes every value


def _page(event: Event, content: Markup) -> str:
    return _PAGE.render(event, content=content, color="#c62828" if is_bad_news(event) else "#2e7d32")


def _link(event: Event) -> str:
    url = event.studio_url or ""
    return url if url.startswith("https://") and len(url) <= _LINK_LIMIT else ""


def _footer(event: Event, action: Action) -> list[str]:
    source = f" ({action.source})" if action.source else ""
    return [f"Sent by rule {action.rule}{source} for event {one_line(event.id, 100)}", f"Action {action.key}"]
