"""Parse mail addresses, mailboxes and domains, and compare domains."""

import pytest

from handlers.email.address import is_allowed, parse_address, parse_domain, parse_mailbox


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
def test_address_is_parsed(text: str, address: str) -> None:
    """Internal domains are valid. The domain is returned as it goes over the wire."""
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
def test_text_that_is_not_one_address_is_an_error(text: str) -> None:
    """The message is short, on one line, and names the text."""
    with pytest.raises(ValueError, match="is not one mail address") as error:
        parse_address(text)
    assert len(str(error.value)) < 500
    assert str(error.value).isprintable()


@pytest.mark.parametrize(
    ("text", "address", "name"),
    [
        ("events@example.com", "events@example.com", ""),
        ("  Azure ML <events@example.com> ", "events@example.com", "Azure ML"),
        ('"Azure ML, prod" <events@example.com>', "events@example.com", "Azure ML, prod"),
        ("<events@example.com>", "events@example.com", ""),
    ],
)
def test_mailbox_is_parsed(text: str, address: str, name: str) -> None:
    mailbox = parse_mailbox(text)
    assert (mailbox.address, mailbox.name) == (address, name)


@pytest.mark.parametrize(
    "text", ["", "Azure ML", "Azure ML <>", "a <b@c.example> d", "a@b.example, c@d.example", "<<x>>"]
)
def test_invalid_mailbox_is_an_error(text: str) -> None:
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
def test_allowed_domain_is_parsed(text: str, domain: str) -> None:
    assert parse_domain(text) == domain


@pytest.mark.parametrize(
    "text", ["", "*", "*.", "@example.com", "a@example.com", "*example.com", "*.*.com", "https://e.com"]
)
def test_invalid_allowed_domain_is_an_error(text: str) -> None:
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
def test_address_is_allowed_in_listed_domains_only(address: str, entry: str, allowed: bool) -> None:
    """A domain allows itself alone, and `*.` every domain below it. Both are compared as they go over the wire."""
    assert is_allowed(parse_address(address), [parse_domain(entry)]) is allowed
