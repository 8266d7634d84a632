"""Functions that write down what they are given, and then do what it says."""

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
    """One line for the test to read."""
    with Path(os.environ["NOTES"]).open("a", encoding="utf-8") as notes:
        notes.write(json.dumps({"function": function, **what}, default=str) + "\n")


def obey(order: str) -> None:
    """What a test wants to see done."""
    word, _, rest = order.partition(" ")
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
        case "tell":
            logging.getLogger("mlevents").info("told", extra={"mlevents": json.loads(rest)})


@app.event_grid_trigger(arg_name="event")
def seen(event: str) -> None:
    """One event."""
    note("seen", event=event)
    obey(json.loads(event).get("data", {}).get("do", ""))


@app.event_grid_trigger(arg_name="event")
def decoded(event: func.EventGridEvent) -> None:
    """One event, decoded by Microsoft's library."""
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
    """Returns a value, which nobody takes."""
    return event


@app.event_grid_trigger(arg_name="event")
def where(event: str) -> None:
    """Where it runs."""
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
    obey(message.get_body().decode())
    note("worked", body=message.get_body().decode())


@app.queue_trigger(arg_name="message", queue_name="%WORK%-poison", connection="AzureWebJobsStorage")
def work_poison(message: func.QueueMessage) -> None:
    """One message that was given up."""
    note("work_poison", body=message.get_body().decode(), count=message.dequeue_count)
    if not os.environ.get("POISON_IS_TAKEN"):
        raise ValueError("left where it is")


@app.timer_trigger(arg_name="timer", schedule="%TICKS%", run_on_startup=True)
def tick(timer: func.TimerRequest) -> None:
    """Time has come."""
    note("tick", past_due=timer.past_due)
