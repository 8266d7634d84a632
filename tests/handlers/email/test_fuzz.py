"""Thousands of hostile texts, from fixed seeds: none adds a header, a part, a recipient or markup to a mail."""

import random
import re
from collections.abc import Callable
from email import message_from_bytes, policy
from email.parser import BytesHeaderParser

import pytest

from handlers.base import Action, Result
from handlers.email.acs import _payload
from handlers.email.address import is_allowed, parse_address
from handlers.email.handler import Email
from handlers.email.message import Mail
from handlers.email.recipients import MAX_RECIPIENTS, Addressees
from handlers.email.settings import EmailSettings
from handlers.template import Template
from schemas import Context, DatasetDriftDetected, Event, ModelDeployed, ModelRegistered, RunStatusChanged
from schemas.alert import Alert
from schemas.drift import BREACH_TAG
from schemas.tags import Tags
from tests.handlers.conftest import SetSettings
from tests.handlers.content.hostile import HOSTILE
from tests.handlers.email.received import ReceivedMail, assert_harmless_mail, is_visible
from tests.handlers.email.test_hostile import ALLOWED_HEADERS, DEFAULT, OWN, OWN_HTML

pytestmark = [pytest.mark.fuzz, pytest.mark.no_cover]

SETTINGS = {"EMAIL_FROM": "events@example.com", "EMAIL_SMTP_HOST": "localhost"}
PIECES = [
    *HOSTILE.values(),
    *"\r\n\t\x00\x0b\x1b\x85\u2028\u2029\u202e\u2066\ud800\ufffe",
    *"<>\"'&@,;:=?%!|/#() .-",
    "https://ml.azure.com/runs/x",
    "https://ml.azure.com.evil.example/",
    'https://evil.example/?a="x"',
    "=?utf-8?b?eA==?=",
    "<a@evil.example>",
    "ml-team@example.com",
    "References: <x@y>",
    "mlevents replay ",
    "Grüße",
    "模型",
    "🚀",
    "x" * 300,
]


def text(choose: random.Random) -> str:
    return "".join(choose.choices(PIECES, k=choose.randint(1, 6)))[: choose.choice([30, 300, 3_000])]


def hostile_event(choose: random.Random) -> Event:
    """An event of some type, with hostile texts in all of its fields, its workspace and its result."""

    def some() -> str:
        return text(choose).strip() or "x"

    tags = {"owner": some(), "mlflow.user": some(), some(): some(), "list": [some()]}
    kinds: list[Callable[[], Event]] = [
        lambda: RunStatusChanged.example(
            id=some(), run_id=some(), run_status=some(), experiment_name=some(), run_tags=tags
        ),
        lambda: RunStatusChanged.example(run_id=some(), run_tags={**tags, BREACH_TAG: some()}),
        lambda: ModelRegistered.example(
            model_name=some(), model_version=some(), model_tags=tags, model_properties=tags
        ),
        lambda: ModelDeployed.example(service_name=some(), model_ids=some(), service_tags=tags),
        lambda: DatasetDriftDetected.example(data_drift_name=some(), run_id=some(), base_dataset_id=some()),
        lambda: Alert.of("failed actions", some(), some(), [some()], [some()]).naming(some(), some()),
    ]
    event = choose.choice(kinds)()
    status = choose.choice(["succeeded", "failed", "skipped"])
    details = {"link": choose.choice(["https://ml.azure.com/runs/r", some()]), some(): some()}
    result = choose.choice([None, Result(choose.choice(["a-rule", some()]), status, some(), details).view()])
    return Context(event, {"name": some(), "labels": {some(): some()}}, result).event_for_handler()


def received(mail: Mail) -> ReceivedMail:
    """The mail as it arrives over SMTP, after checks of its headers with two parsers, and of those for Azure."""
    content = mail.as_bytes()
    head = content.partition(b"\r\n\r\n")[0]
    assert content.isascii()
    message = message_from_bytes(content, policy=policy.default)
    for parsed in (message, BytesHeaderParser().parsebytes(content)):
        assert set(parsed.keys()) <= ALLOWED_HEADERS | {"Cc"}
        assert len(parsed.keys()) == len(set(parsed.keys()))
    assert not message.defects
    assert all(len(line) <= 998 for line in head.split(b"\r\n"))
    assert all(is_visible(" ".join(str(value).split())) for value in message.values())
    assert [part.get_content_type() for part in message.iter_parts()] in (["text/plain", "text/html"], [])
    sent = _payload(mail, mail.headers)["headers"]
    assert set(sent) <= ALLOWED_HEADERS
    assert all(value.isascii() and value.isprintable() for value in sent.values())
    parts = [message.get_body((kind,)) for kind in ("plain", "html")]
    plain, html = (str(part.get_content()).replace("\r\n", "\n") if part else "" for part in parts)
    return ReceivedMail(set(mail.recipients), " ".join(str(message["Subject"]).split()), plain, html)


@pytest.mark.parametrize("seed", range(50))
def test_hostile_texts_stay_texts(seed: int, settings: SetSettings) -> None:
    choose = random.Random(seed)
    settings(WEBSITE_SITE_NAME=text(choose).encode(errors="ignore").decode().replace("\x00", ""))
    for _ in range(100):
        event = hostile_event(choose)
        action = Action(choose.choice(["a-rule", "-alerts", "-alerts-x"]), choose.choice(["", "rules/a.yaml:1"]))
        mail = DEFAULT._mail(event, action, EmailSettings.read(SETTINGS))
        arrived = received(mail)
        assert_harmless_mail(arrived)
        links = re.findall(r'href="([^"]*)"', arrived.html)
        assert len(links) <= 1
        assert all(link.startswith("https://") for link in links)


@pytest.mark.parametrize("email", [OWN, OWN_HTML], ids=["own templates", "own html"])
@pytest.mark.parametrize("seed", range(10))
def test_hostile_texts_in_templates_of_a_rule(seed: int, email: Email) -> None:
    choose = random.Random(seed)
    for _ in range(50):
        note, status = text(choose), text(choose).strip() or "x"
        event = RunStatusChanged.example(run_tags={"note": note}, run_status=status)
        arrived = received(email._mail(event, Action(), EmailSettings.read(SETTINGS)))
        assert all(address.endswith("@example.com") for address in arrived.recipients)
        assert_harmless_mail(ReceivedMail({"ml-team@example.com"}, arrived.subject, arrived.text, arrived.html))


def test_50_000_random_owners_are_in_allowed_domains_or_left_out() -> None:
    """Each is either a valid address in an allowed domain, or left out with a reason."""
    choose = random.Random(50_000)
    domains = ["example.com", "*.corp.example"]
    parts = ["a@example.com", "b@x.corp.example", "x@evil.example", "a", "evil", "@", "example.com", "exаmple.com"]
    parts += [*" ,;<>[]()\"'%!.\n\x00ü", "=?", "?=", "mailto:"]
    owners = Addressees([Template("{{ data.runTags.owner }}")], domains=domains)
    event, accepted = RunStatusChanged.example(), 0
    for _ in range(50_000):
        owner = "".join(choose.choices(parts, k=choose.randint(1, 9)))
        data = event.data.model_copy(update={"run_tags": Tags(owner=owner)})  # to validate 50,000 events takes a minute
        found = owners.resolve(event.model_copy(update={"data": data}))
        assert found.to or found.left_out or not re.search(r"\w", owner)
        assert len(found.to) <= MAX_RECIPIENTS
        for address in found.to:
            accepted += 1
            assert parse_address(address, trusted=False) == address
            assert is_allowed(address, domains)
    assert accepted > 100
