"""The recipients of a mail for one event."""

import pytest
from jinja2 import TemplateError

from handlers.email.address import parse_domain
from handlers.email.recipients import Recipients, resolve
from handlers.template import Template
from schemas import Event, RunStatusChanged

OWNER = "{{ data.runTags.owner | default('') }}"


def event(owner: object) -> Event:
    return RunStatusChanged.example(run_tags={"owner": owner})


def recipients(owner: object, *domains: str, to: str = OWNER) -> Recipients:
    fields = {"to": [Template(to)], "cc": [], "bcc": []}
    return resolve(fields, [parse_domain(domain) for domain in domains], event(owner))


@pytest.mark.parametrize("owner", ["a@example.com", " a@example.com\n"])
def test_recipient_can_come_from_the_event(owner: str) -> None:
    assert recipients(owner, "example.com").to == ("a@example.com",)


@pytest.mark.parametrize("owner", ["", "  ", "\n"])
def test_template_that_renders_to_nothing_is_no_recipient(owner: str) -> None:
    assert recipients(owner, "example.com") == Recipients((), (), (), ())


def test_missing_tag_without_a_default_is_an_error() -> None:
    with pytest.raises(TemplateError, match="contact"):
        recipients("a@example.com", "example.com", to="{{ data.runTags.contact }}")


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
def test_value_that_is_not_one_allowed_address_is_left_out(owner: object) -> None:
    """The reason is short, on one line, and quotes the value."""
    found = recipients(owner, "example.com")
    assert found.to == found.cc == found.bcc == ()
    [reason] = found.left_out
    assert reason.startswith(("to: '", 'to: "'))
    assert len(reason) < 500
    assert reason.isprintable()


def test_duplicate_addresses_get_one_mail() -> None:
    """Letter case does not matter, and the first of `to`, `cc` and `bcc` keeps the address."""
    fields = {
        "to": [Template("a@example.com"), Template(OWNER)],
        "cc": [Template("A@Example.com"), Template("c@example.com")],
        "bcc": [Template("C@example.com")],
    }
    found = resolve(fields, ["example.com"], event("A@EXAMPLE.COM"))
    assert found == Recipients(("a@example.com",), ("c@example.com",), (), ())


def test_cc_moves_to_an_empty_to() -> None:
    fields = {"to": [Template(OWNER)], "cc": [Template("c@example.com")], "bcc": []}
    assert resolve(fields, ["example.com"], event("")) == Recipients(("c@example.com",), (), (), ())
