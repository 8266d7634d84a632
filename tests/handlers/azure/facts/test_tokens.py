"""On a machine without a login, one request for a token in vain is enough for some minutes."""

from threading import Event, Thread
from typing import Any

import pytest
from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError

from handlers.azure.facts.parts import Deadline, NotRead
from handlers.azure.facts.reader import Reader
from handlers.azure.facts.tokens import PAUSE, WAIT, Remembering, tokens_of
from handlers.azure.ml.workspace import AzureML
from tests.handlers.azure.facts.answers import Service

SCOPE = "https://management.azure.com/.default"


class Login:
    """A credential that has tokens while somebody is logged in."""

    def __init__(self) -> None:
        self.exists, self.requests, self.time = False, 0, 0.0
        self.goes_on = Event()
        self.goes_on.set()

    def get_token(self, *_: str, **__: Any) -> AccessToken:
        self.requests += 1
        self.goes_on.wait(60)
        if not self.exists:
            raise ClientAuthenticationError("DefaultAzureCredential failed")
        return AccessToken("token", 4_000_000_000)


@pytest.fixture
def login() -> Login:
    return Login()


@pytest.fixture
def remembering(login: Login) -> Remembering:
    return Remembering(login, lambda: login.time)


def fails(remembering: Remembering, reason: str, scope: str = SCOPE) -> None:
    with pytest.raises(ClientAuthenticationError, match=reason):
        remembering.get_token(scope)


def test_request_in_vain_is_not_repeated_for_a_while(login: Login, remembering: Remembering) -> None:
    fails(remembering, "DefaultAzureCredential failed")
    login.time = PAUSE - 1
    fails(remembering, "run `az login`; it is looked for again in 1 s")
    assert login.requests == 1
    login.time, login.exists = PAUSE, True
    assert remembering.get_token(SCOPE).token == "token"


def test_scopes_are_remembered_apart(login: Login, remembering: Remembering) -> None:
    fails(remembering, "failed")
    fails(remembering, "failed", "https://ml.azure.com/.default")
    assert login.requests == 2


def test_credential_that_has_had_a_token_is_always_asked(login: Login, remembering: Remembering) -> None:
    login.exists = True
    remembering.get_token(SCOPE)
    login.exists = False
    fails(remembering, "DefaultAzureCredential failed")
    login.exists = True
    assert remembering.get_token(SCOPE).token == "token"


def test_requests_at_the_same_time_share_the_first_answer(login: Login, remembering: Remembering) -> None:
    login.exists = True
    login.goes_on.clear()
    tokens: list[AccessToken] = []
    threads = [Thread(target=lambda: tokens.append(remembering.get_token(SCOPE))) for _ in range(3)]
    for thread in threads:
        thread.start()
    login.goes_on.set()
    for thread in threads:
        thread.join(60)
    assert len(tokens) == 3


def test_request_that_does_not_end_is_not_waited_for_again(login: Login, remembering: Remembering) -> None:
    login.goes_on.clear()
    first = Thread(target=fails, args=(remembering, "failed"))
    first.start()
    while not login.requests:
        first.join(0.01)
    login.time = WAIT
    fails(remembering, "run `az login`")
    login.goes_on.set()
    first.join(60)
    assert login.requests == 1


def test_managed_identity_is_always_asked(login: Login, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IDENTITY_ENDPOINT", "http://localhost/token")
    assert tokens_of(login) is login


def test_reader_of_every_message_shares_what_is_remembered(login: Login, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("IDENTITY_ENDPOINT", raising=False)
    service = Service({})
    azureml = AzureML(service.azureml.workspace, service.endpoint, login, service.transport)
    for reason in ("the app has no token: DefaultAzureCredential failed", "the app has no token: run `az login`"):
        with pytest.raises(NotRead, match=reason):
            Reader(azureml, Deadline.after(30)).arm(azureml.path)
    assert login.requests == 1
