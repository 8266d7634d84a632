"""What a rule may say to `email`, and who gets the mail then."""

import pytest
from jinja2 import TemplateError
from pydantic import ValidationError

from handlers.base import Action, GiveUp, Succeeded
from handlers.email.address import is_allowed, parse_address, parse_domain, parse_mailbox
from handlers.email.handler import MOST_RECIPIENTS, Email
from handlers.email.recipients import Audience, resolve
from handlers.template import Template
from schemas import Event, RunStatusChanged
from tests.handlers.conftest import SetSettings
from tests.kit.smtp import mail_server

OWNER = "{{ data.runTags.owner | default('') }}"


def event(owner: object) -> Event:
    return RunStatusChanged.example(run_tags={"owner": owner})


def audience(owner: object, *domains: str, to: str = OWNER) -> Audience:
    parts = {"to": [Template(to)], "cc": [], "bcc": []}
    return resolve(parts, [parse_domain(domain) for domain in domains], event(owner))


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("ml-team@example.com", "ml-team@example.com"),
        ("ML.Team+alerts@Example.COM", "ML.Team+alerts@example.com"),
        ("ops@corp.local", "ops@corp.local"),
        ("ops@mail.internal", "ops@mail.internal"),
        ("root@mailhost", "root@mailhost"),
        ("root@localhost", "root@localhost"),
        ("ops@team.test", "ops@team.test"),
        ("ops@bücher.example", "ops@xn--bcher-kva.example"),
        ("ops@xn--bcher-kva.example", "ops@xn--bcher-kva.example"),
        ("o'brien@example.com", "o'brien@example.com"),
        ("route%elsewhere@example.com", "route%elsewhere@example.com"),
    ],
)
def test_an_address(text: str, address: str) -> None:
    """Internal domains are good; the domain is what goes over the wire."""
    assert parse_address(text) == address


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ml-team",
        "@example.com",
        "ml-team@",
        "ml-team@.example.com",
        "ml-team@example..com",
        "ml-team@example.com.",
        "a@b@example.com",
        "a@example.com,b@example.com",
        "a@example.com;b@example.com",
        "a@example.com b@example.com",
        "a@example.com\r\nBcc: b@example.com",
        "a@example.com\n",
        "a\x00@example.com",
        "a@exam\x00ple.com",
        "Ops <ops@example.com>",
        "<ops@example.com>",
        '"quoted name"@example.com',
        "ops(comment)@example.com",
        "mailto:ops@example.com",
        "ops@[127.0.0.1]",
        "ops@127.0.0.1",
        "ops@10",
        "öps@example.com",
        "\u202eops@example.com",
        "ops\u200b@example.com",
        "ops@exam_ple.com",
        "a" * 65 + "@example.com",
        "ops@" + "a" * 64 + ".com",
        "ops@" + "a." * 200 + "com",
        "\ud800@example.com",
        "ops@\ud800.com",
        "x" * 1_000_000 + "@example.com",
        "".join(map(chr, range(0x4E00, 0x9000))) + "@example.com",
    ],
)
def test_no_address(text: str) -> None:
    """Refused with a short reason on one line, which names the text."""
    with pytest.raises(ValueError, match="is not one mail address") as refused:
        parse_address(text)
    assert len(str(refused.value)) < 500
    assert str(refused.value).isprintable()


@pytest.mark.parametrize(
    ("text", "address", "name"),
    [
        ("events@example.com", "events@example.com", ""),
        ("  Azure ML <events@example.com> ", "events@example.com", "Azure ML"),
        ('"Azure ML, prod" <events@example.com>', "events@example.com", "Azure ML, prod"),
        ("<events@example.com>", "events@example.com", ""),
    ],
)
def test_a_mailbox(text: str, address: str, name: str) -> None:
    mailbox = parse_mailbox(text)
    assert (mailbox.address, mailbox.name) == (address, name)


@pytest.mark.parametrize(
    "text", ["", "Azure ML", "Azure ML <>", "a <b@c.example> d", "a@b.example, c@d.example", "<<x>>"]
)
def test_no_mailbox(text: str) -> None:
    with pytest.raises(ValueError, match="mail address"):
        parse_mailbox(text)


@pytest.mark.parametrize(
    ("text", "domain"),
    [
        ("example.com", "example.com"),
        (" Example.COM ", "example.com"),
        ("*.example.com", "*.example.com"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("corp.local", "corp.local"),
    ],
)
def test_a_domain(text: str, domain: str) -> None:
    assert parse_domain(text) == domain


@pytest.mark.parametrize(
    "text", ["", "*", "*.", "@example.com", "a@example.com", "*example.com", "*.*.com", "https://e.com"]
)
def test_no_domain(text: str) -> None:
    with pytest.raises(ValueError, match=r"write example\.com, or \*\.example\.com"):
        parse_domain(text)


@pytest.mark.parametrize(
    ("address", "entry", "allowed"),
    [
        ("a@example.com", "example.com", True),
        ("a@EXAMPLE.com", "example.COM", True),
        ("a@mail.example.com", "example.com", False),
        ("a@mail.example.com", "*.example.com", True),
        ("a@eu.mail.example.com", "*.example.com", True),
        ("a@example.com", "*.example.com", False),
        ("a@badexample.com", "example.com", False),
        ("a@badexample.com", "*.example.com", False),
        ("a@example.com.evil.example", "example.com", False),
        ("a@exаmple.com", "example.com", False),  # a Cyrillic letter
        ("a@xn--exmple-4nf.com", "example.com", False),  # the same, as it goes over the wire
        ("a@ｅxample.com", "example.com", True),  # a full-width letter, which IDNA maps to the plain one
        ("a@bücher.example", "xn--bcher-kva.example", True),
        ("a@xn--bcher-kva.example", "bücher.example", True),
    ],
)
def test_where_mail_may_go(address: str, entry: str, allowed: bool) -> None:
    """A domain is just that domain; `*.` is all below it; both sides are compared as they go over the wire."""
    assert is_allowed(parse_address(address), [parse_domain(entry)]) is allowed


def test_a_recipient_is_one_or_a_list() -> None:
    assert Email(to="a@example.com").to == Email(to=["a@example.com"]).to


@pytest.mark.parametrize("part", ["to", "cc", "bcc"])
def test_a_wrong_constant_is_found_when_the_rules_load(part: str) -> None:
    """The error says which of several."""
    with pytest.raises(ValidationError) as refused:
        Email.model_validate({"to": "a@example.com"} | {part: ["b@example.com", "ml-team@example,com"]})
    [error] = refused.value.errors()
    assert error["loc"] == (part, 1)
    assert "'ml-team@example,com' is not one mail address" in error["msg"]


@pytest.mark.parametrize("given", [{}, {"to": []}, {"to": ""}, {"to": 5}, {"to": [None]}])
def test_somebody_must_be_named(given: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Email.model_validate(given)


def test_a_recipient_from_the_event_needs_allowed_domains() -> None:
    with pytest.raises(ValidationError, match=r"owner.* depends on the event: allowed_domains must say"):
        Email(to=["ml-team@example.com", OWNER])


def test_allowed_domains_hold_for_constants_too() -> None:
    with pytest.raises(ValidationError, match=r"'a@other\.example' is not in allowed_domains \(example\.com\)"):
        Email(to="a@other.example", allowed_domains=["example.com"])


def test_there_are_at_most_as_many_recipients_as_azure_takes() -> None:
    many = [f"a{number}@example.com" for number in range(MOST_RECIPIENTS)]
    assert len(Email(to=many).to) == MOST_RECIPIENTS
    with pytest.raises(ValidationError, match="at most 50"):
        Email(to=many, cc="one-more@example.com")


def test_a_bad_template_is_found_when_the_rules_load() -> None:
    with pytest.raises(ValidationError, match="bad template, line 1"):
        Email(to="a@example.com", subject="{{ data.runId")


def test_an_unknown_key_is_found_when_the_rules_load() -> None:
    with pytest.raises(ValidationError, match="Extra inputs"):
        Email.model_validate({"to": "a@example.com", "subjct": "x"})


def test_the_settings_of_a_rule_survive_json() -> None:
    """Their hash is kept with an action, and tells what changed."""
    email = Email(to=OWNER, allowed_domains="example.com", subject="{{ id }}", html="<p>{{ id }}</p>")
    assert Email.model_validate_json(email.model_dump_json()) == email


@pytest.mark.parametrize("owner", ["a@example.com", " a@example.com\n"])
def test_an_address_from_the_event(owner: str) -> None:
    assert audience(owner, "example.com").to == ("a@example.com",)


@pytest.mark.parametrize("owner", ["", "  ", "\n"])
def test_an_empty_recipient_is_nobody(owner: str) -> None:
    """And nothing to tell of."""
    assert audience(owner, "example.com") == Audience((), (), (), ())


def test_a_missing_tag_is_a_mistake_unless_the_template_says_otherwise() -> None:
    with pytest.raises(TemplateError, match="contact"):
        audience("a@example.com", "example.com", to="{{ data.runTags.contact }}")


@pytest.mark.parametrize(
    "owner",
    [
        "a@example.com, b@example.com",
        "a@example.com;b@example.com",
        "a@example.com b@example.com",
        "a@example.com\nb@example.com",
        "a@example.com\r\nBcc: b@example.com",
        "a@example.com>, <b@example.com",
        "Someone <a@example.com>",
        '"b@evil.example" <a@example.com>',
        "a@evil.example",
        "a@example.com@evil.example",
        "a@sub.example.com",
        "a@example.com.evil.example",
        "a@exаmple.com",
        "b%evil.example@example.com",
        "evil.example!b@example.com",
        "=?utf-8?q?b=40evil.example=2C?=@example.com",
        "a@example.com\x00@evil.example",
        "{{ id }}@evil.example",
        ["a@example.com"],
        {"a": 1},
        7,
        None,
        "x" * 1_000_000,
    ],
)
def test_what_is_not_one_allowed_address_is_left_out_and_named(owner: object) -> None:
    """On one line, shortened."""
    found = audience(owner, "example.com")
    assert found.to == found.cc == found.bcc == ()
    [reason] = found.left_out
    assert reason.startswith(("to: '", 'to: "'))
    assert len(reason) < 500
    assert reason.isprintable()


def test_an_address_is_mailed_once() -> None:
    """Whatever the case of its letters, and wherever it is named first."""
    parts = {
        "to": [Template("a@example.com"), Template(OWNER)],
        "cc": [Template("A@Example.com"), Template("c@example.com")],
        "bcc": [Template("C@example.com")],
    }
    found = resolve(parts, ["example.com"], event("A@EXAMPLE.COM"))
    assert found == Audience(("a@example.com",), ("c@example.com",), (), ())


def test_copies_become_recipients_when_nobody_else_is_left() -> None:
    parts = {"to": [Template(OWNER)], "cc": [Template("c@example.com")], "bcc": []}
    assert resolve(parts, ["example.com"], event("")) == Audience(("c@example.com",), (), (), ())


def test_the_others_get_the_mail_and_the_outcome_names_who_did_not(settings: SetSettings) -> None:
    email = Email(to=["ml-team@example.com", OWNER], allowed_domains=["example.com"])
    with mail_server() as server:
        settings(EMAIL_FROM="events@example.com", EMAIL_SMTP_HOST=server.host, EMAIL_SMTP_PORT=server.port)
        settings(EMAIL_SMTP_SECURITY="none")
        outcome = email.run(event("x@evil.example"), Action())
    assert isinstance(outcome, Succeeded)
    assert outcome.details["left_out"] == "to: 'x@evil.example' is not in allowed_domains (example.com)"
    assert server.taken[0].recipients == ("ml-team@example.com",)


@pytest.mark.parametrize(
    ("owner", "reason"),
    [("x@evil.example", "nobody to mail: to: 'x@evil.example' is not in"), ("", "no recipient for this event")],
)
def test_a_mail_for_nobody_has_failed(settings: SetSettings, owner: str, reason: str) -> None:
    settings(EMAIL_FROM="events@example.com", EMAIL_SMTP_HOST="localhost")
    with pytest.raises(GiveUp, match=reason):
        Email(to=OWNER, bcc="archive@example.com", allowed_domains="example.com").run(event(owner), Action())


def test_the_plan_tells_whom_and_what() -> None:
    """A dry run needs no settings, and sends nothing."""
    email = Email(
        to=["ml-team@example.com", OWNER], cc="c@example.com", allowed_domains="example.com", subject="{{ id }}"
    )
    plan = email.plan(RunStatusChanged.example(id="e1", run_tags={"owner": "x@evil.example"}))
    assert plan == (
        "mail to ml-team@example.com cc c@example.com "
        "(left out: to: 'x@evil.example' is not in allowed_domains (example.com)): 'e1'"
    )


def test_the_plan_for_nobody_says_so() -> None:
    assert Email(to=OWNER, allowed_domains="example.com", subject="s").plan(event("")) == "mail to nobody: 's'"


@pytest.mark.parametrize("part", ["subject", "body", "html", "cc"])
def test_a_mistake_in_any_template_shows_in_the_plan(part: str) -> None:
    """A dry run fails where the real one would."""
    email = Email.model_validate({"to": "a@example.com", "allowed_domains": "example.com", part: "{{ data.nothing }}"})
    with pytest.raises(TemplateError, match="nothing"):
        email.plan(event(""))
