"""All settings hold secrets and everything fails, but no log, row, mail or HTTP response reveals a secret."""

import time
from collections.abc import Iterator
from pathlib import Path
from traceback import format_exception
from typing import Any
from uuid import uuid4

import pytest
import requests

from dispatch.app import App
from dispatch.inbox.errors import StorageError
from dispatch.inbox.storage_account import Storage
from dispatch.settings import Environment
from emulator.state.storage_account import KEY
from mlevents.local.app import LocalApp
from mlevents.local.azurite import Azurite
from schemas import RunStatusChanged
from tests.dispatch.inbox.test_errors import do
from tests.kit.acs import Reply, mail_service
from tests.kit.leaky import WAYS
from tests.kit.processes import EXAMPLE, settings_of
from tests.kit.smtp import mail_server
from tests.kit.started import ROOT

pytestmark = pytest.mark.no_cover  # slow under coverage, and other tests cover the same lines

TOKEN = 't0ken-quoted"back\\slash-ümlaut-k3epm3'
PASSWORD = "smtp-p4ssw0rd-k33pm3"
ACS_KEY = "YWNzLWtleS10aGF0LW5vYm9keS1tYXktc2Vl"
URL = "http://hooker:url-p4ssw0rd-k33pm3@127.0.0.1:9/services/T0k33pm3/p4th-s3cr3t-k33pm3?code=c0de%2Fs3cr3t%3Dk33pm3"
SECRETS = (  # a text reveals one if it has eight consecutive characters of it
    't0ken-quoted"back',
    "slash-ümlaut-k3epm3",
    PASSWORD,
    ACS_KEY,
    KEY,
    "url-p4ssw0rd-k33pm3",
    "p4th-s3cr3t-k33pm3",
    "c0de/s3cr3t=k33pm3",
    "c0de%2Fs3cr3t%3Dk33pm3",
)
RULE = """
  - name: leak-NUMBER
    on: RunStatusChanged
    retry: { for: 1s, first_delay: 1s, max_delay: 1s }
    do: tests.kit.leaky:Leaky
    with: { secret: "${RULES_TOKEN}", url: "${RULES_HOOK_URL}", how: HOW }
  - name: log-NUMBER
    after: { rules: leak-NUMBER, outcome: any }
    do: log
    with: { level: error, message: "{{ result.status }} {{ result.summary }} {{ result.details }}" }
"""
DRY = """
  - name: leak-dry
    on: RunStatusChanged
    dry_run: true
    do: tests.kit.leaky:Leaky
    with: { secret: "${RULES_TOKEN}", url: "${RULES_HOOK_URL}", how: returns }
  - name: mail
    on: RunStatusChanged
    retry: { for: 1s, first_delay: 1s, max_delay: 1s }
    do: email
    with: { to: [ml-team@example.com] }
"""
BROKEN = """
rules:
  - name: invalid
    on: RunStatusChanged
    do: tests.kit.leaky:Leaky
    with: { secret: "${RULES_TOKEN}", url: ["${RULES_HOOK_URL}"], how: "${RULES_TOKEN}", more: "${RULES_HOOK_URL}" }
"""


def revealed(text: str) -> set[str]:
    """The pieces of secrets in a text."""
    pieces = {secret[n : n + 8] for secret in SECRETS for n in range(len(secret) - 7)}
    return {piece for piece in pieces if piece in text}


def rows(local: LocalApp) -> str:
    """All rows of the table, as text."""
    with Storage.of(Environment(local.environment)).table(local.environment["MLEVENTS_TABLE"]) as table:
        return "\n".join(f"{name}: {value}" for entity in table.list_entities() for name, value in entity.items())


def responses(local: LocalApp) -> str:
    """All that can be read over HTTP, as text."""
    return "\n".join(
        requests.get(local.url + path, timeout=30).text for path in ("", "/admin/functions", "/admin/host/status")
    )


def post(local: LocalApp, **changes: Any) -> requests.Response:
    event = RunStatusChanged.example(id=uuid4().hex, **changes)
    headers = {"aeg-event-type": "Notification"}
    return requests.post(local.url_of("azureml_event"), json=[event.wire()], headers=headers, timeout=30)


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    folder = tmp_path / "rules"
    folder.mkdir()
    workspaces = (
        'workspaces: { churn-prod: { id: "${RULES_WS_CHURN_PROD}" } }\nalerts: { do: log, with: { level: error } }\n'
    )
    (folder / "workspaces.yaml").write_text(workspaces)
    leaks = (RULE.replace("NUMBER", str(n)).replace("HOW", how) for n, how in enumerate(WAYS))
    (folder / "team.yaml").write_text("rules:" + "".join(leaks) + DRY)
    (folder / "broken.yaml").write_text(BROKEN)
    return folder


@pytest.fixture(params=["smtp", pytest.param("acs", marks=pytest.mark.soak)])
def mail(request: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    """Settings of a mail service that refuses mail, and quotes the credentials in its refusal."""
    if request.param == "smtp":
        with mail_server(login=("mailer", "another")) as server:
            server.replies["AUTH"] = [f"535 5.7.8 mailer has not the password {PASSWORD}"] * 9
            yield {
                "EMAIL_SMTP_HOST": server.host,
                "EMAIL_SMTP_PORT": str(server.port),
                "EMAIL_SMTP_USERNAME": "mailer",
                "EMAIL_SMTP_PASSWORD": PASSWORD,
            }
    else:
        with mail_service() as service:
            refused = {"error": {"code": "Denied", "message": f"the key {ACS_KEY} is not ours"}}
            service.replies[:] = [Reply(401, refused)] * 9
            yield {"EMAIL_SMTP_HOST": "", "EMAIL_ACS_ENDPOINT": service.url, "EMAIL_ACS_KEY": ACS_KEY}


def test_no_failure_reveals_a_secret(azurite: Azurite, rules: Path, mail: dict[str, str]) -> None:
    """Handlers that leak in every way, mail, invalid rules, alerts."""
    settings = settings_of(azurite.connection_string, rules)
    settings |= {"RULES_TOKEN": TOKEN, "RULES_HOOK_URL": URL, **mail}
    settings["AzureFunctionsJobHost__extensions__queues__maxPollingInterval"] = "00:00:00.5"
    with LocalApp(ROOT, settings=settings, settings_file=EXAMPLE, folder=rules.parent, mailbox=False) as local:
        inbox = App.from_settings(local.environment, ROOT).inbox
        answer = post(local)
        assert answer.status_code == 202

        def has_ended() -> bool:
            time.sleep(0.1)  # leaves storage to the app
            records = {id.rule: record for day in inbox.history.days() for id, record in inbox.history.day(day).actions}
            mailing = records.pop("mail", None)
            tried = mailing is not None and (mailing.failures or mailing.ended)
            return bool(tried) and len(records) > 2 * len(WAYS) and all(record.ended for record in records.values())

        local.wait(has_ended, seconds=100)
        local.invoke("sweep")
        texts = {"rows": rows(local), "answers": answer.text + responses(local)}
    texts |= {"lines": "\n".join(local.lines), "records": str(local.records)}
    assert texts["rows"].count("***") > 2 * len(WAYS)
    assert "broken.yaml" in texts["lines"]
    assert {source: revealed(text) for source, text in texts.items()} == {source: set() for source in texts}


@pytest.mark.parametrize("how", ["refused", "unreachable"])
def test_failing_storage_does_not_reveal_its_key(azurite: Azurite, rules: Path, how: str) -> None:
    """The function raises, so that Event Grid delivers again; many people read what it raises."""
    secret = "c3RvcmFnZS1rZXktdGhhdC1ub2JvZHktbWF5LXNlZQ=="
    connection = azurite.connection_string.replace(KEY, secret)
    if how == "unreachable":
        connection = connection.replace(azurite.table_url, "http://127.0.0.1:9/devstoreaccount1")
    settings = settings_of(connection, rules) | {"RULES_TOKEN": TOKEN, "RULES_HOOK_URL": URL}
    with LocalApp(ROOT, settings=settings, settings_file=EXAMPLE, folder=rules.parent, mailbox=False) as local:
        answer = post(local)
        assert answer.status_code == 500
        text = "\n".join([answer.text, responses(local), *local.lines, str(local.records)])
    assert "azureml_event failed" in text
    assert [piece for n in range(len(secret) - 8) if (piece := secret[n : n + 8]) in text] == []
    assert revealed(text) == set()


@pytest.mark.parametrize("call", ["commit", "read", "send"])
def test_failing_storage_does_not_reveal_its_signature(call: str) -> None:
    """A shared access signature is part of every URL, and SDKs print URLs."""
    signature = "s1gnature-k33pm3-0123456789"
    url = "http://127.0.0.1:9/devstoreaccount1"
    account = f"TableEndpoint={url};QueueEndpoint={url};SharedAccessSignature=sv=2024-11-04&ss=qt&sp=rw&sig={signature}"
    with pytest.raises(StorageError) as raised:
        do(call, Storage.of(Environment({"AzureWebJobsStorage": account})))
    assert signature not in "".join(format_exception(raised.value))
