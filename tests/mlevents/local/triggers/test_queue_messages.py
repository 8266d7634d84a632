"""The messages of a queue trigger, on real Azurite, with one running app for all tests of this file."""

import base64
import contextlib
import os
import signal
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from azure.core.exceptions import ResourceNotFoundError

from mlevents.local.app import LocalApp
from mlevents.local.azurite import Azurite
from tests.mlevents.conftest import APPS, Notes, Queue, settings_of

WORK = f"messages-{uuid4().hex[:12]}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("messages")


@pytest.fixture(scope="module")
def app(azurite: Azurite, folder: Path) -> Iterator[LocalApp]:
    """Its function for the poison queue is disabled, so that messages stay there for the tests."""
    settings = settings_of(azurite, Notes(folder / "notes.jsonl"), WORK) | {"AzureWebJobs.work_poison.Disabled": "1"}
    with LocalApp(APPS / "triggers", settings=settings, folder=folder, grace=0.5) as local:
        yield local


@pytest.fixture
def queue_name() -> str:
    return WORK


@pytest.fixture
def notes(folder: Path) -> Notes:
    return Notes(folder / "notes.jsonl")


@pytest.fixture
def local(app: LocalApp, queue: Queue, poison: Queue, notes: Notes) -> LocalApp:
    """The app, without the messages and notes of the last test."""
    queue.client.clear_messages()
    with contextlib.suppress(ResourceNotFoundError):
        poison.client.delete_queue()
    notes.clear()
    app.console.lines.clear()
    return app


def test_a_message_is_passed_on_with_its_metadata_and_then_deleted(local: LocalApp, queue: Queue, notes: Notes) -> None:
    queue.put('{"a": "ä"}')
    local.wait(lambda: notes("worked") and queue.size() == 0)
    (note,) = notes("work")
    assert (note["body"], note["count"]) == ('{"a": "ä"}', 1)
    assert note["id"]
    assert note["receipt"]
    inserted, expires, visible = (datetime.fromisoformat(note[name]) for name in ("inserted", "expires", "visible"))
    assert abs(datetime.now(UTC) - inserted) < timedelta(minutes=1)
    assert expires - inserted == timedelta(days=7)
    assert timedelta(minutes=9) < visible - inserted < timedelta(minutes=11)


def test_a_message_that_never_expires_is_passed_on(local: LocalApp, queue: Queue, notes: Notes) -> None:
    """The app sends such messages; their expiry is in the year 9999."""
    queue.client.send_message(base64.b64encode(b"without end").decode(), time_to_live=-1)
    local.wait(lambda: notes.bodies("worked") == ["without end"])
    assert notes("work")[0]["expires"].startswith("9999-12-31")


def test_a_message_is_invisible_while_its_call_runs(local: LocalApp, queue: Queue, notes: Notes) -> None:
    queue.put("sleep 1")
    local.wait(lambda: notes("work"))
    assert (queue.size(), queue.visible()) == (1, [])
    local.wait(lambda: queue.size() == 0)


def test_a_failed_message_is_repeated_until_it_is_moved_to_the_poison_queue(
    local: LocalApp, queue: Queue, poison: Queue, notes: Notes
) -> None:
    """After maxDequeueCount calls, it is copied there; the poison queue is created."""
    queue.put("fail again")
    local.wait(lambda: poison.visible() and queue.size() == 0)
    assert [note["count"] for note in notes("work")] == [1, 2, 3]
    assert poison.visible() == [base64.b64encode(b"fail again").decode()]
    assert len({note["id"] for note in notes("work")}) == 1


@pytest.mark.parametrize("text", ["plain text", "YWJj=", "YWJ", "YWJj!", "ä"])
def test_a_message_that_is_not_base64_is_moved_to_the_poison_queue_unread(
    local: LocalApp, queue: Queue, poison: Queue, notes: Notes, text: str
) -> None:
    """Unchanged and at once: a Python client sends such messages by default."""
    queue.put_raw(text)
    local.wait(lambda: poison.visible() and queue.size() == 0)
    assert poison.visible() == [text]
    assert notes("work") == []
    assert any("is not Base64" in line for line in local.lines)


def test_white_space_in_base64_is_ignored(local: LocalApp, queue: Queue, notes: Notes) -> None:
    """As in .NET."""
    queue.put_raw("YW\r\n Jj\t")
    local.wait(lambda: notes.bodies("worked") == ["abc"])


def test_a_message_that_is_not_utf8_is_a_failed_call(
    local: LocalApp, queue: Queue, poison: Queue, notes: Notes
) -> None:
    """Each time; its bytes arrive in the poison queue unchanged."""
    queue.put(b"\xff\x00")
    local.wait(lambda: poison.visible() and queue.size() == 0)
    assert base64.b64decode(poison.visible()[0]) == b"\xff\x00"
    assert notes("work") == []
    assert sum("is not UTF-8" in line for line in local.lines) == 3


def test_a_message_that_was_deleted_during_its_call_is_no_error(local: LocalApp, queue: Queue, notes: Notes) -> None:
    """Another reader had it after its time was over."""
    queue.put("sleep 1")
    local.wait(lambda: notes("work"))
    queue.client.clear_messages()
    queue.put("next")
    local.wait(lambda: sorted(notes.bodies("worked")) == ["next", "sleep 1"])
    local.wait(lambda: queue.size() == 0)
    assert not any("problem" in line for line in local.lines)


def test_the_message_of_a_dead_worker_is_released_at_once(
    local: LocalApp, queue: Queue, poison: Queue, notes: Notes
) -> None:
    """Not after ten minutes: the host fails the call, and repeats the message until it is poison."""
    queue.put("die")
    local.wait(lambda: poison.visible() and queue.size() == 0)
    assert [note["count"] for note in notes("work")] == [1, 2, 3]


def test_all_messages_of_a_killed_worker_are_repeated(local: LocalApp, queue: Queue, notes: Notes) -> None:
    queue.put("sleep 1")
    local.wait(lambda: notes("work"))
    pid = local.worker_pid
    assert pid
    os.kill(pid, signal.SIGKILL)
    local.wait(lambda: notes.bodies("worked") == ["sleep 1"] and queue.size() == 0)
    assert [note["count"] for note in notes("work")] == [1, 2]


def test_messages_run_concurrently(local: LocalApp, queue: Queue, notes: Notes) -> None:
    """Each waits for the other."""
    queue.put("meet")
    queue.put("meet")
    local.wait(lambda: len(notes("worked")) == 2)


def test_many_messages_are_all_handled_once(local: LocalApp, queue: Queue, notes: Notes) -> None:
    for number in range(40):
        queue.put(str(number))
    local.wait(lambda: queue.size() == 0 and len(notes("worked")) == 40)
    assert sorted(notes.bodies(), key=int) == [str(number) for number in range(40)]
