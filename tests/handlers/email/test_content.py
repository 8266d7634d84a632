"""The subject, text and HTML of a mail: the defaults, and the templates of a rule."""

import pytest
from jinja2 import TemplateError

from handlers.base import Action, Result
from handlers.email.content import HTML_LIMIT, SUBJECT_LIMIT, TEXT_LIMIT, Content
from handlers.template import HtmlTemplate, Template
from schemas import Context, ModelRegistered, RunCompleted, RunStatusChanged
from schemas.examples import MODEL_MONITOR_BREACH
from tests.handlers.email.received import Page

ACTION = Action(rule="mail-failed-runs", source="rules/churn.yaml:12")
DEFAULT = Content()


def test_bad_news_is_red_and_drift_is_amber() -> None:
    red, failed = "#d32f2f", RunStatusChanged.example(run_status="failed")
    assert red in DEFAULT.render_html(failed, ACTION)
    assert "#c77700" in DEFAULT.render_html(RunStatusChanged.example(**MODEL_MONITOR_BREACH), ACTION)
    assert red not in DEFAULT.render_html(RunCompleted.example(), ACTION)


def test_default_html_loads_nothing() -> None:
    """No images, styles or scripts: a mail program would block them, or they would reveal that the mail was read."""
    page = Page(DEFAULT.render_html(RunStatusChanged.example(), ACTION))
    assert not {"img", "script", "link", "style", "iframe"} & {tag for tag, _ in page.tags}
    assert all("url(" not in (attributes.get("style") or "") for _, attributes in page.tags)


def test_link_too_long_for_browsers_is_left_out() -> None:
    event = RunStatusChanged.example(run_id="r" * 5_000)
    assert "https://" not in DEFAULT.render_text(event, ACTION)
    assert Page(DEFAULT.render_html(event, ACTION)).links == []


def test_subject_is_one_line() -> None:
    content = Content(subject=Template("{{ data.runTags.note }}\nand more"))
    note = "a\r\nb\tc\u2028d\u2029e\x85f\x00g\u202eh\x1b[31m  i"
    subject = content.render_subject(RunStatusChanged.example(run_tags={"note": note}))
    assert subject == "a b c d e f g h [31m i and more"


def test_long_subject_is_truncated() -> None:
    content = Content(subject=Template("{{ data.runTags.note }}"))
    for note in ("x" * 1_000_000, "x " * 500_000):
        subject = content.render_subject(RunStatusChanged.example(run_tags={"note": note}))
        assert SUBJECT_LIMIT - 1 <= len(subject) <= SUBJECT_LIMIT
        assert subject.endswith("…")


def test_empty_subject_falls_back_to_the_headline() -> None:
    event = RunCompleted.example(run_id="r")
    assert Content(subject=Template(" {{ '' }} ")).render_subject(event).startswith("Run r completed")


def test_body_alone_is_also_rendered_as_html() -> None:
    """Escaped, in paragraphs, with links."""
    body = Template("{{ data.runId }} <failed>\nsee {{ studio_url }}.\n\nBye & thanks")
    event = RunStatusChanged.example(run_id="r")
    content = Content(body=body)
    assert content.render_text(event, ACTION) == f"r <failed>\nsee {event.studio_url}.\n\nBye & thanks"
    page = Page(content.render_html(event, ACTION))
    assert page.links == [event.studio_url]
    assert "r <failed>" in page.text
    assert [tag for tag, _ in page.tags].count("p") == 2


def test_html_alone_keeps_the_default_text() -> None:
    content = Content(html=HtmlTemplate("<p>{{ data.runId }}</p>"))
    event = RunStatusChanged.example(run_id="<r>")
    assert content.render_html(event, ACTION) == "<p>&lt;r&gt;</p>"
    assert content.render_text(event, ACTION) == DEFAULT.render_text(event, ACTION)


def test_rule_can_set_both_body_and_html() -> None:
    content = Content(body=Template("text"), html=HtmlTemplate("<b>html</b>"))
    event = RunStatusChanged.example()
    assert (content.render_text(event, ACTION), content.render_html(event, ACTION)) == ("text", "<b>html</b>")


def test_templates_of_a_follow_up_rule_can_read_the_result() -> None:
    result = Result("deploy", "failed", "no quota")
    event = Context(ModelRegistered.example(), result=result.view()).event_for_handler()
    content = Content(subject=Template("{{ result.rule }} {{ result.status }}"), body=Template("{{ result.summary }}"))
    assert content.render_subject(event) == "deploy failed"
    assert content.render_text(event, ACTION) == "no quota"


def test_mail_says_that_its_html_is_left_out() -> None:
    event = RunStatusChanged.example()
    long = Content(body=Template("text"), html=HtmlTemplate("{{ 'x' * 1_000_001 }}"))
    assert long.render(event, ACTION) == ("text\n\n(the HTML part was too long, and is left out)\n", "")
    short = Content(body=Template("text"), html=HtmlTemplate("<p>x</p>"))
    assert short.render(event, ACTION) == ("text", "<p>x</p>")


def test_parts_that_fit_after_their_line_ends_are_normalized_are_kept() -> None:
    event = RunStatusChanged.example(run_tags={"lines": "\r\n" * 199_990})
    assert Content(body=Template("{{ data.runTags.lines }}end")).render_text(event, ACTION).endswith("\n\nend")
    html = HtmlTemplate("{{ data.runTags.lines * 5 }}end")
    assert Content(html=html).render_html(event, ACTION).endswith("\n\nend")


def test_template_that_names_a_missing_key_is_an_error() -> None:
    with pytest.raises(TemplateError, match="modelName"):
        Content(subject=Template("{{ data.modelName }}")).render_subject(RunStatusChanged.example())


def test_long_text_is_truncated_and_long_html_is_left_out() -> None:
    """Markup cannot be cut, so the mail has a text part only."""
    event = RunStatusChanged.example(run_tags={"note": "<" * 1_000_000})
    note = "{{ data.runTags.note }}"
    text = Content(body=Template(note)).render_text(event, ACTION)
    assert len(text) < TEXT_LIMIT + 1_000
    assert text.endswith("(truncated: the text was too long)\n")
    assert Content(html=HtmlTemplate(note * 3)).render_html(event, ACTION) == ""
    assert len(Content(body=Template(note)).render_html(event, ACTION)) <= HTML_LIMIT
