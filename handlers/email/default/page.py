"""The HTML part of a mail.

Mail programs know little CSS, and some drop style elements, so styles are inline. The page sets no background and no
color for its text: a program in dark mode shows both in its own colors, and all other colors can be read on white and
on black. Tables and the cell around the button are for Outlook, which ignores the width and padding of other elements.
"""

from markupsafe import Markup

from handlers.content.alerts import COMMAND
from handlers.content.summary import Summary, Tone
from handlers.template import HtmlTemplate
from schemas import Event

_COLORS: dict[Tone, str] = {"good": "#2e7d32", "bad": "#d32f2f", "warning": "#c77700", "neutral": "#0b5cad"}
_GRAY = "#6f7780"  # less important text
_LINE = "1px solid rgba(128,128,128,0.35)"

_PAGE = HtmlTemplate("""\
<!DOCTYPE html>
<html lang="en" style="color-scheme:light dark">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="supported-color-schemes" content="light dark">
<title>{{ title }}</title>
</head>
<body style="margin:0; padding:0">
{% if preview -%}
<div style="display:none; max-height:0; overflow:hidden; mso-hide:all">{{ preview }}</div>
{% endif -%}
<table role="presentation" width="100%" cellpadding="0" cellspacing="0" border="0"><tr>
<td align="center" style="padding:16px 12px">
<!--[if mso]><table role="presentation" width="640" cellpadding="0" cellspacing="0" border="0"><tr><td><![endif]-->
<table role="presentation" width="100%" cellpadding="0" cellspacing="0" border="0" style="max-width:640px">
<tr><td height="4" bgcolor="{{ color }}" style="height:4px; line-height:4px; font-size:0">&nbsp;</td></tr>
<tr><td style="padding:20px 4px; text-align:left; overflow-wrap:anywhere;\
 font:15px/1.5 -apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif">
{{ content }}
</td></tr>
</table>
<!--[if mso]></td></tr></table><![endif]-->
</td>
</tr></table>
</body>
</html>
""")

_CONTENT = HtmlTemplate("""\
<h1 style="margin:0 0 12px; font-size:21px; line-height:1.3; font-weight:600">{{ headline }}</h1>
{% for text in lead -%}
<p style="margin:0 0 {{ '4px' if not loop.last else '12px' }}">{{ text }}</p>
{% endfor -%}
{% for text in notes -%}
<p style="margin:0 0 12px; font-size:13px; color:{{ gray }}">{{ text }}</p>
{% endfor -%}
{% for text in steps -%}
<p style="margin:0 0 {{ '4px' if not loop.last else '12px' }}\
{% if text[:9] == command %}; font:13px/1.5 ui-monospace,Consolas,Menlo,monospace{% endif %}">{{ text }}</p>
{% endfor -%}
<p style="margin:0 0 20px; font-size:13px; color:{{ gray }}">\
{% for fact in facts %}{% if not loop.first %}&#160;&#183; {% endif %}\
<span{% if fact|length < 40 %} style="white-space:nowrap"{% endif %}>{{ fact }}</span>{% endfor %}</p>
{% if button -%}
<table role="presentation" cellpadding="0" cellspacing="0" border="0" style="margin:0 0 24px"><tr>
<td bgcolor="#0b5cad" style="border-radius:6px; mso-padding-alt:10px 18px">\
<a href="{{ button[1] }}" style="display:inline-block; padding:10px 18px; font-weight:600; color:#ffffff;\
 text-decoration:none">{{ button[0] }}</a></td>
</tr></table>
{% endif -%}
{% if log -%}
<p style="margin:16px 0 4px; font-size:12px; font-weight:600; color:{{ gray }}">{{ log_title }}</p>
<div dir="ltr" style="margin:0 0 16px; padding:8px 10px; border:{{ line }}; border-radius:6px;\
 font:12px/1.5 ui-monospace,Consolas,Menlo,monospace; overflow-wrap:anywhere">\
{% for text in log %}<div style="white-space:pre-wrap; unicode-bidi:isolate">{{ text }}</div>\
{% endfor %}</div>
{% endif -%}
{% for section in sections -%}
<p style="margin:16px 0 4px; font-size:12px; font-weight:600; color:{{ gray }}">{{ section.title }}</p>
<table role="presentation" width="100%" cellpadding="0" cellspacing="0" border="0"\
 style="border-collapse:collapse; font-size:13px; line-height:1.4">
{% for name, value in section.rows -%}
<tr><td width="30%" valign="top" style="padding:4px 12px 4px 0; border-top:{{ line }}; color:{{ gray }};\
 overflow-wrap:anywhere">{{ name }}</td>\
<td valign="top" style="padding:4px 0; border-top:{{ line }}; overflow-wrap:anywhere">{{ value }}</td></tr>
{% endfor -%}
</table>
{% endfor -%}
<p style="margin:24px 0 0; padding-top:8px; border-top:{{ line }}; font-size:12px; line-height:1.5;\
 color:{{ gray }}">{% for text in footer %}{% if not loop.first %}<br>{% endif %}{{ text }}{% endfor %}</p>""")


def default_page(event: Event, summary: Summary) -> str:
    """Write a summary as a page. Every value is escaped."""
    more = {
        "headline": summary.headline,
        "lead": summary.lead,
        "steps": summary.steps,
        "command": COMMAND,
        "facts": summary.facts,
        "button": summary.button,
        "sections": [{"title": section.title, "rows": section.rows} for section in summary.sections],
        "footer": summary.footer,
        "log": [line or "\N{NO-BREAK SPACE}" for line in summary.log],
        "log_title": summary.log_title,
        "notes": summary.notes,
        "color": _COLORS[summary.tone],
        "gray": _GRAY,
        "line": _LINE,
    }
    content = Markup(_CONTENT.render(event, **more))  # noqa: S704 - an HtmlTemplate escapes every value
    return framed(event, content, summary, summary.preview)


def framed(event: Event, content: Markup, summary: Summary, preview: str = "") -> str:
    """A page with this content, in the color of the event."""
    title, color = summary.headline, _COLORS[summary.tone]
    return _PAGE.render(event, content=content, title=title, color=color, preview=preview)
