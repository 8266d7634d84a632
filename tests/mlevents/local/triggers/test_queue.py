"""Queue triggers on real Azurite, with functions in a real worker process; they follow the real host."""

import base64
import json
import shutil
import socket
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

from azure.storage.queue import QueueClient, QueueServiceClient

from emulator.background import Background
from mlevents.local.app import LocalApp
from mlevents.local.azurite import Azurite
from mlevents.local.triggers.queue import Pace
from tests.mlevents.conftest import APPS, Notes, Queue, Run, settings_of
from tests.mlevents.local.test_azurite import entra

NO_POISON_FUNCTION = {"AzureWebJobs.work_poison.Disabled": "1"}


def test_the_function_of_the_poison_queue_gets_the_message(run: Run, queue: Queue, poison: Queue, notes: Notes) -> None:
    local = run(settings={"POISON_IS_TAKEN": "1"})
    queue.put("fail again")
    local.wait(lambda: notes.bodies("work_poison") == ["fail again"] and poison.size() == 0)
    assert notes("work_poison")[0]["count"] == 1


def test_a_poison_queue_has_no_poison_queue(
    run: Run, queue: Queue, poison: Queue, notes: Notes, azurite: Azurite
) -> None:
    """A message that fails there stays invisible, and no queue called -poison-poison is created."""
    local = run()
    queue.put("fail again")
    local.wait(lambda: notes("work_poison"))
    local.wait(lambda: any("work_poison failed" in line for line in local.lines))
    assert (poison.size(), poison.visible()) == (1, [])
    assert len(notes("work_poison")) == 1
    with QueueServiceClient.from_connection_string(azurite.connection_string) as service:
        assert not list(service.list_queues(f"{poison.client.queue_name}-poison"))


def test_a_failed_message_waits_for_the_visibility_timeout(run: Run, queue: Queue, notes: Notes) -> None:
    local = run(settings={"AzureFunctionsJobHost__extensions__queues__visibilityTimeout": "01:00:00"})
    queue.put("fail once")
    local.wait(lambda: any("work failed" in line for line in local.lines))
    local.wait(lambda: queue.visible() == [])
    queue.put("next")
    local.wait(lambda: "next" in notes.bodies("worked"))
    assert notes.bodies() == ["fail once", "next"]
    local.wait(lambda: queue.size() == 1)


def test_a_message_that_is_not_base64_stays_in_a_poison_queue(run: Run, azurite: Azurite, poison: Queue) -> None:
    """Invisible, until its time is over."""
    poison.client.create_queue()
    poison.put_raw("plain text")
    local = run()
    local.wait(lambda: any("is not Base64" in line for line in local.lines))
    assert (poison.size(), poison.visible()) == (1, [])


def test_without_an_encoding_a_message_is_passed_on_as_text(
    run: Run, queue: Queue, poison: Queue, notes: Notes
) -> None:
    none = {"AzureFunctionsJobHost__extensions__queues__messageEncoding": "none"}
    local = run(settings={**NO_POISON_FUNCTION, **none})
    queue.put_raw("fail plainly")
    local.wait(lambda: poison.visible() == ["fail plainly"])
    assert notes.bodies() == ["fail plainly"] * 3


def test_the_trigger_waits_for_a_queue_that_does_not_exist(
    run: Run, azurite: Azurite, queue_name: str, notes: Notes
) -> None:
    """Without an error: the app creates its queue when it first needs it."""
    local = run()
    with QueueClient.from_connection_string(azurite.connection_string, queue_name) as client:
        client.create_queue()
        Queue(client).put("at last")
        local.wait(lambda: notes.bodies("worked") == ["at last"])
    assert not any("problem" in line for line in local.lines)


def test_a_long_call_s_message_is_kept_invisible(run: Run, queue: Queue, notes: Notes) -> None:
    """It is renewed: although the call takes longer than the visibility timeout, no other reader gets the message."""
    local = run(invisible=timedelta(seconds=3))
    queue.put("sleep 5")
    local.wait(lambda: notes("worked") and queue.size() == 0)
    assert len(notes("work")) == 1


def test_a_deleted_message_is_not_renewed(run: Run, queue: Queue, notes: Notes) -> None:
    """Its call continues, and no error is printed."""
    local = run(invisible=timedelta(seconds=1))
    queue.put("sleep 2")
    local.wait(lambda: notes("work"))
    queue.client.clear_messages()
    local.wait(lambda: notes("worked"))
    assert not any("problem" in line for line in local.lines)


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


def test_batch_size_and_threshold_limit_concurrent_calls(run: Run, queue: Queue, notes: Notes) -> None:
    """With one at a time, two calls that wait for each other time out."""
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


def test_stopping_releases_the_messages_of_interrupted_calls(azurite: Azurite, queue: Queue, notes: Notes) -> None:
    """The next start finds the message at once, and not after ten minutes."""
    settings = settings_of(azurite, notes, queue.client.queue_name)
    with LocalApp(APPS / "triggers", settings=settings, folder=notes.path.parent, grace=0.5) as local:
        queue.put("sleep 60")
        local.wait(lambda: notes("work"))
    assert queue.visible() == [base64.b64encode(b"sleep 60").decode()]


def test_stopping_lets_a_call_end_within_its_grace_time(azurite: Azurite, queue: Queue, notes: Notes) -> None:
    settings = settings_of(azurite, notes, queue.client.queue_name)
    with LocalApp(APPS / "triggers", settings=settings, folder=notes.path.parent, grace=20) as local:
        queue.put("sleep 1")
        local.wait(lambda: notes("work"))
    assert (notes.bodies("worked"), queue.size()) == (["sleep 1"], 0)


def test_an_outage_of_storage_is_reported(run: Run, notes: Notes) -> None:
    """Reading continues when storage is available again, which then redelivers a message that was not deleted."""
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
            local.wait(lambda: "next" in notes.bodies("worked"))
        background.run(second.stop())


def test_unreachable_storage_is_reported_once(run: Run) -> None:
    """The host continues to poll."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        text = f"UseDevelopmentStorage=false;AccountName=a;AccountKey=YQ==;QueueEndpoint=http://127.0.0.1:{port}/a;"
        local = run(settings={"AzureWebJobsStorage": text, **NO_POISON_FUNCTION}, azurite=False)
        local.wait(lambda: any("cannot be read" in line for line in local.lines))
        local.invoke("work", "directly")
    assert sum("cannot be read" in line for line in local.lines) == 1


def test_a_trigger_survives_an_unexpected_error_of_the_sdk(
    run: Run, notes: Notes, queue_name: str, tmp_path: Path
) -> None:
    """The file of trusted certificates is missing, and then exists."""
    certificate, authority, _ = entra(tmp_path)
    trusted = tmp_path / "trusted.pem"
    with Background() as background:
        azurite = background.run(Azurite.start(certificate=certificate))
        storage = azurite.connection_string
        local = run(settings={"AzureWebJobsStorage": storage, "REQUESTS_CA_BUNDLE": str(trusted), **NO_POISON_FUNCTION})
        local.wait(lambda: any("cannot be read" in line and "No such file" in line for line in local.lines))
        shutil.copy(authority, trusted)
        with QueueClient.from_connection_string(storage, queue_name, connection_verify=str(trusted)) as client:
            client.create_queue()
            Queue(client).put("still read")
            local.wait(lambda: notes.bodies("worked") == ["still read"])
        background.run(azurite.stop())


def test_an_app_without_a_storage_setting_receives_events(run: Run, notes: Notes) -> None:
    """Its queue functions are reported, with the missing setting."""
    local = run(settings={"AzureWebJobsStorage": ""})
    assert any("work is not triggered: the app has no storage" in line for line in local.lines)
    local.invoke("single", json.dumps({"id": "1"}))
    assert notes("single")


def test_pauses_between_polls_grow_until_a_message_comes() -> None:
    pace = Pace(5.0)
    pauses = [pace.next() for _ in range(12)]
    assert pauses[0] == 0.1
    assert pauses[-1] == 5.0
    assert all(later >= earlier * 0.9 for earlier, later in pairwise(pauses))
    pace.reset()
    assert pace.next() == 0.1
