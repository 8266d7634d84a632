"""Queue triggers: the real host's rules, on real Azurite, with functions in a real worker process."""

import base64
import json
import os
import signal
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from azure.core.exceptions import ResourceNotFoundError
from azure.storage.queue import QueueClient, QueueServiceClient

from mlevents.local.azurite import Azurite
from mlevents.local.background import Background
from mlevents.local.queues import Pace
from tests.local.conftest import Notes, Run


class Queue:
    """A queue as storage has it: texts as they are on the wire."""

    def __init__(self, client: QueueClient) -> None:
        self.client = client

    def put(self, body: str | bytes) -> None:
        self.put_raw(base64.b64encode(body.encode() if isinstance(body, str) else body).decode())

    def put_raw(self, text: str) -> None:
        self.client.send_message(text)

    def size(self) -> int:
        """Of all messages, invisible ones too."""
        try:
            return self.client.get_queue_properties().approximate_message_count or 0
        except ResourceNotFoundError:
            return 0

    def visible(self) -> list[str]:
        try:
            return [message.content for message in self.client.peek_messages(32)]
        except ResourceNotFoundError:
            return []


@pytest.fixture
def queue(azurite: Azurite, queue_name: str) -> Iterator[Queue]:
    with QueueClient.from_connection_string(azurite.connection_string, queue_name) as client:
        client.create_queue()
        yield Queue(client)


@pytest.fixture
def poison(azurite: Azurite, queue_name: str) -> Iterator[Queue]:
    with QueueClient.from_connection_string(azurite.connection_string, f"{queue_name}-poison") as client:
        yield Queue(client)


NO_POISON_FUNCTION = {"AzureWebJobs.work_poison.Disabled": "1"}


def bodies(notes: Notes, function: str = "work") -> list[str]:
    return [note["body"] for note in notes(function)]


def test_a_message_is_handed_over_with_its_metadata_and_then_deleted(run: Run, queue: Queue, notes: Notes) -> None:
    local = run()
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


def test_a_message_that_never_expires_is_handed_over(run: Run, queue: Queue, notes: Notes) -> None:
    """The app puts its messages so; the year 9999 must not break anything on the way."""
    queue.client.send_message(base64.b64encode(b"for ever").decode(), time_to_live=-1)
    run().wait(lambda: bodies(notes, "worked") == ["for ever"])
    assert notes("work")[0]["expires"].startswith("9999-12-31")


def test_a_message_is_invisible_while_its_call_runs(run: Run, queue: Queue, notes: Notes) -> None:
    local = run()
    queue.put("sleep 1")
    local.wait(lambda: notes("work"))
    assert (queue.size(), queue.visible()) == (1, [])


def test_a_failed_message_comes_again_until_it_is_moved_to_the_poison_queue(
    run: Run, queue: Queue, poison: Queue, notes: Notes
) -> None:
    """maxDequeueCount calls, then a copy with the same text; the poison queue is made for it."""
    local = run(settings=NO_POISON_FUNCTION)
    queue.put("fail again")
    local.wait(lambda: poison.visible() and queue.size() == 0)
    assert [note["count"] for note in notes("work")] == [1, 2, 3]
    assert poison.visible() == [base64.b64encode(b"fail again").decode()]
    assert len({note["id"] for note in notes("work")}) == 1


def test_the_poison_queue_s_function_gets_the_message(run: Run, queue: Queue, poison: Queue, notes: Notes) -> None:
    local = run(settings={"POISON_IS_TAKEN": "1"})
    queue.put("fail again")
    local.wait(lambda: bodies(notes, "work_poison") == ["fail again"] and poison.size() == 0)
    assert notes("work_poison")[0]["count"] == 1


def test_a_poison_queue_has_no_poison_queue(
    run: Run, queue: Queue, poison: Queue, notes: Notes, azurite: Azurite
) -> None:
    """What fails there stays invisible: no second chance at once, no queue called -poison-poison."""
    local = run()
    queue.put("fail again")
    local.wait(lambda: notes("work_poison"))
    local.wait(lambda: any("work_poison failed" in line for line in local.lines))
    assert (poison.size(), poison.visible()) == (1, [])
    assert len(notes("work_poison")) == 1
    with QueueServiceClient.from_connection_string(azurite.connection_string) as service:
        assert not list(service.list_queues(f"{poison.client.queue_name}-poison"))


def test_visibility_timeout_is_how_long_a_failed_message_waits(run: Run, queue: Queue, notes: Notes) -> None:
    local = run(settings={"AzureFunctionsJobHost__extensions__queues__visibilityTimeout": "01:00:00"})
    queue.put("fail once")
    local.wait(lambda: any("work failed" in line for line in local.lines))
    local.wait(lambda: queue.visible() == [])
    queue.put("next")
    local.wait(lambda: "next" in bodies(notes, "worked"))
    assert bodies(notes) == ["fail once", "next"]
    local.wait(lambda: queue.size() == 1)


@pytest.mark.parametrize("text", ["plain text", "YWJj=", "YWJ", "YWJj!", "ä"])
def test_what_is_not_base64_goes_to_the_poison_queue_unread(
    run: Run, queue: Queue, poison: Queue, notes: Notes, text: str
) -> None:
    """As it is, at once, and no function runs: the trap that a Python client's default encoding is."""
    local = run(settings=NO_POISON_FUNCTION)
    queue.put_raw(text)
    local.wait(lambda: poison.visible() and queue.size() == 0)
    assert poison.visible() == [text]
    assert notes("work") == []
    assert any("is not Base64" in line for line in local.lines)


def test_what_is_not_base64_in_a_poison_queue_stays_there(run: Run, azurite: Azurite, poison: Queue) -> None:
    """Invisible, until its time is up: it has nowhere to go."""
    poison.client.create_queue()
    poison.put_raw("plain text")
    local = run()
    local.wait(lambda: any("is not Base64" in line for line in local.lines))
    assert (poison.size(), poison.visible()) == (1, [])


def test_white_space_in_base64_is_overlooked(run: Run, queue: Queue, notes: Notes) -> None:
    """As .NET does it."""
    queue.put_raw("YW\r\n Jj\t")
    run().wait(lambda: bodies(notes, "worked") == ["abc"])


def test_what_is_not_utf8_is_a_failed_call(run: Run, queue: Queue, poison: Queue, notes: Notes) -> None:
    """It cannot be bound, each time; its bytes arrive in the poison queue unchanged."""
    local = run(settings=NO_POISON_FUNCTION)
    queue.put(b"\xff\x00")
    local.wait(lambda: poison.visible() and queue.size() == 0)
    assert base64.b64decode(poison.visible()[0]) == b"\xff\x00"
    assert notes("work") == []
    assert sum("is not UTF-8" in line for line in local.lines) == 3


def test_without_encoding_a_message_is_its_text(run: Run, queue: Queue, poison: Queue, notes: Notes) -> None:
    none = {"AzureFunctionsJobHost__extensions__queues__messageEncoding": "none"}
    local = run(settings={**NO_POISON_FUNCTION, **none})
    queue.put_raw("fail plainly")
    local.wait(lambda: poison.visible() == ["fail plainly"])
    assert bodies(notes) == ["fail plainly"] * 3


def test_a_queue_that_does_not_exist_is_waited_for(run: Run, azurite: Azurite, queue_name: str, notes: Notes) -> None:
    """Quietly: the app makes its queue when it first needs it."""
    local = run()
    with QueueClient.from_connection_string(azurite.connection_string, queue_name) as client:
        client.create_queue()
        Queue(client).put("at last")
        local.wait(lambda: bodies(notes, "worked") == ["at last"])
    assert not any("problem" in line for line in local.lines)


def test_a_long_call_s_message_is_kept_invisible(run: Run, queue: Queue, notes: Notes) -> None:
    """Renewed at half time: in thrice the time that it was read for, nobody else gets it, and it ends deleted."""
    local = run(invisible=timedelta(seconds=1))
    queue.put("sleep 3")
    local.wait(lambda: notes("worked") and queue.size() == 0)
    assert len(notes("work")) == 1


def test_a_message_that_somebody_else_got_meanwhile_is_left_to_them(run: Run, queue: Queue, notes: Notes) -> None:
    """Deleted while its call ran: nothing to do, nothing to complain about."""
    local = run()
    queue.put("sleep 1")
    local.wait(lambda: notes("work"))
    queue.client.clear_messages()
    queue.put("next")
    local.wait(lambda: bodies(notes, "worked") == ["next", "sleep 1"] or bodies(notes, "worked") == ["sleep 1", "next"])
    local.wait(lambda: queue.size() == 0)
    assert not any("problem" in line for line in local.lines)


def test_a_message_whose_worker_died_is_released_at_once(run: Run, queue: Queue, poison: Queue, notes: Notes) -> None:
    """Not after ten minutes: the host fails the call, and the message comes again, until it is poison."""
    local = run(settings=NO_POISON_FUNCTION)
    queue.put("die")
    local.wait(lambda: poison.visible() and queue.size() == 0)
    assert [note["count"] for note in notes("work")] == [1, 2, 3]


def test_bystanders_of_a_killed_worker_are_run_again(run: Run, queue: Queue, notes: Notes) -> None:
    local = run()
    queue.put("sleep 1")
    local.wait(lambda: notes("work"))
    pid = local.worker_pid
    assert pid
    os.kill(pid, signal.SIGKILL)
    local.wait(lambda: bodies(notes, "worked") == ["sleep 1"] and queue.size() == 0)
    assert [note["count"] for note in notes("work")] == [1, 2]


def test_a_message_that_runs_into_function_timeout_counts_as_failed(
    run: Run, queue: Queue, poison: Queue, notes: Notes
) -> None:
    settings = {
        "AzureFunctionsJobHost__functionTimeout": "00:00:01",
        "AzureFunctionsJobHost__extensions__queues__maxDequeueCount": "1",
    }
    local = run(settings={**NO_POISON_FUNCTION, **settings})
    queue.put("sleep 30")
    local.wait(lambda: poison.visible() and queue.size() == 0)
    assert [note["count"] for note in notes("work")] == [1]


def test_messages_run_at_the_same_time(run: Run, queue: Queue, notes: Notes) -> None:
    """Each waits for the other."""
    queue.put("meet")
    queue.put("meet")
    run().wait(lambda: len(notes("worked")) == 2)


def test_batch_size_and_threshold_limit_how_many_run(run: Run, queue: Queue, notes: Notes) -> None:
    """One at a time, if that is what host.json says: two that wait for each other never meet."""
    queues = "AzureFunctionsJobHost__extensions__queues__"
    settings = {
        f"{queues}batchSize": "1",
        f"{queues}newBatchThreshold": "0",
        f"{queues}visibilityTimeout": "01:00:00",
        "AzureFunctionsJobHost__functionTimeout": "00:00:01",
    }
    queue.put("meet")
    queue.put("meet")
    local = run(settings=settings)
    local.wait(lambda: sum("work failed" in line for line in local.lines) == 2)
    assert notes("worked") == []


def test_many_messages_are_all_handled_once(run: Run, queue: Queue, notes: Notes) -> None:
    for number in range(40):
        queue.put(str(number))
    run().wait(lambda: queue.size() == 0 and len(notes("worked")) == 40)
    assert sorted(bodies(notes), key=int) == [str(number) for number in range(40)]


def test_stopping_releases_what_could_not_end(run: Run, queue: Queue, notes: Notes) -> None:
    """The next start finds the message, rather than ten minutes later."""
    local = run()
    queue.put("sleep 60")
    local.wait(lambda: notes("work"))
    local.__exit__(None, None, None)
    assert queue.visible() == [base64.b64encode(b"sleep 60").decode()]
    local.__enter__()  # for the fixture to stop
    queue.client.clear_messages()


def test_stopping_lets_a_call_end_within_the_grace(run: Run, queue: Queue, notes: Notes) -> None:
    local = run(grace=20)
    queue.put("sleep 1")
    local.wait(lambda: notes("work"))
    local.__exit__(None, None, None)
    assert (bodies(notes, "worked"), queue.size()) == (["sleep 1"], 0)
    local.__enter__()


def test_storage_that_goes_away_and_comes_back_is_told(run: Run, notes: Notes) -> None:
    """A message that could not be deleted is storage's to bring again; reading goes on when storage is back."""
    with Background() as background:
        first = background.run(Azurite.start())
        port = int(first.queue_url.split(":")[2].split("/")[0])
        local = run(settings={"AzureWebJobsStorage": first.connection_string})
        with QueueClient.from_connection_string(first.connection_string, local.environment["WORK"]) as client:
            client.create_queue()
            Queue(client).put("sleep 1")
            local.wait(lambda: notes("work"))
            first._process.kill()
            local.wait(lambda: any("could not be deleted or released" in line for line in local.lines))
            background.run(first.stop())
            second = background.run(Azurite.start(ports=(0, port, 0)))
            local.wait(lambda: any("can be read again" in line for line in local.lines))
            client.create_queue()
            Queue(client).put("next")
            local.wait(lambda: "next" in bodies(notes, "worked"))
        background.run(second.stop())


def test_storage_that_cannot_be_reached_is_told_once(run: Run) -> None:
    """And the host goes on trying."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        port = nobody.getsockname()[1]
        text = f"UseDevelopmentStorage=false;AccountName=a;AccountKey=YQ==;QueueEndpoint=http://127.0.0.1:{port}/a;"
        local = run(settings={"AzureWebJobsStorage": text, **NO_POISON_FUNCTION}, azurite=False)
        local.wait(lambda: any("cannot be read" in line for line in local.lines))
        local.invoke("work", "by hand")
    assert sum("cannot be read" in line for line in local.lines) == 1


def test_an_app_without_a_storage_setting_still_takes_events(run: Run, notes: Notes) -> None:
    """Its queue functions are named, with the setting that is missing."""
    local = run(settings={"AzureWebJobsStorage": ""})
    assert any("work is not triggered: the app has no storage" in line for line in local.lines)
    local.invoke("seen", json.dumps({"id": "1"}))
    assert notes("seen")


def test_polling_slows_down_to_the_longest_pause_and_starts_anew() -> None:
    pace = Pace(5.0)
    pauses = [pace.next() for _ in range(12)]
    assert pauses[0] == 0.1
    assert pauses[-1] == 5.0
    assert all(later >= earlier * 0.9 for earlier, later in pairwise(pauses))
    pace.reset()
    assert pace.next() == 0.1
