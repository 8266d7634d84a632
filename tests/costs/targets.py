"""What is measured: the work on an event, a rules file, a message or a dead letter, by the shape of its content."""

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias
from uuid import UUID

from jinja2 import TemplateError

from dispatch.filters.condition import Condition
from dispatch.inbox.messages import Message
from dispatch.replay.deadletters import BadBlob, events_of
from dispatch.rules import loader
from dispatch.rules.reading.nodes import RuleFile
from dispatch.rules.reading.yaml import parse
from dispatch.rules.rule import Rule, Rules
from dispatch.rules.when import AllOf
from dispatch.rules.workspaces import Workspace, Workspaces
from handlers.base import Action
from handlers.deploy.files import definition
from handlers.email.address import Mailbox
from handlers.email.content import Content
from handlers.email.message import Mail
from handlers.log import Log
from handlers.pipeline import job_definition
from handlers.template import HtmlTemplate, Template
from mlevents.previews import previews
from schemas import Event, EventError, RunStatusChanged, drift, parse_event
from schemas.drift import BREACH_TAG
from tests.kit.shapes import Genes, rules_text
from tests.kit.world import SETTINGS, WORKSPACES

Run: TypeAlias = Callable[[], object]

_MARK = "@shape@"
_EVENT = RunStatusChanged.example(run_tags={"owner": "ml"})
_CONDITIONS = tuple(
    Condition.parse(f"{key}{n} {operator}")
    for n in range(4)
    for key in ("data.runTags.a.", "data.extra.a.b.", "a", "workspace.labels.", "DATA.runtags.É", "drift.")
    for operator in ("StringIn x y", "NumberInRange 1,2 3,4", "StringContains x", "IsNotNull")
)
_WORKSPACE = Workspace("churn", _EVENT.resource, {"env": "prod"})
_RULES = Rules(
    by_name={
        f"r{n}": Rule(f"r{n}", Log(), on=frozenset({"RunStatusChanged"}), when=AllOf((condition,)))
        for n, condition in enumerate(_CONDITIONS)
    },
    workspaces=Workspaces(_WORKSPACE),
)
_TEMPLATES = (
    Content(),
    Content(Template("{{ data.runId }} {{ data.runTags.no | default('x') }}"), Template("{{ data.extra | string }}")),
    Content(body=Template("{% for t in data.runTags %}{{ t }} {{ data.runTags[t] }}\n\n{% endfor %}")),
    Content(html=HtmlTemplate("<p>{{ data.runTags | tojson }}</p><p>{{ data.extra | string | urlize }}</p>")),
    Content(body=Template("{% for t in data.runTags %}{{ data.runTags[t ~ '?'] | default(t) }}{% endfor %}")),
    Content(body=Template("{{ data.extra | join(', ') | wordwrap }}{{ data.runTags | dictsort | string | title }}")),
)


@dataclass(frozen=True, slots=True)
class Case:
    """A place in the input, and what is there: the text of a shape, or rules by their genes."""

    place: str
    content: Any  # Shape or Genes

    def event_text(self, size: int) -> str:
        """An event, or what should be one, with the shape at the place."""
        text: str = self.content.text(size)
        if self.place == "all":
            return text
        fields = _EVENT.wire()
        match self.place:
            case "envelope":
                fields["extra"] = _MARK
            case "id" | "subject" | "topic" | "eventTime" | "eventType":
                fields[self.place] = _MARK
            case "breach":
                fields["data"]["runTags"] = {BREACH_TAG: _MARK}
            case "tag":
                fields["data"]["runTags"] = {"note": _MARK, "owner": "ml"}
            case "array":
                return f"[{json.dumps(fields)},{text}]"
            case _:
                fields["data"][self.place] = _MARK
        return json.dumps(fields).replace(f'"{_MARK}"', text)

    def event(self, size: int) -> Event | None:
        """The event; None if the text is none."""
        with suppress(EventError):
            return parse_event(self.event_text(size))
        return None


@dataclass(frozen=True, slots=True)
class Target:
    """One kind of work. `prepare` builds the input of a case at a size, unmeasured, and returns the work on it.

    The search compares sizes[0] and sizes[1]; what it finds must be linear up to sizes[2].
    """

    name: str
    prepare: Callable[[Case, int], Run]
    places: tuple[str, ...] = ("",)
    sizes: tuple[int, int, int] = (8_000, 100_000, 1_000_000)
    rounds: int = 150

    @property
    def takes_rules(self) -> bool:
        """Are its cases made of genes?"""
        return self.places[0] in ("rules of any kind", "valid rules")

    @property
    def takes_valid_rules(self) -> bool:
        """Are invalid rules of no interest?"""
        return self.places[0] == "valid rules"


PLACES = ("runTags", "extra", "tag", "runProperties", "runId", "envelope", "breach", "id", "subject", "experimentName")


def _nothing() -> None:
    pass


def _parse(case: Case, size: int) -> Run:
    text = case.event_text(size)

    def run() -> None:
        with suppress(EventError):
            parse_event(text)

    return run


def _match(case: Case, size: int) -> Run:
    event = case.event(size)
    return (lambda: _RULES.matching(event)) if event else _nothing


def _view(case: Case, size: int) -> Run:
    event = case.event(size)

    def run() -> None:
        drift._violations.cache_clear()
        if event:
            json.dumps(event.view())

    return run


def _mail(case: Case, size: int) -> Run:
    event = case.event(size)

    def run() -> None:
        for content in _TEMPLATES:
            with suppress(TemplateError):
                received = _RULES.context(event or _EVENT).event_for_handler()
                text, html = content.render(received, Action(rule="r"))
                sender = Mailbox("a@example.com", "")
                Mail(UUID(int=1), sender, ("b@example.com",), content.render_subject(received), text, html).as_bytes()

    return run if event else _nothing


def _yaml(case: Case, size: int) -> Run:
    raw = case.content.text(size)
    text = {"": "{}", "rules": "rules: {}", "block": "rules:\n  - name: {}", "list": "- {}\n- {}"}[case.place]
    return lambda: parse(text.replace("{}", raw).encode(errors="replace"), "rules/x.yaml", SETTINGS)


def _job(case: Case, size: int) -> Run:
    raw = case.content.text(size)
    text = {
        "": "{}",
        "inputs": "command: a\ninputs: {}",
        "tags": "command: a\ntags: {}",
        "jobs": "type: pipeline\njobs: {}",
        "number": "command: a\ntags:\n  a: 1{}1",
    }
    data = text[case.place].replace("{}", raw).encode(errors="replace")
    path = Path("job.yml")

    def run() -> None:
        with suppress(ValueError):
            job_definition._parse.__wrapped__(data, "job.yml", path)
        with suppress(ValueError):
            definition._parse_deployment.__wrapped__(data, "job.yml", path, False, False)

    return run


def _files(genes: Genes, size: int) -> list[RuleFile]:
    rules, workspaces = rules_text(genes, size)
    texts = {"rules/workspaces.yaml": WORKSPACES + workspaces, "rules/x.yaml": rules}
    return [parse(text.encode(), name, SETTINGS) for name, text in texts.items()]


def _loaded(files: list[RuleFile]) -> Rules:
    """The rules of files that are parsed already, which takes most of the time."""
    read_all, loader._read_all = loader._read_all, lambda *_: files
    try:
        return loader.load(Path("rules"), SETTINGS)
    finally:
        loader._read_all = read_all


def _load(case: Case, size: int) -> Run:
    files = _files(case.content, size)
    return lambda: [str(error) for error in _loaded(files).errors]


def _check(case: Case, size: int) -> Run:
    rules = _loaded(_files(case.content, size))
    return lambda: list(previews(rules))


def _dead_letter(case: Case, size: int) -> Run:
    text = case.content.text(size)
    text = {"": text, "comma": f"[{text},]", "comment": f"// {text}\n[{text}]"}[case.place]

    def run() -> None:
        with suppress(BadBlob):
            events_of(text)

    return run


def _message(case: Case, size: int) -> Run:
    text = case.content.text(size)
    fields = f'{{"day":"undated","event":{text},"rule":"r","ticket":{text}}}' if case.place else text

    def run() -> None:
        with suppress(ValueError):
            Message.parse(fields)

    return run


RULE_SIZES = (1_500, 9_000, 60_000)
TARGETS = (
    Target(
        "parse", _parse, (*PLACES, "all", "array", "topic", "eventTime", "eventType"), (30_000, 250_000, 1_000_000), 100
    ),
    Target("match", _match, PLACES),
    Target("view", _view, PLACES),
    Target("mail", _mail, PLACES, (4_000, 32_000, 256_000), rounds=60),
    Target("yaml", _yaml, ("", "rules", "block", "list"), (1_000, 8_000, 100_000), rounds=60),
    Target("job", _job, ("", "inputs", "tags", "jobs", "number"), (2_000, 16_000, 100_000), rounds=60),
    Target("load", _load, ("rules of any kind",), RULE_SIZES, rounds=60),
    Target("check", _check, ("valid rules",), RULE_SIZES, rounds=50),
    Target("dead letter", _dead_letter, ("", "comma", "comment")),
    Target("message", _message, ("", "fields"), (4_000, 32_000, 64_000)),
)
