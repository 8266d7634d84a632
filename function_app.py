"""Every Azure Function of the app. What they do is in dispatch/; what can be done about an event is in handlers/.

Triggers take the event as text: `func.EventGridEvent` loses fields, becomes another class for CloudEvents, and raises
on legal times before this code runs.
"""

import logging
import os

import azure.functions as func

from dispatch.act import act as carry_out
from dispatch.act import rearm
from dispatch.app import LazyApp
from dispatch.receive import receive, receive_later
from dispatch.settings import CONNECTION, Environment, Names
from dispatch.sweep import sweep as take_up
from schemas import DatasetDriftDetected, ModelDeployed, ModelRegistered, RunCompleted, RunStatusChanged

# Each call to storage would be two records of the SDK's; what the app does is said by the app.
logging.getLogger("azure.core.pipeline.policies.http_logging_policy").setLevel(logging.WARNING)

app = func.FunctionApp()
names = Names.of(Environment(os.environ))
the_app = LazyApp()


def text_of(message: func.QueueMessage) -> str:
    """A queue message's text; what is not UTF-8 in it is replaced, and refused further on, where it is recorded."""
    return message.get_body().decode(errors="replace")


@app.event_grid_trigger(arg_name="event")
def azureml_event(event: str) -> None:
    """Any of the five event types: one function and one event subscription per workspace is the normal set-up."""
    receive(event, the_app())


@app.event_grid_trigger(arg_name="event")
def run_completed(event: str) -> None:
    """RunCompleted, for those who want to subscribe, scale, disable and watch a type on its own."""
    receive(event, the_app(), RunCompleted)


@app.event_grid_trigger(arg_name="event")
def run_status_changed(event: str) -> None:
    """RunStatusChanged, on its own."""
    receive(event, the_app(), RunStatusChanged)


@app.event_grid_trigger(arg_name="event")
def model_registered(event: str) -> None:
    """ModelRegistered, on its own."""
    receive(event, the_app(), ModelRegistered)


@app.event_grid_trigger(arg_name="event")
def model_deployed(event: str) -> None:
    """ModelDeployed, on its own."""
    receive(event, the_app(), ModelDeployed)


@app.event_grid_trigger(arg_name="event")
def dataset_drift_detected(event: str) -> None:
    """DatasetDriftDetected, on its own."""
    receive(event, the_app(), DatasetDriftDetected)


@app.queue_trigger(arg_name="message", queue_name=names.events, connection=CONNECTION)
def queued_event(message: func.QueueMessage) -> None:
    """Any event, from a storage queue: for private networks, which Event Grid's push cannot reach."""
    receive(text_of(message), the_app())


@app.queue_trigger(arg_name="message", queue_name=f"{names.events}-poison", connection=CONNECTION)
def queued_event_poison(message: func.QueueMessage) -> None:
    """Events that could not be written down in ten tries, because the table was out of reach: again, until they are."""
    receive_later(text_of(message), the_app())


@app.timer_trigger(arg_name="timer", schedule="0 */5 * * * *")
def sweep(timer: func.TimerRequest) -> None:
    """Take up what was left lying, every five minutes."""
    take_up(the_app())


@app.queue_trigger(arg_name="message", queue_name=names.actions, connection=CONNECTION)
def act(message: func.QueueMessage) -> None:
    """Carry out one action."""
    carry_out(text_of(message), the_app())


@app.queue_trigger(arg_name="message", queue_name=f"{names.actions}-poison", connection=CONNECTION)
def act_poison(message: func.QueueMessage) -> None:
    """Give an action that has not ended a new message in place of one that the host gave up."""
    rearm(text_of(message), the_app())
