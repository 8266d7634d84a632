"""The tokens of a GitHub App: for one repository and one permission, until shortly before their end."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pydantic import ValidationError

from handlers.base import CheckBack, GiveUp, RetryLater, Succeeded
from handlers.github.app import TOKENS
from tests.handlers.github.conftest import EVENT, MakeCalls
from tests.handlers.github.fake import FakeGitHub, error
from tests.kit.calls import Calls

TOKEN_OF_APP = "POST /app/installations/{installation_id}/access_tokens"


@pytest.fixture(scope="module")
def key() -> RSAPrivateKey:
    """The key of the app."""
    return generate_private_key(65_537, 2_048)


@pytest.fixture
def app(key: RSAPrivateKey, fake: FakeGitHub) -> Iterator[dict[str, str]]:
    """The settings of the app that the fake knows."""
    fake.public_key = key.public_key()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()
    TOKENS.clear()
    yield {"id": "Iv23liApp", "private_key": pem}
    TOKENS.clear()


def later(calls: Calls, **span: int) -> Calls:
    """The same action, later."""
    calls.action = replace(calls.action, now=calls.action.now + timedelta(**span))
    return calls


def test_token_is_narrowed_to_the_repository_and_the_permission(
    app: dict[str, str], calls: MakeCalls, fake: FakeGitHub
) -> None:
    assert isinstance(calls(app=app, event_type="x").next(), Succeeded)
    assert [token["narrowed"] for token in fake.tokens] == [
        {"repositories": ["churn"], "permissions": {"contents": "write"}}
    ]


def test_token_is_used_until_shortly_before_its_end(app: dict[str, str], calls: MakeCalls, fake: FakeGitHub) -> None:
    action = calls(app=app, event_type="x")
    action.next()
    later(action, minutes=54).next()
    assert len(fake.tokens) == 1
    later(action, minutes=2).next()
    assert len(fake.tokens) == 2
    assert len(fake.dispatches) == 3


def test_other_permissions_need_another_token(app: dict[str, str], calls: MakeCalls, fake: FakeGitHub) -> None:
    calls(app=app, event_type="x").next()
    calls(app=app, workflow="w.yml").end()
    assert [token["narrowed"]["permissions"] for token in fake.tokens] == [{"contents": "write"}, {"actions": "write"}]


def test_refused_token_is_renewed(app: dict[str, str], calls: MakeCalls, fake: FakeGitHub) -> None:
    action = calls(app=app, event_type="x")
    action.next()
    fake.faults = [error(401, "Bad credentials")]
    assert isinstance(action.next(), RetryLater)
    assert isinstance(action.next(), Succeeded)
    assert len(fake.tokens) == 2


def test_app_that_is_not_installed_is_retried(app: dict[str, str], calls: MakeCalls, fake: FakeGitHub) -> None:
    fake.faults = [error(404, "Not Found")]
    found = calls(app=app, event_type="x").next()
    assert isinstance(found, RetryLater)
    assert "the GitHub App is not installed for acme/churn" in str(found)


def test_app_without_the_permission_fails(app: dict[str, str], calls: MakeCalls, fake: FakeGitHub) -> None:
    fake.faults = [None, error(422, "The permissions requested are not granted to this installation.")]
    outcome = calls(app=app, event_type="x").next()
    assert isinstance(outcome, GiveUp)
    assert "not granted" in str(outcome)


@pytest.mark.parametrize(("status", "note"), [(404, "the GitHub App is not installed"), (401, "HTTP 401")])
def test_workflow_is_not_taken_for_started_without_a_token(
    status: int, note: str, app: dict[str, str], calls: MakeCalls, fake: FakeGitHub
) -> None:
    action = calls(app=app, workflow="w.yml")
    action.next()
    TOKENS.clear()
    fake.faults = [error(status, "no")]
    assert isinstance(action.next(), CheckBack)
    assert action.notes[-1].startswith(note)
    assert isinstance(action.end(), Succeeded)
    assert len(fake.runs) == 1


def test_limit_of_the_app_is_throttling(app: dict[str, str], calls: MakeCalls, fake: FakeGitHub) -> None:
    fake.faults = [error(429, "secondary rate limit")]
    found = calls(app=app, event_type="x").next()
    assert isinstance(found, RetryLater)
    assert found.throttled


def test_key_may_have_escaped_line_ends(app: dict[str, str], calls: MakeCalls, fake: FakeGitHub) -> None:
    escaped = {**app, "id": "Iv23liApp", "private_key": app["private_key"].replace("\n", "\\n")}
    assert isinstance(calls(app=escaped, event_type="x").next(), Succeeded)


def test_key_that_cannot_be_read_is_found_by_check(app: dict[str, str], calls: MakeCalls, fake: FakeGitHub) -> None:
    broken = {"id": 7, "private_key": "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"}
    action = calls(app=broken, event_type="x")
    assert any("private key of the GitHub App 7 cannot be read" in found.message for found in action.handler.findings())
    assert isinstance(action.next(), GiveUp)
    good = calls(app=app, event_type="x").handler
    assert not any("private key" in found.message for found in good.findings())


def test_key_that_is_no_pem_is_an_error_in_the_rule_that_does_not_show_it(calls: MakeCalls) -> None:
    with pytest.raises(ValidationError, match="private key in PEM") as error:
        calls(app={"id": "7", "private_key": "very-secret"}, event_type="x")
    assert "very-secret" not in str(error.value)
    assert "secret" not in repr(calls(event_type="x").handler) + calls(event_type="x").handler.plan(EVENT)
