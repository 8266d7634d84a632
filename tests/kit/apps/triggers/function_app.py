"""Functions that write a note about their input, and then execute the command in it."""

import asyncio
import json
import logging
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

import azure.functions as func

app = func.FunctionApp()
meeting = threading.Barrier(2, timeout=10)


def note(function: str, **what: Any) -> None:
    """Write one line for the test to read."""
    with Path(os.environ["NOTES"]).open("a", encoding="utf-8") as notes:
        notes.write(json.dumps({"function": function, **what}, default=str) + "\n")


def execute(command: str) -> None:
    """Execute a test's command, like `sleep 60` or `die`."""
    word, _, rest = command.partition(" ")
    match word:
        case "fail":
            raise ValueError(rest)
        case "die":
            os.kill(os.getpid(), signal.SIGKILL)
        case "exit":
            os._exit(int(rest))
        case "sleep":
            time.sleep(float(rest))
        case "meet":
            meeting.wait()
        case "print":
            print(rest)
        case "log":
            logging.getLogger("app").warning(rest)
        case "mislog":
            logging.getLogger("app").warning("%d files", rest)
        case "record":
            logging.getLogger("mlevents").info("a named record", extra={"mlevents": json.loads(rest)})


@app.event_grid_trigger(arg_name="event")
def single(event: str) -> None:
    """One event."""
    note("single", event=event)
    execute(json.loads(event).get("data", {}).get("do", ""))


@app.event_grid_trigger(arg_name="event")
def decoded(event: func.EventGridEvent) -> None:
    """One event, decoded by azure.functions."""
    note("decoded", id=event.id, subject=event.subject, data=event.get_json())


@app.event_grid_trigger(arg_name="events", cardinality="many")
def many(events: str) -> None:
    """All events of a delivery."""
    note("many", events=events)


@app.event_grid_trigger(arg_name="event")
async def asynchronous(event: str) -> None:
    """One event, on the worker's event loop."""
    await asyncio.sleep(0)
    note("asynchronous", event=event)


@app.event_grid_trigger(arg_name="event")
def answers(event: str) -> str:
    """Returns a value, although there is no output binding."""
    return event


@app.event_grid_trigger(arg_name="event")
def where(event: str) -> None:
    """Notes its process, folder and environment."""
    note("where", cwd=Path.cwd(), path=sys.path, pid=os.getpid(), environment=dict(os.environ))


@app.queue_trigger(arg_name="message", queue_name="%WORK%", connection="AzureWebJobsStorage")
def work(message: func.QueueMessage) -> None:
    """One message."""
    note(
        "work",
        body=message.get_body().decode(),
        id=message.id,
        count=message.dequeue_count,
        receipt=message.pop_receipt,
        inserted=message.insertion_time,
        expires=message.expiration_time,
        visible=message.time_next_visible,
        thread=threading.get_ident(),
    )
    execute(message.get_body().decode())
    note("worked", body=message.get_body().decode())


@app.queue_trigger(arg_name="message", queue_name="%WORK%-poison", connection="AzureWebJobsStorage")
def work_poison(message: func.QueueMessage) -> None:
    """One message of the poison queue."""
    note("work_poison", body=message.get_body().decode(), count=message.dequeue_count)
    if not os.environ.get("POISON_IS_TAKEN"):
        raise ValueError("left in the poison queue")


@app.timer_trigger(arg_name="timer", schedule="%TICKS%", run_on_startup=True)
def tick(timer: func.TimerRequest) -> None:
    """Notes a call of the timer."""
    note("tick", past_due=timer.past_due)
