"""Templates, and what they show of texts that others wrote.

Every text that a template shows is made safe in two steps, whatever the template says: control characters, line breaks
and characters that change the direction of writing are escaped visibly (`schemas.errors.printable`), and then HTML's
own characters are (autoescape; no template uses `safe`). Addresses of links are those of this page, or one of `LINK`.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from schemas.errors import printable

# Pages of Azure to which events and handlers link. A text of any other form is shown as text.
LINK = re.compile(
    r"https://(ml\.azure\.(com|us|cn)|portal\.azure\.(com|us|cn)|adf\.azure\.com|web\.azuresynapse\.net)/[!-~]{0,2000}"
)

_FOLDER = Path(__file__).parent


def is_link(text: str) -> bool:
    """Is the text an address to which a page may link?"""
    return LINK.fullmatch(text) is not None


def clock(time: datetime) -> str:
    """A time, to the second, in UTC."""
    return f"{time:%Y-%m-%d %H:%M:%S}"


def address(base: str, code: str, path: str = "", **query: object) -> str:
    """The address of a page. Empty values are left out; `code` is the key by which the client has asked, if any."""
    given = {name: str(value) for name, value in query.items() if value not in ("", None)}
    if code:
        given["code"] = code
    return f"{base}/{quote(path, errors='replace')}".rstrip("/") + (
        f"?{urlencode(given, errors='replace')}" if given else ""
    )


def render(template: str, values: Mapping[str, Any]) -> str:
    """A page."""
    return _templates().get_template(template).render(values)


@cache
def _templates() -> Environment:
    templates = Environment(
        loader=FileSystemLoader(_FOLDER / "templates"),
        autoescape=True,
        finalize=_visible,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters["clock"] = clock
    templates.tests["link"] = is_link
    return templates


def _visible(value: object) -> object:
    return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value
