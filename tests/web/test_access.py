"""Who may look: on one machine, with a key, signed in with Entra ID, and nobody otherwise."""

import json
from base64 import b64encode
from itertools import product
from typing import Any

import pytest

from tests.kit.world import World
from tests.web.browser import LOCAL, Browser, asking

READER, ROLE = "6f1c2b1e-1111-4222-8333-444455556666", "Events.Reader"
SIGNED_IN = {"MLEVENTS_WEB": "entra", "WEBSITE_AUTH_ENABLED": "True"}
GROUPS, ROLES = "groups", "http://schemas.microsoft.com/ws/2008/06/identity/claims/role"


def principal(*claims: tuple[str, str], **changes: Any) -> dict[str, str]:
    """The headers that App Service adds for a user with these claims."""
    claimed = [{"typ": type, "val": value} for type, value in claims]
    value = {"auth_typ": "aad", "name_typ": "name", "role_typ": "roles", "claims": claimed, **changes}
    header = b64encode(json.dumps(value).encode()).decode()
    return {"x-ms-client-principal": header, "x-ms-client-principal-name": "alice@example.com"}


@pytest.mark.parametrize(
    ("mode", "platform", "header"),
    [*product(["", "key", "entra", "open", "ENTRA"], ["", "True", "False"], [{}, principal()])],
)
def test_nobody_may_look_unless_the_settings_and_the_platform_say_so(
    world: World, mode: str, platform: str, header: dict[str, str]
) -> None:
    """Every combination of the setting, App Service Authentication and the header of a principal."""
    settings = {"MLEVENTS_WEB": mode, "WEBSITE_AUTH_ENABLED": platform}
    with asking(world, **settings) as browser:
        response = browser.ask("", header)
    entra = mode.lower() == "entra" and platform == "True"
    expected = 200 if mode == "key" or (entra and header) else 302 if entra else 404
    assert response.status == expected
    assert (response.body == "") == (expected != 200)


def test_nothing_is_read_for_those_who_may_not_look(world: World) -> None:
    with asking(world) as browser:
        for path in ("", "events", "style.css", "nothing"):
            assert browser.ask(path).status == 404
        assert not hasattr(browser, "counted")  # not even the app was built


def test_those_who_have_not_signed_in_are_sent_to_sign_in(world: World) -> None:
    with asking(world, **SIGNED_IN) as browser:
        response = browser.ask("rules")
    assert response.all_headers["Location"] == "/.auth/login/aad?post_login_redirect_uri=%2Fapi%2Fweb%2Frules"


def test_signing_in_leads_to_no_other_site(world: World) -> None:
    """A path that begins with two slashes would be the name of a host."""
    with asking(world, **SIGNED_IN) as browser:
        browser.origin += "//evil.example"
        assert browser.ask().all_headers["Location"].endswith("redirect_uri=%2Fevil.example%2Fapi%2Fweb")


def test_signed_in_user_is_named(world: World) -> None:
    with asking(world, **SIGNED_IN) as browser:
        assert "Signed in as alice@example.com." in browser.ask("", principal()).body


@pytest.mark.parametrize(
    ("claims", "status"),
    [
        ([], 403),
        ([(GROUPS, "another")], 403),
        ([("name", READER)], 403),
        ([(GROUPS, READER)], 200),
        ([(GROUPS, READER.upper())], 200),
        ([(ROLES, READER)], 200),
        ([("roles", ROLE)], 200),
        ([(GROUPS, "another"), ("roles", ROLE)], 200),
    ],
)
def test_readers_are_in_a_group_or_have_an_app_role(world: World, claims: list[tuple[str, str]], status: int) -> None:
    settings = {**SIGNED_IN, "MLEVENTS_WEB_READERS": f"x, {READER};{ROLE}"}
    with asking(world, **settings) as browser:
        response = browser.ask("", principal(*claims))
    assert response.status == status
    if status == 403:
        assert "MLEVENTS_WEB_READERS" in response.body
        assert "brave_kiwi" not in response.body


def test_role_claim_may_have_another_name(world: World) -> None:
    with asking(world, **SIGNED_IN, MLEVENTS_WEB_READERS="r1") as browser:
        assert browser.ask("", principal(("mine", "r1"), role_typ="mine")).status == 200
        assert browser.ask("", principal(("mine", "r1"), role_typ="other")).status == 403


def test_users_of_other_providers_may_not_look(world: World) -> None:
    """Anybody has an account of some provider."""
    with asking(world, **SIGNED_IN) as browser:
        assert browser.ask("", principal(auth_typ="google")).status == 403


DAMAGED = ["x", "!", "e30=", b64encode(b"[]").decode(), b64encode(b'{"claims": [1]}').decode()]
DAMAGED.append(b64encode(b'{"claims": ' + b"[" * 100_000 + b"]" * 100_000 + b"}").decode())


@pytest.mark.parametrize("header", DAMAGED, ids=range(len(DAMAGED)))
def test_damaged_principal_lets_nobody_in(world: World, header: str) -> None:
    with asking(world, **SIGNED_IN) as browser:
        assert browser.ask("", {"x-ms-client-principal": header}).status == 404


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"MLEVENTS_WEB": "everybody"}, "MLEVENTS_WEB is 'everybody'; write entra or key"),
        ({"MLEVENTS_WEB": "entra"}, "MLEVENTS_WEB is entra, and App Service Authentication is off"),
        ({**SIGNED_IN, "MLEVENTS_WEB_READERS": " , "}, "MLEVENTS_WEB_READERS lists nobody; remove it, or list "),
    ],
)
def test_settings_that_let_nobody_in_are_logged(
    world: World, settings: dict[str, str], reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    with asking(world, **settings) as browser:
        assert browser.ask("", principal()).status == 404
    assert "web.closed" in caplog.text
    assert reason in caplog.text


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://localhost:7071", 200),
        ("http://127.0.0.1:7071", 200),
        ("http://[::1]:7071", 200),
        ("http://192.168.1.7:7071", 404),  # somebody else in the network
        ("http://rebound.example:7071", 404),  # a web site whose name leads to this machine
        ("http://localhost.example:7071", 404),
        ("http://[::1", 404),
    ],
)
def test_on_one_machine_the_loopback_address_is_open(world: World, origin: str, status: int) -> None:
    assert Browser(world, origin=origin).ask().status == status


@pytest.mark.parametrize(
    "changes",
    [
        {"AZURE_FUNCTIONS_ENVIRONMENT": "Production"},
        {"AZURE_FUNCTIONS_ENVIRONMENT": ""},
        {"WEBSITE_HOSTNAME": "my-events.azurewebsites.net"},
        {"WEBSITE_HOSTNAME": ""},
        {"WEBSITE_INSTANCE_ID": "1"},
        {"WEBSITE_HOSTNAME": "my-events.azurewebsites.net", "MLEVENTS_WEB": "key"},  # no host that checks keys
    ],
)
def test_only_the_host_of_one_machine_is_open(world: World, changes: dict[str, str]) -> None:
    """A client can send any name as the host."""
    assert Browser(world, {**LOCAL, **changes}).ask().status == 404
