"""Secrets appear neither in the inbox nor in the log, whatever a handler's libraries put into errors."""

import json
from base64 import b64encode, urlsafe_b64encode
from dataclasses import replace
from pathlib import Path

import pytest
import requests
from pydantic import BaseModel, SecretBytes, SecretStr

from dispatch.act import act
from dispatch.receive import receive
from dispatch.rules import load
from dispatch.rules.rule import Rules
from dispatch.secrets import Secrets
from handlers.base import Action, GiveUp, Handler, Outcome, RetryLater, Skipped, Succeeded
from handlers.http.url import Url
from schemas import Event, RunStatusChanged
from schemas.errors import printable
from tests.kit.world import SETTINGS, World, rule, rules

URL = "https://user:pa55word-long@chat.invalid/services/T0123456/B0123456/s3cr3ts3cr3t?sig=abc%2Bdef%3D0123"
PARTS = (URL, "s3cr3ts3cr3t", "abc%2Bdef%3D0123", "abc+def=0123", "pa55word-long", "T0123456")


class Leaking(Handler[Event]):
    """A handler that puts its secret into every kind of outcome and error."""

    url: SecretStr
    how: str

    def run(self, event: Event, action: Action) -> Outcome:
        url = self.url.get_secret_value()
        match self.how:
            case "succeed":
                return Succeeded(f"posted to {url}", {"where": url, url: "there"})
            case "skip":
                return Skipped(f"nobody at {url}")
            case "give up":
                raise GiveUp(f"rejected by {url}")
            case "retry":
                raise RetryLater(f"busy: {url}")
            case "http":
                answer = requests.Response()
                answer.status_code, answer.url = 400, url
                answer.raise_for_status()
        requests.get(url, timeout=0.01)
        raise AssertionError


@pytest.mark.parametrize("how", ["succeed", "skip", "give up", "retry", "http", "connect"])
def test_a_handler_s_secret_is_in_no_row_and_no_log(how: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Nor are the secret parts of a URL, since libraries do not always print all of it."""
    world = World("", tmp_path)
    folder = tmp_path / "rules"
    (folder / "team.yaml").write_text(
        rules(
            "  - name: leak\n    on: RunStatusChanged\n    retry: { for: 1m }\n"
            f"    do: {__name__}:Leaking\n    with: {{ url: '{URL}', how: {how} }}\n"
        )
    )
    world.loaded = load(folder, SETTINGS)
    assert world.loaded.errors == ()
    world.receive(RunStatusChanged.example())
    world.run()
    assert world.actions["leak"].ended
    rows = str([row.values for row in world.table.read("2026-11-22", "", "~")])
    for secret in PARTS:
        assert secret not in rows
        assert secret not in caplog.text
    assert "***" in rows


class Nested(BaseModel):
    inner: list[SecretStr] | dict[str, SecretBytes]


@pytest.mark.parametrize("value", [{"inner": ["topsecret"]}, {"inner": {"a": b"topsecret"}}])
def test_secrets_are_found_in_nested_fields(value: dict[str, object]) -> None:
    secrets = Secrets().including(Nested.model_validate(value))
    assert secrets.mask("is topsecret, is") == "is ***, is"


@pytest.mark.parametrize("where", ["matching", "following", "workspace"])
def test_the_traceback_of_a_defect_contains_no_secret(
    where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A library may put one into its exception."""
    world = World(rules(rule("ring")), tmp_path)
    app = replace(world.app, secrets=Secrets.of_settings({"MAIL_PASSWORD": "open-sesame"}))

    def broken(*_: object) -> None:
        raise LookupError("with open-sesame")

    monkeypatch.setattr(Rules, where, broken)
    receive(json.dumps(RunStatusChanged.example().wire()), app)
    world.queue.drain(lambda message: act(message, app))
    assert "LookupError" in caplog.text
    assert "open-sesame" not in caplog.text


@pytest.mark.parametrize("end", ["\n", "\r", "\x85", "\u2028", "\x0b", "\x1b[2K", "\u202e"])
def test_text_of_an_event_cannot_forge_a_log_record(end: str, caplog: pytest.LogCaptureFixture) -> None:
    """Neither its id nor the text of an exception; the traceback keeps its lines."""
    forged = f"e1{end}2026-11-22 INFO mlevents action.settled status=succeeded"
    try:
        raise LookupError(forged)
    except LookupError as error:
        Secrets().log_defect(f"rule ring on event {forged}", error)
    first, *rest = caplog.records[0].getMessage().split("\n")
    assert first == f"rule ring on event {printable(forged)}"
    assert rest[0] == "  | Traceback (most recent call last):"
    assert all(line.startswith("  | ") and line.isprintable() for line in rest)
    assert len(rest) == (5 if end == "\n" else 4)


def test_settings_with_secret_names_are_masked() -> None:
    """Of a connection string, the key is masked."""
    key = "Zm9vYmFyZm9vYmFyZm9vYmFy=="
    secrets = Secrets.of_settings(
        {
            "AzureWebJobsStorage": f"DefaultEndpointsProtocol=https;AccountName=churn;AccountKey={key};TableEndpoint=x",
            "EMAIL_SMTP_PASSWORD": "pass phrase",
            "EMAIL_ACS_KEY": "a/b+c",
            "RULES_API_TOKEN": "5up3r-53cr3t",
            "RULES_TEAM": "not-masked",
            "EMAIL_FROM": "ml@example.com",
        }
    )
    text = f"{key} 'pass phrase' pass+phrase a%2Fb%2Bc 5up3r-53cr3t not-masked ml@example.com churn"
    assert secrets.mask(text) == "*** '***' *** *** *** not-masked ml@example.com churn"


@pytest.mark.parametrize(
    "name",
    [
        "AZURE_TOKEN_CREDENTIALS",
        "AzureWebJobsSecretStorageType",
        "TOKENIZERS_PARALLELISM",
        "PWD",
        "OLDPWD",
        "SSH_ASKPASS",
        "AZURE_FEDERATED_TOKEN_FILE",
        "AzureWebJobsStorage__accountName",
        "EMAIL_FROM",
    ],
)
def test_an_ordinary_setting_is_not_masked(name: str) -> None:
    """A shell's folder occurs in ARM ids and in tracebacks."""
    secrets = Secrets.of_settings({name: "/workspaces"})
    assert secrets.mask("azureml:/workspaces/churn-prod") == "azureml:/workspaces/churn-prod"


@pytest.mark.parametrize(
    "name",
    [
        "IDENTITY_HEADER",
        "SQLAZURECONNSTR_main",
        "CUSTOMCONNSTR_x",
        "POSTGRESQLCONNSTR_x",
        "DB_PWD",
        "BLOB_SAS",
        "SMTP_PASS",
        "WEBSITE_AUTH_ENCRYPTION_KEY",
        "MSI_SECRET",
        "api_key",
        "API_KEY_2",
        "MyDb__Password",
        "GITHUB_TOKEN",
        "APPLICATIONINSIGHTS_CONNECTION_STRING",
        "WEBSITE_CONTENTAZUREFILECONNECTIONSTRING",
        "WEBSITE_RUN_FROM_PACKAGE",
    ],
)
def test_a_setting_that_azure_or_a_library_keeps_secret_is_masked(name: str) -> None:
    assert Secrets.of_settings({name: "5up3r/53cr3t"}).mask("got 5up3r/53cr3t") == "got ***"


@pytest.mark.parametrize("value", ["true", "prod", "files", "Production", "development", "disabled", "None"])
def test_a_plain_word_is_not_masked(value: str) -> None:
    """It also occurs in paths and names, whatever its setting is called."""
    assert Secrets.of_settings({"FEATURE_KEY": value}).mask(f"churn-{value}/x") == f"churn-{value}/x"


def test_ordinary_parts_of_a_secret_url_are_not_masked() -> None:
    """They occur in every ARM id; the secret parts do not."""
    url = (
        "https://prod-1.logic.invalid/workflows/0123456789abcdef/triggers/manual?api-version=2016-06-01&sig=Ab-cd_efgh1"
    )
    secrets = Secrets.of_settings({"HOOK_SECRET": url})
    text = "/providers/Microsoft.Logic/workflows/x/triggers/y?api-version=2016-06-01"
    assert secrets.mask(text) == text
    assert secrets.mask("workflows/0123456789abcdef Ab-cd_efgh1") == "workflows/*** ***"
    plain = Secrets.of_settings({"HOOK_SECRET": "https://x.invalid/workspaces/models?code=open-sesame"})
    assert plain.mask("/workspaces/models/1 open-sesame") == "/workspaces/models/1 ***"


def test_a_secret_of_three_characters_is_not_masked() -> None:
    """It would mask parts of ordinary words. Nor is the connection string of Azurite a secret."""
    settings = {"EMAIL_SMTP_PASSWORD": "the", "AzureWebJobsStorage": "UseDevelopmentStorage=true"}
    assert Secrets.of_settings(settings).texts == ()


class Calling(BaseModel):
    url: Url


@pytest.mark.parametrize(
    "url",
    [
        "https://example.atlassian.net/rest/api/2/issue",
        "https://events.example.com/v2/enqueue?source=azureml",
        "https://example.com/teams/{{ workspace.labels.team }}/runs?run={{ data.runId }}",
        "https://example.com",
    ],
)
def test_a_url_of_a_rule_without_a_secret_part_is_not_masked(url: str) -> None:
    """Links in the answers of a service begin with it, and rules that follow read them."""
    assert Secrets().including(Calling(url=url)).texts == ()


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/services/T0123456",
        "https://example.com/hook?5up3r53cr3t",
        "https://example.com/hook?code=5up3r53cr3t=",
        "https://example.com/hook/{{ data.runId }}5up3r53cr3t{{ data.runId }}",
    ],
)
def test_a_url_of_a_rule_with_a_secret_part_is_masked(url: str) -> None:
    assert url in Secrets().including(Calling(url=url)).texts


@pytest.mark.parametrize("text", ["got '{}…'; try again", "{}…", "a… {}… b…"])
def test_a_secret_that_is_cut_off_is_masked_wherever_the_text_was_shortened(text: str) -> None:
    secrets = Secrets.of_settings({"API_TOKEN": "5up3r-53cr3t-t0k3n"})
    assert secrets.mask(text.format("5up3r-53")) == text.format("***")


PASSWORD = "S3cr3t/Pa55+word?"
DATABASE = "postgresql://me:p%40ss%2Fw0rd-1@db.example.com:5432/db?sslmode=require"
KEY_LINES = [b64encode(bytes([n]) * 48).decode() for n in range(65, 75)]
PEM = "\n".join(["-----BEGIN PRIVATE KEY-----", *KEY_LINES, "-----END PRIVATE KEY-----"])


@pytest.mark.parametrize("user", ["u", "us", "user"])
def test_a_secret_is_masked_in_base64_with_any_text_around_it(user: str) -> None:
    """Such as the header of Basic authentication."""
    secrets = Secrets.of_settings({"DB_PASSWORD": PASSWORD, "DB_CONNECTION_STRING": DATABASE})
    for secret in (PASSWORD, "p@ss/w0rd-1"):
        for encode in (b64encode, urlsafe_b64encode):
            text = encode(f"{user}:{secret}".encode()).decode()
            left = secrets.mask(f"Authorization: Basic {text}").partition("Basic ")[2]
            assert "***" in left
            assert len(left.replace("***", "").rstrip("=")) <= len(user) * 8 // 6 + 4


@pytest.mark.parametrize("glue", ["", " ", "\r\n", "\n    ", "\\n", "\\\\n"])
def test_each_line_of_a_private_key_is_masked(glue: str) -> None:
    secrets = Secrets.of_settings({"SIGNING_KEY": PEM})
    for text in (PEM.replace("\n", glue), *KEY_LINES, f"{KEY_LINES[3][:40]}…"):
        assert not any(line[:30] in secrets.mask(text) for line in KEY_LINES)
    assert secrets.mask("-----BEGIN PRIVATE KEY----- is missing") == "-----BEGIN PRIVATE KEY----- is missing"


@pytest.mark.parametrize(
    ("setting", "value", "text"),
    [
        ("DB_CONNECTION_STRING", DATABASE, "p@ss/w0rd-1"),
        ("DB_CONNECTION_STRING", DATABASE, "p%40ss%2fw0rd-1"),
        ("DB_CONNECTION_STRING", "Server=x;Uid=me;Pwd=Sup3rS3cret99;", "Sup3rS3cret99"),
        ("STORE_SAS", "https://a.example/c?sig=abcDEF%2B123%2Fxyz789%3D&se=2030", "abcDEF%2B123%2Fxyz789%3D"),
        ("STORE_SAS", "https://a.example/c?sig=abcDEF%2B123%2Fxyz789%3D&se=2030", "abcDEF%2b123%2fxyz789%3d"),
        ("AzureWebJobsStorage", "AccountName=a;AccountKey=Zm9vYmFyYmF6cXV4Zm9v==", "Zm9vYmFyYmF6cXV4Zm9v"),
        ("BUS_CONNECTION_STRING", "SharedAccessKey=QUJ/REVG+0hJSktM==", "QUJ%2FREVG%2B0hJSktM%3D%3D"),
        ("A_CONNECTION_STRING", "BlobEndpoint=x;SharedAccessSignature=sv=1&sig=QUJ%2BREVG%3D&se=2", "QUJ%2BREVG%3D"),
        ("A_CONNECTION_STRING", "BlobEndpoint=x;SharedAccessSignature=sv=1&sig=QUJ%2BREVG%3D&se=2", "QUJ+REVG="),
        ("APP_SECRET", '{"tenant": "t", "client_secret": "abc~DEF-12345678"}', "abc~DEF-12345678"),
        ("DB_PASSWORD", "a/b+c=pass", "a/b%2Bc%3Dpass"),
        ("DB_PASSWORD", 'a"ü\\pass', json.dumps(json.dumps('a"ü\\pass', ensure_ascii=False)[1:-1])[1:-1]),
        ("DB_PASSWORD", "a<b>&'\"pass", "a&lt;b&gt;&amp;&#39;&#34;pass"),
        ("DB_PASSWORD", "a<b>&'\"pass", "a&lt;b&gt;&amp;&#x27;&quot;pass"),
    ],
)
def test_other_spellings_of_a_secret_part_are_masked(setting: str, value: str, text: str) -> None:
    assert Secrets.of_settings({setting: value}).mask(f"refused {text} at the door") == "refused *** at the door"
