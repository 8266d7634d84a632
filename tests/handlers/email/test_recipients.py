"""The recipients of a mail for one event."""

import pytest
from jinja2 import TemplateError

from handlers.email.address import parse_domain
from handlers.email.recipients import MAX_RECIPIENTS, Addressees, Recipients, is_trusted
from handlers.template import Template
from schemas import Context, Event, RunStatusChanged

OWNER = "{{ data.runTags.owner | default('') }}"


def event(owner: object) -> Event:
    return RunStatusChanged.example(run_tags={"owner": owner})


def recipients(owner: object, *domains: str, to: str = OWNER) -> Recipients:
    return Addressees([Template(to)], domains=[parse_domain(domain) for domain in domains]).resolve(event(owner))


@pytest.mark.parametrize("owner", ["a@example.com", " a@example.com\n"])
def test_recipient_can_come_from_the_event(owner: str) -> None:
    assert recipients(owner, "example.com").to == ("a@example.com",)


@pytest.mark.parametrize("owner", ["", "  ", "\n"])
def test_template_that_renders_to_nothing_is_no_recipient(owner: str) -> None:
    assert recipients(owner, "example.com") == Recipients(())


def test_missing_tag_without_a_default_is_an_error() -> None:
    with pytest.raises(TemplateError, match="contact"):
        recipients("a@example.com", "example.com", to="{{ data.runTags.contact }}")


@pytest.mark.parametrize(
    "owner",
    [
        "alice",
        "Someone",
        "a@example.com>",
        "<a@example.com",
        "a@evil.example",
        "a@example.com@evil.example",
        "a@sub.example.com",
        "a@example.com.evil.example",
        "a@exаmple.com",
        "b%evil.example@example.com",
        "evil.example!b@example.com",
        "=?utf-8?q?b=40evil.example=2C?=@example.com",
        "a@example.com\x00@evil.example",
        "{{id}}@evil.example",
        {"a": 1},
        7,
        None,
        "x" * 1_000_000,
    ],
)
def test_value_that_is_not_one_allowed_address_is_left_out(owner: object) -> None:
    """The reason is short, on one line, and quotes the value."""
    found = recipients(owner, "example.com")
    assert found.to == found.cc == found.bcc == ()
    [reason] = found.left_out
    assert reason.startswith(("to: '", 'to: "'))
    assert len(reason) < 500
    assert reason.isprintable()


# Several owners in one tag


@pytest.mark.parametrize(
    "owner",
    [
        "a@example.com, b@example.com",
        "a@example.com;b@example.com",
        "a@example.com b@example.com",
        "a@example.com\nb@example.com",
        "a@example.com and <b@example.com>;",
        'Ann <a@example.com>, "Lee, Bob" <b@example.com>',
        ["a@example.com", "Bob <b@example.com>"],
        '["a@example.com", "b@example.com"]',
        "mailto:a@EXAMPLE.com, A@example.com; b@example.com",
    ],
)
def test_a_tag_can_have_several_owners(owner: object) -> None:
    """In order, each once."""
    assert recipients(owner, "example.com") == Recipients(("a@example.com", "b@example.com"))


def test_each_owner_is_checked_on_its_own() -> None:
    """The others get the mail."""
    found = recipients("a@example.com; x@evil.example; bob; b%evil.example@example.com; c@example.com", "example.com")
    assert found.to == ("a@example.com", "c@example.com")
    assert [reason.partition(" is not ")[0] for reason in found.left_out] == [
        "to: 'x@evil.example'",
        "to: 'bob'",
        "to: 'b%evil.example@example.com'",
    ]


def test_line_ends_of_a_tag_add_owners_and_no_headers() -> None:
    found = recipients("a@example.com\r\nBcc: victim@evil.example", "example.com")
    assert found.to == ("a@example.com",)
    assert found.bcc == ()
    assert len(found.left_out) == 2


def test_a_mail_has_at_most_50_recipients_whatever_the_tag_says() -> None:
    owners = ";".join(f"a{number}@example.com" for number in range(MAX_RECIPIENTS + 20))
    found = recipients(owners, "example.com")
    assert len(found.to) == MAX_RECIPIENTS
    assert found.left_out[0] == "to: 'a50@example.com' would be the recipient after the 50th"
    assert len(found.left_out) == 11
    assert found.left_out[-1] == "and 10 more"


@pytest.mark.fuzz
def test_50_000_owners_get_no_mail_and_take_no_time() -> None:
    found = recipients(";".join(f"a{number}@example.com" for number in range(50_000)), "example.com")
    assert found.to == ()
    [reason] = found.left_out
    assert "is not one mail address: it has" in reason


# Fallback


def fallback(owner: object, to: str = OWNER, **more: list[Template]) -> Recipients:
    team = [Template("team@example.com")]
    return Addressees([Template(to)], to_fallback=team, domains=["example.com"], **more).resolve(event(owner))


@pytest.mark.parametrize(
    ("owner", "to", "reason"),
    [
        ("", OWNER, "`to` is empty for this event"),
        ("alice", OWNER, "to: 'alice' is not one mail address"),
        ("x@evil.example", OWNER, "to: 'x@evil.example' is not in allowed_domains (example.com)"),
        ("x", "{{ data.runTags.contact }}", "to: the event has no 'contact' here"),
        (7, "{{ data.runTags.owner[0:2] | join }}", "to: "),
    ],
)
def test_fallback_gets_the_mail_when_nobody_else_is_left(owner: object, to: str, reason: str) -> None:
    found = fallback(owner, to)
    assert found.to == ("team@example.com",)
    assert found.fallback.startswith(f"to_fallback is used: {reason}")


def test_fallback_is_not_used_when_an_owner_is_left() -> None:
    found = fallback("alice; a@example.com")
    assert (found.to, found.fallback) == (("a@example.com",), "")
    assert len(found.left_out) == 1


def test_cc_stays_beside_the_fallback() -> None:
    found = fallback("", cc=[Template("c@example.com"), Template("team@example.com")])
    assert (found.to, found.cc) == (("team@example.com",), ("c@example.com",))


def test_fallback_can_be_empty_too() -> None:
    found = Addressees([Template(OWNER)], to_fallback=[Template(OWNER)], domains=["example.com"]).resolve(event("bob"))
    assert found.to == ()
    assert found.fallback.startswith("to_fallback is used: to: 'bob'")
    assert [reason.partition(":")[0] for reason in found.left_out] == ["to", "to_fallback"]


# Recipients from workspaces.yaml


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("a@example.com", True),
        ("{{ workspace.labels.mail }}", True),
        ("{{ Workspace.Labels['mail'] | lower }}@example.com", True),
        ("{% set team = workspace.labels.team %}{{ team }}@example.com", True),
        ("{% for name in workspace.labels.mails | split(' ') %}{{ name }}; {% endfor %}", True),
        ("{{ data.runTags.owner }}", False),
        ("{{ workspace.labels.mail | default(data.runTags.owner) }}", False),
        ("{{ workspace.labels[data.runTags.team] }}", False),
        ("{% if data.runStatus == 'x' %}{{ workspace.labels.mail }}{% endif %}", False),
        ("{{ result.details.owner }}", False),
        ("{{ object }}", False),
    ],
)
def test_recipients_of_the_workspace_file_are_trusted(template: str, expected: bool) -> None:
    """Those in which data of an event takes part are not."""
    assert is_trusted(Template(template)) is expected


def test_labels_need_no_allowed_domains() -> None:
    workspace = {"name": "churn-prod", "labels": {"mail": "a@x.example; b@y.example"}}
    context = Context(event("x"), workspace).event_for_handler()
    found = Addressees([Template("{{ workspace.labels.mail }}")]).resolve(context)
    assert found == Recipients(("a@x.example", "b@y.example"))


# Fields


def test_duplicate_addresses_get_one_mail() -> None:
    """Letter case does not matter, and the first of `to`, `cc` and `bcc` keeps the address."""
    found = Addressees(
        [Template("a@example.com"), Template(OWNER)],
        [Template("A@Example.com"), Template("c@example.com")],
        [Template("C@example.com")],
        domains=["example.com"],
    ).resolve(event("A@EXAMPLE.COM"))
    assert found == Recipients(("a@example.com",), ("c@example.com",))


def test_cc_moves_to_an_empty_to() -> None:
    found = Addressees([Template(OWNER)], [Template("c@example.com")], domains=["example.com"]).resolve(event(""))
    assert found == Recipients(("c@example.com",))


def test_replies_may_go_to_a_recipient() -> None:
    found = Addressees([Template(OWNER)], reply_to=[Template(OWNER)], domains=["example.com"])
    assert found.resolve(event("a@example.com")) == Recipients(("a@example.com",), reply_to=("a@example.com",))
    assert found.resolve(event("bob")).left_out[-1].startswith("reply_to: 'bob' is not one mail address")
