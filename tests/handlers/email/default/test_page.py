"""The HTML part of a mail."""

import re

import pytest

from handlers.base import Action, Result
from handlers.content.summary import summarize
from handlers.email.content import Content
from handlers.template import Template
from schemas import EVENT_TYPES, Context, Event, ModelRegistered, RunStatusChanged
from tests.handlers.email.received import Page

ACTION = Action("a-rule")
EXAMPLES = pytest.mark.parametrize("kind", EVENT_TYPES.values(), ids=lambda kind: kind.__name__)


def page(event: Event) -> str:
    return Content().render_html(event, ACTION)


@EXAMPLES
def test_page_has_the_order_of_the_text(kind: type[Event]) -> None:
    """Heading, lead, facts, button, tables, footer."""
    result = Result("deploy", "failed", "churn:3 was not deployed: no quota", {"where": "westeurope"})
    event = Context(kind.example(), {"name": "ws", "labels": {}}, result.view()).event_for_handler()
    summary = summarize(event, ACTION)
    content = page(event).partition("<h1")[2]
    button = [summary.button.label] if summary.button else []  # a blob has no page in the studio
    parts = [summary.headline, *summary.lead, *summary.facts, *button, "westeurope", *summary.footer]
    positions = [content.index(part) for part in parts]
    assert positions == sorted(positions)


@EXAMPLES
def test_page_has_one_link_if_the_object_has_a_page(kind: type[Event]) -> None:
    assert len(Page(page(kind.example())).links) == (kind.example().studio_url is not None)


def test_preview_is_hidden_and_before_the_heading() -> None:
    html = page(RunStatusChanged.example())
    assert re.search(r'<div style="display:none[^"]*">The event does not have the reason', html)
    assert html.index("display:none") < html.index("<h1")


def test_page_leaves_backgrounds_and_text_to_dark_mode() -> None:
    """Only the bar and the button have a background, and each color is readable on white and on black."""
    html = page(ModelRegistered.example())
    assert 'content="light dark"' in html
    assert not re.search(r"background[-:]", html)
    assert set(re.findall(r'bgcolor="(#\w+)"', html)) == {"#2e7d32", "#0b5cad"}
    colors = set(re.findall(r"[; \"]color:(#\w+)", html))
    assert colors == {"#6f7780", "#ffffff"}
    for background in (255, 18):
        assert _contrast("#6f7780", background) > 4


def test_body_of_a_rule_has_the_same_frame() -> None:
    event = RunStatusChanged.example()
    html = Content(body=Template("hello")).render_html(event, ACTION)
    assert "<p>hello</p>" in html
    assert "display:none" not in html
    assert html.partition("<body")[2].count("#d32f2f") == 1


def _contrast(color: str, gray: int) -> float:
    """The contrast of a color and a gray (WCAG 2, "contrast ratio")."""

    def luminance(*channels: int) -> float:
        linear = [c / 255 / 12.92 if c <= 10 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    one = luminance(*(int(color[at : at + 2], 16) for at in (1, 3, 5)))
    other = luminance(gray, gray, gray)
    return (max(one, other) + 0.05) / (min(one, other) + 0.05)
