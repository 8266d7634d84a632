"""Tokens of forms, the cookie that is their key, and where a request comes from."""

from datetime import UTC, datetime, timedelta

import pytest

from web.exchange import Request
from web.forgery import LIFETIME, is_same_origin, is_valid, new_secret, secret_of, set_cookie, token

NOW = datetime(2026, 11, 22, 9, tzinfo=UTC)
AZURE, LOCAL = "https://my-events.azurewebsites.net/api/web/pause", "http://localhost:7071/api/web/pause"


def test_token_is_valid_for_its_user_in_its_browser_until_it_ends() -> None:
    secret = new_secret()
    of_alice = token(secret, "alice", NOW)
    assert is_valid(of_alice, secret, "alice", NOW)
    assert is_valid(of_alice, secret, "alice", NOW + LIFETIME)
    assert not is_valid(of_alice, secret, "alice", NOW + LIFETIME + timedelta(seconds=1))
    assert not is_valid(of_alice, secret, "bob", NOW)
    assert not is_valid(of_alice, new_secret(), "alice", NOW)
    end, _, signature = of_alice.partition(".")
    assert not is_valid(f"{int(end) + 1}.{signature}", secret, "alice", NOW)


@pytest.mark.parametrize(
    "text", ["", ".", "1", "x.y", "9" * 13 + ".", "9999999999.", "9999999999.é", "9999999999.\ud800"]
)
def test_other_texts_are_no_tokens(text: str) -> None:
    assert not is_valid(text, new_secret(), "alice", NOW)


def test_token_of_a_browser_without_a_cookie_is_invalid() -> None:
    """Anybody knows the empty key."""
    assert not is_valid(token("", "alice", NOW), "", "alice", NOW)


@pytest.mark.parametrize(
    ("url", "headers", "is_own"),
    [
        (AZURE, {"sec-fetch-site": "same-origin"}, True),
        (AZURE, {"sec-fetch-site": "same-site", "origin": "https://my-events.azurewebsites.net"}, False),
        (AZURE, {"sec-fetch-site": "cross-site"}, False),
        (AZURE, {"sec-fetch-site": "none"}, False),
        (AZURE, {"origin": "https://my-events.azurewebsites.net"}, True),
        (AZURE, {"origin": "http://my-events.azurewebsites.net"}, False),
        (AZURE, {"origin": "https://other.azurewebsites.net"}, False),
        (AZURE, {"origin": "null"}, False),
        (AZURE, {}, False),
        (LOCAL, {"origin": "http://localhost:7071"}, True),
        (LOCAL, {"origin": "http://localhost:8000"}, False),
    ],
)
def test_only_forms_of_the_same_site_are_accepted(url: str, headers: dict[str, str], is_own: bool) -> None:
    assert is_same_origin(Request(url, "pause", headers=headers)) == is_own


def test_cookie_cannot_be_set_or_sent_by_other_sites() -> None:
    secret = new_secret()
    cookie = set_cookie(Request(AZURE), secret)
    assert cookie == f"__Host-mlevents={secret}; Path=/; HttpOnly; SameSite=Strict; Secure"
    assert secret_of(Request(AZURE, headers={"cookie": f"a=b; __Host-mlevents={secret}"})) == secret


def test_cookie_of_one_machine_needs_no_tls() -> None:
    secret = new_secret()
    assert set_cookie(Request(LOCAL), secret) == f"mlevents={secret}; Path=/; HttpOnly; SameSite=Strict"
    assert secret_of(Request(LOCAL, headers={"cookie": f"mlevents={secret}"})) == secret


@pytest.mark.parametrize(
    "cookie", ["", "mlevents", "__Host-mlevents=", "__Host-mlevents=short", "mlevents=" + "a" * 43]
)
def test_other_cookies_are_ignored(cookie: str) -> None:
    assert secret_of(Request(AZURE, headers={"cookie": cookie})) == ""
