"""`LocalApp`, with which tests and the demo run the app: it starts its own Azurite and mailbox."""

import json
import os
import smtplib
from pathlib import Path

import pytest
import requests
from azure.storage.queue import QueueClient

from emulator.ports import PortTaken
from mlevents.local.app import LocalApp
from mlevents.local.azurite import Azurite
from tests.mlevents.conftest import APPS, NEVER, Notes

pytestmark = pytest.mark.services

SETTINGS = {
    "AzureWebJobsStorage": "UseDevelopmentStorage=true",
    "EMAIL_SMTP_HOST": "localhost",
    "EMAIL_SMTP_PORT": "1025",
    "WORK": "work",
    "TICKS": NEVER,
}


def test_local_app_starts_storage_and_a_mailbox_on_free_ports(tmp_path: Path, notes: Notes) -> None:
    settings = SETTINGS | {"NOTES": str(notes.path)}
    with LocalApp(APPS / "triggers", settings=settings, folder=tmp_path) as local:
        assert local.connection_string.startswith("DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;")
        with QueueClient.from_connection_string(local.connection_string, "work") as queue:
            queue.create_queue()
            queue.send_message("YWJj")
            local.wait(lambda: notes("worked"))
        port = int(local.environment["EMAIL_SMTP_PORT"])
        with smtplib.SMTP(local.environment["EMAIL_SMTP_HOST"], port, timeout=10) as client:
            client.sendmail("a@example.com", ["b@example.com"], "Subject: hello\r\n\r\nthere\r\n")
        (mail,) = local.wait(lambda: local.mails)
        assert (mail.subject, mail.path.parent) == ("hello", tmp_path / "mails")
        local.invoke("where", json.dumps({"id": "1"}))
    environment = notes("where")[0]["environment"]
    assert environment["EMAIL_SMTP_PORT"] == str(port)
    assert environment["AzureWebJobsStorage"] == local.connection_string
    assert [path.name for path in tmp_path.iterdir()] == ["mails"] or notes.path.parent == tmp_path
    assert not (tmp_path / "azurite").exists()


def test_settings_of_local_app_override_the_environment_and_the_file(
    azurite: Azurite, tmp_path: Path, notes: Notes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FROM_ENVIRONMENT", "environment")
    monkeypatch.setenv("OVERRIDDEN", "environment")
    file = tmp_path / "settings.json"
    values = {"FROM_FILE": "file", "OVERRIDDEN": "file", "AzureWebJobsStorage": azurite.connection_string}
    file.write_text(json.dumps({"IsEncrypted": False, "Values": values}))
    settings = {"NOTES": str(notes.path), "WORK": "local-app", "TICKS": NEVER, "OVERRIDDEN": "argument"}
    with LocalApp(APPS / "triggers", settings=settings, settings_file=file, folder=tmp_path) as local:
        local.invoke("where", json.dumps({"id": "1"}))
    environment = notes("where")[0]["environment"]
    names = ("FROM_ENVIRONMENT", "FROM_FILE", "OVERRIDDEN")
    assert [environment[name] for name in names] == ["environment", "file", "argument"]
    assert "FROM_FILE" not in os.environ


def test_without_a_mailbox_there_are_no_mails(tmp_path: Path, notes: Notes) -> None:
    settings = SETTINGS | {"NOTES": str(notes.path)}
    with LocalApp(APPS / "triggers", settings=settings, folder=tmp_path, azurite=False, mailbox=False) as local:
        assert local.mails == []
        assert local.environment["EMAIL_SMTP_PORT"] == "1025"
        assert local.connection_string == "UseDevelopmentStorage=true"


def test_a_failed_start_leaves_nothing_behind(tmp_path: Path, notes: Notes) -> None:
    """No thread, no process and no port, so the next start works."""
    settings = SETTINGS | {"NOTES": str(notes.path)}
    with LocalApp(APPS / "triggers", settings=settings, folder=tmp_path, azurite=False) as local:
        port = int(local.url.rsplit(":", 1)[1])
        with pytest.raises(PortTaken), LocalApp(APPS / "triggers", settings=settings, folder=tmp_path, port=port):
            pass
    with LocalApp(APPS / "triggers", settings=settings, folder=tmp_path, port=port, azurite=False) as local:
        assert requests.get(local.url, timeout=30).status_code == 200


def test_a_timeout_of_wait_shows_the_printed_lines(tmp_path: Path, notes: Notes) -> None:
    settings = SETTINGS | {"NOTES": str(notes.path), "WORK": "Not_A_Queue"}
    with LocalApp(APPS / "triggers", settings=settings, folder=tmp_path, azurite=False) as local:
        with pytest.raises(TimeoutError, match="not_a_queue"):
            local.wait(lambda: False, seconds=0.05)
        assert local.wait(lambda: "found") == "found"
