"""`mlevents doctor --storage`: access tried on Azurite and on a service that refuses, and what the record says."""

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError

from dispatch.inbox import storage_account
from dispatch.inbox.storage_account import Storage
from dispatch.settings import Environment
from dispatch.sweep import sweep
from mlevents.doctor import activity, storage
from mlevents.doctor.diagnosis import Diagnosis
from mlevents.record import Record, open_record
from mlevents.subscriptions.model import CONTAINER
from mlevents.testing import Answer, RecordingServer
from schemas import ModelRegistered, RunStatusChanged
from tests.kit.world import rule
from tests.mlevents.commands.deployed import Deployed
from tests.mlevents.doctor.project import bad

NOW = datetime(2026, 11, 22, 9, tzinfo=UTC)


@pytest.fixture
def record(deployed: Deployed) -> Record:
    return open_record(deployed.folder)


@pytest.fixture
def containers(record: Record) -> Iterator[None]:
    """The container for dead letters, empty, and no containers of hosts."""
    for name in (CONTAINER, storage.HOSTS):
        with record.storage.container(name) as container, suppress(Exception):
            container.delete_container()
    with record.storage.container(CONTAINER) as container:
        container.create_container()
        yield
        container.delete_container()


def create(deployed: Deployed) -> None:
    """The queues and the table, as infra/ creates them."""
    account = Storage.of(Environment(deployed.settings))
    names = open_record(deployed.folder).names
    for name in (names.events, f"{names.events}-poison", names.actions, f"{names.actions}-poison"):
        with account.queue(name) as queue, suppress(Exception):
            queue.create_queue()
    with account.table(names.table) as table:
        table.create_table()


@pytest.mark.usefixtures("containers")
def test_access_is_tried_without_leaving_anything(deployed: Deployed, record: Record) -> None:
    create(deployed)
    found = list(storage.check(record, lambda: datetime.now(UTC)))
    assert bad(found) == []
    assert [each.what for each in found] == [
        "rows can be read, written and deleted",
        "messages can be peeked at, sent and deleted",
        "none wait",
        "it agrees with the storage service's to 10 s",
    ]
    with record.storage.table(record.names.table) as table:
        assert list(table.list_entities()) == []
    with record.storage.queue(record.names.actions) as queue:
        assert queue.get_queue_properties().approximate_message_count == 0


def test_what_does_not_exist_yet_is_no_error_of_access(record: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "is_local_url", lambda _: False)
    found = bad(list(storage.check(record, lambda: datetime.now(UTC))))
    assert [text.partition(": ")[2].partition(":")[0] for text in found][:1] == ["there is no table yet"]
    assert any("these queues do not exist yet" in text for text in found)
    assert any("there is no container deadletter" in text for text in found)


def test_queues_and_dead_letters_of_azure_are_not_missed_on_this_machine(record: Record) -> None:
    found = [each for each in storage.check(record, lambda: datetime.now(UTC)) if each.severity != "ok"]
    assert [each.what for each in found] == [each.what for each in found if "there is no table yet" in each.what]


@pytest.mark.usefixtures("containers")
def test_dead_letters_and_other_apps_are_found(record: Record) -> None:
    with record.storage.container(CONTAINER) as container:
        container.upload_blob("SUB/2026/11/22/8/a.json", b"[]")
    with record.storage.container(storage.HOSTS) as hosts:
        hosts.create_container()
        for name in ("mine", "theirs"):
            hosts.upload_blob(f"locks/{name}/host", b"")
    found = bad(list(storage.check(record, lambda: datetime.now(UTC), "mine")))
    assert any("1 blobs with events that Event Grid could not deliver wait" in text for text in found)
    assert any("function apps share this storage account: theirs" in text for text in found)


def refusing(status: int, code: str) -> RecordingServer:
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>no</Message></Error>"
    return RecordingServer(Answer(status, body, headers={"x-ms-error-code": code}), https=True)


class Login:
    def get_token(self, *_: str, **__: object) -> AccessToken:
        return AccessToken("token", 2**33)

    def get_token_info(self, *_: str, **__: object) -> None:
        raise AssertionError


class NoLogin:
    def get_token(self, *_: str, **__: object) -> AccessToken:
        raise ClientAuthenticationError("no login")


def with_identity(deployed: Deployed, server: RecordingServer, monkeypatch: pytest.MonkeyPatch) -> list[Diagnosis]:
    """What is found in an account whose services are at a server."""
    settings = {name: value for name, value in deployed.settings.items() if name != "AzureWebJobsStorage"}
    for kind in ("blob", "queue", "table"):
        settings[f"AzureWebJobsStorage__{kind}ServiceUri"] = server.url(f"/{kind}")
    deployed.settings = settings
    deployed.save()
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    return list(storage.check(open_record(deployed.folder), lambda: datetime.now(UTC)))


@pytest.mark.services
def test_missing_roles_are_named(deployed: Deployed, monkeypatch: pytest.MonkeyPatch) -> None:
    login = type("Login", (), {"get_token": Login.get_token})
    monkeypatch.setattr(storage_account, "credential", lambda *_: login())
    with refusing(403, "AuthorizationPermissionMismatch") as server:
        found = with_identity(deployed, server, monkeypatch)
    errors = [each for each in found if each.severity == "error"]
    assert [each.what.rpartition(": ")[2] for each in errors] == ["AuthorizationPermissionMismatch (HTTP 403)"] * 3
    assert [each.to_do.partition(" (")[0] for each in errors] == [
        "get the role Storage Table Data Contributor",
        "get the role Storage Queue Data Contributor",
        "get the role Storage Blob Data Reader",
    ]


@pytest.mark.services
def test_missing_login_and_other_errors_are_reported(deployed: Deployed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage_account, "credential", lambda *_: NoLogin())
    with refusing(409, "AccountIsDisabled") as server:
        found = with_identity(deployed, server, monkeypatch)
        assert [each.to_do.partition(";")[0] for each in found] == ["log in with `az login`"]
        login = type("Login", (), {"get_token": Login.get_token})
        monkeypatch.setattr(storage_account, "credential", lambda *_: login())
        found = with_identity(deployed, server, monkeypatch)
        assert any("look at the account in the portal" in each.to_do for each in found)


def test_account_that_cannot_be_reached_is_reported(deployed: Deployed) -> None:
    """Here, its tables only: each service may have a private endpoint of its own."""
    connection = deployed.settings["AzureWebJobsStorage"]
    found = re.search(r"TableEndpoint=http://127.0.0.1:[0-9]+/", connection)
    assert found
    deployed.settings["AzureWebJobsStorage"] = connection.replace(found[0], "TableEndpoint=http://127.0.0.1:9/")
    deployed.save()
    code, out = deployed.run("doctor", "--storage")
    assert code == 1
    assert "cannot be reached" in out
    assert "is `mlevents start` running?" in out


@pytest.mark.parametrize(
    ("date", "found"),
    [
        ("Sun, 22 Nov 2026 09:00:00 GMT", []),
        ("Sun, 22 Nov 2026 09:00:40 GMT", ["warning x: the clock of this machine differs from the service's by 39 s"]),
        ("Sun, 22 Nov 2026 08:00:00 GMT", ["error x: the clock of this machine differs from the service's by 3599 s"]),
        ("", ["warning x: the storage service did not say what time it is"]),
    ],
)
def test_clocks_are_compared(date: str, found: list[str]) -> None:
    assert bad(list(storage.compared(date, NOW, timedelta(seconds=1), "x"))) == found


# --- what the record says ---------------------------------------------------------------------------------------------


def test_work_that_waits_and_the_last_events_are_shown(deployed: Deployed) -> None:
    deployed.rules(rule("mail", "retry the server is down"), rule("wait", "wait 3000", on="ModelRegistered"))
    now = datetime.now(UTC)
    old = (now - timedelta(days=20)).isoformat()
    deployed.receive(RunStatusChanged.example(event_time=now.isoformat()))
    deployed.work()
    sweep(deployed.app)
    found = list(activity.check(open_record(deployed.folder)))
    texts = [f"{each.severity} {each.what}" for each in found]
    assert any(text.startswith("error 1 action is retried without success") for text in texts)
    assert any(text.startswith("ok 1 actions are open, the oldest for ") for text in texts)
    assert f"ok the last event of churn-prod is of {now:%Y-%m-%d}" in texts
    assert "warning no event of churn-dev is indexed in 90 days" in texts
    deployed.receive(ModelRegistered.example(topic=deployed.settings["RULES_WS_CHURN_DEV"], event_time=old))
    sweep(deployed.app)
    assert f"warning the last event of churn-dev is of {old[:10]}" in bad_texts(deployed)


def bad_texts(deployed: Deployed) -> list[str]:
    return [f"{each.severity} {each.what}" for each in activity.check(open_record(deployed.folder))]


def test_pauses_failures_and_late_work_are_warnings(deployed: Deployed, monkeypatch: pytest.MonkeyPatch) -> None:
    deployed.rules(rule("mail", "give-up broken"), rule("wait", "wait 86400"))
    deployed.receive(RunStatusChanged.example(event_time=datetime.now(UTC).isoformat()))
    deployed.work()
    sweep(deployed.app)
    deployed.run("pause", "mail")
    texts = bad_texts(deployed)
    assert any(text.startswith("warning mail: paused by") for text in texts)
    assert "warning 1 actions have failed today" in texts
    monkeypatch.setattr(activity, "_LATE", timedelta())
    [late] = [text for text in bad_texts(deployed) if "the oldest for" in text]
    assert late.startswith("warning 1 actions are open")
    assert late.endswith("wait, waiting: call 1")


def test_app_without_open_work_is_well(deployed: Deployed) -> None:
    sweep(deployed.app)
    assert "ok no action is open" in bad_texts(deployed)


def test_storage_is_part_of_the_whole_report(deployed: Deployed) -> None:
    sweep(deployed.app)
    code, out = deployed.run("doctor", "--storage", "--json")
    groups = {each["group"] for each in json.loads(out)["diagnoses"]}
    assert code == 1  # the folder is no whole project
    assert groups >= {"storage", "clock", "dead letters", "work", "events"}
