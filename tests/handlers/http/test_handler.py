"""`HttpHandler`: what a handler of one's own gets from it."""

from datetime import UTC, datetime
from typing import Any, ClassVar

import pytest
from pydantic import SecretStr, ValidationError

from dispatch.secrets import NO_SECRETS
from emulator.identity.identity import identity_endpoint
from handlers.base import Action, GiveUp, Handler, Outcome, RetryLater, Succeeded
from handlers.errors import classify
from handlers.http.answer import Meaning
from handlers.http.auth import check_secret, entra_bearer, signature
from handlers.http.handler import HttpHandler, checked_headers
from handlers.http.url import Url
from handlers.json_template import JsonTemplate, json_bytes
from mlevents.testing import Answer, RecordingServer
from schemas import Event, RunStatusChanged
from tests.handlers.conftest import SetSettings

EVENT = RunStatusChanged.example(run_id="brave_kiwi")


class Chat(HttpHandler[Event]):
    """What a handler on the base looks like."""

    meanings: ClassVar[tuple[Meaning, ...]] = (
        Meaning(404, GiveUp, "create the channel again", text="no_channel", source="example.com/errors"),
    )

    url: Url
    token: SecretStr = SecretStr("")
    body: JsonTemplate = JsonTemplate({"text": "{{ data.runId }}"})

    def run(self, event: Event, action: Action) -> Outcome:
        headers = {"Authorization": f"Bearer {self.token.get_secret_value()}", "Content-Type": "application/json"}
        answer = self.send("POST", self.url.render(event), headers=headers, body=json_bytes(self.body.render(event)))
        return Succeeded("posted", answer.details)


def chat(url: str, **settings: Any) -> Chat:
    return Chat.model_validate({"url": url, "token": "TOKEN-1234", **settings})


def test_a_handler_states_its_request_and_returns_the_details(monkeypatch: pytest.MonkeyPatch) -> None:
    with RecordingServer(Answer(201, {"id": 7}), https=True) as server:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(server.ca_file))
        outcome = chat(server.url("/hook"), allow_private=True).run(EVENT, Action())
    assert outcome == Succeeded("posted", {"status": "201", "body": '{"id": 7}', "body.id": "7"})
    [request] = server.requests
    assert (request.method, request.path, request.json()) == ("POST", "/hook", {"text": "brave_kiwi"})
    assert request.headers["Authorization"] == "Bearer TOKEN-1234"


def test_ssl_cert_file_names_the_authorities_too(monkeypatch: pytest.MonkeyPatch) -> None:
    with RecordingServer(https=True) as server:
        monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
        monkeypatch.setenv("SSL_CERT_FILE", str(server.ca_file))
        assert isinstance(chat(server.url("/"), allow_private=True).run(EVENT, Action()), Succeeded)


def test_the_meanings_of_a_handler_come_first() -> None:
    with RecordingServer(Answer(404, "no_channel"), Answer(404, "else")) as server:
        handler = chat(server.url("/"), allow_private=True)
        with pytest.raises(GiveUp, match="create the channel again"):
            handler.run(EVENT, Action())
        with pytest.raises(Exception, match="else") as error:
            handler.run(EVENT, Action())
    assert isinstance(classify(error.value), RetryLater)


def test_private_addresses_get_no_request_without_allow_private() -> None:
    with RecordingServer(https=True) as server:
        with pytest.raises(GiveUp, match="allow_private: true"):
            chat(server.url("/")).run(EVENT, Action())
        assert server.requests == []


def test_http_is_refused_as_rules_load() -> None:
    with pytest.raises(ValidationError, match="should begin with https://; http is for private networks"):
        chat("http://example.com/")
    assert chat("http://example.com/", allow_private=True).url.origin == "http://example.com"


def test_check_reports_addresses_and_allow_private() -> None:
    assert [each.message for each in chat("https://10.0.0.1/").findings()] == [
        "no request is sent to 10.0.0.1: it is not an address of the public internet"
    ]
    assert list(chat("https://example.com/").findings()) == []
    [private] = chat("https://10.0.0.1/", allow_private=True).findings()
    assert private.severity == "warning"
    assert "private networks" in private.message
    [_, metadata] = chat("https://169.254.169.254/", allow_private=True).findings()
    assert metadata.severity == "error"


def test_actions_for_one_server_are_throttled_together() -> None:
    assert chat("https://Example.com:8443/a/SECRET").destination(EVENT) == "https://example.com:8443"
    assert HttpHandler.destination(chat("https://example.com"), EVENT) == "https://example.com"


def test_no_text_shows_the_url_or_the_token() -> None:
    handler = chat("https://example.com/T0/SECRETPART1?sig=SECRETPART2")
    for shown in (handler.plan(EVENT), repr(handler), handler.model_dump_json()):
        assert "SECRETPART" not in shown
        assert "TOKEN" not in shown
    secrets = NO_SECRETS.including(handler)
    assert secrets.mask("GET /T0/SECRETPART1?sig=SECRETPART2 with TOKEN-1234") == "GET *** with ***"


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nb", "a\0b", "a\x7fb", "ü", "x" * 8_001])
def test_a_header_cannot_end_its_line(value: str) -> None:
    with pytest.raises(GiveUp, match="the header X-Run would have line ends"):
        checked_headers({"X-Run": value})


@pytest.mark.parametrize("name", ["", "X Y", "X:Y", "X\r\nY", "Ü"])
def test_a_header_has_the_name_of_a_header(name: str) -> None:
    with pytest.raises(ValueError, match="is not the name of a header"):
        checked_headers({name: "a"})


def test_white_space_around_a_header_is_dropped() -> None:
    assert checked_headers({"X-Run": " a\tb\n"}) == {"X-Run": "a\tb"}


@pytest.mark.services
def test_a_token_is_of_the_apps_identity(settings: SetSettings) -> None:
    with identity_endpoint() as identity:
        settings(**identity.settings)
        header = entra_bearer("https://api.fabric.microsoft.com/.default")["Authorization"]
    assert header.startswith("Bearer ")
    assert len(header) > 20


@pytest.mark.parametrize(
    "secret", ["", "whsec_", "not base64!", "whsec_ü", "hunter2 hunter2!!", "whsec_ab-_efgh", "abcde"]
)
def test_a_secret_for_signatures_is_base64(secret: str) -> None:
    with pytest.raises(ValueError, match="should be Base64"):
        check_secret(SecretStr(secret))


@pytest.mark.parametrize("secret", ["whsec_c2VjcmV0", "c2VjcmV0Cg==", "c2VjcmV0Cg", " c2VjcmV0\n"])
def test_a_secret_for_signatures_may_have_no_padding_and_spaces_around_it(secret: str) -> None:
    """A secret that was read from a file ends in a line end."""
    assert signature(b"{}", [check_secret(SecretStr(secret))], "msg", datetime(2026, 12, 1, tzinfo=UTC))


@pytest.mark.parametrize("token", ["", " ", "\n"])
def test_an_empty_secret_is_an_error_in_the_rule(token: str) -> None:
    """Such as an app setting without a value."""
    with pytest.raises(ValidationError, match="is empty: set the app setting"):
        chat("https://example.com", token=token)


def test_roles_are_a_part_of_the_contract() -> None:
    assert Handler.roles == Chat.roles == ()


def test_signature_names_are_lower_case() -> None:
    headers = signature(b"{}", [SecretStr("whsec_c2VjcmV0")], "msg", datetime(2026, 12, 1, tzinfo=UTC))
    assert set(headers) == {"webhook-id", "webhook-timestamp", "webhook-signature"}
