"""What a mail says, of every type of event, and what a rule can say instead."""

from html.parser import HTMLParser

import pytest
from jinja2 import TemplateError

from handlers.base import Action, Result
from handlers.email.content import SUBJECT_LIMIT, Content
from handlers.email.text import clean, one_line, paragraphs
from handlers.template import HtmlTemplate, Template
from schemas import (
    EVENT_TYPES,
    Context,
    DatasetDriftDetected,
    Event,
    EventData,
    ModelDeployed,
    ModelRegistered,
    RunCompleted,
    RunStatusChanged,
)
from schemas.drift import BREACH_TAG
from schemas.examples import MODEL_MONITOR_BREACH

ACTION = Action(rule="mail-failed-runs", source="rules/churn.yaml:12")
WORKSPACE = {"name": "churn-prod", "labels": {"env": "prod", "team": "churn"}}
PLAIN = Content()


class Page(HTMLParser):
    """What a mail program would make of an HTML part: tags with attributes, and the text between them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(str(html))
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    @property
    def links(self) -> list[str | None]:
        return [attributes.get("href") for tag, attributes in self.tags if tag == "a"]


@pytest.mark.parametrize("kind", EVENT_TYPES.values(), ids=lambda kind: kind.__name__)
def test_every_type_has_a_mail_that_tells_all(kind: type[Event]) -> None:
    """Both parts: type, workspace, object, time, tags, link, and which rule, file and line sent it."""
    event = Context(kind.example(), WORKSPACE).event_for_handler()
    subject, text, html = (
        PLAIN.render_subject(event),
        PLAIN.render_text(event, ACTION),
        PLAIN.render_html(event, ACTION),
    )
    page = Page(html)
    assert subject.startswith("[churn-prod] ")
    assert event.event_time is not None
    for told in (
        event.event_type.rpartition(".")[2],
        "churn-prod (env prod, team churn)",
        event.object,
        f"{event.event_time:%Y-%m-%d %H:%M:%S UTC}",
        "Sent by rule mail-failed-runs (rules/churn.yaml:12)",
        event.id,
        str(ACTION.key),
    ):
        assert told in text
        assert told in page.text
    assert event.studio_url
    assert event.studio_url in text
    assert page.links == [event.studio_url]


@pytest.mark.parametrize(
    ("event", "subject"),
    [
        (
            RunStatusChanged.example(run_id="bold_ant_42", run_status="Failed", experiment_name="churn-training"),
            "Run bold_ant_42 failed (experiment churn-training)",
        ),
        (RunStatusChanged.example(run_id="r", run_status="Running", experiment_name=None), "Run r: Running"),
        (RunCompleted.example(run_id="r", experiment_name="e"), "Run r completed (experiment e)"),
        (ModelRegistered.example(model_name="churn", model_version=7), "Model churn:7 registered"),
        (ModelDeployed.example(service_name="churn", model_ids="churn:7"), "Model churn:7 deployed to churn"),
        (ModelDeployed.example(service_name="s", model_ids="a:1,b:2"), "Models a:1, b:2 deployed to s"),
        (ModelDeployed.example(service_name="s", model_ids=None), "Model deployed to s"),
        (
            RunStatusChanged.example(run_tags={BREACH_TAG: "The signal 'drift-1' has failed"}),
            "Drift found by drift-1",
        ),
        (
            DatasetDriftDetected.example(data_drift_name="churn-drift", drift_coefficient=0.4271),
            "Drift found by churn-drift (coefficient 0.427)",
        ),
    ],
)
def test_the_subject_says_what_happened(event: Event, subject: str) -> None:
    assert PLAIN.render_subject(Context(event, WORKSPACE).event_for_handler()) == f"[churn-prod] {subject}"


def test_a_model_monitors_breach_lists_what_drifted() -> None:
    """Readably; the tag that told of it is not repeated."""
    event = RunStatusChanged.example(**MODEL_MONITOR_BREACH)
    assert event.drift
    violation = event.drift.violations[0]
    text = PLAIN.render_text(event, ACTION)
    assert f"{violation.metric} {violation.value}, threshold {violation.threshold}" in text
    assert str(event.drift.signal) in text
    assert BREACH_TAG not in text


def test_a_breach_whose_message_nobody_can_read_is_repeated() -> None:
    tags = {BREACH_TAG: "something is off\nwith the data"}
    event = RunStatusChanged.example(run_tags=tags)
    assert "Message  something is off with the data" in PLAIN.render_text(event, ACTION)


def test_a_rule_that_follows_another_tells_how_that_one_ended() -> None:
    result = Result("deploy-churn", "failed", "ResourceNotReady", {"endpoint": "churn"})
    event = Context(ModelRegistered.example(), WORKSPACE, result.view()).event_for_handler()
    assert PLAIN.render_subject(event) == "[churn-prod] deploy-churn failed: Model churn:7 registered"
    text, page = PLAIN.render_text(event, ACTION), Page(PLAIN.render_html(event, ACTION))
    for told in ("deploy-churn", "failed", "ResourceNotReady", "endpoint"):
        assert told in text
        assert told in page.text


def test_bad_news_looks_bad() -> None:
    red, failed = "#c62828", RunStatusChanged.example(run_status="failed")
    assert red in PLAIN.render_html(failed, ACTION)
    assert red in PLAIN.render_html(RunStatusChanged.example(**MODEL_MONITOR_BREACH), ACTION)
    assert red not in PLAIN.render_html(RunCompleted.example(), ACTION)


def test_nothing_is_loaded_from_elsewhere() -> None:
    """No images, styles or scripts: a mail program would block them, or tell that it was read."""
    page = Page(PLAIN.render_html(RunStatusChanged.example(), ACTION))
    assert not {"img", "script", "link", "style", "iframe"} & {tag for tag, _ in page.tags}
    assert all("url(" not in (attributes.get("style") or "") for _, attributes in page.tags)


def test_long_values_and_many_tags_are_cut() -> None:
    tags = {"first": "x" * 5_000} | {f"tag{number}": "v" for number in range(100)}
    text = PLAIN.render_text(RunStatusChanged.example(run_tags=tags), ACTION)
    assert "x" * 299 + "…" in text
    assert "x" * 300 not in text
    assert "and 76 more" in text
    assert "tag99" not in text


def test_tags_that_are_not_texts_are_told_as_json() -> None:
    tags = {"list": [1, "ü"], "object": {"a": None}, "number": 1.5, "yes": True}
    text = PLAIN.render_text(RunStatusChanged.example(run_tags=tags), ACTION)
    assert 'list    [1, "ü"]' in text
    assert 'object  {"a": null}' in text


def test_an_event_that_tells_little_still_makes_a_mail() -> None:
    event = RunStatusChanged.example(data={"runId": "r", "runStatus": "Failed"}, event_time=None, subject="")
    assert "Run" in PLAIN.render_text(event, ACTION)
    assert "Tags" not in PLAIN.render_text(event, ACTION)
    assert "None" not in PLAIN.render_text(event, ACTION) + PLAIN.render_html(event, ACTION)


class Later(Event):
    """An event type that a later version of the service raises."""

    data: EventData

    @property
    def object(self) -> str:
        return "thing-1"

    @property
    def studio_url(self) -> str:
        return ""


def test_an_event_of_another_type_still_makes_a_mail() -> None:
    raw = RunStatusChanged.example().wire() | {"eventType": "Microsoft.MachineLearningServices.Later", "data": {}}
    event = Context(Later.model_validate(raw), WORKSPACE).event_for_handler()
    assert PLAIN.render_subject(event) == "[churn-prod] Later thing-1"
    assert "Later" in PLAIN.render_text(event, ACTION)
    assert Page(PLAIN.render_html(event, ACTION)).links == []


def test_what_a_monitor_did_not_say_is_unknown() -> None:
    breach = 'The signal \'s\' has failed [\'{"group":"age","metric_value":null}\']'
    event = RunStatusChanged.example(run_tags={BREACH_TAG: breach})
    assert "age     metric unknown, threshold unknown" in PLAIN.render_text(event, ACTION)


def test_a_link_that_no_browser_would_take_is_left_out() -> None:
    event = RunStatusChanged.example(run_id="r" * 5_000)
    assert "https://" not in PLAIN.render_text(event, ACTION)
    assert Page(PLAIN.render_html(event, ACTION)).links == []


def test_a_rules_subject_is_one_line() -> None:
    content = Content(subject=Template("{{ data.runTags.note }}\nand more"))
    note = "a\r\nb\tc\u2028d\u2029e\x85f\x00g\u202eh\x1b[31m  i"
    subject = content.render_subject(RunStatusChanged.example(run_tags={"note": note}))
    assert subject == "a b c d e f g h [31m i and more"


def test_a_long_subject_is_cut() -> None:
    content = Content(subject=Template("{{ data.runTags.note }}"))
    for note in ("x" * 1_000_000, "x " * 500_000):
        subject = content.render_subject(RunStatusChanged.example(run_tags={"note": note}))
        assert SUBJECT_LIMIT - 1 <= len(subject) <= SUBJECT_LIMIT
        assert subject.endswith("…")


def test_a_subject_that_renders_to_nothing_is_replaced() -> None:
    event = RunCompleted.example(run_id="r")
    assert Content(subject=Template(" {{ '' }} ")).render_subject(event).startswith("Run r completed")


def test_a_rules_body_becomes_the_html_too() -> None:
    """Escaped, in paragraphs, with web addresses that can be clicked."""
    body = Template("{{ data.runId }} <failed>\nsee {{ studio_url }}.\n\nBye & thanks")
    event = RunStatusChanged.example(run_id="r")
    content = Content(body=body)
    assert content.render_text(event, ACTION) == f"r <failed>\nsee {event.studio_url}.\n\nBye & thanks"
    page = Page(content.render_html(event, ACTION))
    assert page.links == [event.studio_url]
    assert "r <failed>" in page.text
    assert [tag for tag, _ in page.tags].count("p") == 2


def test_a_rules_html_leaves_the_text_alone() -> None:
    content = Content(html=HtmlTemplate("<p>{{ data.runId }}</p>"))
    event = RunStatusChanged.example(run_id="<r>")
    assert content.render_html(event, ACTION) == "<p>&lt;r&gt;</p>"
    assert content.render_text(event, ACTION) == PLAIN.render_text(event, ACTION)


def test_body_and_html_of_a_rule_stand_side_by_side() -> None:
    content = Content(body=Template("text"), html=HtmlTemplate("<b>html</b>"))
    event = RunStatusChanged.example()
    assert (content.render_text(event, ACTION), content.render_html(event, ACTION)) == ("text", "<b>html</b>")


def test_a_rules_templates_see_the_result_it_follows() -> None:
    result = Result("deploy", "failed", "no quota")
    event = Context(ModelRegistered.example(), result=result.view()).event_for_handler()
    content = Content(subject=Template("{{ result.rule }} {{ result.status }}"), body=Template("{{ result.summary }}"))
    assert content.render_subject(event) == "deploy failed"
    assert content.render_text(event, ACTION) == "no quota"


def test_a_template_that_names_what_is_not_there_is_a_mistake() -> None:
    with pytest.raises(TemplateError, match="modelName"):
        Content(subject=Template("{{ data.modelName }}")).render_subject(RunStatusChanged.example())


def test_parts_that_are_too_long_do_not_stop_the_mail() -> None:
    """The text is cut; HTML cannot be, so that it is left out."""
    event = RunStatusChanged.example(run_tags={"note": "<" * 1_000_000})
    note = "{{ data.runTags.note }}"
    text = Content(body=Template(note)).render_text(event, ACTION)
    assert len(text) < 201_000
    assert text.endswith("(cut: it was too long)\n")
    assert Content(html=HtmlTemplate(note * 3)).render_html(event, ACTION) == ""
    assert len(Content(body=Template(note)).render_html(event, ACTION)) <= 1_000_000


@pytest.mark.parametrize(
    ("text", "links"),
    [
        ("see https://ml.azure.com/runs/x?a=1&b=2.", ["https://ml.azure.com/runs/x?a=1&b=2"]),
        ("(http://wiki.example.com/page)", ["http://wiki.example.com/page"]),
        ("HTTPS://EXAMPLE.COM/", ["HTTPS://EXAMPLE.COM/"]),
        ("https://a.example https://b.example", ["https://a.example", "https://b.example"]),
        ("javascript:alert(1)", []),
        ("javascript://https//x", []),
        ("data:text/html,x vbscript:x file:///etc/passwd", []),
        ("https://", []),
        ('https://e.example/"onclick="x', ["https://e.example/"]),
        ("https://e.example/<script>", ["https://e.example/"]),
    ],
)
def test_links_in_a_text(text: str, links: list[str]) -> None:
    """Only web addresses; what they show is where they go."""
    page = Page(paragraphs(text))
    assert page.links == links
    assert page.text == text
    assert {name for _, attributes in page.tags for name in attributes} <= {"href"}


def test_clean_keeps_what_is_harmless() -> None:
    text = "Grüße\t模型 🚀 👩‍🔬\nעברית\n"
    assert clean(text) == text


def test_clean_shows_what_is_not() -> None:
    assert clean("a\x00b\ud800c\u202ed\x1be\x7ff\x9bg") == "a\ufffdb\ufffdc\ufffdd\ufffde\ufffdf\ufffdg"
    assert clean("a\r\nb\rc\u2028d\x0be") == "a\nb\nc\nd\ne"


def test_one_line_is_not_longer_than_asked() -> None:
    assert one_line("abcdef", 4) == "abc…"
    assert one_line("a   b", 4) == "a b"
