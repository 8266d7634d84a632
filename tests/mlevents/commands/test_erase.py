"""`mlevents erase`, on the record of an app in Azurite."""

import json
import stat
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from dispatch.inbox.storage_account import Storage
from dispatch.settings import Environment
from mlevents.__main__ import main
from schemas import RunStatusChanged
from tests.kit.world import rule
from tests.mlevents.commands.deployed import Deployed

NAME = "alice@example.com"
ABOUT = RunStatusChanged.example(id="e1", run_id="alices_run", run_tags={"owner": NAME, "text": "x" * 40_000})
OTHER = RunStatusChanged.example(id="e2", run_id="other_run", run_tags={})


@pytest.fixture
def record(deployed: Deployed) -> Deployed:
    """An event about her, and one about which she got a mail."""
    deployed.rules(rule("ring", "succeed mailed alice@example.com"))
    deployed.settings["MLEVENTS_EVENTS_QUEUE"] = f"e{deployed.unique}"
    deployed.save()
    deployed.receive(ABOUT, OTHER)
    deployed.work()
    return deployed


@pytest.fixture
def container(record: Deployed) -> Iterator[str]:
    """A container with a dead letter about her, and one about others."""
    name = f"dead-{uuid4().hex[:12]}"
    with Storage.of(Environment(record.settings)).container(name) as client:
        client.create_container()
        client.upload_blob("SUB/2026/11/22/8/a.json", json.dumps([ABOUT.wire()]))
        client.upload_blob("SUB/2026/11/22/8/b.json", json.dumps([OTHER.wire()]))
        yield name
        client.delete_container()


def test_what_is_kept_is_shown_and_nothing_changed(record: Deployed) -> None:
    code, out = record.run("erase", NAME.upper())
    assert code == 0
    assert "1 event, 1 event of others whose actions have it, 2 names in the index" not in out  # no sweep has run
    assert "1 event, 1 event of others whose actions have it" in out
    assert "nothing was changed: add --yes to erase it" in out
    assert json.loads(record.run("erase", NAME, "--json")[1])["found"]["events"] == 1
    assert json.loads(record.run("erase", "nobody@example.com", "--json")[1])["found"]["events"] == 0
    assert "nothing is kept" in record.run("erase", "nobody@example.com")[1]


def test_everything_is_exported(record: Deployed, tmp_path: Path) -> None:
    file = tmp_path / "alice.json"
    code, out = record.run("erase", NAME, "--export", str(file))
    assert (code, "which has personal data" in out) == (0, True)
    found = json.loads(file.read_text())
    payloads = [row["values"].get("raw") for event in found["events"] for row in event["rows"]]
    assert ABOUT.wire()["data"]["runTags"] in [payload["data"]["runTags"] for payload in payloads if payload]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with pytest.raises(AssertionError):  # the error is on stderr
        record.run("erase", NAME, "--export", str(tmp_path / "missing" / "x.json"))


def test_it_is_erased_and_reported(record: Deployed, container: str) -> None:
    account, name = Storage.of(Environment(record.settings)), record.settings["MLEVENTS_EVENTS_QUEUE"]
    with account.queue(name) as queue:
        queue.create_queue()
        queue.send_message(json.dumps(ABOUT.wire()))
        for _ in range(40):
            queue.send_message("{}")
    code, out = record.run("erase", NAME, "--yes", "--container", container)
    assert code == 1  # dead letters and the message are left
    assert "dead letter SUB/2026/11/22/8/a.json" in out
    assert "1 message of the queue" in out
    assert "9 messages of the queue" in out
    assert "erased: 1 event, 2 actions" in out
    assert "dead letters and messages are left" in out
    with account.queue(name) as queue:
        queue.clear_messages()
    code, out = record.run("erase", NAME, "--yes", "--dead-letters", "--container", container, "--json")
    found = json.loads(out)
    assert (code, found["found"]["deadLetters"], found["left"]["deadLetters"]) == (0, 1, 0)
    assert "nothing of it is left" in record.run("erase", NAME, "--yes", "--container", container)[1]
    with Storage.of(Environment(record.settings)).container(container) as client:
        assert list(client.list_blob_names()) == ["SUB/2026/11/22/8/b.json"]


def test_erased_event_is_shown_as_such(record: Deployed) -> None:
    record.run("erase", NAME, "--yes", "--container", "none-here")
    [event] = [each for each in record.app.inbox.history.events("2026-11-22") if each.record.erased]
    out = record.run("show", event.key)[1]
    assert "erased " in out
    assert NAME not in out
    assert "alices_run" not in out


def test_open_actions_are_refused(deployed: Deployed) -> None:
    deployed.rules(rule("ring", "wait 600"))
    deployed.receive(ABOUT)
    deployed.work()
    code, out = deployed.run("erase", NAME, "--yes", "--container", "none-here")
    assert code == 1
    assert "open: ring" in out
    assert "not erased: 2026-11-22 " in out
    assert "something is left" in out


def test_short_names_are_invalid(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["erase", "al"]) == 2
    assert "'al' is too short" in capsys.readouterr().err
